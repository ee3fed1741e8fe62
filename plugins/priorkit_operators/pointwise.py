"""Operators that act pixel by pixel: the identity, masks, and colour to gray."""

from __future__ import annotations

import copy
import logging
import os
from typing import Annotated, Any, Self

import numpy as np
import torch
from PIL import Image
from pydantic import Field
from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.interfaces import (
    Calibrated,
    Copies,
    IdentityOperator,
    Kind,
    Level,
    LinearOperator,
    Shape,
)
from priorkit.io.raw import numbers_or_picture
from priorkit.io.values import LUMA, arranged, dimensions
from priorkit_operators.checks import require_colours, require_picture
from priorkit_operators.masks import by_rule, of_array
from priorkit_operators.outliers import outliers
from priorkit_operators.painted import WORDS, painted, require_painted

__all__ = ["Gray", "Identity", "Mask", "Masked"]

log = logging.getLogger("priorkit")

RULES = ("center", "random", "left", "bottom", "outliers")  # words for a mask


class Identity(IdentityOperator):
    """A x = x: denoising. Simulated noise has σ = 0.1 unless said otherwise."""

    default_noise = Level(sigma=0.1)

    def A(self, x: Tensor) -> Tensor:
        return x

    def A_adjoint(self, y: Tensor) -> Tensor:
        return y


class Gray(LinearOperator):
    """A x = 0.299 R + 0.587 G + 0.114 B: the luma of a colour picture, (1, H, W).

    Simulated noise has σ = 0.01 unless said otherwise. Reference: ITU-R BT.601, section 2.5.1.
    """

    default_noise = Level(sigma=0.01)

    def prepare(self) -> None:
        require_colours("Only colour pictures (3, H, W) can lose their colour.", self.shape)
        self.y_shape = (1, *self.shape[1:])

    def A(self, x: Tensor) -> Tensor:
        return (x * _LUMA.like(x)).sum(1, keepdim=True)

    def A_adjoint(self, y: Tensor) -> Tensor:
        return y * _LUMA.like(y)

    def image(self, y: Tensor) -> Tensor:
        return y

    def shape_from(self, y_shape: Shape) -> Shape | None:
        return (3, *y_shape[1:]) if y_shape[0] == 1 else None


_LUMA = Copies(torch.tensor(LUMA, dtype=torch.float64).view(3, 1, 1).to)


class Masked(LinearOperator):
    """A x = mask ⊙ x, of a mask (*shape) that ``prepare`` gives to :meth:`_see`: y is a whole image
    with zeros where nothing was seen."""

    def _see(self, mask: Tensor) -> None:
        self._mask, self._masks = mask, Copies(mask.to)

    def A(self, x: Tensor) -> Tensor:
        return x * self._masks.like(x)

    def A_adjoint(self, y: Tensor) -> Tensor:
        return y * self._masks.like(y)

    @property
    def sees_image(self) -> bool:
        return True

    @property
    def mask(self) -> Tensor:
        """Zeros and ones, (*shape)."""
        return self._mask


