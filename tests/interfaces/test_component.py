"""What every component is."""

import pytest
import torch

from priorkit.errors import PluginError
from priorkit.interfaces import LinearOperator, Mirror, Penalty
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


class Hidden(LinearOperator):
    """One whose author keeps the matrix by the name of a method."""

    def __init__(self) -> None:
        self.A = torch.eye(4)

    def A(self, x):
        return x @ self.A.T

    def A_adjoint(self, y):
        return y @ self.A


class Counted(Penalty):
    """R(u) = 0, with a number by the name of a method of its own."""

    def __init__(self) -> None:
        self.size = 3

    def size(self):
        return 4

    def value_grad(self, u):
        return u.new_zeros(len(u)), 0 * u


def test_nor_of_a_method():
    """A(x) would be a call of a tensor, far from where the name was given."""
    said = r"'A' is a method of Hidden, which self\.A = … would hide\. Try: another name .*own_A"
    with pytest.raises(AttributeError, match=said):
        Hidden()
    with pytest.raises(PluginError, match=rf"The operator 'mine' failed.*{said}"):
        Selection("operator", "mine", Hidden).build(0)
    with pytest.raises(AttributeError, match=r"'size' is a method of Counted.*own_size"):
        Counted()
    with pytest.raises(AttributeError, match=r"'bind' is a method of Operator"):
        Mirror().bind = 3


def test_what_can_be_called_may_stand_in_for_a_method():
    counted = []
    mirror = Mirror().bind((1, 2, 3))
    mirror.A = lambda x: counted.append(len(x)) or x
    mirror.A(torch.zeros(2, 1, 2, 3))
    assert counted == [2]
