"""What the denoising networks choose for a problem."""

import numpy as np
import pytest
import torch
from priorkit_diffusion.choices import has_hole
from priorkit_operators.fourier import Fourier
from priorkit_operators.pointwise import Identity, Mask
from priorkit_operators.srht import SRHT

import priorkit
from priorkit.errors import MismatchError
from priorkit.registry import registry
from priorkit.settings.config import split
from priorkit.verbs.recover import prepare

SHAPE = (3, 32, 32)


def test_a_hole_is_a_square_in_which_nothing_is_seen():
    stripes = np.ones((32, 32))
    stripes[::2] = 0
    few = np.ones((32, 32))
    few[10:18, 10:18] = 0  # eight pixels a side
    assert has_hole(Mask().bind(SHAPE))
    assert has_hole(Mask(mask="left").bind(SHAPE))
    for mask in (stripes, few, "random"):
        assert not has_hole(Mask(mask=mask).bind(SHAPE))
    assert not has_hole(Identity().bind(SHAPE))
    assert not has_hole(SRHT(m=10).bind(SHAPE))


PROBLEMS = {
    "identity": ({"op": "identity", "sigma": 0.1}, "denoise"),
    "gaussian": ({"op": "gaussian", "m": 50}, "amp"),
    "srht": ({"op": "srht", "m": 50}, "amp"),
    "fourier": ({"op": "fourier"}, "diffpir"),
    "fourier at random": ({"op": Fourier(pattern="random", centre=0)}, "diffpir"),
    "hole": ({"op": "mask"}, "diffpir"),
    "blur": ({"op": "blur"}, "diffpir"),
    "downsample": ({"op": "downsample", "factor": 2}, "diffpir"),
    "phase": ({"op": "phase"}, "diffpir"),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_every_problem_has_a_solver_in_pixel_space(name):
    settings, solver = PROBLEMS[name]
    x = torch.rand(1, *SHAPE, generator=torch.Generator().manual_seed(0))
    found = priorkit.recover(x, prior="denoiser-photos", budget=4, **settings)
    config = found.record["config"]
    assert config["solver"]["name"] == solver
    assert config["space"] == "pixel"
    assert bool(torch.isfinite(found.x).all())


FEWER = {"sigma_start": 0.6, "data_steps": 6}
LADDERS = {
    "half": ({"op": "mask", "mask": "random"}, {}, 120),
    "hole": ({"op": "mask"}, {"sigma_start": 0.6, "sigma_end": 0.03, "draws": 12}, 300),
    "blur": ({"op": "blur"}, FEWER, 60),
    "downsample": ({"op": "downsample", "factor": 2}, FEWER, 60),
    "radon": ({"op": "radon"}, FEWER, 60),
    "fourier": ({"op": "fourier"}, {"sigma_start": 0.6, "draws": 2}, 120),
}


@pytest.mark.parametrize("name", LADDERS)
def test_what_is_further_from_what_is_seen_begins_with_more_noise(name):
    """And where everything was measured somehow, it takes fewer calls and less of least squares."""
    settings, options, budget = LADDERS[name]
    setup, _ = prepare(
        torch.rand(1, *SHAPE), None, *split({"prior": "denoiser-photos", **settings})
    )
    assert setup.settings()["solver"] == {"name": "diffpir"} | options
    assert setup.budget == budget


def test_a_hole_in_a_face_is_the_network_of_faces_alone_with_mirrors():
    hole, identity = Mask().bind((3, 64, 64)), Identity().bind((3, 64, 64))
    noise = registry().get("noise", "gaussian").load()(sigma=0.05)
    prior = registry().get("prior", "diffusion-celeba").load()
    path = registry().get("prior", "diffusion-celeba").preset["weights"]
    plain = prior(weights=path)
    assert plain.defaults(identity, noise).prior is None
    chosen = plain.defaults(hole, noise).prior
    assert chosen.networks.mirrored
    assert not plain.networks.mirrored
    v = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    alone = prior(weights=path, finer=False, mirrored=True)
    assert torch.equal(chosen.denoise(v, 0.05), alone.denoise(v, 0.05))
    assert not torch.equal(plain.denoise(v, 0.05), alone.denoise(v, 0.05))
    said = prior(weights=path, finer=True, mirrored=False).defaults(hole, noise).prior
    assert torch.equal(said.denoise(v, 0.05), plain.denoise(v, 0.05))


def test_wild_values_are_refused_with_a_reason():
    x = torch.rand(1, *SHAPE)
    noise = {"name": "laplace", "sigma": 0.05}
    said = r"is for Gaussian noise and counts. Try: prior='none' and penalty='tv' and gamma=…$"
    with pytest.raises(MismatchError, match=said):
        priorkit.recover(x, prior="denoiser-photos", op="blur", noise=noise)
