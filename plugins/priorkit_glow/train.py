"""The training recipe of Glow: maximum likelihood on quantised pictures.

Run as ``priorkit train glow --data FOLDER_OR_ZIP --out DIR``, or on a machine that has
only torch, numpy, pillow and safetensors as

    PYTHONPATH=.:plugins python -m priorkit_glow.train --data faces.zip --out DIR --minutes 9

A run that is interrupted, or stopped by ``--minutes``, continues where it was when the
same command is given again. ``DIR`` then holds ``checkpoint.pt`` (everything),
``samples-*.png``, ``log.jsonl`` and, at the end, ``NAME.safetensors`` and ``NAME.json``.
"""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from priorkit import recipe
from priorkit.dataset import TrainingPictures
from priorkit.recipe import Progress, option
from priorkit_glow.export import rounded, write_weights
from priorkit_glow.network import Glow, GlowConfig

__all__ = ["GlowTraining", "train"]


@dataclass
class GlowTraining:
    """Options of ``priorkit train glow``."""

    data: Path = option(Path(), "folder or zip of pictures")
    out: Path = option(Path(), "folder for checkpoints, samples and the weights")
    name: str = option("glow", "name of the weights, family-dataset")
    size: int = option(64, "side of the pictures in pixels")
    steps_per_level: list[int] = option([8, 8, 8, 8], "steps of flow, finest level first")
    width: list[int] = option([64, 96, 128, 192], "hidden channels, finest level first")
    scale_offset: float = option(0.1, "lower bound of the couplings' scale")
    n_bits: int = option(5, "bits per channel that the likelihood is trained on")
    box: list[float] = option([], "left top right bottom of the crop; none: centre square")
    validation: int = option(336, "pictures kept for validation, the last by name")
    shift: float = option(0.0, "augmentation: shift of the box, in source pixels")
    batch: int = option(16, "pictures per step")
    iterations: int = option(25000, "optimizer steps in all")
    rate: float = option(1e-3, "learning rate of Adam")
    warmup: int = option(500, "steps of linear warm-up")
    decay: float = option(0.4, "fraction of the run at the end in which the rate decays to 0")
    ema: float = option(0.999, "decay of the averaged weights")
    precision: str = option("fp32", "fp32, or bf16 for the hidden layers")
    every: int = option(1000, "steps between validations, samples and checkpoints")
    minutes: float = option(0.0, "stop after so many minutes, to be continued; 0: never")
    seed: int = option(0, "seed of initialisation, order, augmentation and noise")
    licence: str = option("", "terms of the training pictures, for the card")
    device: str = option("", "cpu or cuda; default: cuda where there is one")

    def __post_init__(self) -> None:
        counts = {"batch": 1, "every": 1, "iterations": 1, "warmup": 0, "validation": 0, "size": 2}
        for name, least in counts.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if self.precision not in ("fp32", "bf16"):
            raise ValueError(f"precision is fp32 or bf16, got {self.precision!r}")
        recipe.check_name(self.name)
        if self.box and len(self.box) != 4:
            raise ValueError(f"box is left top right bottom, got {self.box}")
        if not (self.rate > 0 and 0 <= self.ema < 1 and 0 <= self.decay <= 1):
            raise ValueError("rate > 0, 0 ≤ ema < 1 and 0 ≤ decay ≤ 1 are needed")


def train(options: GlowTraining, progress: Progress | None = None) -> Path | None:
    """Train a Glow by maximum likelihood; return the weights file, or None if time ran out.

    The loss is −log₂ p per dimension of a picture quantised to ``n_bits`` bits with
    uniform dequantisation noise u:  (−log p(x + u) + n·log 2^n_bits) / (n·log 2),
    in bits per dimension (Kingma & Dhariwal 2018, eq. 2).

    Raises ValueError where the data or the options don't fit.
    """
    return _Run(options, progress or recipe.print_progress).run()


