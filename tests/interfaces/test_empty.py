"""A batch without images: every component of ours makes an empty one of it, of the right shape."""

import pytest
import torch

from priorkit.interfaces import (
    Decoder,
    Denoiser,
    Density,
    Encoder,
    LinearDecoder,
    LinearOperator,
    Mirror,
    NormPenalty,
    Prior,
    ProximalPenalty,
    Sampler,
    WeightedNoise,
    stack,
)
from priorkit.streams import Streams
from tests.testing.test_contracts import SAMPLES


def samples(kind):
    each = SAMPLES[kind].items()
    return [
        pytest.param(*sample, id=f"{name}-{i}")
        for name, found in each
        for i, sample in enumerate(found)
    ]


def shapes(found):
    return [tuple(each.shape) for each in (found if isinstance(found, tuple) else (found,))]


@pytest.mark.parametrize(("operator", "options"), samples("operator"))
def test_of_an_operator(operator, options):
    shape = options["shape"]
    for own in (operator, operator @ Mirror(), stack(operator, operator)):
        bound = own.bind(shape)
        x, y = torch.zeros(0, *shape), bound.A(torch.zeros(1, *shape))
        assert shapes(bound.A(x)) == [(0, *bound.y_shape)]
        assert bound.A(x).dtype == y.dtype
        assert shapes(bound.vjp(x, y[:0])) == [(0, *shape)]
        if isinstance(bound, LinearOperator):
            assert shapes(bound.T(y[:0])) == [(0, *shape)]
        if (shown := bound.image(y)) is not None:
            assert shapes(bound.image(y[:0])) == [(0, *shown.shape[1:])]


@pytest.mark.parametrize(("noise", "options"), samples("noise"))
def test_of_a_noise(noise, options):
    bound, y = noise.bind(24), torch.zeros(0, 1, 4, 6)
    assert shapes(bound.misfit(y, y)) == [(0,), (0, 1, 4, 6)]
    maps = [bound.measured, bound.expected, lambda y: bound.sample(y, Streams(0, "noise", []))]
    maps += [bound.weights] if isinstance(bound, WeightedNoise) else []
    assert [shapes(f(y)) for f in maps] == [[(0, 1, 4, 6)]] * len(maps)


@pytest.mark.parametrize(("penalty", "options"), samples("penalty"))
def test_of_a_penalty(penalty, options):
    shape = options["shape"]
    bound, u = penalty.bind(options.get("prior", Prior()), shape), torch.zeros(0, *shape)
    assert shapes(bound.value_grad(u)) == [(0,), (0, *shape)]
    if isinstance(bound, ProximalPenalty):
        assert shapes(bound.prox(u, 0.3)) == shapes(bound.prox(u, torch.zeros(0))) == shapes(u)
    if isinstance(bound, NormPenalty):
        assert shapes(bound.dual_norm(u)) == [(0,)]


@pytest.mark.parametrize(("prior", "options"), samples("prior"))
def test_of_a_prior(prior, options):
    bound = prior.bind(options.get("shape") or prior.shape)
    shape = bound.shape or options["shape"]
    x = torch.zeros(0, *shape)
    if isinstance(bound, Decoder):
        z = torch.zeros(0, bound.latent_size)
        found, pullback = bound.decode_vjp(z)
        assert shapes((bound.decode(z), found, pullback(x))) == [*shapes((x, x)), *shapes(z)]
    if isinstance(bound, Encoder):
        assert shapes(bound.encode(x)) == [(0, bound.latent_size)]
    if isinstance(bound, LinearDecoder):
        assert shapes(bound.decode_adjoint(x)) == [(0, bound.latent_size)]
    if isinstance(bound, Density):
        assert shapes((bound.log_prob(x), *bound.log_prob_grad(x))) == [(0,), (0,), *shapes(x)]
    if isinstance(bound, Denoiser):
        assert shapes(bound.denoise(x, 0.1)) == shapes(bound.denoise(x, torch.zeros(0)))
    if isinstance(bound, Sampler):
        assert shapes(bound.sample(0, generator=torch.Generator())) == shapes(x)