class Mask(Calibrated, Masked):
    """A x = mask ⊙ x: inpainting. y is a whole image with zeros where nothing was seen.

    Parameters
    ----------
    mask : "center" (a square hole of ``fraction`` of the side, the paper's rows and columns
        22 to 40 of 64 at 0.3; in a volume a box, in a signal a gap), "random" (that fraction of
        the pixels is missing, the same in all channels), "left" (that half or fraction is
        missing), "bottom" (likewise, of pictures and volumes), "outliers" (pixels of a y that was
        measured which are 0, or which no noise explains, as where cosmic rays struck), or an
        array or file of one, also ``scan.h5::dataset=mask``, or for pictures a picture file, whose
        bright pixels (≥ ½) are seen unless ``missing`` says otherwise; one of many grays, such as
        a photograph, is then refused, and always one by which all is missing. By an array nothing
        may be, which is warned of
    missing : which pixels of a mask painted in a picture file are missing: "dark" ones, "white",
        "transparent", "painted" (all that isn't transparent), or those of a colour, "red",
        "green" (the brightest) or "#ff0000", to within a quarter of the way to any other
    grow : pixels by which what is missing reaches farther than painted, as brushes have soft edges
    cut : σ of the noise by which outliers are away from the pixels around them
    fraction : how much is missing; default 0.3 of the side for "center", else 0.5
    seed : of the random mask; default: the run's

    Reference: Asim et al. 2020, section 4.3.
    """

    def __init__(
        self,
        *,
        mask: Annotated[Any, Field(examples=list(RULES))] = "center",
        missing: Annotated[str, Field(examples=[*WORDS, "red", "green"])] = "dark",
        grow: Annotated[int, Field(ge=0, le=1000)] = 0,
        cut: Annotated[float, Field(gt=0)] = 5.0,
        fraction: Annotated[float, Field(gt=0, lt=1)] | None = None,
        seed: int | None = None,
    ) -> None:
        self._asked, self.fraction, self.seed = mask, fraction, seed
        self.missing, self.grow, self.cut = missing, grow, cut
        self._found: Tensor | None = None
        require_painted(missing)

    def calibrate(self, y: Tensor, shape: Shape, kind: Kind) -> Self:
        """With the outliers of y, where they are asked for; of pictures that are measured together
        those of any."""
        if self._rule != "outliers":
            return self
        require_picture("mask='outliers'", shape, "an array of what is seen")
        found = copy.copy(self)
        planes = arranged(y, kind, shape).double().cpu().numpy()
        if planes.shape[1:] == shape:
            hit = [[outliers(plane, self.cut) for plane in picture] for picture in planes]
            found._found = torch.from_numpy(~np.array(hit).any(0)).float()
            log.info("mask: %d of %d values of y are outliers.", np.sum(hit), planes.size)
        return found

    @property
    def _rule(self) -> str:
        """The word that was asked for, where it wasn't an array."""
        return self._asked if isinstance(self._asked, str) else ""

    def prepare(self) -> None:
        self._see(self._make())
        seen = int(self._mask.count_nonzero())
        # One of many pictures may be whole, and a picture may have no outliers.
        whole = seen == self._mask.numel() and self._rule in RULES and self._rule != "outliers"
        if not seen or whole:
            raise self._even(missing=not seen)
        self.y_shape = self.shape

    def _even(self, *, missing: bool) -> BadInputError:
        """The error for a mask of one value, by which all is ``missing`` or nothing."""
        size = dimensions(self.shape)
        if self._rule in RULES:
            got = f"mask={self._rule!r} and fraction={self.fraction}, at {size}"
            try_ = f"a {'smaller' if missing else 'larger'} fraction"
        else:
            got = f"a mask of {size} that is below 0.5 everywhere"
            try_ = "a mask that is 1 where pixels are seen and 0 where they are missing"
        return BadInputError(
            "All is missing by this mask: no pixel is seen."
            if missing
            else "Nothing is missing by this mask: every pixel is seen.",
            got=got,
            try_=try_,
        )

    def _make(self) -> Tensor:
        if self._rule == "outliers":
            if self._found is None:
                raise BadInputError(
                    "mask='outliers' finds them in a y that was measured.",
                    try_="y=…, or mask='random'",
                )
            return self._found.expand(self.shape).clone()
        if self._rule in RULES:
            return by_rule(self._rule, self.fraction, self.seed or 0, self.shape)
        return self._given()

    def _given(self) -> Tensor:
        """A picture or an array of the user's, (*shape)."""
        source = numbers_or_picture(self._asked, "A mask", RULES)
        if isinstance(source, (str, os.PathLike, Image.Image)):
            require_picture("A picture as a mask", self.shape, "an array, or mask='random'")
            seen = painted(source, self.missing, self.shape[1:], self.grow)
            return seen.expand(self.shape).clone()
        if self.missing != "dark" or self.grow:
            raise BadInputError(
                "missing and grow are for a mask that is a picture.",
                got=f"missing={self.missing!r}, grow={self.grow}",
                try_="an array of what is seen alone",
            )
        return of_array(source, self.shape)
