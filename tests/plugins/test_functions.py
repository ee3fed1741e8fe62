"""Functions as components: A(x), D(v, σ) and R(x) written where they are used."""

from functools import partial

import numpy as np
import pytest
import torch
from priorkit_functions.operator import Function, LinearFunction
from priorkit_operators.blur import Blur
from torch.nn import functional as F

import priorkit
from priorkit.errors import BadInputError, MismatchError
from priorkit.interfaces import LinearOperator
from priorkit.linear import dots
from priorkit.settings.select import resolve
from tests.helpers import SHAPE

HALF = torch.zeros(8, 8).bernoulli_(0.5, generator=torch.Generator().manual_seed(0))


def binned(x):
    return F.avg_pool2d(x, 2)


def smoothed(v, sigma):
    around = F.avg_pool2d(v, 3, 1, 1, count_include_pad=False)
    return v + (around - v) * sigma**2 / (sigma**2 + 1e-3)


def roughness(x):
    return sum(x.diff(dim=d).square().flatten(1).sum(1) for d in (-1, -2))


def spectrum(x):
    return torch.fft.fft2(x)[..., ::2, :]


# --- an operator ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "linear"),
    [
        (binned, True),
        (spectrum, True),
        (torch.fft.fft2, True),
        (partial(F.avg_pool2d, kernel_size=2), True),
        (torch.nn.Conv2d(3, 2, 3, bias=False), True),
        (torch.nn.Conv2d(3, 2, 3), False),
        (lambda x: x + 1, False),
        (lambda x: x.abs().sqrt(), False),
        (lambda x: spectrum(x).abs(), False),
        (torch.nn.Sequential(torch.nn.Dropout(), torch.nn.Conv2d(3, 2, 1, bias=False)), True),
        (lambda x: binned(x) if bool((x >= 0).all()) else None, False),
        (torch.relu, False),  # which is linear of images from 0 on
        (lambda x: torch.maximum(binned(x), torch.zeros(())), False),
        (lambda x: binned(x).square().sqrt(), False),
        (partial(F.leaky_relu, negative_slope=0.1), False),
    ],
)
def test_whether_a_function_is_linear_is_found_out(function, linear):
    bound = Function(function=function).bind(SHAPE)
    assert isinstance(bound, LinearOperator) is linear
    assert bound.y_shape == bound.A(torch.zeros(1, *SHAPE)).shape[1:]


@pytest.mark.parametrize("function", [binned, spectrum, lambda x: x.flip(1)[..., 2:, :].cumsum(2)])
def test_the_adjoint_is_that_of_the_function(function):
    bound = Function(function=function).bind(SHAPE)
    x = torch.randn(2, *SHAPE, dtype=torch.float64)
    y = torch.randn(2, *bound.y_shape, dtype=bound.A(x).dtype)
    there = (bound.A(x).conj() * y).real.flatten(1).sum(1)
    torch.testing.assert_close(there, dots(x, bound.A_adjoint(y)))


def test_one_that_keeps_some_pixels_is_a_mask():
    by_name = priorkit.recover(prior="none", shape=SHAPE, op="mask", mask=HALF.numpy())
    by_hand = priorkit.recover(prior="none", shape=SHAPE, op=lambda x: x * HALF.to(x))
    torch.testing.assert_close(by_hand.x, by_name.x)
    assert by_hand.operator.sees_image
    assert torch.equal(by_hand.operator.mask, HALF.expand(SHAPE))
    whole = Function(function=lambda x: x).bind(SHAPE)
    assert whole.sees_all
    assert not Function(function=binned).bind(SHAPE).sees_image


def test_it_is_the_matrix_that_it_stands_for():
    M = np.random.default_rng(0).normal(size=(40, 192)).astype(np.float32)
    settings = {"prior": "none", "penalty": "tv", "gamma": 0.01, "shape": SHAPE, "budget": 20}
    by_matrix = priorkit.recover(op=M, **settings)
    by_hand = priorkit.recover(op=lambda x: x.flatten(1) @ torch.as_tensor(M).T.to(x), **settings)
    torch.testing.assert_close(by_hand.x, by_matrix.x, atol=1e-3, rtol=0)


def test_complex_pictures_are_given_as_complex_numbers():
    x = torch.complex(torch.rand(1, 1, 12, 12), torch.rand(1, 1, 12, 12))
    settings = {"kind": "complex", "shape": (2, 12, 12), "prior": "none", "sigma": 1e-3}
    found = priorkit.recover(y=spectrum(x), op=spectrum, penalty="tv", gamma=1e-5, **settings)
    assert isinstance(found.operator, LinearFunction)
    assert float(found.misfit) < 1.0 < float(spectrum(x).abs().square().sum())
    size = priorkit.recover(
        y=torch.fft.fft2(x).abs(), op=lambda x: torch.fft.fft2(x).abs(), start="normal", **settings
    )
    assert not isinstance(size.operator, LinearFunction)
    assert float(size.misfit) < 0.1 * float(torch.fft.fft2(x).abs().square().sum())


