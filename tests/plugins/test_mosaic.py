"""One colour a pixel: what is seen, raw pictures, and colours that come back."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from priorkit_operators.mosaic import Mosaic
from priorkit_operators.pointwise import Mask
from scipy.ndimage import convolve

import priorkit
from priorkit.errors import BadInputError
from priorkit.io.pictures import astronaut, load
from priorkit.metrics import psnr


@pytest.mark.parametrize("pattern", ["rggb", "bggr", "grbg", "gbrg"])
def test_each_pixel_sees_the_colour_of_its_place(pattern):
    x = torch.rand(1, 3, 5, 6)
    y = Mosaic(pattern=pattern).bind((3, 5, 6)).A(x)
    for row in range(5):
        for column in range(6):
            colour = "rgb".index(pattern[2 * (row % 2) + column % 2])
            seen = torch.zeros(3)
            seen[colour] = x[0, colour, row, column]
            assert torch.equal(y[0, :, row, column], seen)


def bilinear(y: np.ndarray) -> np.ndarray:
    """Each colour interpolated between its pixels: the plain answer, by scipy alone."""
    cross = np.array([[0, 1, 0], [1, 4, 1], [0, 1, 0]]) / 4
    whole = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]]) / 4
    kernels = (whole, cross, whole)
    return np.stack([convolve(c, k, mode="mirror") for c, k in zip(y, kernels, strict=True)])


@pytest.mark.slow  # tests/test_instruments.py has a noisy one
def test_a_raw_picture_is_recovered_better_than_by_interpolation():
    x = load(astronaut(), (3, 64, 64)).x
    bayer = Mosaic().bind((3, 64, 64)).A(x)
    raw = bayer.sum(1)[0].numpy()  # (H, W), as a camera writes it
    found = priorkit.recover(y=raw, op="mosaic", prior="denoiser-photos", sigma=0.0)
    plain = torch.from_numpy(bilinear(bayer[0].numpy()))[None]
    assert tuple(found.x.shape) == (1, 3, 64, 64)
    assert float(psnr(found.x.clamp(0, 1), x)) > float(psnr(plain, x)) + 2


def test_whole_numbers_of_a_raw_picture_are_brightness():
    raw = np.full((6, 6), 32768, dtype=np.uint16)
    found = priorkit.recover(y=raw, op="demosaicing", prior="none", sigma=0.0)
    assert torch.allclose(found.y.sum(1), torch.tensor(0.5), atol=1e-4)
    assert torch.allclose(found.x, torch.tensor(0.5), atol=1e-2)


@pytest.mark.parametrize("shape", [(6, 8), (1, 6, 8), (2, 1, 6, 8), (3, 6, 8)])
def test_a_raw_picture_with_dead_pixels(shape):
    """A mask over a mosaic takes what the mosaic takes."""
    alive = np.arange(48).reshape(6, 8) % 7 != 3
    raw = np.full(shape, 0.5) * alive
    found = priorkit.recover(y=raw, op=Mask(mask=alive) @ Mosaic(), prior="none", sigma=0.0)
    seen = Mosaic().bind((3, 6, 8)).mask * torch.from_numpy(alive)
    assert torch.equal(found.operator.mask, seen)
    assert tuple(found.x.shape[1:]) == (3, 6, 8)
    assert torch.equal(found.y, 0.5 * seen.expand_as(found.y))


def test_capitals_are_as_good():
    x = torch.rand(1, 3, 4, 4)
    said = {"op": "mosaic", "prior": "none", "sigma": 0.0, "budget": 1}
    for pattern in ("bggr", "BGGR"):
        seen = priorkit.recover(x, pattern=pattern, **said).y
        assert torch.equal(seen, Mosaic(pattern="bggr").bind((3, 4, 4)).A(x))


def test_a_mosaic_is_of_colours():
    with pytest.raises(BadInputError, match="of a colour picture"):
        Mosaic().bind((1, 8, 8))
    with pytest.raises(BadInputError, match="must be"):
        priorkit.recover(y=np.zeros((2, 6, 6)), op="mosaic", prior="none", shape=(3, 8, 8))
