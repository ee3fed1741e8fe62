"""Starts that are images, made from what the measurement shows.

In latent space the image is encoded, so the prior must encode; in pixel space it is u₀.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, cast

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from priorkit.errors import MismatchError
from priorkit.interfaces import Encoder, LinearOperator, Problem, Requires, Start, WeightedNoise
from priorkit.linear import least_squares

__all__ = ["Enlarged", "Flat", "ImageStart", "Noisy", "NullSpace", "PseudoInverse", "needs_image"]

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
    """A⁺y, the shortest of the x that minimise ‖A x − y‖, by CGLS.

    Of noise that isn't Gaussian, ‖·‖ weighs each entry where its weight is known. Where the noise
    is known, CGLS stops at the noise level, ‖A x − y‖² ≤ E‖η‖²: for a badly
    conditioned A, A⁺y itself is mostly amplified noise.

    Parameters
    ----------
    steps : of conjugate gradients at most

    Reference: Asim et al. 2020, supplement; Hanke, "Conjugate gradient type methods for
    ill-posed problems", 1995 (the stop).
    """

    requires = Requires(latent=(Encoder,), operator=(LinearOperator,))

    def __init__(self, *, steps: Annotated[int, Field(ge=1)] = 50) -> None:
        self.steps = steps

    def image(self, problem: Problem) -> Tensor:
        noise = problem.noise
        energy = noise.energy if noise.known else 0.0
        if not isinstance(noise, WeightedNoise):
            return pseudo_inverse(problem, noise.measured(problem.y), self.steps, energy)
        A, adjoint, y = problem.squares()
        zero = y.real.new_zeros(len(y), *problem.shape)
        return least_squares(A, adjoint, y, zero, steps=self.steps, enough=energy)


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
        v = drawn - pseudo_inverse(problem, problem.operator.A(drawn), 200)
        of_image = tuple(range(1, v.ndim))
        size, whole = (torch.linalg.vector_norm(t, dim=of_image, keepdim=True) for t in (v, drawn))
        if bool((size <= SEEN * torch.finfo(v.dtype).eps * whole).any()):
            raise MismatchError(
                "start 'null-space' changes what the measurement can't see, and this one sees all.",
                try_="fewer measurements, or start='noisy'",
            )
        return truth + self.norm * v / size


def pseudo_inverse(problem: Problem, y: Tensor, steps: int, energy: float = 0.0) -> Tensor:
    """A⁺y for each image of a batch, or the first x whose misfit is at most ``energy``."""
    A = cast(LinearOperator, problem.operator)
    zero = torch.zeros(len(y), *problem.shape, dtype=y.real.dtype, device=y.device)
    return least_squares(A.A, A.A_adjoint, y, zero, steps=steps, enough=energy)


def needs_image(name: str, problem: Problem) -> None:
    """Raise MismatchError where y is no picture."""
    if not problem.operator.sees_image:
        raise MismatchError(
            f"start {name!r} needs a measurement that is a picture.",
            ways=[{"start": "pseudo-inverse"}, {"start": None}],
        )
