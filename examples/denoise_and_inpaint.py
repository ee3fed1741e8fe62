"""Denoise the sample photograph, and fill a hole in it.

python examples/denoise_and_inpaint.py
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image

import priorkit


def stacked(pictures: list[Image.Image]) -> Image.Image:
    """The pictures below each other, on white."""
    width, height = max(p.width for p in pictures), sum(p.height for p in pictures)
    canvas = Image.new("RGB", (width, height), "white")
    top = 0
    for picture in pictures:
        canvas.paste(picture, (0, top))
        top += picture.height
    return canvas


def main() -> None:
    """Two problems that differ in their operator alone."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("priorkit-out/denoise-and-inpaint"))
    parser.add_argument("--prior", default="glow-celeba", help="name, or path to weights")
    parser.add_argument("--budget", type=int, help="evaluations; default: the prior's choice")
    args = parser.parse_args()
    common = {"prior": args.prior, "budget": args.budget}

    # Noise of standard deviation 0.1 on every pixel. The weight gamma follows from sigma.
    denoised = priorkit.recover(op="denoising", sigma=0.1, **common)
    # A square hole in the middle; the pixels around it are seen without noise.
    filled = priorkit.recover(op="inpainting", mask="center", **common)

    print(f"denoising   PSNR {float(denoised.psnr[0]):.2f} dB")
    print(f"inpainting  PSNR {float(filled.psnr[0]):.2f} dB")
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / "grid.png"
    stacked([denoised.grid(), filled.grid()]).save(path)
    print(f"See {path}: truth, measurement, recovery, error")


if __name__ == "__main__":
    main()
