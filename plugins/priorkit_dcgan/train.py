"""The training recipe of DCGAN.

Run as ``priorkit train dcgan --data FOLDER_OR_ZIP --out DIR``. On a machine
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
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from priorkit.training.album import Framings, sent
from priorkit.training.dataset import TrainingPictures
from priorkit.training.descent import average, newest
from priorkit.training.options import PictureOptions, Progress, option
from priorkit.training.recipe import Recipe
from priorkit_dcgan.network import DCGANConfig, Discriminator, Generator

__all__ = ["DCGANTraining", "train"]

FITTED, STEPS = 24, 150  # pictures that G is fitted to for their PSNR, and steps of Adam


@dataclass
class DCGANTraining(PictureOptions):
    """Options of ``priorkit train dcgan``."""

    name: str = option("dcgan", "name of the weights, family-dataset")
    size: int = option(64, "side of the pictures in pixels: 8, 16, 32, 64 …", least=2)
    latent: int = option(100, "length of z")
    width: int = option(64, "channels of the last hidden layer")
    iterations: int = option(10000, "steps of both networks", least=1)
    rate: float = option(2e-4, "learning rate of Adam")
    ema: float = option(0.999, "decay of the averaged generator")
    precision: str = option("", "fp32, or bf16 for the convolutions; default: bf16 on cuda")
    seed: int = option(0, "seed of initialisation, order, augmentation and latents", least=0)


def train(options: DCGANTraining, progress: Progress | None = None) -> Path | None:
    """Train both networks; return the generator's weights, or None if time ran out.

    Each step lowers the discriminator's cross-entropy on a batch of pictures and one of
    samples, then the generator's on the same samples labelled as pictures (Goodfellow et al.
    2014, the non-saturating loss), both by Adam with β₁ = 0.5. The weights that are exported are
    the generator's average over the last steps, with batch statistics measured for it.

    Raises ValueError where the data or the options don't fit.
    """
    return _Run(options, progress).run()


class _Run(Recipe):
    family = "dcgan"
    options: DCGANTraining

    def __init__(self, options: DCGANTraining, progress: Progress | None) -> None:
        o = options
        self.config = DCGANConfig(shape=(3, o.size, o.size), latent=o.latent, width=o.width)
        self.pictures = TrainingPictures(o.data, (o.size, o.size), o.box or None)
        found = self.pictures
        super().__init__(options, progress, len(found), digest=found.digest, skipped=found.skipped)
        self.framings = Framings(found, self.train_size, o.shift, self.device)
        self.generator = self._placed(Generator(self.config))
        self.critic = self._placed(Discriminator(self.config))
        self.ema = self._placed(Generator(self.config)).requires_grad_(False)
        self.ema.load_state_dict(self.generator.state_dict())
        self.adams = [
            torch.optim.Adam(net.parameters(), lr=o.rate, betas=(0.5, 0.999), fused=True)
            for net in (self.generator, self.critic)
        ]

    @property
    def parts(self) -> dict[str, nn.Module | torch.optim.Optimizer]:
        return {
            "generator": self.generator,
            "critic": self.critic,
            "ema": self.ema,
            "adam_generator": self.adams[0],
            "adam_critic": self.adams[1],
        }

    def _placed(self, net: Any) -> Any:
        return net.to(self.device).to(memory_format=torch.channels_last)

    def train_step(self) -> Tensor:
        """One step of the discriminator, one of the generator; their losses."""
        o = self.options
        x = self._batch()
        z = self._latents(o.batch, self.step)
        one, zero = torch.ones(o.batch, device=self.device), x.new_zeros(o.batch)
        with self._cast():
            fake = self.generator(z)
            real_logits, fake_logits = self.critic(x), self.critic(fake.detach())
        critic_loss = cross_entropy(real_logits.float(), one)
        critic_loss = critic_loss + cross_entropy(fake_logits.float(), zero)
        self._descend(1, critic_loss)
        self.critic.requires_grad_(False)
        with self._cast():
            logits = self.critic(fake)
        generator_loss = cross_entropy(logits.float(), one)
        self._descend(0, generator_loss)
        self.critic.requires_grad_(True)
        self.step += 1
        average(self.ema, self.generator, newest(o.ema, self.step))
        return torch.stack([critic_loss.detach(), generator_loss.detach()])

    def _descend(self, which: int, loss: Tensor) -> None:
        self.adams[which].zero_grad(set_to_none=True)
        loss.backward()
        self.adams[which].step()

    def _cast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.half)

    def _batch(self) -> Tensor:
        rng = np.random.default_rng([self.options.seed, self.step + 1, 1])
        return self.framings.batch(self.indices(), rng).float() / 255

    def _latents(self, count: int, key: int) -> Tensor:
        generator = torch.Generator().manual_seed(self.options.seed * 1_000_003 + key + 1)
        return sent(torch.randn(count, self.config.latent, generator=generator), self.device)

    def message(self, losses: list[tuple[float, ...]]) -> str:
        critic, generator = np.mean(losses, axis=0)
        if not math.isfinite(critic + generator):
            raise ValueError("the losses are no longer finite: try a smaller rate")
        return f"losses {critic:.3f} and {generator:.3f}"

    def validate(self, losses: list[tuple[float, ...]]) -> tuple[dict[str, float | None], str]:
        self._measure_statistics()
        values: dict[str, float | None] = dict(
            zip(("critic", "generator"), np.mean(losses, axis=0).tolist(), strict=True)
        )
        if not self.kept:
            return values, self.message(losses)
        values["psnr"] = fit = self.validation_psnr()
        return values, f"validation PSNR {fit:.2f} dB"

    def score(self, values: Mapping[str, float | None]) -> float | None:
        return values.get("psnr")

    @torch.no_grad()
    def samples(self) -> Tensor:
        x: Tensor = self.ema(self._latents(32, -1))
        return x

    @torch.no_grad()
    def _measure_statistics(self) -> None:
        """Measure the batch statistics of the averaged generator anew, over many samples."""
        for module in self.ema:
            if isinstance(module, nn.BatchNorm2d):
                module.reset_running_stats()
                module.momentum = None  # a plain average
        self.ema.train()
        for i in range(20):
            self.ema(self._latents(100, -2 - i))
        self.ema.eval()

    def validation_psnr(self) -> float:
        """How near the averaged generator comes to unseen pictures: mean PSNR of G(ẑ), where
        ẑ is found by Adam on ‖G(z) − x‖²."""
        count = min(FITTED, self.kept)
        crops = [self.pictures.crop(self.train_size + i) for i in range(count)]
        x = (torch.stack(crops).float() / 255).to(self.device)
        z = (0.1 * self._latents(count, -100)).requires_grad_(True)
        adam = torch.optim.Adam([z], lr=0.05)
        for _ in range(STEPS):
            adam.zero_grad()
            (self.ema(z) - x).square().sum().backward()
            adam.step()
        with torch.no_grad():
            error = (self.ema(z) - x).square().flatten(1).mean(1)
        return float((-10 * error.log10()).mean())

    def result(self) -> tuple[Mapping[str, Tensor], dict[str, Any]]:
        """The averaged generator, its convolutions in fp16, and its validation PSNR."""
        self._measure_statistics()
        state = {
            key: value.half() if value.ndim == 4 else value
            for key, value in self.ema.state_dict().items()
            if not key.endswith("num_batches_tracked")
        }
        fit = round(self.validation_psnr(), 2) if self.kept else None
        return state, {"validation_psnr": fit}
