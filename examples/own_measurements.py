"""Recover a picture from measurements that are files: a matrix A.npy and a vector y.npy.

python examples/own_measurements.py
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

import priorkit
from priorkit.io.pictures import astronaut

SHAPE = (3, 64, 64)  # channels, height, width of the picture to recover


def write_stand_in(folder: Path, m: int = 500) -> None:
    """Write A.npy and y.npy, as a stand-in for files of your own.

    Skip this with real data. A has one row per measurement, and one column per number of
    the picture, in the order channel, row, column. y has one entry per row of A.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    with Image.open(astronaut()) as file:
        picture = file.convert("RGB").resize(SHAPE[2:0:-1], Image.Resampling.BILINEAR)
    x = np.asarray(picture, dtype=np.float32).transpose(2, 0, 1).reshape(-1) / 255
    A = rng.standard_normal((m, x.size), dtype=np.float32) / np.sqrt(m, dtype=np.float32)
    noise = 0.005 * rng.standard_normal(m, dtype=np.float32)
    np.save(folder / "A.npy", A)
    np.save(folder / "y.npy", A @ x + noise)


def main() -> None:
    """Write the stand-in files, then recover from the files alone."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("priorkit-out/own-measurements"))
    parser.add_argument("--prior", default="glow-celeba", help="name, or path to weights")
    parser.add_argument("--budget", type=int, help="evaluations; default: the prior's choice")
    args = parser.parse_args()

    write_stand_in(args.out)

    result = priorkit.recover(
        y=str(args.out / "y.npy"),
        op={"name": "matrix", "path": str(args.out / "A.npy")},
        shape=SHAPE,
        prior=args.prior,
        budget=args.budget,
    )
    path = args.out / "recovered.png"
    result.image(0).save(path)
    # There is no truth to compare with: the misfit ‖A x − y‖² and the status are what is known.
    print(f"{result.status[0]}, misfit {float(result.misfit[0]):.3g}; see {path}")


if __name__ == "__main__":
    main()
