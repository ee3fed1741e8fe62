"""What is made of one network: copies of it, and of its folding, for each device and dtype."""

from __future__ import annotations

import copy
import os
from functools import cached_property, partial
from pathlib import Path

from priorkit.interfaces import Copies
from priorkit.io.warm import Read, Warm
from priorkit.io.weights import Card, restore
from priorkit_realnvp.folded import FoldedFlow
from priorkit_realnvp.network import RealNVP, RealNVPConfig

__all__ = ["Made", "restored"]


class Made:
    """A frozen network in float64, with whatever was made of it when an input first asked."""

    def __init__(self, network: RealNVP) -> None:
        self.config = network.config
        self._exact = exact = copy.deepcopy(network).double().eval().requires_grad_(False)
        self.network = Copies(lambda device, dtype: copy.deepcopy(exact).to(device, dtype))

    @cached_property
    def folded(self) -> Copies[FoldedFlow]:
        """Of a network over vectors: its density and the gradient alone."""
        return Copies(FoldedFlow.of(self._exact).to)


def restored(weights: str | os.PathLike[str]) -> tuple[Card, Made]:
    """From a file of weights, read again only where it has changed. Raises WeightsError."""
    path = Path(weights)
    return _warm.of(path.absolute(), partial(_read, path))


_warm = Warm[tuple[Card, Made]]()


def _read(path: Path, read: Read) -> tuple[Card, Made]:
    card, network = restore(read(path), "realnvp", RealNVPConfig, RealNVP)
    return card, Made(network)