class _Run:
    def __init__(self, options: GlowTraining, progress: Progress) -> None:
        self.options, self.progress = options, progress
        o = options
        torch.set_flush_denormal(True)
        self.device = recipe.device_of(o.device)
        levels = len(o.steps_per_level)
        self.config = GlowConfig(
            shape=(3, o.size, o.size),
            steps=tuple(o.steps_per_level),
            width=tuple(o.width),
            scale_offset=(o.scale_offset,) * levels,
            n_bits=o.n_bits,
        )
        self.pictures = TrainingPictures(o.data, (o.size, o.size), o.box or None)
        self.train_size = len(self.pictures) - o.validation
        if self.train_size < o.batch:
            raise ValueError(
                f"{len(self.pictures)} pictures less {o.validation} for validation "
                f"leave fewer than one batch of {o.batch}"
            )
        self.out = Path(o.out)
        self.out.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(o.seed)
        self.net = self._new_network()
        self.ema = self._new_network()
        self.ema.requires_grad_(False)
        self.adam = torch.optim.Adam(self.net.parameters(), lr=o.rate, fused=True)
        self.step = 0
        self.seconds = 0.0
        self.skipped = 0  # steps in a row without a finite gradient

    def run(self) -> Path | None:
        o = self.options
        started = time.monotonic()
        if not self._resume():
            first = np.random.default_rng([o.seed, 0]).permutation(self.train_size)
            self.net.initialize(self._batch(first[: max(o.batch, 64)].tolist(), step=-1))
            self.ema.load_state_dict(self.net.state_dict())
        self.net.set_hidden_dtype(torch.bfloat16 if o.precision == "bf16" else None)
        before = self.seconds
        losses: list[float] = []
        try:
            while self.step < o.iterations:
                losses.append(self._train_step())
                self.seconds = before + time.monotonic() - started
                if self.step % 20 == 0:
                    self.progress(self.step, o.iterations, f"{np.mean(losses[-20:]):.3f} bits/dim")
                if self.step % o.every == 0 or self.step == o.iterations:
                    self._validate(float(np.mean(losses)))
                    losses.clear()
                    self._save()
                if o.minutes and time.monotonic() - started > 60 * o.minutes:
                    break
        finally:  # Ctrl-C too: what was learned is kept
            self._save()
        return self._export() if self.step >= o.iterations else None

    def _new_network(self) -> Glow:
        network = Glow(self.config).to(self.device)
        return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def _train_step(self) -> float:
        o = self.options
        epoch, position = divmod(self.step * o.batch, self.train_size - self.train_size % o.batch)
        order = np.random.default_rng([o.seed, epoch]).permutation(self.train_size)
        x = self._batch(order[position : position + o.batch].tolist(), self.step)
        for group in self.adam.param_groups:
            group["lr"] = o.rate * self._schedule(self.step)
        self.adam.zero_grad(set_to_none=True)
        loss = self._bits(self.net, x).mean()
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

    def _batch(self, indices: list[int], step: int) -> Tensor:
        rng = np.random.default_rng([self.options.seed, step + 1, 1])
        return self._quantised(self.pictures.batch(indices, self.options.shift, rng), step)

    def _quantised(self, pixels: Tensor, key: int) -> Tensor:
        """uint8 pictures → ``n_bits`` bits plus uniform noise, in [0, 1)."""
        generator = torch.Generator().manual_seed(self.options.seed * 1_000_003 + key + 1)
        bins = 2**self.config.n_bits
        noise = torch.rand(pixels.shape, generator=generator)
        x = ((pixels.int() * bins // 256) + noise) / bins
        return x.to(self.device, memory_format=torch.channels_last)

    def _bits(self, net: Glow, x: Tensor) -> Tensor:
        n = self.config.n
        return (self.config.n_bits * n - net.log_prob(x) / math.log(2)) / n

    @torch.no_grad()
    def validation_bits(self, net: Glow) -> float:
        """Mean bits/dim over the validation pictures, the same noise every time."""
        total = 0.0
        count = len(self.pictures) - self.train_size
        for start in range(0, count, 48):
            stop = min(start + 48, count)
            crops = [self.pictures.crop(self.train_size + i) for i in range(start, stop)]
            total += float(self._bits(net, self._quantised(torch.stack(crops), start)).sum())
        return total / max(count, 1)

    def _validate(self, train_bits: float) -> None:
        bits = self.validation_bits(self.ema)
        recipe.log_line(
            self.out,
            step=self.step,
            train=train_bits,
            validation=bits,
            seconds=round(self.seconds),
        )
        self.progress(self.step, self.options.iterations, f"validation {bits:.4f} bits/dim\n")
        self._samples()

    @torch.no_grad()
    def _samples(self) -> None:
        generator = torch.Generator().manual_seed(0)
        z = 0.7 * torch.randn(16, self.config.n, generator=generator)
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
        """Averaged weights, rounded as they are shipped, and the card beside them."""
        o = self.options
        state = rounded(self.ema.state_dict())
        self.ema.load_state_dict({k: v.float() for k, v in state.items()})
        recipe = {k: v for k, v in asdict(o).items() if k not in ("data", "out", "minutes")}
        return write_weights(
            self.out / f"{o.name}.safetensors",
            state,
            self.config,
            {
                "data": Path(o.data).name,
                "licence": o.licence,
                "bits_per_dim": round(self.validation_bits(self.ema), 4) if o.validation else None,
                "training": recipe,
            },
        )


if __name__ == "__main__":
    recipe.main(GlowTraining, train, "Train a Glow prior")
