"""Penalties beyond their contract."""

import numpy as np
import pytest
import torch
from priorkit_penalties.variation import TotalVariation

import priorkit
from priorkit.errors import BadInputError
from priorkit.interfaces import Prior
from priorkit.testing import check_penalty

EPSILON = 0.1


def variation(x: np.ndarray, axes: tuple[int, ...]) -> float:
    """Σ √(|∂x|² + ε²) − ε by numpy, with ∂ along ``axes`` and 0 past the end."""
    steps = [np.diff(x, axis=axis, append=np.take(x, [-1], axis)) for axis in axes]
    return float((np.sqrt(sum(d**2 for d in steps) + EPSILON**2) - EPSILON).sum())


@pytest.mark.parametrize(
    ("shape", "depth", "axes"),
    [
        ((2, 9), None, (1,)),
        ((3, 5, 6), None, (1, 2)),
        ((2, 4, 5, 6), None, (1, 2, 3)),  # a volume as (C, D, H, W)
        ((4, 5, 6), True, (0, 1, 2)),  # and as its slices
        ((4, 5, 6), False, (1, 2)),
    ],
)
def test_variation_goes_along_every_axis_that_has_neighbours(shape, depth, axes):
    x = np.random.default_rng(0).random((2, *shape))
    penalty = TotalVariation(epsilon=EPSILON, depth=depth).bind(Prior(), shape)
    value, _ = penalty.value_grad(torch.from_numpy(x))
    assert value.tolist() == pytest.approx([variation(one, axes) for one in x])
    check_penalty(TotalVariation(depth=depth), shape=shape)


def test_slices_and_bands_are_told_apart(caplog):
    for shape, depth in (((3, 4, 4), None), ((4, 4, 4), False), ((4, 4, 4), True)):
        TotalVariation(depth=depth).bind(Prior(), shape)
    assert not caplog.messages
    priorkit.recover(
        np.random.default_rng(0).random((5, 8, 8), np.float32),
        prior="none", op="identity", sigma=0.1, penalty="tv", gamma=0.1, budget=2,
    )  # fmt: skip
    assert [said for said in caplog.messages if "tv" in said] == [
        "tv takes each of 5 channels by itself. Try: depth=True where they are the slices of a "
        "volume, depth=False where they aren't"
    ]
    with pytest.raises(BadInputError, match=r"depth=True is for a volume .*Got shape \(2, 9\)"):
        TotalVariation(depth=True).bind(Prior(), (2, 9))
