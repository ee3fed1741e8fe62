"""CUDA sources, unmodified, compiled as C++ and executed on the processor."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from priorkit.cuda import passed
from priorkit.cuda import source as whole_text

__all__ = ["COMPILER", "HostError", "HostLibrary", "argument"]

COMPILER = shutil.which("g++")
_HERE = Path(__file__).parent


class HostError(RuntimeError):
    """What the execution of a kernel ran into."""


class HostLibrary:
    """The kernels of some sources; ``seed`` orders the threads and blocks.

    A call executes one: its name, its blocks (x, y), its threads, its arguments.
    """

    def __init__(
        self, sources: dict[Path, tuple[str, ...]], folder: Path, flags: tuple[str, ...] = ()
    ) -> None:
        self.seed, self._of = 0, {}
        folder.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(2) as pool:  # of compilers
            built = pool.map(lambda item: build(*item, folder, flags), sources.items())
            for names, path in zip(sources.values(), built, strict=True):
                self._of |= dict.fromkeys(names, ctypes.CDLL(str(path)))

    def __call__(
        self,
        name: str,
        grid: tuple[int, int],
        threads: int,
        arguments: list[Any],
    ) -> None:
        values = [argument(value) for value in arguments]
        pointers = (ctypes.c_void_p * len(values))(*map(ctypes.addressof, values))
        sizes = (ctypes.c_uint * 6)(*grid, 1, threads, 1, 1)
        error = ctypes.create_string_buffer(400)
        seed = ctypes.c_uint64(self.seed)
        if self._of[name].host_launch(name.encode(), sizes, pointers, seed, error, len(error)):
            raise HostError(error.value.decode())


def argument(value: Any) -> Any:
    """As the kernel takes it: a pointer, an int or a float."""
    found = passed(value)
    return ctypes.c_void_p(found) if isinstance(found, int) else found


def build(source: Path, names: tuple[str, ...], folder: Path, flags: tuple[str, ...]) -> Path:
    """The shared library of a source, made where it isn't there as the source is now."""
    assert COMPILER is not None
    kernels = " ".join(f"HOST_KERNEL({name})" for name in names)
    wrapper = f'#include "cuda_host.h"\n#include "{source.resolve()}"\nHOST_LIBRARY({kernels})\n'
    whole = [wrapper, whole_text(source), (_HERE / "cuda_host.h").read_text(), *flags]
    stem = f"{source.stem}-{hashlib.sha256(repr(whole).encode()).hexdigest()[:16]}"
    library = folder / f"{stem}.so"
    if library.exists():
        return library
    with tempfile.TemporaryDirectory(dir=folder) as place:
        made, written = Path(place, library.name), Path(place, f"{stem}.cpp")
        written.write_text(wrapper)
        command = [COMPILER, "-std=c++17", "-O1", "-fPIC", "-shared", "-w", "-I", str(_HERE)]
        done = subprocess.run(
            [*command, *flags, "-o", str(made), str(written)], capture_output=True, text=True
        )
        if done.returncode:
            raise HostError(done.stderr[:4000])
        os.replace(made, library)
    return library
