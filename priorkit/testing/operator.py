"""Contract tests for plugins: one call checks everything that an interface promises.

    from priorkit.testing import check_operator

    def test_blur():
        check_operator(Blur(width=2.0), shape=(3, 16, 16))

Each check raises AssertionError saying which promise is broken and by how much.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from priorkit.interfaces import (
    Decoder,
    Denoiser,
    Density,
    Encoder,
    Evaluation,
    LinearDecoder,
    LinearOperator,
    MatrixOperator,
    Operator,
    Penalty,
    Prior,
    ProximalPenalty,
    Sampler,
    Shape,
    Solver,
)

__all__ = ["Quadratic", "check_operator", "check_penalty", "check_prior", "check_solver"]


def check_operator(operator: Operator, *, shape: Shape, seed: int = 0) -> None:
    """Shapes, batch independence, and the vector-Jacobian product of an operator.

    For linear ones also linearity and the dot test ⟨A x, y⟩ = ⟨x, Aᵀ y⟩, to a relative
    10⁻⁸ in float64, and agreement of the rows with A.
    """
    operator = operator.bind(shape)
    x, x2 = _normal((3, *shape), seed), _normal((3, *shape), seed + 1)
    y = operator.A(x)
    assert tuple(y.shape) == (3, *operator.y_shape), (
        f"A(x) has shape {tuple(y.shape)}, y_shape says {operator.y_shape}"
    )
    assert y.dtype in (x.dtype, torch.complex128), f"dtype {y.dtype} doesn't follow the input"
    _close(operator.A(x[1:2]), y[1:2], 1e-10, "A of one image differs from A of a batch")
    before = x.clone()
    operator.A(x)
    assert torch.equal(x, before), "A changes its input"
    r = _normal(tuple(y.shape), seed + 2).to(y.dtype)
    pulled = operator.vjp(x, r)
    assert pulled.shape == x.shape, f"vjp has shape {tuple(pulled.shape)}"
    step = 1e-6
    slope = (operator.A(x + step * x2) - operator.A(x - step * x2)) / (2 * step)
    _close(
        (slope * r.conj()).real.flatten(1).sum(1),
        (pulled * x2).real.flatten(1).sum(1),
        1e-5,
        "vjp isn't the transposed Jacobian",
    )
    if isinstance(operator, LinearOperator):
        _close(operator.A(2 * x - x2), 2 * y - operator.A(x2), 1e-8, "A isn't linear")
        left = (y * r.conj()).real.flatten(1).sum(1)
        right = (x * operator.A_adjoint(r)).real.flatten(1).sum(1)
        _close(left, right, 1e-8, "dot test: ⟨A x, y⟩ ≠ ⟨x, Aᵀ y⟩")
        _close(operator.T(r), operator.A_adjoint(r), 0, ".T isn't A_adjoint")
    if isinstance(operator, MatrixOperator):
        m = math.prod(operator.y_shape)
        rows = operator.rows(0, m).to(x)
        _close(x.flatten(1) @ rows.T, y.flatten(1), 1e-5, "rows don't make up A")
        _close(operator.rows(m // 2, m).to(x), rows[m // 2 :], 0, "rows depend on the block")


def check_prior(prior: Prior, *, shape: Shape | None = None, seed: int = 0) -> None:
    """Everything that the interfaces of a prior promise, in float64 where it decodes.

    Pullback against finite differences, batch independence, decode ∘ encode = identity,
    the adjoint of a linear decoder, the gradient of a density, and for priors that both
    encode and have a density the agreement of both with the log-determinant of autograd,
    on images small enough (n ≤ 512).
    """
    shape = prior.shape or shape
    assert shape is not None, "this prior takes any shape: say shape=(C, H, W)"
    prior = prior.bind(shape)
    image = torch.sigmoid(_normal((2, *shape), seed))
    if isinstance(prior, Decoder):
        _check_decoder(prior, shape, seed)
    if isinstance(prior, Encoder):
        z = prior.encode(image)
        assert z.ndim == 2, f"encode must give (B, k), got {tuple(z.shape)}"
        if isinstance(prior, Decoder):
            _close(prior.decode(z), image, 1e-6, "decode(encode(x)) isn't x")
    if isinstance(prior, Density):
        _check_density(prior, image)
    if isinstance(prior, Sampler):
        drawn = prior.sample(2, generator=torch.Generator().manual_seed(seed))
        again = prior.sample(2, generator=torch.Generator().manual_seed(seed))
        assert tuple(drawn.shape) == (2, *shape), f"samples have shape {tuple(drawn.shape)}"
        assert torch.equal(drawn, again), "sample doesn't follow its generator"
    if isinstance(prior, Denoiser):
        clean = prior.denoise(image.float(), 0.05)
        assert clean.shape == image.shape, f"denoise gives shape {tuple(clean.shape)}"
        assert bool(torch.isfinite(clean).all()), "denoise gives values that aren't finite"


def check_penalty(
    penalty: Penalty, *, shape: Shape, prior: Prior | None = None, seed: int = 0
) -> None:
    """Value and gradient of a penalty, batch independence, and the optimality of its prox."""
    if prior is not None:
        penalty = penalty.bind(prior)
    u, direction = torch.sigmoid(_normal((3, *shape), seed)), _normal((3, *shape), seed + 1)
    value, gradient = penalty.value_grad(u)
    assert tuple(value.shape) == (3,), f"the value has shape {tuple(value.shape)}"
    assert gradient.shape == u.shape, f"the gradient has shape {tuple(gradient.shape)}"
    alone, _ = penalty.value_grad(u[1:2])
    _close(alone, value[1:2], 1e-9, "the value of one image differs from that in a batch")
    step = 1e-6
    up, down = (
        penalty.value_grad(u + step * direction)[0],
        penalty.value_grad(u - step * direction)[0],
    )
    _close(
        (up - down) / (2 * step),
        (gradient * direction).flatten(1).sum(1),
        1e-4,
        "the gradient isn't that of the value",
    )
    if isinstance(penalty, ProximalPenalty):
        t = 0.3

        def objective(v: Tensor) -> Tensor:
            return penalty.value_grad(v)[0] + (v - u).flatten(1).square().sum(1) / (2 * t)

        best = objective(penalty.prox(u, t))
        for scale in (1e-3, 1e-1):
            other = objective(penalty.prox(u, t) + scale * direction)
            assert bool((best <= other + 1e-9).all()), "prox isn't the minimiser"


class Quadratic:
    """f(u) = ½ Σ λᵢ (uᵢ − cᵢ)² with λ from 1 to ``condition``; the minimum is 0 at c."""

    def __init__(self, images: int, n: int, condition: float = 100.0, seed: int = 0) -> None:
        self.noise_energy = 0.0
        self.centre = _normal((images, n), seed)
        self.scale = torch.logspace(0, math.log10(condition), n, dtype=torch.float64)

    def value_grad(self, u: Tensor, index: Tensor | None = None) -> Evaluation:
        centre = self.centre if index is None else self.centre[index]
        gap = u - centre
        value = 0.5 * (self.scale * gap.square()).sum(1)
        return Evaluation(value, self.scale * gap, value)


def check_solver(solver: Solver, *, budget: int = 400, tolerance: float = 1e-3) -> None:
    """A solver on quadratics: it converges, alone as in a batch, and keeps its budget."""
    problem = Quadratic(4, 30)
    u0 = torch.zeros(4, 30, dtype=torch.float64)
    start = problem.value_grad(u0).value
    solution = solver.solve(problem, u0, budget=budget)
    fall = float((solution.value / start).max())
    assert fall < tolerance, f"the objective fell to {fall:.2e} of its start only"
    _close(problem.value_grad(solution.u).value, solution.value, 1e-9, "value isn't that of u")
    assert max(solution.evaluations) <= budget, "more evaluations than the budget"
    assert len(solution.status) == 4
    single = Quadratic(4, 30)
    single.centre = problem.centre[2:3]
    alone = solver.solve(single, u0[:1], budget=budget)
    _close(alone.u, solution.u[2:3], 1e-6, "an image's result depends on its batch")


def _check_decoder(prior: Decoder, shape: Shape, seed: int) -> None:
    z = 0.5 * _normal((3, prior.latent_size), seed)
    x, pullback = prior.decode_vjp(z)
    assert tuple(x.shape) == (3, *shape), f"decode gives shape {tuple(x.shape)}, not {shape}"
    _close(prior.decode(z), x, 1e-9, "decode_vjp and decode differ")
    _close(prior.decode(z[1:2]), x[1:2], 1e-9, "decode of one latent differs from a batch")
    r, direction = _normal((3, *shape), seed + 1), _normal((3, prior.latent_size), seed + 2)
    step = 1e-6
    slope = (prior.decode(z + step * direction) - prior.decode(z - step * direction)) / (2 * step)
    _close(
        (slope * r).flatten(1).sum(1),
        (pullback(r) * direction).sum(1),
        1e-4,
        "the pullback isn't the transposed Jacobian",
    )
    if isinstance(prior, LinearDecoder):
        left = ((x - prior.decode(torch.zeros_like(z))) * r).flatten(1).sum(1)
        _close(left, (z * prior.decode_adjoint(r)).sum(1), 1e-8, "dot test of decode_adjoint")


def _check_density(prior: Density, image: Tensor) -> None:
    value, gradient = prior.log_prob_grad(image)
    assert tuple(value.shape) == (2,), f"log_prob has shape {tuple(value.shape)}"
    _close(prior.log_prob(image[1:2]).detach(), value[1:2], 1e-8, "log_prob depends on the batch")
    direction = _normal(tuple(image.shape), 7)
    step = 1e-6
    up, down = prior.log_prob(image + step * direction), prior.log_prob(image - step * direction)
    _close(
        ((up - down) / (2 * step)).detach(),
        (gradient * direction).flatten(1).sum(1),
        1e-4,
        "log_prob_grad isn't the gradient of log_prob",
    )
    n = image[0].numel()
    if isinstance(prior, Encoder) and isinstance(prior, Decoder) and n <= 512:
        z = prior.encode(image[:1])
        if z.shape[1] == n:
            J = torch.autograd.functional.jacobian(lambda u: prior.decode(u).flatten(1), z)
            logdet = -torch.linalg.slogdet(J.view(n, n))[1]
            gauss = -0.5 * (z.square().sum() + n * math.log(2 * math.pi))
            _close(value[:1], (gauss + logdet)[None], 1e-6, "log_prob ≠ log N(z) + log|det|")


def _normal(shape: tuple[int, ...], seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def _close(a: Tensor, b: Tensor, tolerance: float, what: str) -> None:
    scale = float(b.detach().abs().max()) if b.numel() else 0.0
    gap = float((a - b).detach().abs().max()) if b.numel() else 0.0
    assert gap <= tolerance * max(scale, 1e-12) + (1e-12 if tolerance else 0), (
        f"{what}: off by {gap:.2e}, largest value {scale:.2e}"
    )
