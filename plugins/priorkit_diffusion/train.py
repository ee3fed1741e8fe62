"""The training recipe of the noise-conditional network: noise removed at every level.

Run as ``priorkit train diffusion --data FOLDER_OR_ZIP --out DIR``. On a machine
that has only torch, numpy, pillow and safetensors it is called
from Python, see docs/training.md.

A run that is interrupted, or stopped by ``--minutes``, continues where it was when the
same command is given again. ``DIR`` then holds ``checkpoint.pt`` (everything),
``samples-*.png``, ``log.jsonl`` and, at the end, ``NAME.safetensors`` and ``NAME.json``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from priorkit.training.album import sent
from priorkit.training.dataset import TrainingPictures
from priorkit.training.descent import Descent, DescentOptions
from priorkit.training.options import PictureOptions, Progress, option
from priorkit.training.recipe import Losses
from priorkit_diffusion.data import Crops, Source, Whole
from priorkit_diffusion.held_out import HeldOut
from priorkit_diffusion.network import DATA_STD, DenoiserConfig, DenoisingNetwork
from priorkit_diffusion.noise import ALSO, BESIDE, CROPS, WHOLE, Levels, Noisy, grayed

__all__ = ["DiffusionTraining", "train"]


@dataclass
class DiffusionTraining(DescentOptions, PictureOptions):
    """Options of ``priorkit train diffusion``."""

    name: str = option("diffusion", "name of the weights, family-dataset")
    also: str = option("", "folder or zip of photographs: half of a batch, with little noise")
    crop: int = option(0, "side of crops of pictures of any size to learn; 0: whole ones", least=0)
    size: int = option(64, "whole pictures: side in pixels", least=2)
    channels: list[int] = option([], "per level; none: 24 64 128 192, of crops 32 64 128 192")
    blocks: list[int] = option([], "residual blocks per level; none: 1 1 2 2, of crops 1 2 2 3")
    near: list[float] = option([], "σ of most pictures; none: 0.002 1.5, of crops 0.002 0.65")
    far: list[float] = option([], "σ of the others; none: 0.25 40, of crops 0.4 4")
    near_share: float = option(
        0.0, "part of the pictures with σ in near; 0: 0.72, of crops 0.87", least=0, most=1
    )
    gray: float = option(0.2, "crops: part of them that is gray, with gray noise", least=0, most=1)
    within: float = option(
        0.0, "end after so many minutes of training instead; 0: iterations", least=0
    )
    rate: float = option(1e-3, "learning rate of AdamW")
    decay: float = option(0.65, "fraction of the run at the end in which the rate decays to 0")
    precision: str = option("", "fp32, or bf16 for the convolutions; default: bf16 on cuda")
    compile: bool = option(True, "compile the network on cuda; false: start at once, but slower")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("near", "far"):
            given = getattr(self, name)
            if given and not (len(given) == 2 and 0 < given[0] < given[1]):
                raise ValueError(f"{name} is the least and the greatest σ, above 0, got {given}")
        if self.crop and (self.box or self.shift or self.also):
            raise ValueError("box, shift and also are for whole pictures: leave them out, or crop")

    @property
    def levels(self) -> Levels:
        """How strong the noise is on pictures of --data."""
        usual = CROPS if self.crop else BESIDE if self.also else WHOLE
        return Levels(
            near=(self.near[0], self.near[1]) if self.near else usual.near,
            far=(self.far[0], self.far[1]) if self.far else usual.far,
            share=self.near_share or usual.share,
        )

    def architecture(self) -> DenoiserConfig:
        """The network. Raises ValueError."""
        ranges = [self.levels.range, *([ALSO.range] if self.also else [])]
        lows, highs = zip(*ranges, strict=True)
        config = DenoiserConfig(
            channels=tuple(self.channels or ((32 if self.crop else 24), 64, 128, 192)),
            blocks=tuple(self.blocks or ((1, 2, 2, 3) if self.crop else (1, 1, 2, 2))),
            attention=not self.crop,
            shape=None if self.crop else (3, self.size, self.size),
            sigma=(2 * min(lows), 2 * max(highs)),  # of pictures in [-1, 1]
        )
        if self.crop % config.multiple:
            raise ValueError(f"crop is a multiple of {config.multiple}, got {self.crop}")
        return config


def train(options: DiffusionTraining, progress: Progress | None = None) -> Path | None:
    """Train a denoiser; return the weights file, or None if time ran out.

    The loss of a picture x of n numbers in [−1, 1], with uniform dequantisation noise and ε of
    N(0, 1), is (Karras, Aittala, Aila & Laine, "Elucidating the design space of diffusion-based
    generative models", NeurIPS 2022, eq. 2 and Table 1)

        λ(σ)·‖D(x + σε; σ) − x‖²/n,   λ(σ) = (σ² + s²)/(σ·s)²,   s = ½,

    whose mean is 1 at every σ before anything is learned, for pictures of variance s². ln σ is
    uniform: for most pictures in a near range, for the others in a far one.
    AdamW (Loshchilov & Hutter, "Decoupled weight decay regularization", ICLR 2019) descends it.

    Raises ValueError where the data or the options don't fit.
    """
    return _Run(options, progress).run()


class _Run(Descent[Noisy]):
    family = "diffusion"
    options: DiffusionTraining
    clip = 1.0
    net: DenoisingNetwork
    ema: DenoisingNetwork

    def __init__(self, options: DiffusionTraining, progress: Progress | None) -> None:
        o = options
        self.config = o.architecture()
        self.source, self.also = _sources(o)
        skipped = self.source.skipped | (self.also.skipped if self.also else {})
        o = replace(o, validation=self.source.kept)  # of pictures, not of their crops
        examples = self.source.examples + self.source.kept
        super().__init__(o, progress, examples, digest=self.source.digest, skipped=skipped)
        self.compiled = o.compile
        self.adopt(self._new_network(), self._new_network())
        for source in (self.source, self.also):
            if source:
                source.place(self.device)
        self.held_out = HeldOut(self.source, self.config, self.device)
        self._generator = torch.Generator(self.device)

    def _new_network(self) -> DenoisingNetwork:
        network = DenoisingNetwork(self.config).to(self.device)
        return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def optimizer(self, net: nn.Module) -> torch.optim.Optimizer:
        o = self.options
        return torch.optim.AdamW(
            net.parameters(), lr=o.rate, betas=(0.9, 0.99), weight_decay=1e-3, fused=True
        )

    @property
    def passed(self) -> float:
        o = self.options
        return float(self.seconds / (60 * o.within)) if o.within else super().passed

    def told(self, options: dict[str, Any]) -> dict[str, Any]:
        """With the noise levels used, and for the pictures of --also their sha256, not the path."""
        levels = self.options.levels
        noise = {"near": levels.near, "far": levels.far, "near_share": levels.share}
        also = self.also and f"sha256 {self.also.digest}"
        return super().told(options) | noise | {"also": also}

    def batch(self) -> Noisy:
        # All is drawn for the whole batch, so that processes agree; each takes its own share. The
        # few numbers of each picture come from the processor, the noise from the device.
        o = self.options
        rng = np.random.default_rng([o.seed, self.step, 1])
        indices, count = self.indices(), o.batch // 2 if self.also else 0
        first, rest = _parted(self.share, count)
        pixels, sigmas = [], []
        if self.also:
            others = rng.integers(self.also.examples, size=count).tolist()
            pixels.append(self.also.batch(others, rng, first))
            sigmas.append(ALSO.draw(count, rng))
        pixels.append(self.source.batch(indices[count:], rng, rest))
        sigmas.append(o.levels.draw(o.batch - count, rng))
        gray = rng.random(o.batch) < (o.gray if o.crop else 0)
        drawn = np.stack([2 * np.concatenate(sigmas), gray])[:, self.share].astype(np.float32)
        sigma, which = sent(torch.from_numpy(drawn), self.device)
        x = torch.cat(pixels)
        spread, noise = self._noise(x.shape)
        clean = (x + spread - 0.5) / 127.5 - 1
        return grayed(Noisy(clean, noise, sigma), which > 0)

    def _noise(self, shape: torch.Size) -> tuple[Tensor, Tensor]:
        """Uniform and normal noise of the present step for this process's share of the pictures
        (B, 3, s, s), in channels-last memory."""
        draws = self._generator.manual_seed(self.options.seed * 1_000_003 + self.step)
        whole = (self.options.batch, *shape[2:], shape[1])
        spread = torch.rand(whole, generator=draws, device=self.device)
        noise = torch.randn(whole, generator=draws, device=self.device)
        return spread[self.share].permute(0, 3, 1, 2), noise[self.share].permute(0, 3, 1, 2)

    def loss(self, net: DenoisingNetwork, batch: Noisy) -> Tensor:
        sigma = batch.sigma
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
            found = net(batch.clean + sigma[:, None, None, None] * batch.noise, sigma)
        weight = (sigma**2 + DATA_STD**2) / (sigma * DATA_STD) ** 2
        return weight * (found - batch.clean).square().mean((1, 2, 3))

    def message(self, losses: Losses) -> str:
        return f"loss {np.mean(losses):.4f}"

    def validate(self, losses: Losses) -> tuple[dict[str, float | None], str]:
        found = self.held_out.psnr(self.ema)
        values: dict[str, float | None] = {f"psnr_{sigma}": psnr for sigma, psnr in found.items()}
        psnrs = ", ".join(f"{psnr:.2f}" for psnr in found.values())
        words = f"validation PSNR {psnrs} dB at σ = {', '.join(map(str, found))}"
        values["train"] = float(np.mean(losses))
        if not self.kept:
            return values, self.message(losses)
        levels = self.options.levels
        loss = self.held_out.loss(lambda batch: self.loss(self.ema, batch), levels)
        return values | {"validation": loss}, words

    def samples(self) -> Tensor | None:
        return self.held_out.samples(self.ema)

    def result(self) -> tuple[Mapping[str, Tensor], dict[str, Any]]:
        """The averaged weights in fp16, and their validation PSNR."""
        o = self.options
        state = {key: value.half() for key, value in self.ema.state_dict().items()}
        self.ema.load_state_dict(state)
        psnr = {str(s): round(found, 2) for s, found in self.held_out.psnr(self.ema).items()}
        about: dict[str, Any] = {"images_seen": self.written * o.batch, "validation_psnr": psnr}
        if self.also:
            about["data"] = f"{Path(o.data).name}, and with little noise {Path(o.also).name}"
        return state, about


def _sources(o: DiffusionTraining) -> tuple[Source, Source | None]:
    """The pictures of --data, and those of --also."""
    if o.crop:
        return Crops(o.data, side=o.crop, validation=o.validation), None
    pictures = TrainingPictures(o.data, (o.size, o.size), o.box or None)
    whole = Whole(pictures, validation=o.validation, shift=o.shift)
    also = Crops(Path(o.also), side=o.size, validation=0) if o.also else None
    return whole, also


def _parted(share: slice, count: int) -> tuple[slice, slice]:
    """A share of a batch as one of its first ``count`` pictures, and one of the rest."""
    return (
        slice(min(share.start, count), min(share.stop, count)),
        slice(max(share.start, count) - count, max(share.stop, count) - count),
    )
