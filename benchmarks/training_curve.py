"""What a denoiser learns from so many pictures: PSNR on held-out ones, printed as it trains.

    python benchmarks/training_curve.py --data ../shared/data/flowers/train.zip \\
        --init diffusion-celeba --rate 4e-4 --pictures 3200 --every 20
    python benchmarks/training_curve.py --data ../shared/data/flowers/train.zip \\
        --channels 16 32 48 64 --blocks 1 1 1 1 --pictures 32000 --every 100

Trains ``priorkit train diffusion`` on so many pictures in bfloat16, with its usual network for
whole ones or another. A row per validation: pictures seen, and the mean PSNR of the last pictures
by name with noise of σ = 0.01, 0.05, 0.1 and 0.2. With ``--init`` the first row is that of the
weights as they are. The rate falls in the second half, so the last row is what such a run gives,
and those before it are less than a run that ended there would.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import torch
from priorkit_diffusion.data import Whole
from priorkit_diffusion.held_out import HeldOut
from priorkit_diffusion.network import DenoiserConfig, DenoisingNetwork

from priorkit.io.weights import restore
from priorkit.settings.select import resolve
from priorkit.training.dataset import TrainingPictures
from priorkit.training.run import run_trainer

LEVELS = (0.01, 0.05, 0.1, 0.2)


def row(seen: int, psnr: dict[float, float], seconds: float) -> None:
    """One line of the table."""
    cells = " | ".join(f"{psnr[sigma]:.2f}" for sigma in LEVELS)
    print(f"| {seen:,} | {cells} | {seconds:.0f} |", flush=True)


def untrained(weights: str, data: Path, size: int, count: int) -> dict[float, float]:
    """Mean PSNR of named weights, with the pictures and the noise of the validation."""
    path = resolve("prior", weights).preset["weights"]
    _, network = restore(path, "diffusion", DenoiserConfig, DenoisingNetwork)
    pictures = Whole(TrainingPictures(data, (size, size)), validation=count, shift=0)
    return HeldOut(pictures, network.config, torch.device("cpu")).psnr(network)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder or zip of pictures")
    parser.add_argument("--init", default="", help="weights to begin with")
    parser.add_argument("--pictures", type=int, default=12800, help="to be seen in all")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--channels", type=int, nargs="+", default=[], help="of the network")
    parser.add_argument("--blocks", type=int, nargs="+", default=[], help="of the network")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--every", type=int, default=50, help="steps between rows")
    parser.add_argument("--validation", type=int, default=64, help="pictures held out")
    a = parser.parse_args()
    print("| pictures seen | σ = 0.01 | 0.05 | 0.1 | 0.2 | seconds |")
    print("|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        out, began = Path(folder) / "run", time.monotonic()

        def progress(step: int, total: int, message: str) -> None:
            if message.startswith("validation PSNR") and message.endswith("\n"):
                line = json.loads((out / "log.jsonl").read_text().splitlines()[-1])
                psnr = {sigma: line[f"psnr_{sigma}"] for sigma in LEVELS}
                row(step * a.batch, psnr, time.monotonic() - began)

        options: dict[str, object] = {"warmup": 50, "decay": 0.5, "precision": "bf16"}
        options["iterations"] = a.pictures // a.batch
        given = ("init", "size", "batch", "rate", "every", "validation", "channels", "blocks")
        options |= {name: getattr(a, name) for name in given}
        if a.init:
            row(0, untrained(a.init, a.data, a.size, a.validation), 0)
        run_trainer("diffusion", {"data": str(a.data), "out": str(out), **options}, progress)


if __name__ == "__main__":
    main()
