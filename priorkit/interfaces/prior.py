"""The four ideas, and what each component can do.

    min over u of   ‖A(D(u)) − y‖²  +  γ · R(u)

D is a :class:`Prior`, A an :class:`Operator`, R a :class:`Penalty`, and the argmin is a
:class:`Solver`; a :class:`Start` gives its first u. What a component can do is the
abstract class it implements: a solver or a penalty names the classes it requires, and
:mod:`priorkit.problem` refuses a mismatch before any compute.

Shapes: images x are (B, C, H, W) float in [0, 1]; latents z are (B, k); a batch of
variables u is (B, n), latents or flattened images; values are (B,). Device and dtype
follow the input. Images in a batch never influence each other.

The options of a component are the keyword-only parameters of its constructor: their
annotations are checked by pydantic, and ``Annotated[int, Field(ge=1)]`` adds a range.
"""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

import torch
from torch import Tensor

__all__ = [
    "Choices",
    "Decoder",
    "Denoiser",
    "Density",
    "Encoder",
    "Evaluation",
    "IdentityOperator",
    "L1Penalty",
    "LinearDecoder",
    "LinearOperator",
    "MatrixOperator",
    "Noise",
    "NormPenalty",
    "Objective",
    "Operator",
    "Penalty",
    "Prior",
    "ProximalPenalty",
    "Requires",
    "Sampler",
    "Snapshot",
    "Solution",
    "Solver",
    "Start",
]

Shape = tuple[int, ...]
Space = Literal["latent", "pixel"]
Status = Literal["converged", "stopped", "diverged"]
Pullback = Callable[[Tensor], Tensor]
Spec = str | Mapping[str, Any]  # a registered name, or a table {"name": …, options}


@dataclass(frozen=True)
class Noise:
    """Gaussian noise on y: ``sigma`` per entry, or ``noise_norm`` = √E‖η‖² over all entries."""

    sigma: float | None = None
    noise_norm: float | None = None

    def std(self, entries: int) -> float:
        """Standard deviation per entry of a measurement with that many noisy entries."""
        if self.sigma is not None:
            return self.sigma
        return (self.noise_norm or 0.0) / math.sqrt(max(entries, 1))


@dataclass(frozen=True)
class Choices:
    """What a prior suggests for a problem; None leaves it to the core."""

    space: Space | None = None
    penalty: Spec | None = None
    gamma: float | None = None
    solver: Spec | None = None
    start: Spec | None = None
    budget: int | None = None
    restarts: int | None = None


# --- D: priors ---------------------------------------------------------------


class Prior(ABC):  # noqa: B024  (what it can do is in the subclasses)
    """What is known of pictures before measuring. Subclasses add what they can do.

    ``shape`` is the (C, H, W) of its images, (d,) of a prior over vectors, or None if it takes
    any. Images lie in [0, 1], vectors anywhere. ``provenance`` maps
    the names of the weights that it uses to their sha256, for the record of a run.
    """

    shape: Shape | None = None
    provenance: Mapping[str, str] = MappingProxyType({})

    def bind(self, shape: Shape) -> Prior:
        """This prior for images of ``shape``; the default is for those that need nothing."""
        return self

    def defaults(self, operator: Operator, noise: Noise) -> Choices:
        """Penalty, γ, solver, start, budget and restarts that suit this prior on that problem."""
        return Choices()


class Decoder(Prior):
    """A map D from latents to images."""

    @property
    @abstractmethod
    def latent_size(self) -> int:
        """k, the length of z."""

    @abstractmethod
    def decode(self, z: Tensor) -> Tensor:
        """D(z): (B, k) → (B, C, H, W); values may leave [0, 1] slightly."""

    def decode_vjp(self, z: Tensor) -> tuple[Tensor, Pullback]:
        """D(z), and the pullback r ↦ J(z)ᵀ r with r shaped like an image batch.

        The default records an autograd graph of :meth:`decode`.
        """
        with torch.enable_grad():
            z = z.detach().requires_grad_(True)
            x = self.decode(z)
        return x.detach(), lambda r: torch.autograd.grad(x, z, r)[0]


