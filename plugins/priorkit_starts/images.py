"""Starts that are images, made from what the measurement shows.

In latent space the image is encoded, so the prior must encode; in pixel space it is u₀.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Literal, cast

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from priorkit.errors import MismatchError
from priorkit.interfaces import Encoder, LinearOperator, Problem, Requires, Start, WeightedNoise
from priorkit.linear import in_company, least_squares
from priorkit_starts.holes import nearest, smooth

__all__ = ["Enlarged", "Filled", "Flat", "ImageStart", "Noisy", "NullSpace", "PseudoInverse"]

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
        _needs_image("noisy", problem)

    def image(self, problem: Problem) -> Tensor:
        return cast(Tensor, problem.operator.image(problem.noise.measured(problem.y)))


class Filled(ImageStart):
    """The measured image, of any kind, its holes filled.

    Parameters
    ----------
    fill : "mean" (of the seen pixels, per channel), "noise" (uniform in [0, 1]), "neighbours"
        (the nearest seen pixel) or "smooth" (least ‖Δx‖², Δ the Laplacian, by 200 steps from a
        linear interpolation, in volumes from the nearest seen pixel)
    """

    def __init__(self, *, fill: Literal["mean", "noise", "neighbours", "smooth"] = "mean") -> None:
        self.fill = fill

    def check(self, problem: Problem) -> None:
        _needs_image("filled", problem)
        if problem.operator.mask is None:
            raise MismatchError(
                "start 'filled' is for pictures with holes, and this operator sees everything.",
                ways=[{"start": "noisy"}],
            )

    def image(self, problem: Problem) -> Tensor:
        shown, mask = problem.operator.image, cast(Tensor, problem.operator.mask)
        sides = problem.shape[1:] or problem.shape  # of a vector, which is taken for one channel
        measured = problem.noise.measured(problem.y)
        y = cast(Tensor, shown(measured)).reshape(len(measured), -1, *sides)
        seen = cast(Tensor, shown(mask[None].to(y))).reshape(-1, *sides)
        if self.fill == "mean":
            count = seen.flatten(1).sum(1).clamp_min(1)
            mean = in_company(lambda v: v.flatten(2).sum(2), y * seen) / count
            filling = mean.view(*mean.shape, *[1] * len(sides)).expand_as(y)
        elif self.fill == "noise":
            draws = problem.streams("start").normal(y[0].numel()).view(y.shape).to(y)
            filling = (1 + torch.erf(draws / 2**0.5)) / 2  # normal → uniform
        else:
            between = smooth if self.fill == "smooth" else nearest
            filling = torch.stack([between(y[:, c], seen[c]) for c in range(y.shape[1])], 1)
        return (y * seen + filling * (1 - seen)).view(-1, *problem.shape)


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


def _needs_image(name: str, problem: Problem) -> None:
    if not problem.operator.sees_image:
        raise MismatchError(
            f"start {name!r} needs a measurement that is a picture.",
            ways=[{"start": "pseudo-inverse"}, {"start": None}],
        )
