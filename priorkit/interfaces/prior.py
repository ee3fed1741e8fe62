"""D: what is known of images before measuring."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from priorkit.interfaces.component import Component, Pullback, Shape, Space, Spec
from priorkit.interfaces.noise import Noise
from priorkit.interfaces.operator import Operator

__all__ = [
    "Choices",
    "Decoder",
    "Denoiser",
    "Density",
    "Encoder",
    "LinearDecoder",
    "Pixels",
    "Prior",
    "Sampler",
]


@dataclass(frozen=True)
class Choices:
    """What a prior suggests for a problem; None leaves it to the core.

    ``prior`` is the prior itself, set up otherwise for this problem.
    ``rough`` says that answers in pixel space are as good in mixed precision, which is then the
    default where the machine is faster so.
    ``refused`` says why nothing that it could suggest is worth a run; the run is then refused,
    unless the user says penalty, gamma or solver himself. ``instead`` are settings that do better,
    the best first, as the ``ways`` of a :class:`~priorkit.errors.PriorkitError`.
    """

    space: Space | None = None
    penalty: Spec | None = None
    gamma: float | None = None
    solver: Spec | None = None
    start: Spec | None = None
    budget: int | None = None
    restarts: int | None = None
    prior: Prior | None = None
    rough: bool = False
    refused: str | None = None
    instead: Sequence[Mapping[str, object]] = ()


class Prior(Component, ABC):
    """What is known of images before measuring. Subclasses add what they can do.

    ``shape`` is that of its images, (C, H, W) of pictures, or None if it takes any. Pictures and
    volumes lie in [0, 1], other kinds of image anywhere.
    """

    shape: Shape | None = None

    def bind(self, shape: Shape) -> Prior:
        """This prior for images of ``shape``; the default is for those that need nothing."""
        return self

    def defaults(self, operator: Operator, noise: Noise) -> Choices:
        """Penalty, γ, solver, start, budget and restarts that suit this prior on that problem."""
        return Choices()

    def mixed(self, space: Space) -> Prior | None:
        """This prior in mixed precision, faster and rougher; None where it has none in ``space``.

        In latent space the pullback of ``decode_vjp`` is then right to within parts in a thousand,
        and D(z) as it was; ``denoise`` to within parts in a hundred of what it takes away.
        """
        return None

    @property
    def memory(self) -> int:
        """Bytes per image that its largest call takes while it runs, as D(z) with its pullback."""
        return 0


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

    @property
    def scale(self) -> Tensor | None:
        """In which scale (k,) a solver should measure each entry of z; None: all alike.

        Where many z fit a measurement, it decides which of them are near.
        """
        return None

    def blame(self, z: Tensor) -> str:
        """Where D(z) stops being finite, for one z (1, k) where it does."""
        return "D(z) is not finite"


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


class Pixels(LinearDecoder, Encoder):
    """The identity D(u) = x between u (B, n), the entries of images, and images (B, *shape):
    what decodes in pixel space, whatever the prior is.

    >>> Pixels((3, 8, 8)).decode(torch.zeros(2, 192)).shape
    torch.Size([2, 3, 8, 8])
    """

    shape: Shape

    def __init__(self, shape: Shape) -> None:
        self.shape = shape

    @property
    def latent_size(self) -> int:
        return math.prod(self.shape)

    def decode(self, z: Tensor) -> Tensor:
        return z.view(-1, *self.shape)

    def decode_adjoint(self, x: Tensor) -> Tensor:
        return x.flatten(1)

    encode = decode_adjoint


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

    @property
    def density_memory(self) -> int:
        """Bytes per image that the density with its gradient takes while it runs."""
        return self.memory


class Denoiser(Prior):
    """A prior that removes Gaussian noise of a known standard deviation: D(v, σ) ≈ E[x | v],
    for v = x + N(0, σ²·1).

    ``levels`` are the least and the greatest σ, in units of x, in which it holds.
    """

    levels: tuple[float, float] = (0.0, math.inf)

    @abstractmethod
    def denoise(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """A clean estimate of x = clean + N(0, sigma²), both (B, C, H, W).

        ``sigma`` is one number, or one per image, (B,).
        """

    @property
    def denoising_memory(self) -> int:
        """Bytes per image that denoising takes while it runs."""
        return self.memory


class Sampler(Prior):
    """A prior that draws images."""

    @abstractmethod
    def sample(
        self, n: int, *, temperature: float = 1.0, generator: torch.Generator | None = None
    ) -> Tensor:
        """n images (n, C, H, W); ``temperature`` scales the latent's standard deviation."""
