"""D from deepinv: any of its denoisers is a prior."""

from __future__ import annotations

import copy
import inspect
import sys
from typing import Any, Self

import torch
from torch import Tensor, nn

from priorkit.discovery import describe
from priorkit.errors import BadInputError, MismatchError, needed
from priorkit.interfaces import Choices, Copies, Denoiser, Noise, Operator, Shape

__all__ = ["DeepinvDenoiser"]


class DeepinvDenoiser(Denoiser):
    """Denoises with a network or filter of deepinv, model(x, σ); ``prior=model`` is enough.

    Parameters
    ----------
    denoiser : an object of class deepinv.models.Denoiser, or the name of one that needs no
        weights, such as "TVDenoiser"

    Reference: Tachella et al., "DeepInverse: a Python package for solving imaging inverse
    problems with deep learning", 2025.
    """

    def __init__(self, *, denoiser: Any = "TVDenoiser") -> None:
        self.model = _named(denoiser) if isinstance(denoiser, str) else denoiser
        if not isinstance(self.model, nn.Module):
            raise BadInputError(
                "The prior 'deepinv' needs an object of deepinv.models.",
                got=type(denoiser).__name__,
                try_="prior=deepinv.models.DRUNet()",
            )
        self._copies = Copies(self._copy)

    def _copy(self, device: torch.device, dtype: torch.dtype) -> nn.Module:
        """A copy in evaluation mode; the user's model is neither moved nor changed."""
        return copy.deepcopy(self.model).eval().to(device, dtype)

    @classmethod
    def adopt(cls, thing: object) -> Self | None:
        models = sys.modules.get("deepinv.models")
        known = models is not None and isinstance(thing, models.Denoiser)
        return cls(denoiser=thing) if known else None

    def bind(self, shape: Shape) -> DeepinvDenoiser:
        if len(shape) != 3:
            raise BadInputError("Denoisers of deepinv are for pictures (C, H, W).", got=shape)
        return self

    def defaults(self, operator: Operator, noise: Noise) -> Choices:
        """In pixel space, from what y shows."""
        return Choices(space="pixel", start="shown")

    def denoise(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """Each picture by itself; one with sigma = 0 is unchanged."""
        levels = torch.as_tensor(sigma, dtype=torch.float64).expand(len(x)).tolist()
        model = self._copies.like(x)
        filters = not any(True for _ in model.parameters())
        with torch.no_grad():
            # A filter may keep state between calls: each image gets a new copy of it.
            each = [copy.deepcopy(model) if filters else model for _ in x]
            images = zip(each, x.split(1), levels, strict=True)
            return torch.cat([clean(image, s) if s > 0 else image for clean, image, s in images])


def _named(name: str) -> Any:
    """A denoiser of deepinv by the name of its class. Raises MismatchError, BadInputError."""
    try:
        with needed("deepinv", "The prior 'deepinv' needs", "deepinv"):
            import deepinv
    except RuntimeError as error:  # a torchvision that is built for another torch
        raise MismatchError(
            "The package deepinv can't be imported.",
            got=describe(error),
            try_="priorkit doctor, which says whether torch and torchvision go together",
        ) from error
    cls = getattr(deepinv.models, name, None)
    if not (isinstance(cls, type) and issubclass(cls, deepinv.models.Denoiser)):
        raise BadInputError(
            "A denoiser is named by its class in deepinv.models.", got=repr(name), try_="TVDenoiser"
        )
    if "pretrained" in inspect.signature(cls).parameters:
        raise BadInputError(
            f"{name} has weights to choose, which its name alone doesn't.",
            try_=f"prior=deepinv.models.{name}(pretrained=…)",
        )
    return cls()
