"""The training recipe of RealNVP: maximum likelihood on points or on quantised pictures.

Run as ``priorkit train realnvp --data points.npy --out DIR``, or on a machine that has
only torch, numpy, pillow, safetensors and normflows as

    PYTHONPATH=.:plugins python -m priorkit_realnvp.train --data points.npy --out DIR

A run that is interrupted, or stopped by ``--minutes``, continues where it was when the
same command is given again. ``DIR`` then holds ``checkpoint.pt`` (everything), ``log.jsonl``,
of pictures ``samples-*.png`` and, at the end, ``NAME.safetensors`` and ``NAME.json``.
"""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from priorkit import recipe
from priorkit.recipe import Progress, option
from priorkit_realnvp import data
from priorkit_realnvp.network import RealNVP, RealNVPConfig

__all__ = ["RealNVPTraining", "train"]


@dataclass
class RealNVPTraining:
    """Options of ``priorkit train realnvp``."""

    data: Path = option(Path(), "points.npy (N, d), or a folder or zip of pictures")
    out: Path = option(Path(), "folder for checkpoints, samples and the weights")
    name: str = option("realnvp", "name of the weights, family-dataset")
    size: int = option(16, "pictures: side in pixels, a multiple of 2^levels")
    channels: int = option(3, "pictures: 3 for colour, 1 for grey")
    levels: int = option(2, "pictures: how often the sides are halved")
    n_bits: int = option(8, "pictures: bits per channel that the likelihood is trained on")
    box: list[float] = option([], "pictures: left top right bottom of the crop; none: centre")
    shift: float = option(0.0, "pictures: shift of the box as augmentation, in source pixels")
    steps: int = option(8, "couplings; of pictures, of either kind per level")
    width: int = option(64, "hidden units, or channels, of a coupling's networks")
    scale_limit: float = option(2.0, "a coupling scales by at most exp(±scale_limit)")
    validation: int = option(200, "examples kept for validation, the last ones")
    batch: int = option(64, "examples per step")
    iterations: int = option(5000, "optimizer steps in all")
    rate: float = option(1e-3, "learning rate of Adam")
    warmup: int = option(100, "steps of linear warm-up")
    decay: float = option(0.5, "fraction of the run at the end in which the rate decays to 0")
    ema: float = option(0.99, "decay of the averaged weights; 0: no average")
    every: int = option(1000, "steps between validations, samples and checkpoints")
    minutes: float = option(0.0, "stop after so many minutes, to be continued; 0: never")
    seed: int = option(0, "seed of initialisation, order, augmentation and noise")
    licence: str = option("", "terms of the training data, for the card")
    device: str = option("", "cpu or cuda; default: cuda where there is one")

    def __post_init__(self) -> None:
        counts = {"batch": 2, "every": 1, "iterations": 1, "warmup": 0, "validation": 0, "size": 2}
        for name, least in counts.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if self.channels not in (1, 3):
            raise ValueError(f"channels is 3 for colour or 1 for grey, got {self.channels}")
        if self.box and len(self.box) != 4:
            raise ValueError(f"box is left top right bottom, got {self.box}")
        if not (self.rate > 0 and 0 <= self.ema < 1 and 0 <= self.decay <= 1):
            raise ValueError("rate > 0, 0 ≤ ema < 1 and 0 ≤ decay ≤ 1 are needed")
        recipe.check_name(self.name)

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
    return _Run(options, progress or recipe.print_progress).run()


