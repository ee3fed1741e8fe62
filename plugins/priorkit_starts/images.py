"""Starts that are images, made from what the measurement shows.

In latent space the image is encoded, so the prior must encode; in pixel space it is u₀.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Annotated, cast

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from priorkit.errors import MismatchError
from priorkit.interfaces import Encoder, LinearOperator, Problem, Requires, Start, WeightedNoise
from priorkit.linear import in_company, least_squares

__all__ = ["Enlarged", "Flat", "ImageStart", "Noisy", "NullSpace", "PseudoInverse", "needs_image"]

Map = Callable[[Tensor], Tensor]
SEEN = 100  # roundings of v, below which nothing of it is left unseen


class ImageStart(Start):
    """u₀ = the latent of an image, or in pixel space the image itself."""

    requires = Requires(latent=(Encoder,))

    def make(self, problem: Problem) -> Tensor:
        return problem.to_u(image=self.image(problem))

    @abstractmethod
    def image(self, problem: Problem) -> Tensor:
        """The images (B, *shape) to start from."""


class Flat(ImageStart):
    """An even gray picture.

    Parameters
    ----------
    value : of every pixel
    """

    def __init__(self, *, value: Annotated[float, Field(allow_inf_nan=False)] = 0.5) -> None:
        self.value = value

    def image(self, problem: Problem) -> Tensor:
        y = problem.y
        shape = (len(y), *problem.shape)
        return torch.full(shape, self.value, dtype=y.real.dtype, device=y.device)


class Noisy(ImageStart):
    """The measured image itself, as in denoising."""

    def check(self, problem: Problem) -> None:
        needs_image("noisy", problem)

    def image(self, problem: Problem) -> Tensor:
        return cast(Tensor, problem.operator.image(problem.noise.measured(problem.y)))


class Enlarged(ImageStart):
    """y, a picture with fewer pixels or channels, at the size of x.

    Enlarged by bicubic interpolation, and a gray y is gray in every channel. The pseudo-inverse
    would be dark between the pixels, and tinted.
    """

    def check(self, problem: Problem) -> None:
        if not problem.operator.reduces:
            raise MismatchError(
                "start 'enlarged' is for measurements that are smaller pictures, or gray ones.",
                ways=[{"start": "pseudo-inverse"}],
            )

    def image(self, problem: Problem) -> Tensor:
        shown = cast(Tensor, problem.operator.image(problem.noise.measured(problem.y)))
        sides = problem.shape[1:]
        if shown.shape[2:] != sides:
            shown = F.interpolate(shown, sides, mode="bicubic", align_corners=False)
        return shown.expand(-1, problem.shape[0], -1, -1).contiguous()


class PseudoInverse(ImageStart):
    """A⁺y, the shortest of the x that minimise ‖A x − y‖, by CGLS, or the one that is nearest to an
    even image, c + A⁺(y − A c).

    Of noise that isn't Gaussian, ‖·‖ weighs each entry where its weight is known. Where the noise
    is known, CGLS stops at the noise level, ‖A x − y‖² ≤ E‖η‖²: for a badly
    conditioned A, A⁺y itself is mostly amplified noise.

    Parameters
    ----------
    steps : of conjugate gradients at most
    even : begin at the even image that explains y best, each channel of one value, which is what is
        then seen where y says nothing, instead of 0

    Reference: Asim et al. 2020, supplement; Hanke, "Conjugate gradient type methods for
    ill-posed problems", 1995 (the stop).
    """

    requires = Requires(latent=(Encoder,), operator=(LinearOperator,))

    def __init__(self, *, steps: Annotated[int, Field(ge=1)] = 50, even: bool = False) -> None:
        self.steps, self.even = steps, even

    def image(self, problem: Problem) -> Tensor:
        noise, linear = problem.noise, cast(LinearOperator, problem.operator)
        energy = noise.energy if noise.known else 0.0
        squares = linear.A, linear.A_adjoint, noise.measured(problem.y)
        A, adjoint, y = problem.squares() if isinstance(noise, WeightedNoise) else squares
        first = y.real.new_zeros(len(y), *problem.shape)
        if self.even:
            first = _even(A, adjoint, y, first)
        return least_squares(A, adjoint, y, first, steps=self.steps, enough=energy)


class NullSpace(ImageStart):
    """The truth plus a change v that the measurement can't see: A v = 0, ‖v‖ = norm.

    A start for studies: the misfit is already that of the truth. It needs the truth, so it
    is refused for real measurements; and where the measurement sees everything, once that is known.

    Parameters
    ----------
    norm : ‖v‖
    """

    requires = Requires(latent=(Encoder,), operator=(LinearOperator,))

    def __init__(self, *, norm: Annotated[float, Field(ge=0)] = 10.0) -> None:
        self.norm = norm

    def check(self, problem: Problem) -> None:
        if not problem.simulated:
            raise MismatchError(
                "start 'null-space' needs the true picture, and this y was measured.",
                ways=[{"start": "pseudo-inverse"}],
            )

    def image(self, problem: Problem) -> Tensor:
        truth = cast(Tensor, problem.truth)
        drawn = problem.streams("start").normal(truth[0].numel()).view(truth.shape).to(truth)
        A = cast(LinearOperator, problem.operator)
        zero = torch.zeros_like(drawn)
        v = drawn - least_squares(A.A, A.A_adjoint, A.A(drawn), zero, steps=200)
        of_image = tuple(range(1, v.ndim))
        size, whole = (torch.linalg.vector_norm(t, dim=of_image, keepdim=True) for t in (v, drawn))
        if bool((size <= SEEN * torch.finfo(v.dtype).eps * whole).any()):
            raise MismatchError(
                "start 'null-space' changes what the measurement can't see, and this one sees all.",
                try_="fewer measurements, or start='noisy'",
            )
        return truth + self.norm * v / size


def _even(A: Map, adjoint: Map, y: Tensor, zero: Tensor) -> Tensor:
    """The images like ``zero`` (B, *shape), each channel of one value, of least ‖A x − y‖."""
    sides = tuple(range(2, zero.ndim)) or (1,)  # of a vector, which is one channel

    def spread(channels: Tensor) -> Tensor:
        return channels.expand_as(zero)

    def gathered(x: Tensor) -> Tensor:
        return in_company(lambda v: v.sum(sides, keepdim=True), x)

    first = zero.new_zeros(gathered(zero).shape)
    found = least_squares(
        lambda c: A(spread(c)), lambda r: gathered(adjoint(r)), y, first, steps=first[0].numel()
    )
    return spread(found).contiguous()


def needs_image(name: str, problem: Problem) -> None:
    """Raise MismatchError where y is no picture."""
    if not problem.operator.sees_image:
        raise MismatchError(
            f"start {name!r} needs a measurement that is a picture.",
            ways=[{"start": "pseudo-inverse"}, {"start": None}],
        )
