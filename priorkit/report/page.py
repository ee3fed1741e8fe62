"""Pages that can be mailed: no script, no other file."""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from priorkit.engine.config import to_toml
from priorkit.engine.result import Recovery
from priorkit.io.files import write_atomic
from priorkit.report.grid import MAX_ROWS, columns, grid, png, summary
from priorkit.report.svg import Line, plot

__all__ = ["document", "embedded", "in_notebook", "page", "table", "write"]

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 60rem;
       margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
figure { display: inline-block; margin: 0 .5rem .75rem 0; vertical-align: top; }
figure img { width: 11rem; image-rendering: pixelated; display: block; }
figcaption { font-size: .85rem; color: #555; }
.numbers { overflow-x: auto; } table { border-collapse: collapse; }
td, th { padding: .2rem .9rem .2rem 0; text-align: right; font-variant-numeric: tabular-nums; }
td:first-child, th:first-child { text-align: left; } th { border-bottom: 1px solid #bbb; }
pre { background: #f5f5f5; padding: .8rem; overflow-x: auto; font-size: .85rem; }
svg { max-width: 100%; height: auto; }
@media (prefers-color-scheme: dark) {
  body { background: #161616; color: #ddd; } pre { background: #222; }
  figcaption { color: #aaa; } svg text { fill: #bbb; } }
"""


MAX_SIDE = 512  # of a picture in the page, in pixels


def document(title: str, body: str) -> str:
    """A whole page with that title."""
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>priorkit: {html.escape(title)}</title><style>{STYLE}</style>"
        f"<body><h1>{html.escape(title)}</h1>{body}</body></html>\n"
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of plain text."""
    cells = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f'<div class="numbers"><table><tr>{cells}</tr>{body}</table></div>'


def embedded(picture: Image.Image, alt: str, style: str = "") -> str:
    """An image inside the page."""
    data = base64.b64encode(png(picture)).decode()
    more = f' style="{style}"' if style else ""
    return f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{data}"{more}>'


def write(recovery: Recovery, path: Path) -> Path:
    """Write the page of a recovery."""
    write_atomic(path, page(recovery).encode("utf-8", "replace"))
    return path


def page(recovery: Recovery) -> str:
    """A sentence, pictures, numbers, the convergence curve, the settings."""
    config = recovery.record["config"]
    prior, op = config["prior"]["name"], config["op"]["name"]
    count = len(recovery.x)
    title = f"{count} image{'s' if count > 1 else ''} recovered with {prior} from {op}"
    parts = [
        f"<p>{html.escape(summary(recovery))}</p>",
        "<h2>Pictures</h2>",
        *(_row(recovery, i) for i in range(min(count, MAX_ROWS))),
        "<h2>Numbers</h2>",
        _numbers(recovery),
        "<h2>Convergence</h2>",
        _curve(recovery),
        "<h2>Settings</h2><p><code>priorkit replay FOLDER</code> repeats a saved run from its "
        "measurements; <code>priorkit recover --config FOLDER/config.toml</code> starts another "
        "with these settings.</p>",
        f"<pre>{html.escape(to_toml(config))}</pre>",
    ]
    return document(title, "".join(parts))


def in_notebook(recovery: Recovery) -> str:
    """What a notebook shows of a recovery: a sentence and the grid."""
    alt = "truth, measurement, recovery, error"
    return f"<p>{summary(recovery)}</p>{embedded(grid(recovery), alt, 'max-width:100%')}"


def _row(recovery: Recovery, i: int) -> str:
    figures = [
        f"<figure>{embedded(_thumbnail(picture), f'{recovery.names[i]}: {caption}')}"
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
        for caption, picture in columns(recovery, i)
    ]
    return f"<div>{''.join(figures)}</div>"


def _thumbnail(picture: Image.Image) -> Image.Image:
    """A picture of a size to look at; the folder holds it as it is."""
    small = picture.copy()
    small.thumbnail((MAX_SIDE, MAX_SIDE))
    return small


def _numbers(recovery: Recovery) -> str:
    images = recovery.record["images"]
    heads = [
        k
        for k in ("name", "psnr", "ssim", "error", "misfit", "spread", "within_90")
        if k in images[0]
    ]
    heads += ["evaluations", "status", "reason"]
    words = {"psnr": "PSNR (dB)", "ssim": "SSIM", "error": "error (1/n)‖x − x̂‖²"}
    words |= {"spread": "std of draws", "within_90": "truth within their 90% interval"}
    words["evaluations"] = recovery.record["unit"]
    formats = {"psnr": ".2f", "ssim": ".4f", "error": ".2e", "misfit": ".3e"}
    formats |= {"spread": ".4f", "within_90": ".0%"}
    rows = [
        ["—" if image[k] is None else format(image[k], formats.get(k, "")) for k in heads]
        for image in images
    ]
    return table([words.get(k, k) for k in heads], rows)


def _curve(recovery: Recovery) -> str:
    """log₁₀ of the misfit against evaluations, a line per image."""
    lines: list[Line] = []
    for trace in recovery.trace:
        points = [
            (float(count), math.log10(max(misfit, 1e-12)))
            for count, misfit in zip(trace.evaluations, trace.misfit, strict=True)
            if math.isfinite(misfit)
        ]
        if len(points) > 1:
            lines.append(("", points[:: max(1, len(points) // 200)] + points[-1:]))
    if not lines:
        return "<p>No iterations were traced.</p>"
    drawn = plot(lines, across=recovery.record["unit"], up="misfit ℓ(A x̂, y)", powers=True)
    return f"<p>Misfit by {html.escape(recovery.record['unit'])}, a line per image.</p>{drawn}"