class _Run:
    def __init__(self, options: RealNVPTraining, progress: Progress) -> None:
        self.options, self.progress = options, progress
        o = options
        torch.set_flush_denormal(True)
        self.device = recipe.device_of(o.device)
        self.data, self.config = _read(o)
        self.train_size = len(self.data) - o.validation
        if self.train_size < o.batch:
            raise ValueError(
                f"{len(self.data)} examples less {o.validation} for validation leave fewer "
                f"than one batch of {o.batch}: try a smaller --validation or --batch"
            )
        self.unit = "bits/dim" if self.config.is_image else "nats"
        self.out = Path(o.out)
        self.out.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(o.seed)
        self.net = RealNVP(self.config).to(self.device)
        self.ema = RealNVP(self.config).to(self.device).requires_grad_(False)
        self.adam = torch.optim.Adam(self.net.parameters(), lr=o.rate, fused=True)
        self.step = 0
        self.seconds = 0.0
        self.skipped = 0  # steps in a row without a finite gradient
        self.epoch = -1

    def run(self) -> Path | None:
        o = self.options
        started = time.monotonic()
        if not self._resume():
            rng = np.random.default_rng([o.seed, 0])
            first = rng.permutation(self.train_size)[:1024].tolist()
            self.net.initialize(self.data.plain(first, rng).to(self.device))
            self.ema.load_state_dict(self.net.state_dict())
        before = self.seconds
        losses: list[float] = []
        try:
            while self.step < o.iterations:
                losses.append(self._train_step())
                self.seconds = before + time.monotonic() - started
                if self.step % 20 == 0:
                    message = f"{np.mean(losses[-20:]):.3f} {self.unit}"
                    self.progress(self.step, o.iterations, message)
                if self.step % o.every == 0 or self.step == o.iterations:
                    self._validate(float(np.mean(losses)))
                    losses.clear()
                    self._save()
                if o.minutes and time.monotonic() - started > 60 * o.minutes:
                    break
        finally:  # Ctrl-C too: what was learned is kept
            self._save()
        return self._export() if self.step >= o.iterations else None

    def _train_step(self) -> float:
        o = self.options
        x = self._batch()
        for group in self.adam.param_groups:
            group["lr"] = o.rate * self._schedule(self.step)
        self.adam.zero_grad(set_to_none=True)
        loss = self._loss(self.net, x).mean()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.net.parameters(), 10.0)
        self.step += 1
        self.skipped = 0 if bool(torch.isfinite(norm)) else self.skipped + 1
        if self.skipped >= 100:
            raise ValueError("100 steps in a row had no finite gradient: try a smaller --rate")
        if not self.skipped:  # one bad batch costs one step, not the run
            self.adam.step()
            keep = min(o.ema, (1 + self.step) / (10 + self.step))
            pairs = zip(self.ema.parameters(), self.net.parameters(), strict=True)
            averages, currents = zip(*pairs, strict=True)
            torch._foreach_lerp_(list(averages), [p.detach() for p in currents], 1 - keep)
        return float(loss.detach())

    def _schedule(self, step: int) -> float:
        o = self.options
        left = (o.iterations - step) / max(1.0, o.decay * o.iterations)
        return min((step + 1) / max(1, o.warmup), left, 1.0)

    def _batch(self) -> Tensor:
        o = self.options
        epoch, position = divmod(self.step * o.batch, self.train_size - self.train_size % o.batch)
        if epoch != self.epoch:
            self.epoch = epoch
            self.order = np.random.default_rng([o.seed, epoch]).permutation(self.train_size)
        rng = np.random.default_rng([o.seed, self.step, 1])
        return self.data.batch(self.order[position : position + o.batch].tolist(), rng).to(
            self.device
        )

    def _loss(self, net: RealNVP, x: Tensor) -> Tensor:
        nats = -net.log_prob(x)
        if not self.config.is_image:
            return nats
        return nats / (self.config.n * math.log(2)) + self.config.n_bits

    @torch.no_grad()
    def validation_loss(self) -> float:
        """Mean loss of the averaged network over the validation examples, the same noise
        every time; NaN without any."""
        last = range(self.train_size, len(self.data))
        losses = []
        for start in range(0, len(last), 256):
            rng = np.random.default_rng([self.options.seed, start, 2])
            x = self.data.plain(list(last[start : start + 256]), rng).to(self.device)
            losses.append(self._loss(self.ema, x))
        return float(torch.cat(losses).mean()) if losses else math.nan

    def _validate(self, train_loss: float) -> None:
        loss = self.validation_loss()
        recipe.log_line(
            self.out,
            step=self.step,
            train=train_loss,
            validation=None if math.isnan(loss) else loss,
            seconds=round(self.seconds),
        )
        message = f"validation {loss:.4f} {self.unit}\n"
        self.progress(self.step, self.options.iterations, message)
        if self.config.is_image:
            generator = torch.Generator().manual_seed(0)
            z = 0.7 * torch.randn(16, self.config.n, generator=generator)
            with torch.no_grad():
                x = self.ema.decode(z.to(self.device))
            recipe.mosaic(x, self.out / f"samples-{self.step:06d}.png")

    def _save(self) -> None:
        state = {
            "step": self.step,
            "seconds": self.seconds,
            "config": self.config.to_dict(),
            "net": self.net.state_dict(),
            "ema": self.ema.state_dict(),
            "adam": self.adam.state_dict(),
        }
        recipe.save_checkpoint(self.out, state)

    def _resume(self) -> bool:
        state = recipe.load_checkpoint(self.out, self.config.to_dict(), self.device)
        if state is None:
            return False
        self.step, self.seconds = state["step"], state["seconds"]
        self.net.load_state_dict(state["net"])
        self.ema.load_state_dict(state["ema"])
        self.adam.load_state_dict(state["adam"])
        return True

    def _export(self) -> Path:
        """The averaged weights, as they are, and the card beside them."""
        o = self.options
        options = {k: v for k, v in asdict(o).items() if k not in ("data", "out", "minutes")}
        about: dict[str, Any] = {"data": Path(o.data).name, "licence": o.licence}
        if o.validation:
            field = "bits_per_dim" if self.config.is_image else "nats_per_point"
            about[field] = round(self.validation_loss(), 4)
        return recipe.write_weights(
            self.out / f"{o.name}.safetensors",
            self.ema.state_dict(),
            family="realnvp",
            architecture=self.config.to_dict(),
            about=about | {"training": options},
        )


def _read(o: RealNVPTraining) -> tuple[data.TrainingData, RealNVPConfig]:
    """The examples, and the network for them; sizes are refused before any file is read."""
    if o.data.suffix != ".npy":
        o.architecture((o.channels, o.size, o.size))
    examples = data.read(
        o.data,
        size=(o.size, o.size),
        channels=o.channels,
        box=o.box,
        n_bits=o.n_bits,
        shift=o.shift,
    )
    return examples, o.architecture(examples.shape)


if __name__ == "__main__":
    recipe.main(RealNVPTraining, train, "Train a RealNVP prior")
