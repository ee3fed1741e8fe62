"""What an image can be: a vector, a signal, a picture, a volume or a complex picture.

A kind says how its images are limited, scored and shown; all else asks it, and never for the
number of axes. It is known from the shape, but for complex pictures, which are two channels.
"""

from __future__ import annotations

import math
from abc import ABC
from typing import ClassVar, final

import torch
from torch import Tensor

from priorkit import metrics
from priorkit.errors import BadInputError
from priorkit.interfaces.component import Shape

__all__ = [
    "COMPLEX",
    "KINDS",
    "PICTURE",
    "SIGNAL",
    "VECTOR",
    "VOLUME",
    "Kind",
    "kind_of",
    "squared",
]

SLICES = 16  # of a volume that are shown


class Kind(ABC):
    """A kind of image, of which there is one instance.

    Attributes
    ----------
    name : as the setting ``kind`` has it
    many : several of them, in words
    axes : the names of the axes of one image
    bounded : whether values are brightness, within [0, 1]
    has_pixels : whether the last two axes are rows and columns, which have a left and a right
    """

    name: ClassVar[str]
    many: ClassVar[str]
    axes: ClassVar[tuple[str, ...]]
    bounded: ClassVar[bool]
    has_pixels: ClassVar[bool] = True

    def __str__(self) -> str:
        return f"{self.many} ({', '.join(self.axes)}{',' if len(self.axes) == 1 else ''})"

    def fits(self, shape: Shape) -> bool:
        """Whether an image of this shape can be of this kind."""
        return len(shape) == len(self.axes)

    def reported(self, x: Tensor, *, clip: bool) -> Tensor:
        """Images (B, *shape) as they are reported: every value a number, and brightness within
        [0, 1] where ``clip`` says that it must be."""
        if not self.bounded:
            return x.nan_to_num(0.0)
        x = x.nan_to_num(0.5)
        return x.clamp(0, 1) if clip else x

    def outside(self, x: Tensor) -> Tensor:
        """How many values of each image lie outside [0, 1], (B,); 0 of what isn't brightness."""
        return (((x < 0) | (x > 1)) & self.bounded).flatten(1).sum(1)

    def psnr(self, x: Tensor, truth: Tensor) -> Tensor | None:
        """PSNR in dB of what is seen, (B,); None of what has no pixels."""
        return metrics.psnr(self.slices(x), self.slices(truth)) if self.has_pixels else None

    def ssim(self, x: Tensor, truth: Tensor) -> Tensor | None:
        """SSIM, (B,), of volumes the mean over slices; None of what has no pixels."""
        if not self.has_pixels:
            return None
        pairs = (self.slices(images).flatten(0, 1) for images in (x, truth))
        return metrics.ssim(*pairs).view(len(x), -1).mean(1)

    def slices(self, x: Tensor) -> Tensor:
        """Images (B, *shape) as the pictures that they consist of, (B, S, C, H, W)."""
        return x[:, None]

    def flat(self, x: Tensor) -> Tensor:
        """One image (*shape) laid out as a picture (C, H, W): of complex values the magnitudes."""
        return x

    def picture(self, x: Tensor) -> Tensor:
        """One image (*shape) as it is shown to people, (1, H, W) or (3, H, W); (2, H, W) is gray
        with its opacity."""
        return _coloured(self.flat(x))

    def pages(self, x: Tensor) -> Tensor | None:
        """One image (*shape) as all its planes (P, H, W), where a picture doesn't show all."""
        return None


class _Numbers(Kind):
    """Images without pixels, whose values can be anything."""

    bounded = has_pixels = False

    def picture(self, x: Tensor) -> Tensor:
        return squared(x)


@final
class Vector(_Numbers):
    """(d,) numbers."""

    name, many, axes = "vector", "vectors", ("d",)


@final
class Signal(_Numbers):
    """C channels of N samples."""

    name, many, axes = "signal", "signals", ("C", "N")


@final
class Picture(Kind):
    """C channels of H rows and W columns: gray, colour, or bands of a spectrum."""

    name, many, axes, bounded = "picture", "pictures", ("C", "H", "W"), True

    def pages(self, x: Tensor) -> Tensor | None:
        return None if len(x) in (1, 3) else x


