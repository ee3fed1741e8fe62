"""The training recipe of Glow: maximum likelihood on quantised pictures.

Run as ``priorkit train glow --data FOLDER_OR_ZIP --out DIR``. On a machine
that has only torch, numpy, pillow and safetensors it is called
from Python, see docs/training.md.

A run that is interrupted, or stopped by ``--minutes``, continues where it was when the
same command is given again. ``DIR`` then holds ``checkpoint.pt`` (everything),
``samples-*.png``, ``log.jsonl`` and, at the end, ``NAME.safetensors`` and ``NAME.json``.
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

from priorkit.training.album import Framings
from priorkit.training.dataset import TrainingPictures
from priorkit.training.descent import DescentOptions, MaximumLikelihood
from priorkit.training.options import PictureOptions, Progress, option
from priorkit_glow.export import rounded
from priorkit_glow.network import Glow, GlowConfig

__all__ = ["GlowTraining", "train"]


@dataclass
class GlowTraining(DescentOptions, PictureOptions):
    """Options of ``priorkit train glow``."""

    name: str = option("glow", "name of the weights, family-dataset")
    steps_per_level: list[int] = option([8, 8, 8, 8], "steps of flow, finest level first")
    width: list[int] = option([64, 96, 128, 192], "hidden channels, finest level first")
    scale_offset: float = option(0.1, "lower bound of the couplings' scale")
    n_bits: int = option(5, "bits per channel that the likelihood is trained on")
    batch: int = option(16, "pictures per step", least=1)
    iterations: int = option(25000, "optimizer steps in all", least=1)
    warmup: int = option(500, "steps of linear warm-up", least=0)
    decay: float = option(0.4, "fraction of the run at the end in which the rate decays to 0")
    precision: str = option("", "fp32, or bf16 for the hidden layers; default: bf16 on cuda")


def train(options: GlowTraining, progress: Progress | None = None) -> Path | None:
    """Train a Glow by maximum likelihood; return the weights file, or None if time ran out.

    The loss is −log₂ p per dimension of a picture quantised to ``n_bits`` bits with
    uniform dequantisation noise u:  (−log p(x + u) + n·log 2^n_bits) / (n·log 2),
    in bits per dimension (Kingma & Dhariwal 2018, eq. 2).

    Raises ValueError where the data or the options don't fit.
    """
    return _Run(options, progress).run()


class _Run(MaximumLikelihood):
    family = "glow"
    options: GlowTraining
    net: Glow
    ema: Glow

    def __init__(self, options: GlowTraining, progress: Progress | None) -> None:
        o = options
        self.config = GlowConfig(
            shape=(3, o.size, o.size),
            steps=tuple(o.steps_per_level),
            width=tuple(o.width),
            scale_offset=(o.scale_offset,) * len(o.steps_per_level),
            n_bits=o.n_bits,
        )
        self.pictures = TrainingPictures(o.data, (o.size, o.size), o.box or None)
        found = self.pictures
        super().__init__(options, progress, len(found), digest=found.digest, skipped=found.skipped)
        self.framings = Framings(found, self.train_size, o.shift, self.device)
        self.adopt(self._new_network(), self._new_network())

    def _new_network(self) -> Glow:
        network = Glow(self.config).to(self.device)
        return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def initialize(self) -> None:
        o = self.options
        first = np.random.default_rng([o.seed, 0]).permutation(self.train_size)
        self.net.initialize(self._crops(first[: max(o.batch, 64)].tolist(), step=-1))

    def ready(self) -> None:
        self.net.set_hidden_dtype(torch.bfloat16 if self.half else None)

    def batch(self) -> Tensor:
        return self._crops(self.indices(), self.step, self.share)

    def _crops(self, indices: list[int], step: int, share: slice = slice(None)) -> Tensor:
        rng = np.random.default_rng([self.options.seed, step + 1, 1])
        pixels = self.framings.batch(indices, rng, share)
        return self._quantised(pixels, step, len(indices), share)

    def _quantised(self, pixels: Tensor, key: int, count: int, share: slice) -> Tensor:
        """uint8 pictures → ``n_bits`` bits plus uniform noise, in [0, 1); the pictures are a
        ``share`` of ``count``."""
        generator = torch.Generator(self.device)
        generator.manual_seed(self.options.seed * 1_000_003 + key + 1)
        bins = 2**self.config.n_bits
        shape = (count, *pixels.shape[1:])
        noise = torch.rand(shape, generator=generator, device=self.device)[share]
        x = ((pixels.int() * bins // 256) + noise) / bins
        return x.contiguous(memory_format=torch.channels_last)

    def loss(self, net: Glow, batch: Tensor) -> Tensor:
        n = self.config.n
        return (self.config.n_bits * n - net.log_prob(batch) / math.log(2)) / n

    @torch.no_grad()
    def validation_loss(self) -> float:
        losses = []
        for start in range(0, self.kept, 48):
            stop = min(start + 48, self.kept)
            crops = [self.pictures.crop(self.train_size + i) for i in range(start, stop)]
            pixels = torch.stack(crops).to(self.device)
            x = self._quantised(pixels, start, len(crops), slice(None))
            losses.append(self.loss(self.ema, x))
        return float(torch.cat(losses).mean()) if losses else math.nan

    @torch.no_grad()
    def samples(self) -> Tensor:
        generator = torch.Generator().manual_seed(0)
        z = 0.7 * torch.randn(16, self.config.n, generator=generator)
        return self.ema.decode(z.to(self.device))

    def result(self) -> tuple[Mapping[str, Tensor], dict[str, Any]]:
        """Averaged weights, rounded as they are shipped, and their bits/dim."""
        state = rounded(self.ema.state_dict())
        self.ema.load_state_dict({k: v.float() for k, v in state.items()})
        bits = round(self.validation_loss(), 4) if self.kept else None
        return state, {"bits_per_dim": bits}
