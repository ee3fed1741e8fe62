"""What a user reads of a component: its docstring, and its options."""

from typing import Annotated

import pytest
from pydantic import Field

from priorkit.interfaces import Start
from priorkit.registry import COMPONENTS
from priorkit.settings.select import classes
from priorkit.testing import check_options, outcomes


class Here(Start):
    """A start whose options are what each case makes of them."""

    def make(self, problem):
        return problem.y


class Untyped(Here):
    """Of no type."""

    def __init__(self, *, width=2):
        self.width = width


class Taken(Here):
    """Of a setting's name."""

    def __init__(self, *, budget: int = 2):
        self.own = budget


class Unnamed(Here):
    """By its place."""

    def __init__(self, width: float = 2.0, /):
        self.width = width


class Loose(Here):
    """Whatever comes."""

    def __init__(self, *widths: float):
        self.widths = widths


class Below(Here):
    """Of a default that isn't allowed."""

    def __init__(self, *, width: Annotated[float, Field(gt=0)] = -1.0):
        self.width = width


class Unsaid(Here):
    def __init__(self, *, width: float):
        self.width = width


class Fine(Here):
    """One that is required, one that may be None, and one that is by its place too."""

    def __init__(self, rate: float = 1.0, *, width: float, depth: int | None = None, seed: int = 0):
        self.rate, self.width, self.depth, self.seed = rate, width, depth, seed


@pytest.mark.parametrize(
    ("cls", "message"),
    [
        (Untyped, "width has no type"),
        (Taken, "budget is a setting of the run: the start gets it from a table alone"),
        (Unnamed, "width: float = 2.0 can't be said by its name"),
        (Loose, r"\*widths: float can't be said by its name"),
        (Below, "width is -1.0 where nobody says"),
        (Unsaid, "Unsaid has no docstring"),
    ],
)
def test_what_a_user_can_not_read_or_say_is_found(cls, message):
    with pytest.raises(AssertionError, match=message):
        check_options(cls)
    assert [o for o in outcomes(lambda: check_options(cls)) if o.broken and o.hint]


def test_what_can_be_said_passes():
    check_options(Here)
    check_options(Fine)


@pytest.mark.parametrize("kind", COMPONENTS)
def test_shipped_components_pass(kind):
    for entry, cls in classes(kind):
        if entry.target.startswith("priorkit_"):
            check_options(cls)
