"""How well a denoiser does on pictures that it isn't trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from priorkit_diffusion.data import Source
from priorkit_diffusion.network import DenoiserConfig, DenoisingNetwork
from priorkit_diffusion.noise import Levels, Noisy

__all__ = ["HeldOut"]

MEASURED = (0.01, 0.05, 0.1, 0.2)  # σ of pictures in [0, 1]
DRAWN = 4  # σ of each picture, for the loss
SHOWN = (0.1, 0.5)  # σ of the samples
TOGETHER = 32  # pictures per call
LEAST = 1e-12  # least squared error of a picture, since its logarithm is taken


class HeldOut:
    """The validation pictures of a source, each with noise that is always the same.

    Parameters
    ----------
    source : the pictures
    config : of the networks that are measured; it has the range of σ that they learn
    device : where the networks are
    """

    def __init__(self, source: Source, config: DenoiserConfig, device: torch.device) -> None:
        self.device = device
        kept = [source.plain(i) for i in range(source.kept)]
        self.pictures = torch.stack(kept).to(device) if kept else torch.empty(0, device=device)
        self.range = (config.sigma[0] / 2, config.sigma[1] / 2)  # of pictures in [0, 1]

    @torch.no_grad()
    def psnr(self, network: DenoisingNetwork) -> dict[float, float]:
        """Mean PSNR in dB of the denoised pictures for each σ; empty without pictures."""
        low, high = self.range
        errors: dict[float, list[Tensor]] = {s: [] for s in MEASURED if low <= s <= high}
        for x, noise in self._batches():
            for sigma, found in errors.items():
                clean = denoised(network, x + sigma * noise, sigma)
                found.append((clean - x).square().mean((1, 2, 3)))
        return {
            sigma: float((-10 * torch.cat(found).clamp_min(LEAST).log10()).mean())
            for sigma, found in errors.items()
            if found
        }

    @torch.no_grad()
    def loss(self, loss: Callable[[Noisy], Tensor], levels: Levels) -> float:
        """The mean of a loss, of each picture at several levels of noise, always the same ones."""
        rng = np.random.default_rng(0)
        found = []
        for x, noise in self._batches():
            for _ in range(DRAWN):
                drawn = 2 * levels.draw(len(x), rng)
                sigma = torch.from_numpy(drawn.astype(np.float32)).to(self.device)
                found.append(loss(Noisy(2 * x - 1, noise, sigma)))
        return float(torch.cat(found).mean())

    def _batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The pictures in [0, 1], some at a time, and their noise of N(0, 1)."""
        for start in range(0, len(self.pictures), TOGETHER):
            yield self._noised(start, start + TOGETHER)

    @torch.no_grad()
    def samples(self, network: DenoisingNetwork) -> Tensor | None:
        """Eight noisy pictures and below them the clean ones, at two σ; None without eight."""
        if len(self.pictures) < 8:
            return None
        x, noise = self._noised(0, 8)
        rows = []
        for sigma in (min(s, self.range[1]) for s in SHOWN):
            noisy = x + sigma * noise
            rows += [noisy, denoised(network, noisy, sigma)]
        return torch.cat(rows)

    def _noised(self, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """Pictures ``start`` to ``stop`` in [0, 1], and their noise of N(0, 1)."""
        x = self.pictures[start:stop].float() / 255
        noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(start))
        return x, noise.to(self.device)


def denoised(network: DenoisingNetwork, x: Tensor, sigma: float) -> Tensor:
    """Pictures in [0, 1] with noise of that σ, denoised by a network and clipped."""
    level = x.new_full((len(x),), 2 * sigma)
    return ((network(2 * x - 1, level) + 1) / 2).clamp(0, 1)