@final
class Volume(Kind):
    """D slices of H rows and W columns, each of C channels."""

    name, many, axes, bounded = "volume", "volumes", ("C", "D", "H", "W"), True

    def slices(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2)

    def flat(self, x: Tensor) -> Tensor:
        """At most ``SLICES`` of the slices, evenly spaced, row by row in a square."""
        channels, depth, height, width = x.shape
        count = min(depth, SLICES)
        which = torch.linspace(0, depth - 1, count).round().long()
        columns = math.ceil(math.sqrt(count))
        rows = -(-count // columns)
        whole = x.new_zeros(channels, rows * columns, height, width)
        whole[:, :count] = x[:, which]
        whole = whole.view(channels, rows, columns, height, width).transpose(2, 3)
        return whole.reshape(channels, rows * height, columns * width)

    def pages(self, x: Tensor) -> Tensor | None:
        return x.flatten(0, 1)


@final
class Complex(Kind):
    """H rows and W columns of complex numbers, real and imaginary part as two channels."""

    name, many, axes, bounded = "complex", "complex pictures", ("2", "H", "W"), False

    def fits(self, shape: Shape) -> bool:
        return super().fits(shape) and shape[0] == 2

    @staticmethod
    def numbers(x: Tensor) -> Tensor:
        """Its complex numbers, (B, 2, H, W) → (B, 1, H, W)."""
        return torch.complex(x[:, :1], x[:, 1:])

    @staticmethod
    def parts(numbers: Tensor) -> Tensor:
        """The inverse of :meth:`numbers`, (B, 1, H, W) → (B, 2, H, W)."""
        return torch.cat([numbers.real, numbers.imag], 1)

    def psnr(self, x: Tensor, truth: Tensor) -> Tensor:
        """Of the sizes, for a peak that is the largest of the truth's: the values have any unit.
        NaN where that is 0."""
        return metrics.psnr(*self._sizes(x, truth))

    def ssim(self, x: Tensor, truth: Tensor) -> Tensor:
        """Of the sizes, for the same range and with an even window of 7×7, as fastMRI counts.

        Reference: Zbontar et al., "fastMRI: an open dataset and benchmarks for accelerated MRI",
        2018, section 5.2 and its evaluate.py; there range and peak are those of a whole volume.
        """
        return metrics.ssim(*self._sizes(x, truth), square=True)

    def _sizes(self, x: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
        """Both as gray pictures in units of the largest value of the truth, NaN where that is 0."""
        a, b = (self.slices(images)[:, 0].double() for images in (x, truth))
        peak = b.amax((1, 2, 3), keepdim=True)
        peak = peak.where(peak > 0, torch.nan)
        return a / peak, b / peak

    def slices(self, x: Tensor) -> Tensor:
        return torch.hypot(x[:, 0], x[:, 1])[:, None, None]

    def flat(self, x: Tensor) -> Tensor:
        return torch.hypot(x[0], x[1])[None]

    def picture(self, x: Tensor) -> Tensor:
        """The magnitude, and beside it the phase, −π black and π white."""
        phase = torch.atan2(x[1], x[0])[None] / (2 * math.pi) + 0.5
        return torch.cat([self.flat(x), phase], 2)


VECTOR, SIGNAL, PICTURE, VOLUME, COMPLEX = Vector(), Signal(), Picture(), Volume(), Complex()
KINDS: dict[str, Kind] = {kind.name: kind for kind in (VECTOR, SIGNAL, PICTURE, VOLUME, COMPLEX)}


def kind_of(shape: Shape | None, name: str | None = None) -> Kind:
    """The kind of images of a shape, or the one of that ``name``; pictures where neither is said.

    Raises BadInputError where the two don't fit.

    >>> kind_of((3, 64, 64)).name, kind_of((1, 16, 64, 64)).name
    ('picture', 'volume')
    """
    if shape is None:
        return KINDS[name] if name is not None else PICTURE
    found = [kind for kind in KINDS.values() if kind.fits(shape) and name in (None, kind.name)]
    if not found:
        such = list(KINDS.values()) if name is None else [KINDS[name]]
        raise BadInputError(f"x must be {' or '.join(map(str, such))}.", got=f"shape {shape}")
    return found[0]


def squared(values: Tensor) -> Tensor:
    """Any numbers as greys in a square (1, S, S), row by row: ½ + x/2 over three root mean
    squares. Where they don't fill it, (2, S, S) with their opacity, 0 where there are no
    more."""
    values = values.detach().abs() if values.is_complex() else values.detach()
    values = values.float().cpu().flatten()
    side = math.ceil(math.sqrt(values.numel()))
    spread = 3 * float(values.square().mean().sqrt()) + 1e-12
    square = torch.ones(2, side * side)
    square[0, : values.numel()] = (0.5 + 0.5 * values / spread).clamp(0, 1)
    square[1, values.numel() :] = 0
    return square.view(2, side, side)[: 1 if values.numel() == side * side else 2]


def _coloured(x: Tensor) -> Tensor:
    """Channels (C, H, W) as gray or colour. Of another number than 1 and 3, red, green and blue
    are the means of the last, the middle and the first third, as of ascending wavelengths."""
    count = len(x)
    if count in (1, 3):
        return x
    thirds = [x[k * count // 3 : -(-(k + 1) * count // 3)].mean(0) for k in (2, 1, 0)]
    return torch.stack(thirds)
