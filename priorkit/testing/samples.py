"""Small exact components, and a problem of them that meets what a solver or start requires."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from priorkit.counted import a_or_an
from priorkit.interfaces import (
    Denoiser,
    Encoder,
    Ensemble,
    GaussianNoise,
    IdentityOperator,
    L1Penalty,
    Level,
    LinearDecoder,
    MatrixOperator,
    Operator,
    Penalty,
    Prior,
    Problem,
    RandomOperator,
    Requires,
    Sampler,
    Shape,
    Space,
    ZeroPenalty,
    kind_of,
)
from priorkit.io.pictures import astronaut, load
from priorkit.linear import column, matvec, rmatvec
from priorkit.streams import Streams
from priorkit.testing.compare import draws

__all__ = ["photograph", "problem_for"]

SHAPE, IMAGES = (1, 4, 4), 4


def problem_for(requires: Requires, *, known: bool = True, unseen: bool = False) -> Problem:
    """A small convex problem in float64, with its data, that meets a ``requires``.

    ``known`` says whether the noise level is known: a solver may stop at it. ``unseen``: whether a
    measurement by a matrix leaves something unseen.

    Raises AssertionError where no sample meets it: give the check a problem of your own.
    """
    latent = requires.latent is not None and not requires.prior
    prior: Prior = SampleBasis() if latent else SampleDenoiser()
    wants_identity = any(issubclass(cls, IdentityOperator) for cls in requires.operator)
    operator: Operator = SampleIdentity() if wants_identity else SampleMatrix(0.5 if unseen else 2)
    operator = operator.bind(SHAPE)
    weighed = bool(requires.penalty) and not requires.smooth
    penalty: Penalty = SampleL1() if weighed else SampleNothing()
    gamma = 0.1 if weighed else 0.0
    level = SampleNoise(sigma=0.05)
    noise = level if known else SampleNoise(sigma=None)
    space: Space = "latent" if latent else "pixel"
    truth = torch.sigmoid(draws((IMAGES, *SHAPE), 1))
    problem = Problem(operator, prior, noise, penalty, gamma, space, SHAPE, True, 0)
    for _, have, classes in requires.asked(problem):
        for cls in classes:
            assert isinstance(have, cls), f"no sample is {a_or_an(cls.__name__)}: say problem=…"
    y = level.sample(operator.A(truth), Streams(0, "noise", range(IMAGES)))
    return problem.at(y, truth)


def photograph(shape: Shape) -> Tensor:
    """The sample photograph as one image (1, *shape) of any kind. More than three channels repeat
    its colours, and the slices of a volume the picture; a vector is one row of its gray pixels, a
    signal one row for each channel."""
    if kind_of(shape).has_pixels:
        colours = load(astronaut(), (3, *shape[-2:])).x
        channels = colours[:, [k % 3 for k in range(shape[0])]]
        return channels if len(shape) == 3 else channels[:, :, None].expand(1, *shape).clone()
    rows = shape[0] if len(shape) == 2 else 1
    return load(astronaut(), (1, rows, shape[-1])).x.view(1, *shape)


class SampleBasis(LinearDecoder, Encoder, Sampler):
    """x = ½ + Qz with an orthogonal Q; samples are of z ~ N(0, 1)."""

    shape: Shape | None = SHAPE

    def __init__(self) -> None:
        n = math.prod(SHAPE)
        self.Q = torch.linalg.qr(draws((n, n), 0))[0]

    @property
    def latent_size(self) -> int:
        return len(self.Q)

    def decode(self, z: Tensor) -> Tensor:
        return matvec(self.Q.to(z), z).view(-1, *SHAPE) + 0.5

    def decode_adjoint(self, x: Tensor) -> Tensor:
        return rmatvec(self.Q.to(x), x.flatten(1))

    def encode(self, x: Tensor) -> Tensor:
        return self.decode_adjoint(x - 0.5)

    def sample(
        self, n: int, *, temperature: float = 1.0, generator: torch.Generator | None = None
    ) -> Tensor:
        z = torch.randn(n, self.latent_size, dtype=self.Q.dtype, generator=generator)
        return self.decode(temperature * z)


class SampleDenoiser(Denoiser):
    """The proximal map of ½‖x‖² at step σ²."""

    def denoise(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        return x / column(1 + torch.as_tensor(sigma) ** 2, x)


class SampleMatrix(MatrixOperator, RandomOperator):
    """A full-rank matrix of independent entries, with ``tall`` times as many rows as columns."""

    def __init__(self, tall: float = 2) -> None:
        n = math.prod(SHAPE)
        m = int(tall * n)
        self.M = draws((m, n), 2) / math.sqrt(m)

    def A(self, x: Tensor) -> Tensor:
        return matvec(self.M.to(x), x.flatten(1))

    def A_adjoint(self, y: Tensor) -> Tensor:
        return rmatvec(self.M.to(y), y).view(-1, *SHAPE)

    def rows(self, i: int, j: int) -> Tensor:
        return self.M[i:j]

    @property
    def ensemble(self) -> Ensemble:
        return "iid"

    @property
    def excess(self) -> float:
        return (self.M.shape[1] + 1) / len(self.M)  # of normals


class SampleIdentity(IdentityOperator):
    """A x = x."""

    def A(self, x: Tensor) -> Tensor:
        return x

    def A_adjoint(self, y: Tensor) -> Tensor:
        return y


class SampleNoise(GaussianNoise):
    """N(0, σ²)."""

    def __init__(self, sigma: float | None) -> None:
        self.level = Level(sigma=sigma)

    def sample(self, Ax: Tensor, streams: Streams) -> Tensor:
        return Ax + self.std * streams.normal(Ax[0].numel()).view(Ax.shape).to(Ax)


class SampleNothing(ZeroPenalty):
    """R = 0."""

    def value_grad(self, u: Tensor) -> tuple[Tensor, Tensor]:
        return u.new_zeros(len(u)), torch.zeros_like(u)

    def prox(self, u: Tensor, step: float | Tensor) -> Tensor:
        return u


class SampleL1(L1Penalty):
    """R = ‖u‖₁."""

    smooth = False

    def value_grad(self, u: Tensor) -> tuple[Tensor, Tensor]:
        return u.flatten(1).abs().sum(1), u.sign()

    def prox(self, u: Tensor, step: float | Tensor) -> Tensor:
        return u.sign() * (u.abs() - column(step, u)).clamp_min(0)

    def dual_norm(self, u: Tensor) -> Tensor:
        return u.flatten(1).abs().amax(1)
