"""The training recipe of RealNVP: maximum likelihood on points or on quantised pictures.

Run as ``priorkit train realnvp --data points.npy --out DIR``. On a machine
that has only torch, numpy, pillow, safetensors and normflows it is called
from Python, see docs/training.md.

A run that is interrupted, or stopped by ``--minutes``, continues where it was when the
same command is given again. ``DIR`` then holds ``checkpoint.pt`` (everything), ``log.jsonl``,
of pictures ``samples-*.png`` and, at the end, ``NAME.safetensors`` and ``NAME.json``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from priorkit.io.arrays import is_npy
from priorkit.training.album import sent
from priorkit.training.descent import DescentOptions, MaximumLikelihood
from priorkit.training.options import PictureOptions, Progress, option
from priorkit_realnvp import data
from priorkit_realnvp.network import RealNVP, RealNVPConfig

__all__ = ["RealNVPTraining", "train"]


@dataclass
class RealNVPTraining(DescentOptions, PictureOptions):
    """Options of ``priorkit train realnvp``."""

    data: Path = option(Path(), "points.npy (N, d), or a folder or zip of pictures")
    name: str = option("realnvp", "name of the weights, family-dataset")
    patch: int = option(0, "pictures: patches of so many pixels a side; 0: whole ones", least=0)
    size: int = option(16, "pictures: side in pixels, a multiple of 2^levels", least=2)
    channels: int = option(3, "pictures: 3 for colour, 1 for grey")
    levels: int = option(2, "pictures: how often the sides are halved")
    n_bits: int = option(8, "pictures: bits per channel that the likelihood is trained on")
    steps: int = option(8, "couplings; of pictures, of either kind per level")
    width: int = option(64, "hidden units, or channels, of a coupling's networks")
    scale_limit: float = option(2.0, "a coupling scales by at most exp(±scale_limit)")
    validation: int | None = option(
        None, "examples kept, the last ones; none: 10%, at most 336", least=0
    )
    batch: int = option(64, "examples per step", least=2)
    iterations: int = option(5000, "optimizer steps in all", least=1)
    warmup: int = option(100, "steps of linear warm-up", least=0)
    ema: float = option(0.99, "decay of the averaged weights; 0: no average")
    licence: str = option("", "terms of the training data, for the card")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.channels not in (1, 3):
            raise ValueError(f"channels is 3 for colour or 1 for grey, got {self.channels}")
        if self.patch and (self.box or self.shift or self.channels == 1 or self.n_bits != 8):
            raise ValueError(
                "box, shift, channels and n-bits are for whole pictures: leave them out, or patch"
            )

    def architecture(self, shape: tuple[int, ...]) -> RealNVPConfig:
        """The network for examples of that shape. Raises ValueError."""
        return RealNVPConfig(
            shape=shape,
            steps=self.steps,
            width=self.width,
            levels=self.levels if len(shape) == 3 else 0,
            scale_limit=self.scale_limit,
            n_bits=self.n_bits,
        )


def train(options: RealNVPTraining, progress: Progress | None = None) -> Path | None:
    """Train a RealNVP by maximum likelihood; return the weights file, or None if time ran out.

    The loss is −log p(x) in nats of a point, or of a picture quantised to ``n_bits`` bits,
    with uniform dequantisation noise u, in bits per dimension:
    (−log p(x + u) + n·log 2^n_bits) / (n·log 2)  (Theis, van den Oord & Bethge 2016).

    Raises ValueError where the data or the options don't fit.
    """
    return _Run(options, progress).run()


class _Run(MaximumLikelihood):
    family = "realnvp"
    options: RealNVPTraining
    net: RealNVP
    ema: RealNVP

    def __init__(self, options: RealNVPTraining, progress: Progress | None) -> None:
        self.data, self.config = _read(options)
        found = self.data
        super().__init__(options, progress, len(found), digest=found.digest, skipped=found.skipped)
        self.unit = "bits/dim" if self.config.is_image else "nats"
        networks = [RealNVP(self.config).to(self.device) for _ in range(2)]
        self.adopt(*networks)

    def initialize(self) -> None:
        rng = np.random.default_rng([self.options.seed, 0])
        first = rng.permutation(self.train_size)[:1024].tolist()
        self.net.initialize(self.data.plain(first, rng).to(self.device))

    def batch(self) -> Tensor:
        rng = np.random.default_rng([self.options.seed, self.step, 1])
        return sent(self.data.batch(self.indices(), rng)[self.share], self.device)

    def loss(self, net: RealNVP, batch: Tensor) -> Tensor:
        nats = -net.log_prob(batch)
        if not self.config.is_image:
            return nats
        return nats / (self.config.n * math.log(2)) + self.config.n_bits

    @torch.no_grad()
    def validation_loss(self) -> float:
        last = range(self.train_size, len(self.data))
        losses = []
        for start in range(0, len(last), 256):
            rng = np.random.default_rng([self.options.seed, start, 2])
            x = self.data.plain(list(last[start : start + 256]), rng).to(self.device)
            losses.append(self.loss(self.ema, x))
        return float(torch.cat(losses).mean()) if losses else math.nan

    @torch.no_grad()
    def samples(self) -> Tensor | None:
        if not self.config.is_image:
            return None
        generator = torch.Generator().manual_seed(0)
        z = 0.7 * torch.randn(16, self.config.n, generator=generator)
        return self.ema.decode(z.to(self.device))

    def result(self) -> tuple[Mapping[str, Tensor], dict[str, Any]]:
        """The averaged weights, as they are, and their validation loss."""
        field = "bits_per_dim" if self.config.is_image else "nats_per_point"
        about = {field: round(self.validation_loss(), 4)} if self.kept else {}
        return self.ema.state_dict(), about


def _read(o: RealNVPTraining) -> tuple[data.TrainingData, RealNVPConfig]:
    """The examples, and the network for them; sizes are refused before any file is read."""
    if not is_npy(o.data) and not o.patch:
        o.architecture((o.channels, o.size, o.size))
    examples = data.read(
        o.data,
        patch=o.patch,
        size=(o.size, o.size),
        channels=o.channels,
        box=o.box,
        n_bits=o.n_bits,
        shift=o.shift,
    )
    return examples, o.architecture(examples.shape)