class LinearDecoder(Decoder):
    """A decoder D(z) = Φ z + D(0), such as an inverse cosine or wavelet transform."""

    @abstractmethod
    def decode_adjoint(self, x: Tensor) -> Tensor:
        """Φᵀ x: (B, C, H, W) → (B, k)."""

    def decode_vjp(self, z: Tensor) -> tuple[Tensor, Pullback]:
        return self.decode(z), self.decode_adjoint


class Encoder(Prior):
    """A prior that finds the latent of an image."""

    @abstractmethod
    def encode(self, x: Tensor) -> Tensor:
        """(B, C, H, W) → (B, k), the inverse of decode where there is one."""


class Density(Prior):
    """A prior with a probability density over images x in [0, 1]ⁿ."""

    @abstractmethod
    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) in nats per image, (B, C, H, W) → (B,)."""

    def log_prob_grad(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """log p(x) and its gradient ∇ₓ log p(x), by autograd."""
        with torch.enable_grad():
            x = x.detach().requires_grad_(True)
            value = self.log_prob(x)
            (gradient,) = torch.autograd.grad(value.sum(), x)
        return value.detach(), gradient


class Denoiser(Prior):
    """A prior that removes Gaussian noise of known standard deviation."""

    @abstractmethod
    def denoise(self, x: Tensor, sigma: float) -> Tensor:
        """A clean estimate of x = clean + N(0, sigma²), both (B, C, H, W)."""


class Sampler(Prior):
    """A prior that draws images."""

    @abstractmethod
    def sample(
        self, n: int, *, temperature: float = 1.0, generator: torch.Generator | None = None
    ) -> Tensor:
        """n images (n, C, H, W); ``temperature`` scales the latent's standard deviation."""


# --- A: operators ------------------------------------------------------------


class Operator(ABC):
    """A measurement y = A(x) + η, one per image of a batch."""

    default_noise: ClassVar[Noise] = Noise()

    shape: Shape  # of one image, set by bind
    y_shape: Shape  # of one measurement, set by bind

    def bind(self, shape: Shape) -> Operator:
        """A copy for images of ``shape`` = (C, H, W), with ``y_shape`` known."""
        bound = copy.copy(self)
        bound.shape = tuple(shape)
        vars(bound).pop("y_shape", None)  # of an earlier binding
        bound.prepare()
        if "y_shape" not in vars(bound):
            bound.y_shape = tuple(bound.A(torch.zeros(1, *shape)).shape[1:])
        return bound

    def prepare(self) -> None:  # noqa: B027  (optional)
        """Called by :meth:`bind` once ``self.shape`` is set: check it, size things."""

    @abstractmethod
    def A(self, x: Tensor) -> Tensor:
        """A(x): (B, C, H, W) → (B, *y_shape)."""

    def vjp(self, x: Tensor, r: Tensor) -> Tensor:
        """J(x)ᵀ r, with J the Jacobian of A at x; by autograd unless overridden."""
        with torch.enable_grad():
            x = x.detach().requires_grad_(True)
            y = self.A(x)
        return torch.autograd.grad(y, x, r)[0]

    def seen(self) -> Tensor | None:
        """1 where an entry of y is measured and 0 where not, or None if all are."""
        return None

    def picture(self, y: Tensor) -> Tensor | None:
        """y as an image batch to show to people, or None where it isn't one."""
        return None


class LinearOperator(Operator):
    """A linear A, with its exact adjoint."""

    @abstractmethod
    def A_adjoint(self, y: Tensor) -> Tensor:
        """Aᵀ y: (B, *y_shape) → (B, C, H, W); ⟨A x, y⟩ = ⟨x, Aᵀ y⟩."""

    def vjp(self, x: Tensor, r: Tensor) -> Tensor:
        return self.A_adjoint(r)

    @property
    def T(self) -> Callable[[Tensor], Tensor]:
        """The adjoint as a function, ``op.T(y)``."""
        return self.A_adjoint

    H = T


class IdentityOperator(LinearOperator):
    """A x = x exactly: y is the noisy picture, and a denoiser alone solves the problem."""


class MatrixOperator(LinearOperator):
    """A linear A whose rows can be had, for solvers that need A·Φ as a matrix."""

    @abstractmethod
    def rows(self, i: int, j: int) -> Tensor:
        """Rows i to j of the matrix of A, (j − i, C·H·W)."""


# --- R: penalties ------------------------------------------------------------


