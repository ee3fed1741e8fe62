"""Make the picture of the README: one photograph, measured in four ways and recovered.

    python docs/figures.py

Writes docs/images/astronaut.png and prints the PSNRs that its captions carry.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

import priorkit
from priorkit.results.views import columns

RUNS: list[tuple[str, dict[str, Any]]] = [
    ("500 of 12,288 numbers", {"op": "gaussian", "m": 500}),
    ("2,500 of 12,288 numbers", {"op": "gaussian", "m": 2500}),
    ("a hole of 19 by 19", {"op": "mask"}),
    ("noise of deviation 0.1", {"op": "identity", "sigma": 0.1}),
]
TILE, GAP, LINE = 150, 10, 22


def main() -> None:
    """Recover the sample photograph four times and lay the pictures out in columns."""
    width = GAP + (1 + len(RUNS)) * (TILE + GAP)
    canvas = Image.new("RGB", (width, 2 * (TILE + LINE) + 2 * GAP), "white")
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(size=13)

    def place(column: int, row: int, caption: str, picture: Image.Image) -> None:
        left, top = GAP + column * (TILE + GAP), GAP + row * (TILE + LINE)
        draw.text((left, top), caption, fill="#333333", font=font)
        enlarged = picture.convert("RGB").resize((TILE, TILE), Image.Resampling.NEAREST)
        canvas.paste(enlarged, (left, top + LINE - 3))

    for i, (caption, settings) in enumerate(RUNS):
        result = priorkit.recover(prior="diffusion-celeba", **settings)
        shown = {each.what: each for each in columns(result, 0)}
        if i == 0:
            place(0, 0, "photograph", shown["truth"].picture)
        place(i + 1, 0, caption, shown["measurement"].picture)
        recovered = shown["recovery"]
        place(i + 1, 1, f"recovered: {recovered.caption}", recovered.picture)
        took = f"{result.evaluations[0]} evaluations, {result.seconds:.1f} s"
        print(f"{caption}: {recovered.caption}, {took}")
    path = Path(__file__).parent / "images" / "astronaut.png"
    path.parent.mkdir(exist_ok=True)
    canvas.save(path, optimize=True)
    print(f"Wrote {path}")


if __name__ == "__main__":
    main()
