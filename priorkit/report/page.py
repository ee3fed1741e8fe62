"""A recovery as one HTML page that can be mailed: no script, no other file."""

from __future__ import annotations

import base64
import html
import math
from typing import TYPE_CHECKING

from priorkit.config import to_toml
from priorkit.report import MAX_ROWS, columns, png

if TYPE_CHECKING:
    from priorkit.recovery import Recovery

__all__ = ["page"]

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


def page(recovery: Recovery) -> str:
    """The page: a sentence, pictures, numbers, the convergence curve, the settings."""
    config = recovery.record["config"]
    prior, op = config["prior"]["name"], config["op"]["name"]
    count = len(recovery.x)
    title = f"{count} image{'s' if count > 1 else ''} recovered with {prior} from {op}"
    parts = [
        f"<h1>{html.escape(title)}</h1><p>{html.escape(_summary(recovery))}</p>",
        "<h2>Pictures</h2>",
        *(_row(recovery, i) for i in range(min(count, MAX_ROWS))),
        "<h2>Numbers</h2>",
        _table(recovery),
        "<h2>Convergence</h2>",
        _curve(recovery),
        "<h2>Settings</h2><p><code>priorkit replay FOLDER</code> repeats a saved run from its "
        "measurements; <code>priorkit recover --config FOLDER/config.toml</code> starts another "
        "with these settings.</p>",
        f"<pre>{html.escape(to_toml(config))}</pre>",
    ]
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{STYLE}</style>"
        f"<body>{''.join(parts)}</body></html>\n"
    )


def _summary(recovery: Recovery) -> str:
    words = [f"{recovery.seconds:.1f} s"]
    evaluations = sum(recovery.evaluations) / len(recovery.evaluations)
    words.append(f"{evaluations:.0f} evaluations per image")
    psnr = recovery.psnr
    if psnr is not None:
        words.insert(0, f"mean PSNR {float(psnr.mean()):.2f} dB")
    if recovery.interrupted:
        words.append("interrupted: images without evaluations are only starts")
    return ", ".join(words) + "."


def _row(recovery: Recovery, i: int) -> str:
    figures = []
    for caption, picture in columns(recovery, i):
        data = base64.b64encode(png(picture)).decode()
        text = html.escape(f"{recovery.names[i]}: {caption}")
        figures.append(
            f'<figure><img alt="{text}" src="data:image/png;base64,{data}">'
            f"<figcaption>{html.escape(caption)}</figcaption></figure>"
        )
    return f"<div>{''.join(figures)}</div>"


def _table(recovery: Recovery) -> str:
    images = recovery.record["images"]
    heads = [k for k in ("name", "psnr", "ssim", "error", "misfit") if k in images[0]]
    heads += ["evaluations", "status"]
    units = {"psnr": "PSNR (dB)", "ssim": "SSIM", "error": "error (1/n)‖x − x̂‖²"}
    formats = {"psnr": ".2f", "ssim": ".4f", "error": ".2e", "misfit": ".3e"}
    head = "".join(f"<th>{units.get(k, k)}</th>" for k in heads)
    rows = []
    for image in images:
        cells = ("—" if image[k] is None else format(image[k], formats.get(k, "")) for k in heads)
        rows.append("<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in cells) + "</tr>")
    return f'<div class="numbers"><table><tr>{head}</tr>{"".join(rows)}</table></div>'


def _curve(recovery: Recovery) -> str:
    """log₁₀ of the misfit against evaluations, a line per image."""
    lines = []
    for trace in recovery.trace:
        for i in range(len(trace.misfit[0]) if trace.misfit else 0):
            points = [
                (e[i], math.log10(max(m[i], 1e-12)))
                for e, m in zip(trace.evaluations, trace.misfit, strict=True)
                if math.isfinite(m[i])
            ]
            if len(points) > 1:
                lines.append(points[:: max(1, len(points) // 200)] + points[-1:])
    if not lines:
        return "<p>No iterations were traced.</p>"
    width, height, left, bottom = 640, 280, 60, 40
    most = max(x for line in lines for x, _ in line)
    low = math.floor(min(y for line in lines for _, y in line))
    high = max(low + 1, math.ceil(max(y for line in lines for _, y in line)))

    def place(x: float, y: float) -> str:
        px = left + (width - left - 10) * x / most
        py = 10 + (height - bottom - 10) * (high - y) / (high - low)
        return f"{px:.1f},{py:.1f}"

    svg = [f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="misfit by evaluations">']
    for power in range(low, high + 1):
        x, y = place(0, power).split(",")
        svg.append(
            f'<line x1="{x}" x2="{width - 10}" y1="{y}" y2="{y}" stroke="#8884"/>'
            f'<text x="{left - 8}" y="{float(y) + 4}" text-anchor="end" font-size="12">'
            f"1e{power}</text>"
        )
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        x = place(share * most, low).split(",")[0]
        svg.append(
            f'<text x="{x}" y="{height - bottom + 18}" text-anchor="middle" font-size="12">'
            f"{share * most:.0f}</text>"
        )
    svg.append(
        f'<text x="{(left + width) / 2}" y="{height - 4}" text-anchor="middle" font-size="12">'
        "evaluations</text>"
    )
    for line in lines:
        path = " ".join(place(x, y) for x, y in line)
        svg.append(
            f'<polyline points="{path}" fill="none" stroke="#2a6fdb" stroke-opacity=".6" '
            'stroke-width="1.5"/>'
        )
    svg.append("</svg>")
    return f"<p>Misfit ‖A x̂ − y‖² by evaluations of the objective.</p>{''.join(svg)}"
