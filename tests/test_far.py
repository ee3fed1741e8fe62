"""Every component on a device: what it is given there it answers there, with the same numbers.

The device is that of :mod:`tests.far`, with a GPU's rules.
"""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

import priorkit
from priorkit.interfaces import (
    Decoder,
    Denoiser,
    Density,
    Encoder,
    LinearDecoder,
    LinearOperator,
    Prior,
    ProximalPenalty,
)
from priorkit.loop import solve
from priorkit.streams import Streams
from priorkit.testing import problem_for
from priorkit.testing.compare import draws
from priorkit.testing.samples import photograph
from tests.far import Far, far
from tests.testing.test_contracts import SAMPLES

LONG = {"bm3d", "diffusion"}  # seconds on the processor alone


def test_asking_is_found_out():
    """So that the tests below can fail."""
    with far() as device:
        x = torch.ones(3).to("far")
        asking = [
            lambda: bool((x > 0).any()),
            lambda: float(x.sum()),
            lambda: x[x > 0],
            lambda: x.nonzero(),
            lambda: x.tolist(),
            lambda: x.cpu(),
        ]
        for ask in asking:
            device.clear()
            ask()
            assert device.down.total() == 1
        device.clear()
        x.mul_(torch.zeros(3).to(x))
        assert device.up.total() == 1
        x.mul_(torch.zeros(3).to("far", non_blocking=True))
        assert device.up.total() == 1
        assert device.launched == {"aten._to_copy.default": 2, "aten.mul_.Tensor": 2}
        with pytest.raises(RuntimeError, match="same device"):
            x + torch.zeros(3)


def cases(kind):
    return [
        pytest.param(
            component,
            told,
            id=f"{name} {i}",
            marks=[pytest.mark.slow] if name in LONG else [],
        )
        for name, samples in SAMPLES[kind].items()
        for i, (component, told) in enumerate(samples)
    ]


def near(found):
    assert isinstance(found, Far), "the result is on the processor"
    return found.near


def agree(there, here, within=1e-4):
    """A result on the device is that of the processor, to rounding."""
    there = near(there)
    assert there.dtype == here.dtype
    assert there.shape == here.shape
    gap = (there - here).abs().max()
    assert float(gap) <= within * max(1.0, float(here.abs().max())), f"off by {float(gap):.1e}"


def both(function, *inputs):
    """What a function returns for tensors here, and for the same on the device, with what the
    second of two calls there transferred."""
    here = function(*inputs)
    with far() as transfers:
        moved = [each.to("far") if isinstance(each, Tensor) else each for each in inputs]
        there = function(*moved)
        transfers.clear()
        function(*moved)
    return there, here, transfers


# Whose entries are made on the processor, block by block, or that is a matrix of scipy there.
ELSEWHERE = {"gaussian 1", "rademacher 0", "rademacher 1", "rademacher 2"} | {
    f"matrix {i}" for i in (1, 2, 4, 5)
}


@pytest.mark.parametrize(("operator", "told"), cases("operator"))
def test_operators(operator, told, request):
    bound, x = operator.bind(told["shape"]), draws((3, *told["shape"]), 0, torch.float32)
    y = bound.A(x)
    r = draws(tuple(y.shape), 1, y.dtype)
    found = [both(bound.A, x), both(bound.vjp, x, r)]
    if isinstance(bound, LinearOperator):
        found.append(both(bound.A_adjoint, r))
    for there, here, transfers in found:
        agree(there, here)
        if request.node.callspec.id not in ELSEWHERE:
            assert not transfers.down, "it asks the device"
            assert not transfers.up, "it brings the same to the device again and again"


@pytest.mark.parametrize(("noise", "told"), cases("noise"))
def test_noises(noise, told):
    seen = 0.2 + torch.sigmoid(draws((3, 1, 4, 5), 0, torch.float32))
    there, y, _ = both(lambda seen: noise.sample(seen, Streams(0, "noise", range(3))), seen)
    agree(there, y)
    for found in zip(*both(noise.misfit, seen, y)[:2], strict=True):
        agree(*found)


@pytest.mark.parametrize(("penalty", "told"), cases("penalty"))
def test_penalties(penalty, told):
    penalty = penalty.bind(told.get("prior", Prior()), told["shape"])
    u = torch.sigmoid(draws((3, *told["shape"]), 0, torch.float32))
    for found in zip(*both(penalty.value_grad, u)[:2], strict=True):
        agree(*found)
    if isinstance(penalty, ProximalPenalty):
        agree(*both(penalty.prox, u, 0.3)[:2])
        agree(*both(penalty.prox, u, torch.tensor([0.1, 0.2, 0.3]))[:2])


