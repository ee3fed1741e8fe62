"""The flow of a denoiser: its steps, their inverse and determinants, and the prior made of them."""

import logging
import math
from itertools import pairwise
from pathlib import Path

import priorkit_diffusion
import pytest
import torch
from priorkit_diffusion import determinant, networks, pictures
from priorkit_diffusion.determinant import log_determinant
from priorkit_diffusion.fixed import zero
from priorkit_diffusion.flow import Flow, Step, recomputed
from priorkit_diffusion.network import kept
from priorkit_diffusion.prior import DiffusionPrior
from torch.autograd.graph import saved_tensors_hooks

import priorkit
from priorkit import testing
from priorkit.errors import BadInputError
from priorkit.interfaces import Denoiser
from priorkit.run.memory import plan
from priorkit.settings.config import split
from priorkit.verbs.recover import prepare
from tests.helpers import small_denoiser

WEIGHTS = Path(priorkit_diffusion.__file__).parent / "weights"
FACES = WEIGHTS / "diffusion-celeba.safetensors"
LEVELS = (0.05, 2.0)


def normals(*shape, seed=0, dtype=torch.float64):
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def gaussian(s):
    """The denoiser of N(½, s²), whose flow is known: x − ½ is as large as √(s² + σ²) says."""
    return lambda x, sigma: (s**2 * x + sigma**2 * 0.5) / (s**2 + sigma**2)


def small(steps=4, **options):
    return DiffusionPrior.from_network(small_denoiser(**options), steps=steps)


class Kept(saved_tensors_hooks):
    """The bytes of what autograd keeps within a block, each tensor once."""

    def __init__(self, but=()):
        self.held = {}
        self.others = {parameter.data_ptr() for parameter in but}
        super().__init__(self.keep, lambda tensor: tensor)

    def keep(self, tensor):
        self.held[tensor.data_ptr()] = tensor  # held, so that no other takes its place
        return tensor

    @property
    def bytes(self):
        held = self.held.items()
        return sum(t.numel() * t.element_size() for at, t in held if at not in self.others)

    def __enter__(self):
        super().__enter__()
        return self


# --- the flow --------------------------------------------------------------------


def test_the_levels_of_the_steps():
    """Equation 5 of Karras et al., from the greatest to the least to the last bit."""
    steps = Flow(gaussian(0.2), LEVELS, 4).steps
    assert [steps[0].above, steps[-1].below] == [2.0, 0.05]
    assert all(first.below == then.above for first, then in pairwise(steps))
    halfway = ((2.0 ** (1 / 7) + 0.05 ** (1 / 7)) / 2) ** 7
    assert steps[2].above == pytest.approx(halfway, rel=1e-12)


def test_steps_are_of_second_order():
    """Twice the steps, a fourth of the error."""
    z, s = normals(2, 3, 4, 4), 0.2
    low, high = LEVELS
    exact = 0.5 + high * z * math.sqrt((s**2 + low**2) / (s**2 + high**2))
    errors = [float((Flow(gaussian(s), LEVELS, n).decode(z) - exact).norm()) for n in (20, 40, 80)]
    for coarse, fine in pairwise(errors):
        assert coarse / fine == pytest.approx(4, rel=0.15)


def test_what_cannot_be_undone_is_said(caplog):
    """A denoiser that leaps is no slope of anything; the nearest point comes back."""
    flow = Flow(lambda x, sigma: 3 * (40 * x).sin(), LEVELS, 2)
    with caplog.at_level(logging.WARNING, logger="priorkit"):
        starts = flow.undone(torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(0)))
    assert bool(torch.isfinite(starts[0]).all())
    assert "2 of 2 images: no latent" in caplog.text
    caplog.clear()
    Flow(gaussian(0.2), LEVELS, 8).undone(torch.rand(2, 3, 4, 4))
    assert not caplog.records


