"""Draw the floors of priorkit from the import contracts that hold them.

    python docs/floors.py

Writes docs/images/floors.svg, the picture of docs/architecture.md.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "docs" / "images" / "floors.svg"
WORDS = {
    "cli": "the command line, a thin skin",
    "testing": "the conformance kit",
    "scaffold": "a new plugin",
    "app": "a page to try",
    "linear": "least squares",
    "streams": "random numbers",
    "cuda": "kernels",
    "recordings": "launches, again",
    "float32": "all 24 bits",
    "devices": "CPU or GPU",
    "metrics": "PSNR, SSIM",
    "training": "one loop for every recipe",
    "studies": "grids of runs",
    "verbs": "recover, replay, compare, audit, average",
    "results": "what came back, and its views",
    "draw": "pictures and pages",
    "run": "setup, problem, rows",
    "settings": "what the user says",
    "loop": "the one loop",
    "io": "files, weights",
    "interfaces": "the letters",
    "registry": "names",
    "hookspecs": "what a plugin may register",
    "entry": "a registered name",
    "errors": "what, got, try",
    "deprecated": "names that moved",
    "counted": "so many of something",
}
WIDTH, FLOOR, GAP, ROOMS = 620, 44, 6, 210


def main() -> None:
    """Write the picture."""
    TARGET.write_text(drawn(), encoding="utf-8")
    print(f"Wrote {TARGET.relative_to(ROOT)}")


def drawn() -> str:
    """The SVG: a bar per floor, those above on top, and the plugins' rooms beside them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    floors = next(c for c in contracts if c["name"] == "The floors of the core")["layers"]
    rooms = next(c for c in contracts if c["name"] == "No plugin knows another")["modules"]
    height = len(floors) * (FLOOR + GAP) + GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH + ROOMS} {height}" '
        f'width="{WIDTH + ROOMS}" font-family="sans-serif" font-size="14">'
    ]
    for i, floor in enumerate(floors):
        names = [name.strip() for name in floor.split("|")]
        each = (WIDTH - GAP) / len(names)
        for j, name in enumerate(names):
            x, y = GAP + j * each, GAP + i * (FLOOR + GAP)
            parts.append(_box(x, y, each - GAP, FLOOR, "#e4edf4", "#1b6ca8"))
            parts.append(_text(x + 10, y + 19, name, bold=True))
            if name in WORDS:
                parts.append(_text(x + 10, y + 36, WORDS[name], size=12))
    top = (
        next(i for i, floor in enumerate(floors) if "training" in floor) * (FLOOR + GAP) + GAP
    )  # what plugins stand on at most
    parts.append(_box(WIDTH + GAP, top, ROOMS - 2 * GAP, height - top - GAP, "#f6ece4", "#c8553d"))
    parts.append(_text(WIDTH + 2 * GAP, top + 19, "plugins, a room each", bold=True))
    for k, room in enumerate(sorted(rooms)):
        parts.append(_text(WIDTH + 2 * GAP, top + 40 + 17 * k, room, size=12))
    return "".join(parts) + "</svg>\n"


def _box(x: float, y: float, width: float, height: float, fill: str, line: str) -> str:
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="4" '
        f'fill="{fill}" stroke="{line}"/>'
    )


def _text(x: float, y: float, words: str, *, size: int = 14, bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}"{weight} fill="#222">{words}</text>'


if __name__ == "__main__":
    main()
