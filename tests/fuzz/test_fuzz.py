"""1,000 hostile cases, the same every time; ``make fuzz`` tries 100,000 others."""

import pytest

from tests.fuzz.run import Tally, fuzz, shares
from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_an_error_of_our_own_or_a_right_answer(name, caplog):
    caplog.set_level("CRITICAL", logger="priorkit")
    cases, tally = shares(1000)[name], Tally()
    fuzz(name, cases, 20261125, tally)
    assert tally.right + tally.refused >= cases
    assert tally.right, "no case was sound: the harness tests nothing"
