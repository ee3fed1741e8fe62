"""Random numbers with an address: (seed, purpose, row, restart, step) and a column.

Every entry is a function of its address alone, through the counter-based generator Philox
(Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011). A matrix is therefore
the same whether it is stored or regenerated, in any block or batch; the noise of an image
belongs to the image whatever the batch, and no two restarts, images or steps share a draw.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

__all__ = ["Streams", "normal", "permutation"]

_PIECE = 1 << 16  # pairs that fit into a processor's cache


@dataclass(frozen=True)
class Streams:
    """The draws of some images for one purpose, a row per image.

    Parameters
    ----------
    seed : of the run
    purpose : a word, such as "noise" or "start"; different words give independent draws
    images : numbers of the images in the run, not in their batch
    restarts : number of the restart, for each row; default: 0, the first
    step : number of the step, for a solver that draws in each; one for all rows, or one per row
    """

    seed: int
    purpose: str
    images: Sequence[int]
    restarts: Sequence[int] | None = None
    step: int | Sequence[int] = 0

    def normal(self, columns: int, device: torch.device | None = None) -> Tensor:
        """Standard normals, (images, columns) float32, made on a device; those of two differ by
        how their functions round."""
        pairs = math.ceil(columns / 2)
        if device is None or device.type == "cpu":
            whole = torch.empty(len(self.images), pairs, 2)
            for row, philox in zip(whole, self._rows(), strict=True):
                halves = _halves(philox.random_raw(pairs))
                for piece, into in zip(halves.split(_PIECE), row.split(_PIECE), strict=True):
                    _box_muller(piece, into)
        else:
            halves = _halves(self.words(pairs)).to(device, non_blocking=True)
            whole = torch.empty_like(halves)
            _box_muller(halves, whole)
        return whole.flatten(1)[:, :columns].contiguous()

    def words(self, count: int) -> np.ndarray:
        """So many random 64-bit words per image, (images, count) uint64."""
        return np.stack([philox.random_raw(count) for philox in self._rows()])

    def uniform(self, columns: int) -> Tensor:
        """Uniform in (0, 1), (images, columns) float64."""
        words = self.words(columns) >> np.uint64(11)
        return torch.from_numpy((words.astype(np.float64) + 0.5) * 2.0**-53)

    def signs(self, columns: int, device: torch.device | None = None) -> Tensor:
        """±1 with equal chances, a bit each, (images, columns) float32 on a device, to which the
        bits alone are moved."""
        words = self.words(math.ceil(columns / 64))
        packed = torch.from_numpy(words.view(np.uint8)).to(device, non_blocking=True)
        places = torch.arange(7, -1, -1, dtype=torch.uint8, device=device)
        bits = packed[:, :, None].bitwise_right_shift(places).bitwise_and_(1)
        return bits.flatten(1)[:, :columns].float().mul_(2).sub_(1)

    def poisson(self, mean: Tensor) -> Tensor:
        """Poisson counts of these means, each row from the stream of its image, float64."""
        rows = [
            np.random.Generator(philox).poisson(row)
            for philox, row in zip(self._rows(), mean.double().cpu().numpy(), strict=True)
        ]
        return torch.from_numpy(np.stack(rows).astype(np.float64))

    def _rows(self) -> Iterator[np.random.Philox]:
        """The generator of each row, one after another: the same object, moved there."""
        restarts = self.restarts or [0] * len(self.images)
        steps = [self.step] * len(self.images) if isinstance(self.step, int) else self.step
        philox = _philox(self.seed, self.purpose)
        state = philox.state
        for address in zip(self.images, restarts, steps, strict=True):
            state["state"]["counter"] = np.array([0, *address], dtype=np.uint64)
            philox.state = state
            yield philox


def key(seed: int, purpose: str) -> tuple[int, int]:
    """The key of Philox for all draws of a purpose, two 64-bit words."""
    tag = int.from_bytes(hashlib.sha256(purpose.encode()).digest()[:8], "little")
    return seed % 2**64, tag


def _philox(seed: int, purpose: str) -> np.random.Philox:
    """The generator of a purpose, at the address of image 0: the key is (seed, purpose), and the
    counter [0, image, restart, step]."""
    words = np.array(key(seed, purpose), dtype=np.uint64)
    return np.random.Philox(key=words, counter=np.zeros(4, dtype=np.uint64))


def normal(seed: int, purpose: str, rows: Sequence[int], columns: int) -> Tensor:
    """Standard normals (len(rows), columns), float32, by the transform of Box and Muller.

    Each 64-bit word gives the uniforms of one pair: r = √(−2 ln u), then r·cos and r·sin.

    >>> whole = normal(0, "matrix", range(4), 5)
    >>> bool((whole[2:] == normal(0, "matrix", range(2, 4), 5)).all())
    True
    """
    return Streams(seed, purpose, rows).normal(columns)


def _halves(words: np.ndarray) -> Tensor:
    """64-bit words (…, pairs) → the numbers that their halves are, (…, pairs, 2) float32."""
    halves = words.view(np.uint32).astype(np.float32)
    return torch.from_numpy(halves.reshape(*words.shape, 2))


def _box_muller(halves: Tensor, into: Tensor) -> None:
    """Halves of words (…, 2), which are lost, → standard normals (…, 2)."""
    u = halves.add_(0.5).mul_(2.0**-32)
    radius = u[..., 0].log().mul_(-2.0).sqrt_()
    angle = u[..., 1] * (2.0 * math.pi)
    torch.mul(radius, angle.cos(), out=into[..., 0])
    torch.mul(radius, angle.sin(), out=into[..., 1])


def permutation(seed: int, purpose: str, n: int) -> Tensor:
    """A random permutation of 0 … n − 1, (n,) int64."""
    keys = _philox(seed, purpose).random_raw(n)
    return torch.from_numpy(np.argsort(keys, kind="stable"))
