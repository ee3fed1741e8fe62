"""Recover a picture from a camera of your own, written as a function.

python examples/functions.py
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

import priorkit
from priorkit.io.pictures import astronaut

SIDE = 64


def camera(x: Tensor) -> Tensor:
    """A picture (B, 3, H, W) through a dark-edged lens, onto pixels twice as large, whose response
    is curved."""
    across = torch.linspace(-1, 1, x.shape[-1], device=x.device, dtype=x.dtype)
    falloff = 1 / (1 + across.square() + across[:, None].square())
    return F.avg_pool2d(falloff * x, 2).clamp(min=1e-4) ** 0.45


def roughness(x: Tensor) -> Tensor:
    """R(x), (B,): Huber's function of the differences of neighbours, smooth at 0 as |·| isn't."""
    steps = [F.pad(x.diff(dim=-1), (0, 1)), F.pad(x.diff(dim=-2), (0, 0, 0, 1))]
    return sum((torch.sqrt(d.square() + 1e-4) for d in steps), torch.zeros(())).flatten(1).sum(1)


def main() -> None:
    """Measure the photograph with the camera, and recover it by a network and by the penalty."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("priorkit-out/functions"))
    parser.add_argument("--budget", type=int, help="of each; default: the prior's choice")
    args = parser.parse_args()

    common = {"op": camera, "sigma": 0.01, "shape": (3, SIDE, SIDE), "budget": args.budget}
    plain = priorkit.recover(
        str(astronaut()), prior="none", penalty=roughness, gamma=1e-3, start="flat", **common
    )
    result = priorkit.recover(str(astronaut()), prior="denoiser-photos", **common)
    print(f"a penalty of one's own {float(plain.psnr[0]):.2f} dB")
    print(f"denoiser-photos {float(result.psnr[0]):.2f} dB")
    folder = result.save(args.out)
    print(f"See {folder / 'grid.png'} and {folder / 'report.html'}")


if __name__ == "__main__":
    main()
