"""A photograph is no sinogram: said at once, whatever else is wrong."""

import numpy as np
import pytest
import torch
from PIL import Image
from priorkit_operators.blur import Blur
from priorkit_operators.fourier import Fourier
from priorkit_operators.gaussian import Gaussian
from priorkit_operators.mosaic import Mosaic
from priorkit_operators.pointwise import Gray, Identity
from priorkit_operators.radon import Radon
from priorkit_operators.resampling import Downsample

import priorkit
from priorkit.errors import BadInputError
from priorkit.run.colours import question_gray, refuse_colours

SAID = r"is a colour picture, and what .* Got 3 colours of 8×9 pixels.* Try: no y, and the picture"
SUMS = [Radon(angles=8), Gaussian(m=216), Fourier(), Radon() @ Downsample(factor=2)]
PICTURES = [Identity(), Blur(), Downsample(factor=2), Gray(), Mosaic(), Blur() @ Gray()]


@pytest.mark.parametrize("operator", SUMS)
@pytest.mark.parametrize("shape", [(1, 3, 8, 9), (8, 9, 3), (5, 3, 8, 9)])
def test_a_colour_picture_is_no_sum(operator, shape):
    refuse_colours(torch.zeros(shape), operator)
    refuse_colours(torch.zeros(shape, dtype=torch.uint16), operator)  # counts in three bands
    refuse_colours(torch.zeros((1, 1, 8, 9), dtype=torch.uint8), operator)  # a scan in gray
    with pytest.raises(BadInputError, match=SAID):
        refuse_colours(torch.zeros(shape, dtype=torch.uint8), operator)


@pytest.mark.parametrize("operator", PICTURES)
def test_a_colour_picture_may_be_a_picture(operator):
    refuse_colours(torch.zeros((1, 3, 8, 9), dtype=torch.uint8), operator)


@pytest.mark.usefixtures("no_compute")
@pytest.mark.parametrize(
    "settings",
    [{}, {"angles": 8}, {"angles": 8, "sigma": 0.1}, {"shape": (3, 4, 4), "angles": 8}],
    ids=str,
)
def test_it_is_what_is_said_first(settings, tmp_path):
    """Not the number of angles, nor that σ is missing: with these it was recovered."""
    path = tmp_path / "photo.jpg"
    Image.fromarray(np.zeros((8, 9, 3), np.uint8)).save(path)
    with pytest.raises(BadInputError, match=SAID):
        priorkit.recover(y=path, op="radon", **settings)
    with pytest.raises(BadInputError, match=SAID):
        priorkit.compare(y=path, priors=["glow-celeba", "none"], op="radon", **settings)


@pytest.mark.parametrize("operator", [*SUMS, *PICTURES])
@pytest.mark.parametrize("shape", [(9, 8), (1, 9, 8), (2, 1, 9, 8), (9, 8, 1)])
def test_a_gray_picture_that_is_no_sum_is_questioned(operator, shape, caplog):
    """By its 8 bits; a scan of what was measured has them too."""
    question_gray(torch.zeros(shape, dtype=torch.uint8), operator)
    assert ("as gray photographs have" in caplog.text) == (operator in SUMS)
    caplog.clear()
    question_gray(torch.zeros(shape), operator)
    question_gray(torch.zeros(shape, dtype=torch.uint16), operator)
    question_gray(torch.zeros(8, dtype=torch.uint8), operator)
    assert not caplog.text


def test_a_gray_photograph_as_a_sinogram_is_said_once(tmp_path, caplog):
    path = tmp_path / "photo.png"
    Image.fromarray(np.arange(8 * 18, dtype=np.uint8).reshape(8, 18)).save(path)
    own = {"prior": "none", "op": "radon", "angles": 8, "budget": 1, "shape": (1, 12, 12)}
    priorkit.recover(y=path, **own, sigma=1)
    priorkit.compare(y=path, priors=["none"], **{k: v for k, v in own.items() if k != "prior"})
    assert caplog.text.count("Try: no y, and the picture as x") == 2
    caplog.clear()
    for units in {"range": (0, 20)}, {"noise": "transmission", "photons": 300}:
        priorkit.recover(y=path, **own | units)
    assert "as gray photographs have" not in caplog.text
