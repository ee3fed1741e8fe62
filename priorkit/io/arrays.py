"""Arrays of numbers: from any container in memory, and in .npy files, which are never a pickle."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor
from torch.masked import MaskedTensor

from priorkit.errors import BadInputError
from priorkit.io.files import complaint, write_hashed

__all__ = [
    "SUFFIXES",
    "is_nested",
    "is_npy",
    "npy_header",
    "numbers",
    "read_array",
    "require_finite",
    "write_array",
]

SUFFIXES = (".npy", ".npz")  # of files of numpy
MAX_DEPTH = 32  # of nested lists
PLAIN = {
    *(torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64),
    *(torch.uint16, torch.uint32, torch.uint64),
    *(torch.float32, torch.float64, torch.complex64, torch.complex128),
}


def numbers(thing: Any, what: str, *, copy: bool = True) -> Tensor:
    """The numbers in any container, as a plain dense tensor of the same type and shape.

    Parameters
    ----------
    thing : a numpy array of any byte order and strides, a torch tensor, a list or tuple of
        numbers, of lists or of these, or any object that numpy converts to an array
    what : its name in errors: "The measurement y"
    copy : whether to copy; else the tensor shares memory with ``thing`` where it can

    Integers of 8 and 16 bits keep their type, since it may mean brightness. Floats that torch
    hardly supports become float32 (half) or float64 (long).

    Raises BadInputError for letters and objects, lists of unequal lengths, masked arrays with
    masked entries, and tensors that are sparse, nested, quantised or without data.
    """
    if isinstance(thing, Tensor):
        return _from_tensor(thing, what, copy)
    if isinstance(thing, (list, tuple)) and _hold_arrays(thing, what):
        parts = [numbers(item, what) for item in thing]
        kinds = {(part.dtype, tuple(part.shape)) for part in parts}
        if len(kinds) > 1:
            raise BadInputError(
                f"{what} is a list of arrays, which need one shape and one type.",
                got=" and ".join(sorted(f"{dtype} {shape}" for dtype, shape in kinds)[:3]),
            )
        return torch.stack(parts)
    return _from_numpy(thing, what, copy)


def _hold_arrays(thing: Any, what: str, depth: int = 0) -> bool:
    """Whether lists hold arrays or tensors, which numpy would take without their masks."""
    if depth > MAX_DEPTH:
        raise BadInputError(f"{what} is an array of numbers.", got="lists in lists without an end")
    return any(
        isinstance(item, (np.ndarray, Tensor))
        or (isinstance(item, (list, tuple)) and _hold_arrays(item, what, depth + 1))
        for item in thing
    )


def is_nested(source: Any, depth: int = 0) -> bool:
    """Whether nested lists hold numbers only, and so are an array."""
    if depth > MAX_DEPTH:
        raise BadInputError("A picture isn't a list without an end.", try_="a numpy array")
    return all(
        isinstance(item, (bool, int, float, complex, np.generic))
        or (isinstance(item, (list, tuple)) and is_nested(item, depth + 1))
        for item in source
    )


def _from_tensor(thing: Tensor, what: str, copy: bool) -> Tensor:
    masked = isinstance(thing, MaskedTensor)
    kind, try_ = None, None
    if masked or thing.is_nested:
        kind = "masked" if masked else "nested"
    elif thing.is_quantized:
        kind, try_ = "quantised", "its .dequantize()"
    elif thing.layout is not torch.strided:
        kind, try_ = "sparse", "its .to_dense()"
    elif thing.is_meta:
        kind, try_ = "on the device 'meta', without data", "the tensor itself"
    if kind is not None:
        raise BadInputError(f"{what} is a dense array.", got=f"a tensor that is {kind}", try_=try_)
    x = thing.detach().resolve_conj().resolve_neg()
    if x.dtype not in PLAIN:
        try:
            x = x.to(torch.complex64 if x.is_complex() else torch.float32)
        except (RuntimeError, NotImplementedError) as error:  # a dtype that isn't of numbers
            raise _no_numbers(what, f"{thing.dtype}") from error
    return x.clone(memory_format=torch.contiguous_format) if copy else x


def _from_numpy(thing: Any, what: str, copy: bool) -> Tensor:
    if isinstance(thing, np.ma.MaskedArray):
        if thing.dtype.kind in "fiucb" and np.ma.is_masked(thing):
            raise BadInputError(
                f"{what} is a masked array, and what is masked would be taken for measured.",
                got=f"{int(np.ma.getmaskarray(thing).sum()):,} masked of {thing.size:,} numbers",
                try_='op="mask", mask=~numpy.ma.getmaskarray(a), and a.filled(0)'
                if "measurement" in what or "picture" in what
                else "a.filled(…) with what belongs there",
            )
        thing = thing.data
    try:
        array = np.asarray(thing)
    except Exception as error:  # ragged lists, or anything that an object's __array__ raises
        raise _no_numbers(what, f"{type(thing).__name__}: {str(error)[:100]}") from error
    if array.dtype.kind not in "fiucb":
        known = isinstance(thing, (np.ndarray, list, tuple))
        told = f"{array.dtype} of shape {array.shape}" if known else type(thing).__name__
        raise _no_numbers(what, told)
    array = _native(array)
    try:
        array = np.array(array) if copy else np.require(array, requirements=["C", "A", "W"])
        return _from_tensor(torch.from_numpy(array), what, False)
    except TypeError as error:  # types that others add to numpy
        raise _no_numbers(what, f"{array.dtype} of shape {array.shape}") from error


def require_finite(x: Tensor, what: str, try_: str | None = None) -> None:
    """Raise BadInputError where some numbers are NaN or infinite: how many, and where the first."""
    if not x.is_floating_point() and not x.is_complex():
        return
    odd = ~torch.isfinite(x)
    count = int(odd.sum())
    if count:
        first = ", ".join(map(str, odd.nonzero()[0].tolist()))
        raise BadInputError(
            f"{what} has values that are NaN or infinite.",
            got=f"{count:,} of {x.numel():,}, the first at ({first})",
            try_=try_,
        )


def _no_numbers(what: str, got: str) -> BadInputError:
    return BadInputError(f"{what} is an array of numbers.", got=got)


def _native(array: np.ndarray) -> np.ndarray:
    """In the byte order of this machine, and at most 64 bits a number."""
    dtype = array.dtype.newbyteorder("=")
    if dtype.kind in "fc" and dtype.itemsize > (16 if dtype.kind == "c" else 8):
        dtype = np.dtype(np.complex128 if dtype.kind == "c" else np.float64)
    with np.errstate(over="ignore"):
        return array.astype(dtype, copy=False)


def is_npy(path: Path) -> bool:
    """Whether a file is one of numpy's of one array, by its name."""
    return path.suffix.lower() == SUFFIXES[0]


