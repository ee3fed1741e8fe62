"""A recovery as a folder with everything in it."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from priorkit.draw.tiles import png, tiff, tile
from priorkit.io import saved
from priorkit.io.files import file_names, write_atomic
from priorkit.results import page
from priorkit.results.recovered import Recovered
from priorkit.results.views import grid, inside, rows_of
from priorkit.settings.files import to_toml

__all__ = ["write"]


def write(recovery: Recovered, folder: Path, place: Path) -> dict[str, str]:
    """Write a run into the new ``folder``; its config has the paths of ``place``, its final one.
    The sha256 of large files, by their names there."""
    arrays = {name: getattr(recovery, name) for name in ("y", "x", "z", "truth", "start")}
    if recovery.draws:
        arrays |= {"spread": recovery.draws.spread, "samples": recovery.draws.samples}
    with ThreadPoolExecutor(1) as beside:  # to hash, to write and to draw take about as long
        hashed = beside.submit(saved.write_arrays, arrays, folder)
        _write_pictures(recovery, folder)
        digests = hashed.result()
    written = {name for name, tensor in arrays.items() if tensor is not None}
    config = saved.repeatable(recovery.record["config"], place, written)
    config |= {"plugins": needed} if (needed := recovery.record.get("plugins")) else {}
    write_atomic(folder / "config.toml", to_toml(config).encode("utf-8", "replace"))
    traces = [asdict(trace) for trace in recovery.trace]
    write_atomic(folder / "trace.json", json.dumps(traces).encode())
    write_atomic(folder / "record.json", json.dumps(recovery.record, indent=2).encode())
    return digests


def _write_pictures(recovery: Recovered, folder: Path) -> None:
    """The recoveries as pictures and as files of instruments, the grid and the page."""
    for name, x in zip(file_names(recovery.names), recovery.x, strict=True):
        shown = inside(recovery, x)
        write_atomic(folder / "images" / f"{name}.png", png(tile(shown, recovery.kind)))
        exact = recovery.kind.has_pixels and not recovery.units.plain  # more than 8 bits can say
        if (pages := x.flatten(0, -3) if exact else recovery.kind.pages(x)) is not None:
            write_atomic(folder / "images" / f"{name}.tiff", tiff(pages))
    rows = rows_of(recovery)
    write_atomic(folder / "grid.png", png(grid(rows)))
    page.write(recovery, folder / "report.html", rows=rows, beside=True)
    _write_like_sources(recovery, folder / "images")


def _write_like_sources(recovery: Recovered, folder: Path) -> None:
    """Each recovery in the format of the file that it came from, with its geometry, where the
    format has one; a y that isn't an image has no place in one."""
    sources, x, operator = recovery.sources, recovery.x, recovery.operator
    measured = recovery.truth is None and operator.shape_from(operator.y_shape) is None
    if len(sources) != len(x) or measured:
        return
    for name, image, source in zip(file_names(recovery.names), x, sources, strict=True):
        if source is not None and not (source.whole and recovery.units.plain):
            source.write(folder, name, image)