class Penalty(ABC):
    """R, a number per image that is small for what is likely.

    ``acts_on`` says of what: "u", the solver's variable (a latent, or pixels), or "x",
    the image in either space. ``requires`` lists classes that the prior must implement.
    A penalty that isn't ``smooth`` returns a subgradient.
    """

    acts_on: ClassVar[Literal["u", "x"]] = "u"
    smooth: ClassVar[bool] = True
    requires: ClassVar[tuple[type[Prior], ...]] = ()

    def bind(self, prior: Prior) -> Penalty:
        """This penalty for that prior; the default is for those that need nothing of it."""
        return self

    @abstractmethod
    def value_grad(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """R and its gradient: u of any shape (B, …) → (B,) and (B, …)."""


class ProximalPenalty(Penalty):
    """A penalty with a known proximal map."""

    @abstractmethod
    def prox(self, u: Tensor, step: float | Tensor) -> Tensor:
        """argmin over v of R(v) + ‖v − u‖² / (2·step)."""


class NormPenalty(ProximalPenalty):
    """A norm, whose dual gives a lower bound of the objective, and so a certificate."""

    @abstractmethod
    def dual_norm(self, u: Tensor) -> Tensor:
        """sup over v of ⟨u, v⟩ with R(v) ≤ 1: (B, …) → (B,)."""


class L1Penalty(NormPenalty):
    """R(u) = ‖u‖₁ exactly, for solvers that know no other penalty."""


# --- the objective, and argmin -------------------------------------------------


class Evaluation(NamedTuple):
    """The objective of a batch at one point: value (B,), gradient (B, n), misfit (B,)."""

    value: Tensor
    grad: Tensor
    misfit: Tensor


class Objective(Protocol):
    """What a smooth solver sees of a problem.

    ``noise_energy`` is a misfit below which only noise is fitted, 0 where that isn't known.
    """

    noise_energy: float

    def value_grad(self, u: Tensor, index: Tensor | None = None) -> Evaluation:
        """Evaluate rows u of the batch; ``index`` says which images they are."""
        ...


@dataclass(frozen=True)
class Requires:
    """What a solver or a start requires of the components of a problem.

    ``latent`` is asked of the prior in latent space only; None refuses that space.
    """

    latent: tuple[type[Prior], ...] | None = (Decoder,)
    prior: tuple[type[Prior], ...] = ()
    operator: tuple[type[Operator], ...] = ()
    penalty: tuple[type[Penalty], ...] = ()
    smooth: bool = False


class Snapshot(NamedTuple):
    """Where a batch stands: evaluations so far and the accepted values, each (B,), and u (B, n)."""

    evaluations: Tensor
    objective: Tensor
    misfit: Tensor
    u: Tensor


Callback = Callable[[Snapshot], None]


@dataclass
class Solution:
    """What a solver found: u (B, n), and per image its value, status and evaluations."""

    u: Tensor
    value: Tensor
    misfit: Tensor
    status: list[Status]
    evaluations: list[int]


class Solver(ABC):
    """Finds u. Failure is data: an image that diverged keeps its best finite iterate."""

    requires: ClassVar[Requires] = Requires()

    def check(self, setup: Any) -> None:  # noqa: B027  (optional)
        """Raise a PriorkitError, before any compute, where this solver can't serve.

        ``setup`` is a :class:`priorkit.problem.Setup`; classes are checked by ``requires``.
        """

    @abstractmethod
    def solve(
        self,
        problem: Any,
        u0: Tensor,
        *,
        budget: int,
        generator: torch.Generator | None = None,
        callback: Callback | None = None,
    ) -> Solution:
        """Minimise from u0 (B, n) with at most ``budget`` evaluations per image.

        ``problem`` is a :class:`priorkit.problem.Problem`; a solver that uses nothing but the
        :class:`Objective` in it can be checked on any.
        """


class Start(ABC):
    """The first u of a solver."""

    requires: ClassVar[Requires] = Requires(latent=())

    def check(self, setup: Any) -> None:  # noqa: B027  (optional)
        """Raise a PriorkitError, before any compute, where this start can't serve."""

    @abstractmethod
    def make(self, problem: Any, images: int, seed: int) -> Tensor:
        """u₀ of shape (images, problem.size) for a :class:`priorkit.problem.Problem`."""