def read_array(path: Path) -> np.ndarray:
    """A .npy file, never a pickle, in this machine's byte order. Raises BadInputError where it
    can't be read."""
    try:
        with open(path, "rb") as file:
            npy_header(file, path.stat().st_size)
        array = np.load(path, allow_pickle=False)
    except Exception as error:  # numpy raises many kinds for a damaged file
        raise BadInputError(
            f"{path} is not an array that can be read.",
            got=complaint(path, error),
            try_="numpy.save",
        ) from error
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiucb":
        raise BadInputError(f"{path} must hold one array of numbers.")
    return _native(array)


def npy_header(file: IO[bytes], size: int) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of the array in a file of that many bytes. Raises ValueError where there are
    fewer numbers than promised, before memory is allocated for them."""
    version = np.lib.format.read_magic(file)
    reader = np.lib.format.read_array_header_1_0
    reader = reader if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = reader(file)
    if not dtype.hasobject and math.prod(shape) * dtype.itemsize > size - file.tell():
        raise ValueError(f"the file ends before {shape} numbers")
    return shape, dtype


def write_array(path: Path, array: np.ndarray) -> str:
    """Write a .npy file in one step; its sha256. Raises BadInputError where it can't be written."""
    array = np.ascontiguousarray(array).reshape(array.shape)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(array))
    return write_hashed(path, (header.getvalue(), array.reshape(-1).view(np.uint8).data))
