"""What each kernel must at least move and multiply, and what that allows on an H100.

    python benchmarks/roofline.py

On paper, nothing is run. Per kernel, summed over the steps of a network and per image: the
operations that the mathematics needs, those that its tiles issue (a tile is so many channels
wide, however few there are), the bytes between the device's memory and the kernel where what a tile
reads again comes from a cache, and the time that is the longer of both at the rates below. The
last column is the share of the floor, all needed operations at the rate of bfloat16, in that.

Rates: NVIDIA, "H100 Tensor Core GPU" data sheet, SXM: 989 TFLOP/s bfloat16 dense, 67 TFLOP/s
float32, 3.35 TB/s. Weights are read once per batch of 64.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from priorkit_glow.couplings import suits_tiles, tiles_of_sums
from priorkit_glow.levels import levels_of
from priorkit_glow.network import GlowConfig
from speed import LARGE

BFLOAT16, FLOAT32, MEMORY = 989e12, 67e12, 3.35e12
BATCH = 64


@dataclass
class Work:
    """Operations needed and issued, and bytes, of one kernel per image."""

    needed: float = 0.0
    issued: float = 0.0
    bytes: float = 0.0

    def add(self, needed: float, issued: float, moved: float) -> None:
        self.needed += needed
        self.issued += issued
        self.bytes += moved


def main() -> None:
    """Print a row per kernel, for bfloat16 and for float32."""
    for name, rate, size in (("bfloat16", BFLOAT16, 2), ("float32", FLOAT32, 4)):
        rows = works(LARGE, size)
        print(f"K = 48, width 512, hidden layers in {name}, per image, batch {BATCH}")
        print("| kernel | needed GFLOP | issued GFLOP | MB | at least µs | share of the floor |")
        print("|---|---|---|---|---|---|")
        whole = Work()
        spent = 0.0
        for kernel, work in rows.items():
            own = rate if kernel not in ("couple", "uncouple", "sum_tiles") else FLOAT32
            seconds = max(work.issued / own, work.bytes / MEMORY)
            spent += seconds
            whole.add(work.needed, work.issued, work.bytes)
            line(kernel, work, seconds)
        line("all", whole, spent)


def works(config: GlowConfig, size: int) -> dict[str, Work]:
    """Per kernel, for one value and gradient of an image; a hidden number has ``size`` bytes."""
    rows: dict[str, Work] = {}
    for level, steps in zip(levels_of(config), config.steps, strict=True):
        for _ in range(steps):
            step(rows, level, size)
    return rows


def line(name: str, work: Work, seconds: float) -> None:
    share = work.needed / BFLOAT16 / seconds
    print(f"| `{name}` | {work.needed / 1e9:.2f} | {work.issued / 1e9:.2f} | "
          f"{work.bytes / 1e6:.1f} | {seconds * 1e6:.1f} | {share:.0%} |")  # fmt: skip


def step(rows: dict[str, Work], level: Any, size: int) -> None:
    """Add one step of flow, forward and back."""
    pixels, hidden, channels = level.pixels, level.hidden, level.channels
    half, bits = channels // 2, pixels * math.ceil(hidden / 32) * 4

    def in_tiles(name: str, into: int, out: int, moved: float) -> None:
        first, last = 9 * into * hidden, 9 * out * hidden
        columns = 64 * tiles_of_sums(out)
        needed, issued = (2.0 * pixels * (first + hidden**2 + n) for n in (last, hidden * columns))
        parts = pixels * 100 / 64 * out * 4
        weights = (first + hidden**2 + last) * size / BATCH
        moved += 2 * bits + parts + weights
        rows.setdefault(name, Work()).add(needed, issued, moved)
        rows.setdefault("sum_tiles", Work()).add(0, 0, parts + stream * out)

    def product(name: str, depth: int, out: int, moved: float) -> None:
        needed = 2.0 * pixels * depth * out
        tile = 16 if "out_of" in name else 64
        issued = needed * math.ceil(out / tile) * tile / out
        rows.setdefault(name, Work()).add(needed, issued, moved + depth * out * size / BATCH)

    inner, stream = pixels * hidden * size, pixels * 4
    if size == 2 and suits_tiles(hidden, channels):
        in_tiles("tiles", half, channels, stream * half)
    else:
        product("into", 9 * half, hidden, stream * half + inner + bits)
        product("through", hidden, hidden, 2 * inner + bits)
        product("out_of", 9 * hidden, channels, inner + stream * channels)
    if size == 2 and suits_tiles(hidden, half):
        in_tiles("back_tiles", channels, half, stream * channels)
    else:
        product("back_into", 9 * channels, hidden, stream * channels + inner + bits)
        product("back_through", hidden, hidden, 2 * inner + bits)
        product("back_out_of", 9 * hidden, half, inner + 2 * stream * half)
    affine = 2.0 * pixels * channels**2
    rows.setdefault("couple", Work()).add(affine, affine, stream * 4 * channels)
    rows.setdefault("uncouple", Work()).add(affine, affine, stream * 4 * channels)


if __name__ == "__main__":
    main()