def test_zero_of_what_is_no_contraction():
    """In a few directions x + f(x) is twice as far from it; and a batch changes nothing."""
    slopes = torch.linspace(0.5, 1.5, 40, dtype=torch.float64)
    slopes[::10] = 3.0
    goal = normals(3, 40)
    goal[1] *= 1e-3
    found, gap = zero(lambda x: goal[: len(x)] - slopes * x, goal)
    assert float((slopes * found - goal).abs().max()) < 1e-11
    assert float(gap.max()) < 1e-12
    two, _ = zero(lambda x: goal[: len(x)] - slopes * x, goal[:2])
    assert torch.equal(two, found[:2])


def test_zero_of_what_has_none():
    """No error and no endless loop: what is lacking comes back, for each image."""

    def f(x):
        return torch.stack([0.5 - x[0], 1 + x[1] ** 2, x[2] * torch.nan])

    x, gap = zero(f, normals(3, 5))
    assert float(gap[0]) < 1e-12
    assert float(gap[1]) > 1e-3
    assert float(gap[2]) == torch.inf
    assert torch.allclose(x[0], torch.full_like(x[0], 0.5))


# --- determinants ----------------------------------------------------------------


def test_the_estimate_of_a_diagonal_is_that_of_the_polynomial():
    """Random signs are exact there: within what the polynomial lacks, whatever n is."""
    share = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(0)).double()
    step = Step(lambda x, sigma: share * x, 0.4, 0.16)
    x = normals(2, 3, 16, 16)
    ones = torch.ones_like(x).requires_grad_(True)
    exact = torch.autograd.grad(step(ones).sum(), ones)[0].log().flatten(1).sum(1)
    found = log_determinant(step, x, number=0, probes=1)
    assert found.dtype == torch.float64
    assert float((found - exact).abs().max()) < determinant.SHORT * 768