@pytest.mark.parametrize(("prior", "told"), cases("prior"))
def test_priors(prior, told):
    prior = prior.bind(told["shape"]) if "shape" in told else prior
    if isinstance(prior, Decoder):
        z = 0.5 * draws((3, prior.latent_size), 0, torch.float32)
        there, x, _ = both(prior.decode, z)
        agree(there, x, 1e-3)
        r = draws(tuple(x.shape), 1, torch.float32)
        agree(*both(lambda z, r: prior.decode_vjp(z)[1](r), z, r)[:2], 1e-3)
    else:
        x = torch.sigmoid(draws((3, *(told.get("shape") or prior.shape)), 0, torch.float32))
        r = x
    x = x.detach()
    if isinstance(prior, LinearDecoder):
        agree(*both(prior.decode_adjoint, r)[:2])
    if isinstance(prior, Encoder):
        agree(*both(prior.encode, x)[:2], 1e-3)
    if isinstance(prior, Density):
        agree(*both(prior.log_prob, x)[:2], 1e-3)
        agree(*both(lambda x: prior.log_prob_grad(x)[1], x)[:2], 1e-3)
    if isinstance(prior, Denoiser):
        agree(*both(lambda x: prior.denoise(x, 0.1), x)[:2], 1e-3)
        agree(*both(prior.denoise, x, torch.tensor([0.1, 0.2, 0.3]))[:2], 1e-3)


def placed(problem):
    """A problem with its data in float32 on the device."""
    data = problem.data
    truth = None if data.truth is None else data.truth.float().to("far")
    return replace(problem, data=replace(data, y=_single(data.y).to("far"), truth=truth))


def _single(y):
    return y.to(torch.complex64) if y.is_complex() else y.float()


@pytest.mark.parametrize(("start", "told"), cases("start"))
def test_starts(start, told):
    problem = told.get("problem") or problem_for(start.requires, unseen=True)
    data = problem.data
    truth = None if data.truth is None else data.truth.float()
    here = start.make(replace(problem, data=replace(data, y=_single(data.y), truth=truth)))
    with far():
        there = start.make(placed(problem))
        agree(there, here, 1e-3)


# Whose mathematics is the processor's, or that asks at times whether to go on, or solves inside.
ASKS = {"ancestral", "coordinate-descent", "diffpir", "pnp-admm", "perturb"}


@pytest.mark.parametrize(("solver", "told"), cases("solver"))
def test_solvers(solver, told, request):
    """The loop reads the device once a step; a solver's own step doesn't."""
    problem = told.get("problem") or problem_for(solver.requires, known=not solver.descends)
    steps = []
    with far() as transfers:
        there = placed(problem)
        u0 = torch.zeros(len(there.y), there.size, device="far")
        transfers.clear()
        found, cut = solve(solver, there, u0, 6, watch=steps.append)
        down = transfers.down.total()
    assert cut is None, cut
    assert bool(near(found.u).isfinite().all())
    assert int(near(found.evaluations).min()) >= 1
    if request.node.callspec.id.split()[0] not in ASKS:
        drawn = sum(bool(now.draws.any()) for now in steps)
        assert down <= len(steps) + 1 + drawn


@pytest.mark.parametrize(
    "told",
    [
        {"prior": "diffusion-celeba", "op": "gaussian", "m": 500, "budget": 2},
        pytest.param(
            {"prior": "diffusion-celeba", "op": "mask", "budget": 4}, marks=pytest.mark.slow
        ),
        pytest.param(
            {"prior": "glow-celeba", "op": "gaussian", "m": 500, "budget": 3},
            marks=pytest.mark.slow,
        ),
        {"prior": "none", "op": "radon", "angles": 9, "penalty": "tv", "gamma": 1e-3, "budget": 9},
    ],
    ids=lambda told: f"{told['prior']} {told['op']}",
)
def test_a_recovery(told):
    """From the pictures to the score, and twice: the second with all that the first has made."""
    told = {"precision": "float32", **told}
    x = photograph((3, 64, 64)).repeat(2, 1, 1, 1)
    here = priorkit.recover(x, **told)
    with far():
        for _ in range(2):
            there = priorkit.recover(x, device="far", **told)
            agree(there.psnr, here.psnr, 0.01)
    assert isinstance(there.x, Far)