def test_what_sees_no_sign_says_so():
    """A(−x) = A(x) has no slope at 0, so that nothing can begin there."""
    bound = Function(function=lambda x: spectrum(x).abs()).bind(SHAPE)
    assert bound.signless == "image"
    found = priorkit.recover(
        prior="none", op=lambda x: spectrum(x).abs(), shape=(1, 16, 16), budget=40, sigma=0.01
    )
    assert found.record["config"]["start"] == {"name": "shown"}
    assert float(found.x.mean()) > 0.2
    for function in (binned, torch.exp, torch.sqrt):
        assert Function(function=function).bind(SHAPE).signless is None


def test_a_product_takes_a_linear_one():
    bound = (LinearFunction(function=binned) @ Blur()).bind((3, 16, 16))
    assert isinstance(bound, LinearOperator)
    assert bound.y_shape == (3, 8, 8)


def test_a_network_is_neither_moved_nor_changed():
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3), torch.nn.BatchNorm2d(2))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    bound = Function(function=network).bind(SHAPE)
    assert bound.A(torch.rand(4, *SHAPE, dtype=torch.float64)).dtype == torch.float64
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


# --- a denoiser and a penalty ------------------------------------------------------------


def test_a_function_that_denoises_is_a_prior():
    clean = priorkit.recover(prior=smoothed, op="identity", sigma=0.1, shape=(3, 32, 32))
    noisy = -10 * np.log10(0.1**2)
    assert clean.psnr > noisy + 3
    assert clean.record["config"]["prior"]["name"] == "<tests.plugins.test_functions.smoothed>"
    holes = priorkit.recover(prior=smoothed, op="mask", mask="random", shape=(3, 32, 32))
    assert holes.record["config"]["start"] == {"name": "shown"}
    assert holes.psnr > 15


def test_it_gets_one_sigma_per_image_and_none_of_0():
    seen = []

    def told(v, sigma):
        seen.append(sigma)
        return 0 * v + sigma

    prior = resolve("prior", told).build(0).bind(SHAPE)
    x = torch.rand(3, *SHAPE)
    found = prior.denoise(x, torch.tensor([0.1, 0.0, 0.3]))
    assert seen[-1].shape == (3, 1, 1, 1)
    assert torch.equal(found[1], x[1])
    assert torch.equal(found[2], torch.full(SHAPE, 0.3))
    assert prior.denoise(x, 0.2)[0, 0, 0, 0] == pytest.approx(0.2)


def test_a_function_of_pictures_goes_over_slices():
    volume = torch.rand(1, 1, 4, 12, 12)
    found = priorkit.recover(volume, kind="volume", prior=smoothed, op="identity", sigma=0.1)
    assert found.x.shape == volume.shape


