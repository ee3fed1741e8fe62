"""``priorkit doctor``: what this machine has, and which kernels of our own it uses."""

from __future__ import annotations

import importlib
import os
import platform
import warnings
from importlib.metadata import PackageNotFoundError, version

from rich.table import Table

from priorkit import __version__
from priorkit.cli.console import JsonFlag, escape, out, show_json
from priorkit.counted import counted
from priorkit.discovery import describe
from priorkit.registry import COMPONENTS, registry

__all__ = ["doctor", "findings"]


def doctor(as_json: JsonFlag = False) -> None:
    """Show versions, devices, and which kernels of our own are in use, or why not."""
    found = findings()
    if as_json:
        show_json(found)
        return
    table = Table(box=None, pad_edge=False, show_header=False)
    for what, said in found.items():
        table.add_row(f"[bold]{escape(what)}[/bold]", escape(said))
    out.print(table)


def findings() -> dict[str, str]:
    """The findings, by subject."""
    import torch

    from priorkit import cuda
    from priorkit.run.precision import fast_bfloat16

    cores, threads = counted(os.cpu_count() or 1, "cores"), torch.get_num_threads()
    processor = f"{cores}, {counted(threads, 'threads')}, {platform.machine()}"
    bfloat16 = fast_bfloat16(torch.device("cpu"))
    devices = map(torch.cuda.get_device_properties, range(torch.cuda.device_count()))
    told = [f"{d.name} (sm_{d.major}{d.minor}, CUDA {torch.version.cuda})" for d in devices]
    return {
        "priorkit": __version__,
        "Python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": _torchvision(torch.__version__),
        "processor": f"{processor}, fast bfloat16 products: {'yes' if bfloat16 else 'no'}",
        "cuda.core": cuda.lacking() or version("cuda-core"),
        "device": ", ".join(told) or "no CUDA device",
        **_kernels(),
    }


def _kernels() -> dict[str, str]:
    """Per set of kernels where it is in use, or why not; where none can be, one reason for all."""
    import torch

    from priorkit import cuda

    if (reason := cuda.obstacle()) is not None:
        return {"kernels": reason}
    failed: dict[str, str] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the reason is in the table
        for entry in (entry for kind in COMPONENTS for entry in registry().entries(kind)):
            try:
                component = entry.load()
                if isinstance(component, type) and issubclass(component, cuda.Accelerated):
                    component.kernels(torch.device("cuda"))
            except Exception as error:
                failed[str(entry)] = describe(error)
    return {f"kernels: {name}": said for name, said in cuda.state().items()} | failed


def _torchvision(torch_version: str) -> str:
    """Its version where it goes with this torch, else how to mend it; some plugins need it."""
    try:
        found = version("torchvision")
        importlib.import_module("torchvision")
    except PackageNotFoundError:
        return "not installed"
    except Exception as error:  # a library that doesn't fit raises many kinds
        return (
            f"{found} can't be imported beside torch {torch_version}, {describe(error)[:100]}: "
            "one is built for processors and the other for CUDA, or their versions don't belong "
            "together. Install the two at once, from the same place"
        )
    return found
