"""Pictures in: files, folders, PIL, numpy, torch → NCHW float in [0, 1]. And out again."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.io.arrays import read_array
from priorkit.io.files import distinct

__all__ = ["Pictures", "astronaut", "dimensions", "load", "to_pil"]

log = logging.getLogger("priorkit")

Box = tuple[int, int, int, int]  # left, top, right, bottom
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff")
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as in Pillow's convert("L")
MAX_PIXELS = 50_000_000  # of a file that is resized; a larger one is refused undecoded
MAX_WHOLE = 16_000_000  # of a file that is taken as it is


@dataclass(frozen=True)
class Pictures:
    """A batch of images (B, C, H, W) float32 in [0, 1], a name for each, and the files of a
    folder that can't be read, with the reason."""

    x: Tensor
    names: list[str]
    skipped: dict[str, str] = field(default_factory=dict)


def astronaut() -> Path:
    """The sample photograph: the face of astronaut Eileen Collins (NASA, public domain)."""
    return Path(__file__).parents[1] / "assets" / "astronaut.png"


def load(source: Any, shape: tuple[int, ...] | None = None, *, resize: bool = False) -> Pictures:
    """Read pictures from a path, a folder, PIL, numpy or torch.

    Parameters
    ----------
    source : a picture or .npy file, a folder of pictures, a PIL image, an array or tensor
        (H, W), (H, W, C), (C, H, W), (B, H, W, C) or (B, C, H, W); uint8 in 0..255, uint16 in
        0..65535, bool, or float in [0, 1]; or a list of any of these. What is partly
        transparent is taken over white, with a warning.
    shape : (C, H, W) to bring files and PIL images to: the largest centred box of these
        proportions, resized with antialiased bilinear. Arrays are taken as they are and
        must have this shape. (d,) asks for vectors, (C, N) for signals: an array of that shape
        or a batch of these, of any values.
    resize : crop and resize arrays too, and make gray of colour or colour of gray, as of files

    Raises BadInputError for anything that isn't a picture, NaN, or values out of range.
    """
    if shape is not None and len(shape) < 3:
        return _numbers(source, shape)
    if isinstance(source, (list, tuple)):
        if not source:
            raise BadInputError("No pictures given.", got="an empty list")
        return _batch([load(item, shape, resize=resize) for item in source])
    if isinstance(source, (str, os.PathLike)):
        return _from_path(Path(source), shape, resize)
    if isinstance(source, Image.Image):
        return Pictures(_frame(source, shape)[None], ["image"])
    if isinstance(source, (np.ndarray, Tensor)):
        x = _from_array(source)
        if shape is not None and tuple(x.shape[1:]) != tuple(shape):
            if not resize or x.shape[1] not in (1, 3) or shape[0] not in (1, 3):
                raise BadInputError(
                    f"An array of pictures must be {dimensions(shape)} here.",
                    got=dimensions(x.shape[1:]),
                    try_="resize=True, to crop and resize it",
                )
            x = _resized(x, shape)
        names = [f"{i:04d}" for i in range(len(x))] if len(x) > 1 else ["image"]
        return Pictures(x, names)
    raise BadInputError(
        "A picture is a path, a folder, a PIL image, a numpy array or a torch tensor.",
        got=type(source).__name__,
    )


def to_pil(x: Tensor) -> Image.Image:
    """One image (C, H, W) in [0, 1] → PIL, rounded to 8 bits.

    One channel is gray and three are colour. Of any other number each is a gray picture, in
    order from the left and in as many rows as columns or one less, white where there are no more.
    """
    values = (x.detach().float().cpu().clamp(0, 1) * 255).round().byte()
    array = (values if len(values) in (1, 3) else _mosaic(values)).permute(1, 2, 0).numpy()
    return Image.fromarray(array[..., 0] if array.shape[2] == 1 else array)


def _mosaic(channels: Tensor) -> Tensor:
    """Pictures of 8 bits (C, H, W) side by side as one, (1, rows · H, columns · W)."""
    count, height, width = channels.shape
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    whole = channels.new_full((rows * columns, height, width), 255)
    whole[:count] = channels
    whole = whole.view(rows, columns, height, width).transpose(1, 2)
    return whole.reshape(1, rows * height, columns * width)


