"""Kernels of our own on a CUDA device: compiled and checked at first use.

The sources are CUDA C++ beside their plugin; ``cuda.core`` (the extra ``cuda``) compiles them
for the device at hand, once per machine. Where that or the check fails, there is one warning, and
PyTorch's operations do the same work.
"""

from __future__ import annotations

import ctypes
import re
import threading
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

__all__ = [
    "Accelerated",
    "Argument",
    "Launch",
    "Sources",
    "compiled",
    "kernels",
    "lacking",
    "obstacle",
    "passed",
    "require_agreement",
    "source",
    "state",
]

Argument = Tensor | None | int | float | ctypes.c_uint64  # an int has 32 bits


class Launch(Protocol):
    """Executes kernels."""

    def __call__(
        self, name: str, grid: tuple[int, int], threads: int, arguments: list[Argument]
    ) -> None:
        """One kernel: its name, its blocks in x and y, its threads, and its arguments, of which a
        tensor goes as a pointer."""


class Accelerated(ABC):
    """A component that has kernels of its own for a CUDA device."""

    @classmethod
    @abstractmethod
    def kernels(cls, device: torch.device) -> Launch | None:
        """What executes them there, from :func:`kernels`; None where PyTorch does their work.

        ``priorkit doctor`` asks for them, and shows where they are in use, or why not.
        """


Sources = Mapping[Path, tuple[str, ...]]  # files, and the names of the kernels in each

CORE = (1, 2)  # of cuda.core at least, as in the extra ``cuda``: 0.4 has other names
_loaded: dict[tuple[tuple[Path, ...], int], Launch | None] = {}
_loading = threading.Lock()  # they are compiled once for all threads
_said: dict[str, str] = {}  # per set of kernels: in use, or why not


def obstacle() -> str | None:
    """Why no kernel of our own can run here; None where one can."""
    if not torch.cuda.is_available():
        return "torch sees no CUDA device"
    return lacking()


def lacking() -> str | None:
    """Why ``cuda.core`` can't be used; None where it can. Needs no device."""
    try:
        found = version("cuda-core")
    except PackageNotFoundError:
        return "cuda.core is missing: pip install 'priorkit[cuda]'"
    if tuple(map(int, re.findall(r"\d+", found)[:2])) < CORE:
        needed = ".".join(map(str, CORE))
        return f"cuda.core is {found}, and {needed} is needed: pip install -U 'priorkit[cuda]'"
    return None


def state() -> dict[str, str]:
    """Per set of kernels that was asked for in this process: where it is in use, or why not."""
    return dict(_said)


def source(path: Path) -> str:
    """The text of a kernel's file with our own headers in their places, each once."""
    seen: set[str] = set()

    def whole(text: str) -> str:
        return re.sub(r'^#include "(.+)"$|^#pragma once$', included, text, flags=re.MULTILINE)

    def included(line: re.Match[str]) -> str:
        name = line[1]
        if name is None or name in seen:
            return ""
        seen.add(name)
        return whole((path.parent / name).read_text())

    return whole(path.read_text())


def compiled(path: Path, arch: str, cache: Any = None) -> Any:
    """The ``cuda.core.ObjectCode`` of a source for an architecture such as "sm_90".

    Needs no GPU. Raises what ``cuda.core`` raises, with the compiler's words.
    """
    from cuda.core import Program, ProgramOptions

    program = Program(source(path), "c++", ProgramOptions(arch=arch, std="c++17"))
    return program.compile("cubin", cache=cache)


def kernels(
    name: str, sources: Sources, check: Callable[[Launch], None], device: torch.device
) -> Launch | None:
    """What executes the kernels of some sources on a device, None where that can't be.

    Parameters
    ----------
    name : what the warning and ``priorkit doctor`` call them
    sources : files, and the names of the kernels in each
    check : runs them once and raises, with :func:`require_agreement`, where they are wrong
    device : a CUDA device; the kernels are compiled once for it, and held
    """
    index = device.index
    if index is None:
        index = torch.cuda.current_device() if torch.cuda.is_available() else 0
    key = (tuple(sources), index)
    with _loading:
        if key not in _loaded:
            _loaded[key] = _try(name, sources, check, index)
    return _loaded[key]


def _try(name: str, sources: Sources, check: Callable[[Launch], None], index: int) -> Launch | None:
    reason = obstacle()
    if reason is None:
        try:
            launch = _Device(sources, index)
            check(launch)
        except Exception as error:  # a driver, a compiler or a device can fail in any way
            reason = f"{type(error).__name__}: {error}"[:300]
        else:
            _said[name] = f"in use on {torch.cuda.get_device_name(index)}"
            return launch
    _said[name] = reason
    warnings.warn(f"No kernels of our own for {name}: {reason}. PyTorch does it.", stacklevel=4)
    return None


def require_agreement(results: Mapping[str, tuple[Tensor, Tensor]], within: float) -> None:
    """Raise RuntimeError where a result is further from the exact one than ``within``, relatively.

    ``results`` holds, by what it is called, what our kernels found and what is exact.
    """
    for what, (found, exact) in results.items():
        error = float((found.cpu() - exact).norm() / exact.norm())
        if not error < within:
            raise RuntimeError(f"{what} by our kernels is off by {error:.1e}")


class _Thread(threading.local):
    """Whether a thread has made the device its own; each thread has a copy of this."""

    entered = False


class _Device:
    """Compiled kernels, launched on torch's current stream of their device."""

    def __init__(self, sources: Sources, index: int) -> None:
        from cuda.core import LaunchConfig, Stream, launch
        from cuda.core.utils import FileStreamProgramCache

        self._config, self._stream, self._launch = LaunchConfig, Stream.from_handle, launch
        self._thread = _Thread()
        major, minor = torch.cuda.get_device_capability(index)
        self._code: dict[str, Any] = {}
        with FileStreamProgramCache() as cache:
            for path, names in sources.items():
                code = compiled(path, f"sm_{major}{minor}", cache)
                self._code |= dict.fromkeys(names, code)
        self._kernels: dict[str, Any] = {}
        self._index = index

    def __call__(
        self, name: str, grid: tuple[int, int], threads: int, arguments: list[Argument]
    ) -> None:
        # The default stream's handle is 0 on every device: it is that of the device in use.
        with torch.cuda.device(self._index):
            self._enter()
            stream = self._stream(torch.cuda.current_stream(self._index).cuda_stream)
            config = self._config(grid=grid, block=threads)
            if name not in self._kernels:  # loaded in a context, which there is by now
                self._kernels[name] = self._code[name].get_kernel(name)
            self._launch(stream, config, self._kernels[name], *map(passed, arguments))

    def _enter(self) -> None:
        """Give this thread a CUDA context on the device, which a new thread lacks."""
        if not self._thread.entered:
            from cuda.core import Device

            Device(self._index).set_current()
            self._thread.entered = True


def passed(value: Argument) -> Any:
    """As cuda.core takes it: a pointer as a plain int, numbers as those of ctypes."""
    if value is None or isinstance(value, Tensor):
        return 0 if value is None else value.data_ptr()
    if isinstance(value, ctypes.c_uint64):
        return value
    return ctypes.c_int(value) if isinstance(value, int) else ctypes.c_float(value)
