"""All components keep the promises of the interfaces that they implement."""

import pytest
from priorkit_toy.denoiser import Threshold
from priorkit_toy.fourier import Intensity, Spectrum
from priorkit_toy.noise import Detector
from priorkit_toy.operator import Binning
from priorkit_toy.penalty import Roughness
from priorkit_toy.prior import Smooth
from priorkit_toy.sampler import Walker
from priorkit_toy.start import Even

import priorkit
from priorkit.testing import (
    check_noise,
    check_operator,
    check_penalty,
    check_prior,
    check_solver,
    check_start,
)


@pytest.mark.parametrize("frequencies", [1, 5, 99])
def test_smooth(frequencies):
    """More frequencies than pixels are as many as there are pixels."""
    check_prior(Smooth(frequencies=frequencies), shape=(3, 8, 6))


@pytest.mark.parametrize("factor", [1, 2, 4])
def test_binning(factor):
    check_operator(Binning(factor=factor), shape=(3, 8, 12))


def test_the_others():
    check_operator(Spectrum(size=5), shape=(3, 8, 7))
    check_operator(Intensity(), shape=(3, 8, 7))
    check_prior(Threshold(), shape=(3, 24, 16))
    check_noise(Detector(gain=0.005, sigma=0.05))
    check_penalty(Roughness(), shape=(3, 8, 7))
    check_solver(Walker())
    check_start(Even())


def test_sides_that_do_not_divide():
    """A picture that doesn't split into blocks is refused, with what was got."""
    with pytest.raises(priorkit.PriorkitError, match="multiples of factor = 3"):
        Binning(factor=3).bind((3, 8, 12))