def _from_path(path: Path, shape: tuple[int, ...] | None, resize: bool) -> Pictures:
    try:
        path.stat()
    except FileNotFoundError as error:
        raise BadInputError(f"There is no file {path}.") from error
    except (OSError, ValueError) as error:  # too long, or a name that no file can have
        raise BadInputError("This path can't be read.", got=f"{str(path)[:80]!r}") from error
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES)
        if not files:
            raise BadInputError(f"No pictures in the folder {path}.", try_="PNG or JPEG files")
        return _from_folder(files, shape)
    if path.suffix == ".npy":
        return load(read_array(path), shape, resize=resize)
    try:
        with Image.open(path) as file:
            limit = MAX_WHOLE if shape is None else MAX_PIXELS
            if file.width * file.height > limit:
                raise BadInputError(
                    f"{path} has more than {limit // 1_000_000} million pixels.",
                    got=f"{file.width}×{file.height}",
                    try_="shape=(3, 64, 64), to crop and resize it" if shape is None else None,
                )
            file.load()
            ImageOps.exif_transpose(file, in_place=True)  # as the camera was held
            return Pictures(_frame(file, shape, path.name)[None], [_text(path.stem)])
    except BadInputError:
        raise
    except Exception as error:  # Pillow raises many kinds for a damaged file
        raise BadInputError(
            f"{path} is not a picture that can be read.",
            got=f"{type(error).__name__}",
            try_="a PNG or JPEG file",
        ) from error


def _text(name: str) -> str:
    """The name of a file as Unicode, whatever bytes it is made of."""
    return name.encode("utf-8", "replace").decode()


def _from_folder(files: list[Path], shape: tuple[int, ...] | None) -> Pictures:
    """The files that can be read; the others are listed. Raises where none can."""
    parts, skipped = [], {}
    errors = []
    for path in files:
        try:
            parts.append(_from_path(path, shape, False))
        except BadInputError as error:
            errors.append(error)
            skipped[_text(path.name)] = str(error)
    if not parts:
        raise errors[0]
    for reason in skipped.values():
        log.warning("Left out: %s", reason)
    return replace(_batch(parts), skipped=skipped)


def _batch(parts: list[Pictures]) -> Pictures:
    """One batch of all parts, names told apart. Raises BadInputError for several sizes."""
    if len({p.x.shape[1:] for p in parts}) > 1:
        raise BadInputError(
            "Pictures of one batch need one size.",
            got=", ".join(sorted({dimensions(p.x.shape[1:]) for p in parts})),
            try_="shape=(3, 64, 64)",
        )
    names = distinct([n for p in parts for n in p.names])
    skipped = {name: reason for p in parts for name, reason in p.skipped.items()}
    return Pictures(torch.cat([p.x for p in parts]), names, skipped)


def _frame(image: Image.Image, shape: tuple[int, ...] | None, name: str = "picture") -> Tensor:
    """Centre-crop to the proportions of ``shape``, resize, and scale to [0, 1]."""
    if shape is not None and shape[0] not in (1, 3):
        raise BadInputError(
            f"A picture file can't be brought to the shape {dimensions(shape)}.",
            try_="an array of that shape",
        )
    if image.mode.startswith("I"):  # 16 bits, which Pillow resizes as numbers only
        x = torch.from_numpy(np.array(image, dtype=np.float32))[None, None] / 65535
        check_range(x)
        return (x if shape is None else _resized(x, shape))[0]
    if image.mode == "F":
        raise BadInputError(
            "Pictures need 8 or 16 bits per channel.",
            got=f"mode {image.mode}",
            try_="an array in [0, 1]",
        )
    if shape is not None:  # cropped first: what comes next makes copies
        box = _centre_box(image.width, image.height, shape[2], shape[1])
        image = image if box == (0, 0, *image.size) else image.crop(box)
    image = _opaque(image, name)
    gray = shape[0] == 1 if shape is not None else image.mode in ("1", "L", "LA")
    mode = "L" if gray else "RGB"
    image = image if image.mode == mode else image.convert(mode)
    if shape is not None:
        height, width = shape[1:]
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    pixels = np.asarray(image)
    planes = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    array = np.ascontiguousarray(planes, dtype=np.float32)
    array /= 255
    return torch.from_numpy(array)


def _opaque(image: Image.Image, name: str) -> Image.Image:
    """What is transparent over white, and said; an image without any as it is."""
    if not image.has_transparency_data:
        return image
    gray = image.mode in ("LA", "L", "1")
    rgba = image if image.mode == "RGBA" else image.convert("RGBA")
    if rgba.getchannel("A").getextrema()[0] == 255:
        return image
    log.warning("%s is partly transparent: it is taken over white.", name)
    white = Image.new("RGBA", rgba.size, "white")
    return Image.alpha_composite(white, rgba).convert("L" if gray else "RGB")


