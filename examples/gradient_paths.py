"""Recover a point from one of its two coordinates, in latent and in pixel space.

python examples/gradient_paths.py

The prior `realnvp-2d` knows points whose first coordinate has two modes and whose second is
uniform. Given y = x2 alone, x1 should become likely. The picture shows the way of the solver
from a good and from a bad start, when it moves the latent z and when it moves the point x
itself; the example is that of Asim et al., "Invertible generative models for inverse problems",
ICML 2020, with numbers of our own.

With --points points.npy it writes the points that the prior was trained on, and stops.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

import priorkit
from priorkit.interfaces import Snapshot
from priorkit.settings.select import resolve

MODES, SPREAD, SIDE = (-2.0, 2.0), 0.5, 2.0  # x1 ~ N(±2, 0.5²), x2 ~ U(−2, 2)
Y = 1.0
# The good start is likely already. The bad one lies between the modes, outside the data.
STARTS = {"good": (1.5, -1.0), "bad": (0.3, 2.5)}
COLOURS = {"good": "#ffffff", "bad": "#ff9040"}
CAPTIONS = {
    "latent": "moving z:  |A(D(z)) - y|^2 + 0.1 |z|",
    "pixel": "moving x:  |Ax - y|^2 - 0.1 log p(x)",
}
VIEW = np.array([4.0, 3.0])  # the panels show x1 from −4 to 4 and x2 from −3 to 3
SCALE = 56  # pixels per unit


def points(count: int, seed: int) -> np.ndarray:
    """(count, 2) float32: x1 from two Gaussians, x2 uniform, independent of each other."""
    rng = np.random.default_rng(seed)
    first = rng.choice(MODES, count) + SPREAD * rng.standard_normal(count)
    return np.stack([first, rng.uniform(-SIDE, SIDE, count)], 1).astype(np.float32)


def path(prior: Any, space: str, budget: int) -> np.ndarray:
    """The points that the solver came through, (rounds, starts, 2).

    The penalties are the paper's two: the norm of the latent, and −log p(x), whose gradient
    has that of the log-determinant in it.
    """
    visited: list[torch.Tensor] = []

    def keep(now: Snapshot, _: int) -> None:
        with torch.no_grad():
            visited.append(prior.decode(now.u) if space == "latent" else now.u)

    priorkit.recover(
        y=np.full((len(STARTS), 1), Y),
        op={"name": "matrix", "matrix": np.array([[0.0, 1.0]])},
        prior=prior,
        space=space,
        penalty="l2" if space == "latent" else "nll",
        gamma=0.1,
        start=np.array(list(STARTS.values())),
        solver={"name": "adam", "rate": 0.02},  # small steps, so that the way can be followed
        budget=budget,
        precision="float64",
        progress=keep,
    )
    return torch.stack(visited).numpy()


def panel(prior: Any, visited: np.ndarray, caption: str) -> Image.Image:
    """log p as shades, the measured line y = x2, and the ways over it."""
    width, height = (2 * SCALE * VIEW).astype(int)
    x1 = torch.linspace(-VIEW[0], VIEW[0], width, dtype=torch.float64)
    x2 = torch.linspace(VIEW[1], -VIEW[1], height, dtype=torch.float64)
    grid = torch.stack(torch.meshgrid(x1, x2, indexing="xy"), -1).view(-1, 2)
    with torch.no_grad():
        log_p = prior.log_prob(grid).view(height, width, 1)
    shade = ((log_p + 9) / 7).clamp(0, 1).numpy()  # log p from −9 to −2
    ends = np.array([[18, 22, 48], [70, 160, 150]])
    picture = Image.fromarray((ends[0] + shade * (ends[1] - ends[0])).astype(np.uint8))

    draw = ImageDraw.Draw(picture)

    def at(x: np.ndarray) -> tuple[float, float]:
        return float((x[0] + VIEW[0]) * SCALE), float((VIEW[1] - x[1]) * SCALE)

    for x in np.arange(-VIEW[0], VIEW[0], 0.2):
        draw.line([at(np.array([x, Y])), at(np.array([x + 0.1, Y]))], fill="#b0b8d0")
    for i, name in enumerate(STARTS):
        way = np.concatenate([[STARTS[name]], visited[:, i]])
        draw.line([at(x) for x in way], fill=COLOURS[name], width=2, joint="curve")
        for point, how in (
            (way[0], {"outline": COLOURS[name]}),
            (way[-1], {"fill": COLOURS[name]}),
        ):
            x, y = at(point)
            draw.ellipse((x - 5, y - 5, x + 5, y + 5), width=2, **how)
    canvas = Image.new("RGB", (width, height + 26), "white")
    canvas.paste(picture, (0, 26))
    ImageDraw.Draw(canvas).text((4, 5), caption, fill="#333333", font=ImageFont.load_default(14))
    return canvas


def main() -> None:
    """Both formulations from both starts, side by side."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("priorkit-out/gradient-paths"))
    parser.add_argument("--prior", default="realnvp-2d", help="name, or path to weights")
    parser.add_argument("--budget", type=int, help="evaluations per path; default: 1000")
    parser.add_argument("--points", type=Path, help="only write training points, a .npy file")
    parser.add_argument("--count", type=int, default=51200, help="how many")
    parser.add_argument("--seed", type=int, default=0, help="of the points")
    args = parser.parse_args()
    if args.points:
        np.save(args.points, points(args.count, args.seed))
        return

    prior = resolve("prior", args.prior).build(seed=0)
    panels = []
    for space, caption in CAPTIONS.items():
        visited = path(prior, space, args.budget or 1000)
        panels.append(panel(prior, visited, caption))
        ends = torch.from_numpy(visited[-1])
        for name, end, log_p in zip(STARTS, visited[-1], prior.log_prob(ends), strict=True):
            where = f"({end[0]:.2f}, {end[1]:.2f})"
            print(f"{space:7} from the {name:4} start: ends at {where}, log p = {float(log_p):.2f}")

    gap = 12
    canvas = Image.new("RGB", (2 * panels[0].width + gap, panels[0].height), "white")
    for i, picture in enumerate(panels):
        canvas.paste(picture, (i * (picture.width + gap), 0))
    args.out.mkdir(parents=True, exist_ok=True)
    canvas.save(args.out / "paths.png")
    print(f"See {args.out / 'paths.png'}: circles are starts, dots are ends, dashes are y = x2")


if __name__ == "__main__":
    main()
