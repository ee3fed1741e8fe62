"""Random numbers with an address: entry (row, column) of a named stream of a seed.

Every entry is a function of (seed, stream, row, column) alone, through the counter-based
generator Philox (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
A matrix is therefore the same whether it is stored or regenerated, in any block or batch,
and row i of the noise belongs to image i whatever the batch.
"""

from __future__ import annotations

import hashlib
import math

import numpy as np
import torch
from torch import Tensor

__all__ = ["normal", "permutation"]


def _bits(seed: int, stream: str, row: int, words: int) -> np.ndarray:
    """``words`` 64-bit words of one row; the key is (seed, stream), the counter the row."""
    tag = int.from_bytes(hashlib.sha256(stream.encode()).digest()[:8], "little")
    key = np.array([seed % 2**64, tag], dtype=np.uint64)
    counter = np.array([0, row, 0, 0], dtype=np.uint64)
    return np.random.Philox(key=key, counter=counter).random_raw(words)


def normal(seed: int, stream: str, rows: range, columns: int) -> Tensor:
    """Standard normals (len(rows), columns), float32, by the transform of Box and Muller.

    Each 64-bit word gives the uniforms of one pair: r = √(−2 ln u), then r·cos and r·sin.

    >>> whole = normal(0, "matrix", range(4), 5)
    >>> bool((whole[2:] == normal(0, "matrix", range(2, 4), 5)).all())
    True
    """
    pairs = math.ceil(columns / 2)
    words = np.empty((len(rows), pairs), dtype=np.uint64)
    for i, row in enumerate(rows):
        words[i] = _bits(seed, stream, row, pairs)
    halves = torch.from_numpy(words.view(np.uint32).reshape(len(rows), pairs, 2).astype(np.float32))
    u = (halves + 0.5) * 2.0**-32
    radius = torch.sqrt(-2.0 * torch.log(u[..., 0]))
    angle = (2.0 * math.pi) * u[..., 1]
    both = torch.stack([radius * torch.cos(angle), radius * torch.sin(angle)], dim=-1)
    return both.flatten(1)[:, :columns].contiguous()


def permutation(seed: int, stream: str, n: int) -> Tensor:
    """A random permutation of 0 … n − 1, (n,) int64."""
    keys = _bits(seed, stream, 0, n)
    return torch.from_numpy(np.argsort(keys, kind="stable"))
