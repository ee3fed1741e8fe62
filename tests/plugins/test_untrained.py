"""Priors for any photograph: densities of patches, and a decoder that was never trained."""

import math

import numpy as np
import pytest
import scipy.fft
import torch
from PIL import Image
from priorkit_pixels.deep_decoder import DeepDecoder
from priorkit_realnvp import folded
from priorkit_realnvp.basis import coordinates
from priorkit_realnvp.data import Patches
from priorkit_realnvp.patches import PatchFlow
from torch.utils.flop_counter import FlopCounterMode

import priorkit
from priorkit.errors import PriorkitError
from priorkit.registry import registry
from priorkit.training.run import run_trainer


def photograph(height=64, width=64):
    return priorkit.recover(prior="none", op="identity", budget=1).truth[..., :height, :width]


def by_autograd(prior, x):
    x = x.clone().requires_grad_(True)
    value = prior.log_prob(x)
    return value.detach(), torch.autograd.grad(value.sum(), x)


def test_coordinates_are_another_basis():
    patches = torch.rand(5, 108, dtype=torch.float64)
    turned = coordinates(patches, 6)
    assert torch.allclose(turned @ turned.T, patches @ patches.T)
    cosines = scipy.fft.dctn(patches[0].view(3, 6, 6).sum(0).numpy(), norm="ortho") / 3**0.5
    assert np.allclose(turned[0, :36], cosines.flatten())
    grey = coordinates(torch.ones(1, 108, dtype=torch.float64), 6)
    assert torch.allclose(grey[0, 0], torch.tensor(math.sqrt(108.0), dtype=torch.float64))
    assert float(grey[0, 1:].abs().max()) < 1e-12


def test_a_photograph_is_likelier_than_what_was_done_to_it():
    prior = PatchFlow()
    x = photograph()
    generator = torch.Generator().manual_seed(0)
    noisy = (x + 0.05 * torch.randn(x.shape, generator=generator)).clamp(0, 1)
    shuffled = x.flatten(2)[..., torch.randperm(64 * 64, generator=generator)].view(x.shape)
    values = [float(prior.log_prob(t).detach()) for t in (x, noisy, shuffled)]
    assert values == sorted(values, reverse=True)


@pytest.mark.parametrize("size", [(6, 6), (7, 11), (30, 31)])
def test_every_pixel_counts(size):
    prior, x = PatchFlow(), photograph(*size).double()
    gradient = prior.bind(tuple(x.shape[1:])).log_prob_grad(x)[1]
    assert bool((gradient.abs().amax(1) > 0).all())


@pytest.mark.parametrize("stride", [3, 5])
def test_the_folded_gradient_is_that_of_the_network(stride):
    """Written out, of a network of fewer numbers, and in parts that don't divide the patches."""
    prior = PatchFlow(stride=stride)
    x = torch.cat([photograph(31, 34), photograph()[..., 33:, 30:]]).double()
    value, gradient = prior.log_prob_grad(x)
    expected, (slope,) = by_autograd(prior, x)
    torch.testing.assert_close(value, expected, rtol=1e-10, atol=0)
    torch.testing.assert_close(gradient, slope, rtol=1e-8, atol=1e-8 * float(slope.abs().max()))
    rough = prior.log_prob_grad(x.float())
    torch.testing.assert_close(rough[0].double(), value, rtol=1e-4, atol=0)
    apart = (rough[1].double() - gradient).norm() / gradient.norm()
    assert float(apart) < 1e-3


def test_many_patches_are_the_same_in_parts(monkeypatch):
    prior, x = PatchFlow(), photograph(40, 40).double()
    whole = prior.log_prob_grad(x)
    monkeypatch.setattr(folded, "TOGETHER", 50)
    for one, other in zip(prior.log_prob_grad(x), whole, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-9 * float(other.abs().max()))


def test_the_gradient_takes_less_arithmetic_than_that_of_the_network():
    """Half of the columns of the first matrices and of the rows of the last would be multiplied
    with zeros."""
    prior, x, counted = PatchFlow(), photograph(30, 30), []
    for call in (prior.log_prob_grad, lambda x: by_autograd(prior, x)):
        with FlopCounterMode(display=False) as counter:
            call(x)
        counted.append(counter.get_total_flops())
    assert 0 < counted[0] < 0.75 * counted[1]


