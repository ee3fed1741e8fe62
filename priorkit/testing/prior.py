"""What a prior promises."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from priorkit.interfaces import (
    Decoder,
    Denoiser,
    Density,
    Encoder,
    LinearDecoder,
    Prior,
    Sampler,
    Shape,
)
from priorkit.linear import column
from priorkit.testing.chance import addressed
from priorkit.testing.compare import (
    Precision,
    bound_by,
    close,
    differentiated,
    dot_test,
    draws,
    finite,
    inner,
    slope,
    untouched,
)
from priorkit.testing.promises import promise
from priorkit.testing.steady import steady

__all__ = ["check_prior"]

SIGMAS = (0.02, 0.1, 0.5)  # noise levels at which a denoiser is checked, within its own range


@addressed
def check_prior(prior: Prior, *, shape: Shape | None = None) -> None:
    """Everything that the interfaces of a prior promise, in float64 where it computes in that.

    Pullback against finite differences, batch independence, decode ∘ encode = identity,
    the adjoint of a linear decoder, the gradient of a density, and for priors that both
    encode and have a density the agreement of both with the log-determinant of autograd,
    on images small enough (n ≤ 512). A denoiser must remove noise of every level in its
    ``levels``, whether one is given for all images or one for each.
    """
    shape = prior.shape or shape
    assert shape is not None, "this prior takes any shape: say shape=(C, H, W)"
    own, hint = prior, "copy.copy(self), and what depends on the shape set on that"
    prior = bound_by(own, lambda: own.bind(shape), hint)
    image = torch.sigmoid(draws((2, *shape), 0))
    if isinstance(prior, Decoder):
        _check_decoder(prior, shape)
    if isinstance(prior, Encoder):
        _check_encoder(prior, image)
    if isinstance(prior, Density):
        _check_density(prior, image)
    if isinstance(prior, Sampler):
        _check_sampler(prior, shape)
    if isinstance(prior, Denoiser):
        _check_denoiser(prior, shape)


def _check_decoder(prior: Decoder, shape: Shape) -> None:
    k = prior.latent_size
    precision = Precision.of(prior.decode, draws((1, k), 0), "decode")
    z = 0.5 * draws((3, k), 0, precision.dtype)
    alone = precision.exact(1e-9)
    steady("decode", prior.decode, z)
    with promise(
        "decode gives images of the shape it says, alike in every batch",
        "act on each z[i] alone, in eval mode",
    ):
        x, pullback = untouched("decode_vjp", prior.decode_vjp, z)
        assert tuple(x.shape) == (3, *shape), f"decode gives shape {tuple(x.shape)}, not {shape}"
        with torch.no_grad():
            close(untouched("decode", prior.decode, z), x, alone, "decode_vjp and decode differ")
            close(prior.decode(z[1:2]), x[1:2], alone, "decode of one latent differs from a batch")
    with promise(
        "the pullback of decode_vjp is the transposed Jacobian",
        "without a decode_vjp of yours, autograd finds it: through torch alone, "
        "with no .detach(), .item() or numpy in decode",
    ):
        r = draws((3, *shape), 1, precision.dtype)
        direction = draws((3, k), 2, precision.dtype)
        with differentiated("decode", by_autograd=type(prior).decode_vjp is Decoder.decode_vjp):
            pulled = untouched("the pullback", pullback, r)
        assert pulled.shape == z.shape, f"the pullback gives shape {tuple(pulled.shape)}"
        pushed = inner(slope(prior.decode, z, direction, precision.step(k)), r)
        along, tolerance = inner(pulled, direction), precision.slope(1e-4)
        close(pushed, along, tolerance, "the pullback isn't the transposed Jacobian")
    if isinstance(prior, LinearDecoder):
        with promise("decode_adjoint is the adjoint of decode", "Φᵀ x for D(z) = Φ z + D(0)"):
            linear = x - prior.decode(torch.zeros_like(z))
            steady("decode_adjoint", prior.decode_adjoint, r)
            pulled = untouched("decode_adjoint", prior.decode_adjoint, r)
            tolerance = precision.exact(1e-8)
            dot_test(linear, r, z, pulled, tolerance, "dot test of decode_adjoint")


def _check_encoder(prior: Encoder, image: Tensor) -> None:
    precision = Precision.of(prior.encode, image, "encode")
    image = image.to(precision.dtype)
    steady("encode", prior.encode, image)
    with promise("encode gives a latent per image, alike in every batch", "(B, C, H, W) → (B, k)"):
        z = untouched("encode", prior.encode, image)
        assert z.ndim == 2, f"encode must give (B, k), got {tuple(z.shape)}"
        alone = precision.exact(1e-9)
        close(prior.encode(image[1:2]), z[1:2], alone, "encode of one image differs from a batch")
    if isinstance(prior, Decoder):
        tolerance = precision.exact(1e-6)
        with promise("decode(encode(x)) is x", "a prior that only nearly encodes isn't an Encoder"):
            close(prior.decode(z), image, tolerance, "decode(encode(x)) isn't x")


def _check_density(prior: Density, image: Tensor) -> None:
    precision = Precision.of(prior.log_prob, image, "log_prob")
    image = image.to(precision.dtype)
    steady("log_prob", prior.log_prob, image)
    with promise(
        "log_prob gives a number per image, alike in every batch",
        "in nats, for x in [0, 1]ⁿ: (B, C, H, W) → (B,)",
    ):
        own_gradient = type(prior).log_prob_grad is not Density.log_prob_grad
        with differentiated("log_prob", by_autograd=not own_gradient):
            value, gradient = untouched("log_prob_grad", prior.log_prob_grad, image)
        assert tuple(value.shape) == (2,), f"log_prob has shape {tuple(value.shape)}"
        assert gradient.shape == image.shape, f"its gradient has shape {tuple(gradient.shape)}"
        alone = precision.exact(1e-8)
        own = prior.log_prob(image[1:2]).detach()
        close(own, value[1:2], alone, "log_prob depends on the batch")
    with promise("log_prob_grad is the gradient of log_prob"):
        direction = draws(tuple(image.shape), 7, precision.dtype)
        change = slope(prior.log_prob, image, direction, precision.step(image[0].numel()))
        along, tolerance = inner(gradient, direction), precision.slope(1e-4)
        close(change, along, tolerance, "log_prob_grad isn't the gradient of log_prob")
    if isinstance(prior, Encoder) and isinstance(prior, Decoder):
        _check_determinant(prior, image, value, precision)


def _check_determinant(prior: Decoder, image: Tensor, value: Tensor, precision: Precision) -> None:
    n = image[0].numel()
    assert isinstance(prior, Encoder)
    z = prior.encode(image[:1])
    if n > 512 or z.shape[1] != n:
        return
    with promise(
        "log_prob is log N(z) + log|det ∂z/∂x|", "a change of range is in the determinant too"
    ):
        J = torch.autograd.functional.jacobian(lambda u: prior.decode(u).flatten(1), z)
        logdet = -torch.linalg.slogdet(J.view(n, n))[1]
        gauss = -0.5 * (z.square().sum() + n * math.log(2 * math.pi))
        tolerance = precision.exact(1e-6)
        close(value[:1], (gauss + logdet)[None], tolerance, "log_prob ≠ log N(z) + log|det|")


def _check_sampler(prior: Sampler, shape: Shape) -> None:
    def sample(n: int = 2, temperature: float = 1.0) -> Tensor:
        generator = torch.Generator().manual_seed(0)
        return prior.sample(n, temperature=temperature, generator=generator)

    with promise(
        "sample follows its generator and temperature",
        "torch.randn(…, generator=generator), times temperature",
    ):
        drawn = sample()
        assert tuple(drawn.shape) == (2, *shape), f"samples have shape {tuple(drawn.shape)}"
        assert torch.equal(drawn, sample()), "sample doesn't follow its generator"
        cold = sample(temperature=0.0)
        close(cold[:1], cold[1:], 1e-5, "at temperature 0 all samples are the same")
        assert not torch.equal(drawn[0], drawn[1]), "all samples are the same"


def _check_denoiser(prior: Denoiser, shape: Shape) -> None:
    """In float32, at each of ``SIGMAS``, or at the nearest level within the prior's range."""
    with promise("levels are the least and the greatest sigma", "levels = (0.0, math.inf)"):
        levels = prior.levels
        two = isinstance(levels, tuple) and len(levels) == 2
        ordered = two and 0 <= levels[0] <= levels[1]
        assert ordered, f"levels is {levels!r}"
    low, high = levels
    sigmas = sorted({min(max(sigma, low), high) for sigma in SIGMAS})
    clean = _smooth(shape)
    noise = draws(tuple(clean.shape), 1, torch.float32)
    middle = sigmas[len(sigmas) // 2]
    with promise("denoise gives images of the shape that it gets", "(B, C, H, W) → (B, C, H, W)"):
        noisy = clean + middle * noise
        found = untouched("denoise", lambda x: _denoised(prior, x, middle), noisy)
        assert found.shape == noisy.shape, f"denoise gives shape {tuple(found.shape)}"
        assert found.dtype == noisy.dtype, f"denoise gives {found.dtype} for {noisy.dtype}"
    steady("denoise", lambda x: _denoised(prior, x, middle), noisy)
    with promise(
        "denoise removes noise of a known level, alike in every batch",
        "sigma is in units of x in [0, 1], not of 255; levels says where it holds",
    ):
        for sigma in sigmas:
            _check_level(prior, clean, clean + sigma * noise, sigma)
    with promise(
        "denoise takes one sigma per image too",
        "priorkit.linear.column(sigma, x) scales each image",
    ):
        ends = (sigmas[0], sigmas[-1])
        noisy = clean + column(torch.tensor(ends), clean) * noise
        found = _denoised(prior, noisy, torch.tensor(ends))
        assert found.shape == noisy.shape, f"denoise gives shape {tuple(found.shape)}"
        for i, sigma in enumerate(ends):
            each = _denoised(prior, noisy[i : i + 1], sigma)
            what = f"sigma {sigma:g} as a number and as that of one image of a batch differ"
            close(found[i : i + 1], each, 1e-5, what)


def _check_level(prior: Denoiser, clean: Tensor, noisy: Tensor, sigma: float) -> None:
    """The denoised images must be nearer to the clean ones than the noisy images are."""
    found = _denoised(prior, noisy, sigma)
    finite("denoise(x, sigma)", found)
    before = (noisy - clean).square().flatten(1).mean(1)
    after = (found - clean).square().flatten(1).mean(1)
    worst = int((after / before).argmax())
    assert bool((after < 0.8 * before).all()), (
        f"denoise doesn't remove noise of sigma {sigma:g}: mean square "
        f"{float(after[worst]):.2e} after {float(before[worst]):.2e}"
    )
    alone = _denoised(prior, noisy[1:2], sigma)
    close(alone, found[1:2], 1e-5, "denoise of one image differs from a batch")


def _denoised(prior: Denoiser, x: Tensor, sigma: float | Tensor) -> Tensor:
    """As a run asks for it, without a graph of autograd."""
    with torch.no_grad():
        return prior.denoise(x, sigma)


def _smooth(shape: Shape) -> Tensor:
    """Two images of a few random values each, smooth in between, in float32."""
    generator = torch.Generator().manual_seed(0)
    channels, *sides = shape if len(shape) > 1 else (1, *shape)  # of a vector its own axis
    size = (2, channels, *[min(4, max(1, side // 4)) for side in sides])
    coarse = torch.rand(size, generator=generator, dtype=torch.float64)
    mode = ("linear", "bilinear", "trilinear")[len(sides) - 1]
    fine = F.interpolate(coarse, size=sides, mode=mode, align_corners=True)
    return fine.float().view(2, *shape)
