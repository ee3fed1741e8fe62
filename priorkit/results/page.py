"""A recovery as a self-contained page."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from priorkit.counted import counted
from priorkit.draw.html import (
    MAX_SIDE,
    copied,
    document,
    embedded,
    figure,
    scale_bar,
    table,
    thumbnail,
    wipe,
)
from priorkit.draw.svg import COLOURS, Line, plot
from priorkit.io.files import file_names, write_atomic
from priorkit.io.saved import objects
from priorkit.results.numbers import numbers
from priorkit.results.recovered import Recovered
from priorkit.results.views import Shown, summary, unsure, wiped
from priorkit.settings.files import to_toml

__all__ = ["write"]


def write(
    recovery: Recovered, path: Path, *, rows: Sequence[Sequence[Shown]], beside: bool = False
) -> Path:
    """Write the page of a recovery: a sentence, pictures, numbers, the convergence curve, settings.

    ``rows`` are the pictures that are shown; ``beside`` says that its folder holds the others.
    """
    config = recovery.record["config"]
    prior, op = config["prior"]["name"], config["op"]["name"]
    title = f"{counted(len(recovery.x), 'images')} recovered with {prior} from {op}"
    rest = len(recovery.x) - len(rows)
    where = "in <code>images/</code>" if beside else "not shown here"
    parts = [
        f"<p>{html.escape(summary(recovery))}</p>",
        "<h2>Pictures</h2>",
        *(_row(recovery, i, row, beside) for i, row in enumerate(rows)),
        *([f"<p>And {counted(rest, 'images')} more, {where}.</p>"] if rest else []),
        "<h2>Numbers</h2>",
        table(*numbers(recovery)),
        *(f"<p>{html.escape(said)}</p>" for said in [unsure(recovery)] if said),
        "<h2>Convergence</h2>",
        _curve(recovery),
        f"<h2>Settings</h2><p>{_repeated(config)}</p>",
        f"<pre>{html.escape(to_toml(config))}</pre>",
    ]
    write_atomic(path, document(title, "".join(parts)))
    return path


def _repeated(config: Mapping[str, Any]) -> str:
    """How a saved run is repeated, as HTML; of one that used objects, that it can't be."""
    if used := objects(config):
        said = ", ".join(f"{component} {value}" for component, value in used.items())
        return f"It used objects, which a folder can't hold: {html.escape(said)}."
    return (
        "<code>priorkit replay FOLDER</code> repeats a saved run from its measurements; "
        "<code>priorkit recover --config FOLDER/config.toml</code> starts another with these "
        "settings."
    )


def _row(recovery: Recovered, i: int, row: Sequence[Shown], beside: bool) -> str:
    """The pictures of an image, large ones as files ``beside`` the page too."""
    name, files = recovery.names[i], file_names(recovery.names)
    figures = []
    for each in row:
        what, caption = each.what, html.escape(each.caption)
        shown = embedded(thumbnail(each.picture), f"{name}: {each.caption}", what=what)
        if beside and what == "recovery" and max(each.size) > MAX_SIDE:
            size = "×".join(map(str, each.size))
            caption += f', <a href="images/{html.escape(files[i])}.png">{size}</a>'
        scale = scale_bar(each.end) if each.end else ""
        figures.append(figure(shown, caption, scale))
    if recovery.kind.has_pixels and (pair := wiped(row)) is not None:
        first, second = (each.what for each in pair)
        label = f"{name}: {first} or {second}"
        shown = wipe(copied(first), copied(second), f"{first} | {second}", label=label)
        figures.append(shown)
    size = " large" if any(each.what == "detail" for each in row) else ""
    own = f"<h3>{html.escape(name)}</h3>" if len(files) > 1 else ""
    return f'{own}<div class="row{size}">{"".join(figures)}</div>'


def _curve(recovery: Recovered) -> str:
    """log₁₀ of the misfit against evaluations, a line per image."""
    lines: list[Line] = []
    named = 1 < len(recovery.trace) <= len(COLOURS)
    for trace in recovery.trace:
        points = [
            (float(count), math.log10(max(misfit, 1e-12)))
            for count, misfit in zip(trace.evaluations, trace.misfit, strict=True)
            if math.isfinite(misfit)
        ]
        name = recovery.names[trace.image] if named else ""
        name += f", restart {trace.restart}" if named and trace.restart else ""
        if len(points) > 1:
            lines.append((name, points[:: max(1, len(points) // 200)] + points[-1:]))
    if not lines:
        return "<p>Fewer than two evaluations were traced.</p>"
    drawn = plot(lines, across=recovery.record["unit"], up="misfit ℓ(A x, y)", powers=True)
    unit = html.escape(recovery.record["unit"])
    clipped = recovery.truth is not None and any(recovery.outside)
    before = ", before it is clipped" if clipped else ""
    each = "image" if len(recovery.trace) == len(recovery.names) else "try of each image"
    said = f"<p>Misfit of the solver's x{before}, by {unit}, a line per {each}.</p>"
    return f'{said}<div class="numbers">{drawn}</div>'