def test_the_value_grows_with_the_picture():
    """As a density of all pixels does: a picture of four copies is four times as unlikely."""
    prior, x = PatchFlow(stride=6), photograph(48, 48).double()
    one, four = (
        float(prior.log_prob(x)),
        float(prior.log_prob(torch.cat([x, x], 2).repeat(1, 1, 1, 2))),
    )
    assert four == pytest.approx(4 * one, rel=1e-6)


def test_it_denoises():
    x = photograph()
    noisy = priorkit.recover(x, prior="none", op="identity", sigma=0.1, seed=1)
    found = priorkit.recover(x, prior="patch-flow", op="identity", sigma=0.1, seed=1, budget=60)
    assert float(found.psnr) > float(noisy.psnr) + 5


def test_it_needs_fewer_measurements_than_a_basis():
    x, settings = photograph(32, 32), {"op": "srht", "m": 32 * 32 * 3 // 4, "seed": 1}
    basis = priorkit.recover(x, prior="dct", **settings)
    found = priorkit.recover(x, prior="patch-flow", budget=70, **settings)
    assert found.record["config"]["start"]["name"] == "lasso"
    assert float(found.psnr) > float(basis.psnr) + 2


def test_patches_are_trained_on(tmp_path):
    (tmp_path / "photos").mkdir()
    for i in range(3):
        pixels = np.random.default_rng(i).integers(0, 256, (40, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"photos/{i}.png")
    data = Patches(tmp_path / "photos", 4)
    assert len(data) == 3 * (40 * 30 // 64)
    assert data.batch(range(len(data)), np.random.default_rng(0)).shape == (len(data), 48)
    options = {"patch": 4, "iterations": 20, "validation": 8, "batch": 16, "width": 8}
    given = {"data": str(tmp_path / "photos"), "out": str(tmp_path / "out"), **options}
    weights = run_trainer("realnvp", given)
    assert PatchFlow(weights=weights).side == 4


def test_the_deep_decoder_fits_a_photograph():
    """With a tenth of the weights that there are pixels, better than what doesn't change."""
    x = photograph()
    prior = {"name": "deep-decoder", "channels": 16, "layers": 3}
    found = priorkit.recover(x, prior=prior, op="identity", sigma=0.0, budget=150)
    assert found.z.shape[1] < x.numel() / 10
    flat = -10 * math.log10(float((x - x.mean((2, 3), keepdim=True)).square().mean()))
    assert float(found.psnr) > flat + 6


def test_the_deep_decoder_is_the_same_everywhere():
    z = torch.randn(2, DeepDecoder(channels=4).bind((1, 20, 33)).latent_size)
    one, other = (DeepDecoder(channels=4).bind((1, 20, 33)).decode(z) for _ in range(2))
    assert torch.equal(one, other)
    assert one.shape == (2, 1, 20, 33)
    assert 0 < float(one.min()) < float(one.max()) < 1


@pytest.mark.parametrize(
    ("prior", "shape", "said"),
    [
        ("patch-flow", (1, 8, 8), "colour pictures of at least 6×6 pixels"),
        ("patch-flow", (3, 5, 9), "colour pictures of at least 6×6 pixels"),
        ("deep-decoder", (12,), "for pictures"),
    ],
)
def test_what_they_do_not_know_is_refused(prior, shape, said):
    with pytest.raises(PriorkitError) as caught:
        priorkit.recover(y=np.zeros(4), prior=prior, op="gaussian", m=4, shape=shape)
    assert said in str(caught.value)


def test_weights_that_are_not_for_patches():
    two = registry().get("prior", "realnvp-2d").preset["weights"]
    with pytest.raises(PriorkitError, match="not for patches"):
        PatchFlow(weights=two)


@pytest.mark.parametrize("shape", [(3, 16, 16), (1, 5, 32), (1, 2, 2)])
def test_pictures_of_a_small_shape_are_not_even(shape):
    """An input of one pixel would be doubled to equal ones."""
    prior = DeepDecoder(channels=8).bind(shape)
    x = prior.decode(torch.randn(2, prior.latent_size))
    for axis in (2, 3):
        assert float(x.std(axis).max()) > 1e-2


def test_a_small_shape_leaves_no_trace_in_the_next():
    """The option stays what it was: binding again takes as many layers as there is room for."""
    small = DeepDecoder(channels=8).bind((3, 16, 16))
    large = DeepDecoder(channels=8).bind((3, 64, 64))
    assert small.bind((3, 64, 64)).latent_size == large.latent_size
