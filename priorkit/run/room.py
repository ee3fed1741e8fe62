"""How many bytes there are, and whether something fits."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from priorkit.errors import BadInputError

__all__ = ["available", "require_room", "size"]


def require_room(needed: int, matrices: int, device: torch.device) -> int:
    """Bytes that are free on a device. Raises BadInputError where fewer than needed are.

    ``matrices`` are those of the needed that no smaller batch would save.
    """
    free = available(device)
    if needed > free:
        holds = f", {size(matrices)} of it matrices" if 2 * matrices > needed else ""
        raise BadInputError(
            "This run doesn't fit into memory.",
            got=f"{size(needed)} for one image{holds}; {size(free)} are free",
            try_="a smaller picture or fewer measurements, a smaller history of the solver, "
            "or an operator that stores no matrix",
        )
    return free


def available(device: torch.device) -> int:
    """Bytes that can still be taken on a device: of the machine, or of this container."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    known = [value for value in (_meminfo(), _cgroup()) if value is not None]
    if known:
        return min(known)
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return 8 << 30


def size(count: float) -> str:
    """Bytes as people write them.

    >>> size(3 << 30)
    '3.0 GiB'
    """
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    raise AssertionError("unreachable")


def _meminfo() -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return 1024 * int(line.split()[1])
    except (OSError, ValueError):
        pass
    return None


def _cgroup() -> int | None:
    """What is left of the limit of a container (cgroup v2), or None."""
    folder = Path("/sys/fs/cgroup")
    try:
        limit = (folder / "memory.max").read_text().strip()
        used = int((folder / "memory.current").read_text())
        return None if limit == "max" else max(0, int(limit) - used)
    except (OSError, ValueError):
        return None
