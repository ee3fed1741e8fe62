"""What every component is."""

import pytest

from priorkit.errors import PluginError
from priorkit.interfaces import LinearOperator
from priorkit.settings.select import Selection


class Amplified(LinearOperator):
    """One whose author calls an option as the interface calls a property."""

    def __init__(self, *, gain: float = 2.0) -> None:
        self.gain = gain

    def A(self, x):
        return self.gain * x

    def A_adjoint(self, y):
        return self.gain * y


def test_an_attribute_has_no_name_of_the_interface():
    """Python says that a property has no setter, and not whose it is or what to do."""
    said = r"'gain' is a property of LinearOperator.* Try: another name for the attribute"
    with pytest.raises(AttributeError, match=said):
        Amplified()
    with pytest.raises(PluginError, match=rf"The operator 'mine' failed.*{said}"):
        Selection("operator", "mine", Amplified).build(0)
    with pytest.raises(AttributeError, match="nothing"):
        _ = Amplified.__new__(Amplified).nothing