def test_the_estimate_of_a_network_is_right_on_average(monkeypatch):
    prior = small()
    step = Step(prior.denoise, 0.2, 0.1)
    x = torch.rand(2, 3, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    exact = log_determinant(step, x, number=0, probes=1)
    monkeypatch.setattr(determinant, "EXACT", 0)
    each = torch.stack([log_determinant(step, x, number=i, probes=1) for i in range(30)])
    assert bool((each.std(0) > 0).all())
    error = (each.mean(0) - exact).abs()
    assert bool((error < 4 * each.std(0) / math.sqrt(30) + determinant.SHORT * 48).all())
    assert torch.equal(log_determinant(step, x[1:], number=5, probes=1), each[5, 1:])


def test_the_gradient_is_that_of_the_estimate(monkeypatch):
    """With the same draws at both ends of the difference."""
    monkeypatch.setattr(determinant, "EXACT", 0)
    prior = small(steps=2)
    x = torch.rand(2, 3, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    _, gradient = prior.log_prob_grad(x)
    direction, step = normals(2, 3, 4, 4), 1e-5
    up, down = (prior.log_prob(x + sign * step * direction) for sign in (1, -1))
    slope = (gradient * direction).flatten(1).sum(1)
    assert torch.allclose((up - down) / (2 * step), slope, rtol=1e-5)


def test_of_normal_pictures_the_density_is_normal(monkeypatch):
    """Both ways: N(½, s²) in closed form, up to the steps' error."""
    s, x = 0.2, 0.5 + 0.2 * normals(2, 3, 4, 4)
    prior = small()
    monkeypatch.setattr(prior, "_exact", gaussian(s))
    prior.levels, prior.steps = (1e-3, 40.0), 100
    spread = s**2 + 1e-6
    exact = -0.5 * ((x - 0.5).square() / spread + math.log(2 * math.pi * spread)).flatten(1).sum(1)
    for most in (512, 0):
        monkeypatch.setattr(determinant, "EXACT", most)
        assert torch.allclose(prior.log_prob(x), exact, atol=0.05 * 48 if not most else 0.3)


# --- the prior -------------------------------------------------------------------


def test_autograd_keeps_nothing_but_pictures():
    """Of all calls of the network, a picture each; and the same numbers as with everything kept."""
    prior, z = small(), normals(2, 48)
    with Kept() as kept_here:
        x, pullback = prior.decode_vjp(z)
    assert kept_here.bytes <= 2 * prior.steps * 2 * 48 * 8
    z.requires_grad_(True)
    whole = Flow(prior.denoise, prior.levels, prior.steps).decode(z.view(2, 3, 4, 4))
    assert torch.allclose(whole, x, rtol=1e-10)
    r = normals(2, 3, 4, 4, seed=2)
    assert torch.allclose(torch.autograd.grad(whole, z, r)[0], pullback(r), rtol=1e-10)


def test_mixed_precision_rounds_the_pullback_alone():
    prior = small(shape=(3, 16, 16))
    z, r = normals(2, 768, dtype=torch.float32), normals(2, 3, 16, 16, dtype=torch.float32)
    x, exact = prior.decode_vjp(z)
    same, rough = prior.mixed("latent").decode_vjp(z)
    assert torch.equal(x, same)
    found, wanted = rough(r), exact(r)
    assert not torch.equal(found, wanted)
    assert float((found - wanted).norm() / wanted.norm()) < 0.03


def test_the_pullback_of_another_denoiser_is_taken_where_one_is_given():
    call = recomputed(lambda x, sigma: x.sin(), lambda x, sigma: sigma * x)
    x = normals(2, 3, 4, 4).requires_grad_(True)
    assert torch.equal(call(x, 0.5), x.sin())
    assert torch.equal(torch.autograd.grad(call(x, 0.5).sum(), x)[0], torch.full_like(x, 0.5))


def test_draws_are_pictures():
    prior = small()
    drawn = prior.sample(5, generator=torch.Generator().manual_seed(0))
    assert drawn.dtype == torch.float32
    assert 0 <= float(drawn.min()) < float(drawn.max()) <= 1


def test_of_any_size_once_bound():
    """Gray too, with sides that the network can't halve."""
    prior = DiffusionPrior(weights=WEIGHTS / "denoiser-photos.safetensors", steps=3)
    for call in (lambda: prior.latent_size, lambda: prior.decode(torch.zeros(1, 48))):
        with pytest.raises(BadInputError, match=r"latents once the size is known.*bind"):
            call()
    bound = prior.bind((1, 5, 9))
    assert bound.latent_size == 45
    x = torch.rand(2, 1, 5, 9, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(bound.decode(bound.encode(x)), x, atol=1e-4)


def test_both_networks_are_in_the_flow():
    """The finer one below its σ: latents lead elsewhere, and images come back."""
    both, one = (
        DiffusionPrior(weights=FACES, finer=finer, steps=5).bind((3, 8, 8))
        for finer in (True, False)
    )
    x = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    z = both.encode(x)
    assert torch.allclose(both.decode(z), x, atol=1e-4)
    assert float((one.decode(z) - x).abs().max()) > 1e-3


def test_the_memory_that_it_says():
    """What autograd keeps of a call is as it says, or up to 40% less; the shipped shapes."""
    for name in ("diffusion-celeba", "denoiser-photos"):
        prior = DiffusionPrior(weights=WEIGHTS / f"{name}.safetensors", finer=False)
        x = torch.rand(1, 3, 32, 32).requires_grad_(True)
        network = prior.networks._copies.like(x)[0]
        with Kept(but=network.parameters()) as call:
            prior.denoise(x, 0.1)
        assert 0.6 < call.bytes / (4 * kept(prior.config) * 32 * 32) < 1.2
        bound = prior.bind((3, 32, 32))
        assert 0 < bound.denoising_memory < bound.memory / 2 < bound.density_memory / 4


def test_a_run_counts_what_it_calls():
    """Denoising is planned as that, a search in latent space with its pullback."""
    x = torch.rand(1, 3, 64, 64)

    def each(**settings):
        told = {"prior": "diffusion-celeba", "op": "identity", "sigma": 0.1, "gamma": 1.0}
        return plan(prepare(x, None, *split(told | settings))[0], 1).per_image

    pixel = each(space="pixel", solver="denoise", penalty="none", gamma=0.0)
    latent = each(space="latent", solver="lbfgs", penalty="l2")
    density = each(space="pixel", solver="lbfgs", penalty="nll")
    assert 4 * pixel < latent < density / 2


# --- in a run --------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["float32", "mixed"])
def test_search_in_latent_space(precision):
    """D-Flow: the misfit falls through the steps, in mixed precision too."""
    told = {
        "prior": small(steps=2, shape=(3, 8, 8)),
        "op": "gaussian",
        "m": 60,
        "noise_norm": 0.1,
        "seed": 0,
    }
    told |= {"space": "latent", "penalty": "l2", "gamma": 0.0, "solver": "lbfgs"}
    x = torch.full((1, 3, 8, 8), 0.7)
    first, last = (priorkit.recover(x, **told, precision=precision, budget=b) for b in (1, 12))
    assert float(last.misfit) < 0.1 * float(first.misfit)


def test_the_most_probable_picture():
    """−log p in pixel space, exact at this size: less noise than in y."""
    x = torch.full((1, 3, 4, 4), 0.6)
    told = {"op": "identity", "sigma": 0.1, "space": "pixel", "solver": "lbfgs"}
    found = priorkit.recover(x, prior=small(), **told, penalty="nll", gamma=0.02, budget=5, seed=0)
    assert float(found.x.sub(x).norm()) < 0.8 * float(found.y.sub(x).norm())


def test_many_pictures_are_denoised_some_at_a_time(monkeypatch):
    """None of them alone, and to the same bits."""
    prior, counts = small(), []
    x = torch.rand(7, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    whole = prior.denoise(x, 0.1)
    monkeypatch.setattr(networks, "TOGETHER", 2 * 64)
    called = networks.by_level
    monkeypatch.setattr(
        networks, "by_level", lambda *told: counts.append(len(told[2])) or called(*told)
    )
    assert torch.equal(prior.denoise(x, 0.1), whole)
    assert counts == [3, 2, 2]
    with torch.enable_grad():
        prior.denoise(x.requires_grad_(), 0.1)
    assert counts[3:] == [7]  # with a gradient, which counts on it, in one call


class Denoising(Denoiser):
    """What a prior is as a denoiser, and nothing else of it, for a check that is quick."""

    def __init__(self, prior):
        self.prior, self.levels = prior, prior.levels

    def denoise(self, x, sigma):
        return self.prior.denoise(x, sigma)


@pytest.mark.parametrize("name", ["diffusion-celeba", "denoiser-photos"])
def test_the_shipped_ones_denoise_at_every_level(name):
    """Smooth pictures, which neither was trained on; one σ for all, and one for each."""
    prior = DiffusionPrior(weights=WEIGHTS / f"{name}.safetensors")
    testing.check_prior(Denoising(prior), shape=(3, 32, 32))


@pytest.mark.parametrize("value", [-0.5, 1.1, 3.0])
@pytest.mark.parametrize("sigma", [0.002, 0.05])
def test_what_is_beyond_black_and_white_stays_as_it_is(value, sigma):
    """As what is added around the slice of a scanner: networks had made 30 σ and more of it."""
    x = torch.full((1, 3, 64, 64), 0.5)
    x[..., :24, :24] = value
    y = x + sigma * normals(*x.shape, dtype=torch.float32)
    photos = DiffusionPrior(weights=WEIGHTS / "denoiser-photos.safetensors").bind((3, 64, 64))
    assert float((photos.denoise(y, sigma) - x).abs().max()) < 10 * sigma  # at its edge


def test_noise_within_four_sigma_is_what_networks_know():
    x = normals(4, 3, 16, 24).clamp(-3.9, 3.9) * 0.1 + 1
    sigma = torch.full((4,), 0.1, dtype=x.dtype)
    assert torch.equal(pictures.known(x, sigma), x)
    assert float(pictures.known(x + 4, sigma).max()) <= 1.4 + 1e-9