def test_a_function_is_a_penalty():
    """And adds up with those that have a name."""
    settings = {"prior": "none", "op": "blur", "shape": (3, 24, 24), "budget": 30}
    for penalty, gamma in ((roughness, 0.01), (["tv", roughness], [1e-4, 0.01])):
        found = priorkit.recover(penalty=penalty, gamma=gamma, **settings)
        assert found.psnr > 20
    direct = priorkit.recover(penalty="l2-squared", gamma=0.1, **settings)
    by_hand = priorkit.recover(
        penalty=lambda x: x.square().flatten(1).sum(1), gamma=0.1, **settings
    )
    torch.testing.assert_close(by_hand.x, direct.x, atol=1e-3, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_constants_have_a_precision_of_their_own(dtype):
    """As those that one writes: a measurement that is given is looked at in float64."""
    kernel = torch.ones(3, 1, 3, 3, dtype=dtype) / 9

    def blur(x):
        return F.conv2d(x, kernel, padding=1, groups=3)

    x = torch.rand(1, *SHAPE)
    y = blur(x.to(dtype)).numpy()
    settings = {"prior": "none", "penalty": "tv", "gamma": 0.001, "shape": SHAPE, "sigma": 0.01}
    found = priorkit.recover(y=y, op=blur, budget=20, **settings)
    simulated = priorkit.recover(x, op=blur, budget=20, **settings)
    assert found.x.dtype == simulated.x.dtype == torch.float32
    bound = Function(function=blur).bind(SHAPE)
    assert bound.A(x.double()).dtype == torch.float64
    denoised = priorkit.recover(prior=lambda v, s: blur(v.to(dtype)), op="identity", shape=SHAPE)
    assert denoised.x.dtype == torch.float32


def test_weights_that_can_be_trained_ask_for_no_gradient():
    """Of a network, and of one that a function holds."""
    network = torch.nn.Conv2d(3, 3, 3, padding=1)
    settings = {"prior": "none", "penalty": "tv", "gamma": 0.001, "shape": SHAPE, "budget": 5}
    for function in (network, lambda x: network(x)):
        found = priorkit.recover(op=function, **settings)
        assert not found.x.requires_grad
        assert not found.operator.A(found.x).requires_grad
    assert network.weight.requires_grad
    assert network.weight.grad is None


def test_a_colour_picture_of_many_bands_is_no_smaller_picture():
    seen = torch.rand(3, 8)
    found = priorkit.recover(
        torch.rand(1, 8, 16, 16),
        op=lambda x: torch.einsum("cb,nbhw->nchw", seen.to(x), x),
        prior="none", penalty="tv", gamma=0.001, budget=5,
    )  # fmt: skip
    assert found.x.shape == (1, 8, 16, 16)


def test_one_without_a_slope_at_0_is_begun_in_gray():
    found = priorkit.recover(
        op=lambda x: x.clamp(min=0).sqrt(), prior="none", shape=SHAPE, sigma=0.001, budget=60
    )
    assert found.psnr > 25


# --- what can't be ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"op": lambda x: x.numpy()},
            r"operator f\(x\) must give a tensor of shape \(2, …\). Got ndarray",
        ),
        (
            {"op": lambda x: torch.as_tensor(x.detach().numpy() ** 2)},
            r"operator f\(x\) has no gradient.* Try: operations of torch alone",
        ),
        ({"op": lambda x, y: x}, r"operator f\(x\) is called with x. Got TypeError: missing"),
        ({"op": lambda x: x + torch.randn_like(x)}, "other numbers when it is asked again"),
        ({"op": lambda x: x.sum()}, r"shape \(2, …\). Got shape \(\). Try: measurements \(B, …\)"),
        (
            {"op": lambda x: x @ torch.ones(5)},
            r"Of two images, shape \(2, 3, 8, 8\), the operator f\(x\) fails. Got RuntimeError",
        ),
        ({"prior": lambda x: x}, r"prior f\(x, sigma\) is called with x and sigma"),
        (
            {"prior": lambda v, s: v.mean(1)},
            r"must give a tensor of shape \(2, 3, 8, 8\). Got shape \(2, 8, 8\)",
        ),
        (
            {"penalty": lambda x: x.sum(), "gamma": 1},
            r"a tensor of shape \(2,\). Got shape \(\). Try: x.flatten\(1\).sum\(1\)",
        ),
        ({"penalty": lambda x: x.detach().flatten(1).sum(1), "gamma": 1}, "has no gradient"),
        (
            {"op": lambda x: (x - 0.3) / (x.std() + 0.1)},
            "to an image beside another than to it alone",
        ),
        ({"prior": lambda v, s: v - v.mean() + 0.4}, "to an image beside another than to it alone"),
        (
            {"prior": lambda v, s: v + s * torch.randn_like(v)},
            "other numbers when it is asked again",
        ),
        ({"prior": lambda v, s: v / (1 + float(s))}, r"prior f\(x, sigma\) fails.*\(B, 1, …\)"),
        (
            {"penalty": lambda x: (x - x.mean()).square().flatten(1).sum(1), "gamma": 1},
            "to an image beside another than to it alone",
        ),
        ({"op": lambda x: (x * 255).round() / 255}, "has a gradient of 0 everywhere"),
        ({"op": lambda x: x.mul_(2)}, r"has no gradient.*x.clone\(\)"),
        ({"op": lambda x: [x]}, r"Got list. Try: measurements"),
        (
            {"op": type("Physics", (), {})},
            "what a plugin takes for one",
        ),
        ({"op": {"name": "function", "function": 3}}, r"operator f\(x\) is a function. Got int"),
        ({"op": {"name": "function"}}, "the option 'function' is required"),
    ],
)
def test_what_it_can_not_be_is_said_before_any_compute(settings, said):
    common = {"op": "identity", "prior": "none", "shape": SHAPE}
    with pytest.raises(BadInputError, match=said):
        priorkit.recover(**common | settings)


def test_what_says_that_it_is_linear_must_be():
    with pytest.raises(BadInputError, match=r"isn't linear\. Try: op=f"):
        LinearFunction(function=torch.square).bind(SHAPE)
    lasso = {"solver": "fista", "penalty": "l1", "gamma": 0.1}
    with pytest.raises(MismatchError, match=r"to be a LinearOperator.* Try: no .* no solver"):
        priorkit.recover(op=torch.square, prior="none", shape=SHAPE, **lasso)