def _resized(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Numbers cropped, resized and coloured as files are, without rounding to 8 bits."""
    height, width = shape[1:]
    if x.shape[1] == 3 and shape[0] == 1:
        x = (x * torch.tensor(LUMA, dtype=x.dtype)[:, None, None]).sum(1, keepdim=True)
    left, top, right, bottom = _centre_box(x.shape[3], x.shape[2], width, height)
    planes = x[:, :, top:bottom, left:right].float().flatten(0, 1).numpy()
    small = [
        np.asarray(Image.fromarray(plane).resize((width, height), Image.Resampling.BILINEAR))
        for plane in planes
    ]
    found = torch.from_numpy(np.stack(small)).view(len(x), -1, height, width).clamp(0, 1)
    return found.expand(-1, shape[0], -1, -1).contiguous()


def _centre_box(width: int, height: int, to_width: int, to_height: int) -> Box:
    """The largest centred box of the proportions to_width : to_height."""
    scale = min(width / to_width, height / to_height)
    w, h = round(scale * to_width), round(scale * to_height)
    left, top = (width - w) // 2, (height - h) // 2
    return left, top, left + w, top + h


def _numbers(source: Any, shape: tuple[int, ...]) -> Pictures:
    """Vectors (d,) or signals (C, N): arrays of real numbers of any size."""
    if isinstance(source, (str, os.PathLike)) and str(source).endswith(".npy"):
        source = read_array(Path(source))
    kind = "vectors" if len(shape) == 1 else "signals"
    try:
        x = torch.as_tensor(np.asarray(source, dtype=np.float32))
    except (TypeError, ValueError) as error:
        raise BadInputError(
            f"This is about {kind} of {dimensions(shape)} numbers.", got=type(source).__name__
        ) from error
    given = tuple(x.shape)
    if len(shape) == 2 and shape[0] == 1 and given[-1:] == shape[1:] and x.ndim < 3:
        x = x.view(-1, *shape)  # one channel needs no axis of its own
    x = x[None] if x.ndim == len(shape) else x
    if tuple(x.shape[1:]) != tuple(shape) or not len(x):
        want = ", ".join(map(str, ("B", *shape)))
        raise BadInputError(f"{kind.capitalize()} must be ({want}) here.", got=f"shape {given}")
    if not bool(torch.isfinite(x).all()):
        raise BadInputError(f"A {kind[:-1]} has values that are NaN or infinite.")
    return Pictures(x.clone(), [f"{i:04d}" for i in range(len(x))] if len(x) > 1 else [kind[:-1]])


def _from_array(source: np.ndarray | Tensor) -> Tensor:
    if isinstance(source, np.ndarray):
        try:
            source = torch.from_numpy(source.astype(source.dtype.newbyteorder("="), copy=True))
        except (TypeError, ValueError) as error:  # letters, objects
            raise BadInputError(
                "Pictures are bool, uint8, uint16, or float in [0, 1].", got=f"{source.dtype}"
            ) from error
    x = layout(source)
    if x.dtype not in (torch.float32, torch.float64):
        x = x.float()
    check_range(x)
    return x.detach().contiguous()


def layout(x: Tensor) -> Tensor:
    """(H, W), (H, W, C), (C, H, W) or a batch of them → (B, C, H, W); whole numbers → [0, 1].

    Raises BadInputError for other shapes, and for whole numbers of other kinds.
    """
    given = tuple(x.shape)
    if x.ndim == 2:
        x = x[None, None]
    elif x.ndim == 3:
        x = x[None]
    if x.ndim != 4 or 0 in given:
        raise BadInputError(
            "Pictures have 2, 3 or 4 dimensions.",
            got=f"shape {given}",
            try_=f"shape=(1, {given[0]}) for a signal" if len(given) == 1 else None,
        )
    last = x.shape[3] in (1, 3, 4) and x.shape[1] not in (1, 3)
    if last:
        x = x.permute(0, 3, 1, 2)
    scale = {torch.uint8: 255, torch.uint16: 65535, torch.bool: 1}.get(x.dtype)
    if scale is not None:
        x = x.float() / scale
    elif not x.is_floating_point():
        raise BadInputError(
            "Pictures are bool, uint8, uint16, or float in [0, 1].", got=f"{x.dtype}"
        )
    if last and x.shape[1] == 4:
        check_range(x)
        colour, alpha = x[:, :3], x[:, 3:]
        if bool((alpha < 1).any()):
            log.warning("An array is partly transparent: it is taken over white.")
        x = colour * alpha + (1 - alpha)
    return x


def check_range(x: Tensor) -> None:
    """Raise BadInputError unless all values are finite and within [0, 1]."""
    if not bool(torch.isfinite(x).all()):
        raise BadInputError("A picture has values that are NaN or infinite.")
    low, high = float(x.min()), float(x.max())
    if low < -1e-3 or high > 1 + 1e-3:
        tip = "x / 255" if high > 2 else "(x + 1) / 2" if low < -1e-3 else "x.clip(0, 1)"
        raise BadInputError(
            "Pixels must lie in [0, 1].", got=f"values from {low:.3g} to {high:.3g}", try_=tip
        )


def dimensions(shape: Sequence[int]) -> str:
    """A shape as people write it.

    >>> dimensions((3, 64, 64))
    '3×64×64'
    """
    return "×".join(map(str, shape))
