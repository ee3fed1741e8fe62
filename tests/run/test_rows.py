"""Which of several tries is kept."""

import math

import pytest
import torch

from priorkit.run.rows import Row, Trace, best


def tried(value, restart):
    u = torch.full((4,), float(restart))
    ended = {"status": "stopped", "reason": "budget", "evaluations": 3, "outside": 0}
    numbers = {"value": value, "misfit": 0.0, "noise_misfit": 0.0, "expected": math.nan}
    return Row(u=u, x=u.view(1, 2, 2), draws=None, trace=Trace(0, restart), **ended, **numbers)


@pytest.mark.parametrize(
    "values", [(math.nan, 2.0, 1.0), (2.0, math.nan, 1.0), (math.inf, 3.0, 1.0)]
)
def test_the_lowest_is_kept_whatever_is_no_number(values):
    found = best([tried(value, k) for k, value in enumerate(values)])
    assert (found.value, found.trace.restart, found.evaluations) == (1.0, 2, 9)
