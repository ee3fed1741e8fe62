"""Small batches as recordings: one call to the device instead of one per kernel.

A few images take a device less time than their several hundred launches take the processor. For
every size of batch that is a power of two, up to :data:`LARGEST`, the launches are recorded once
and replayed on buffers that stay where they are; a batch in between is filled up with zeros. The
kernels give an image the same numbers in every batch, so that this shows nowhere but in time.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
from torch import Tensor

from priorkit_glow.kernels import KernelGlow
from priorkit_glow.network import GlowConfig

__all__ = ["LARGEST", "Record", "ReplayedGlow", "record_graph"]

LARGEST = 16  # images; beyond, the device is busy for longer than the launches take

# Runs a function once, and gives one that does the same again on the same memory.
Record = Callable[[Callable[[], None]], Callable[[], None]]


def record_graph(function: Callable[[], None]) -> Callable[[], None]:
    """As a CUDA graph; the first run, outside of it, compiles and allocates what has to be."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        function()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        function()
    return graph.replay


class _Slot:
    """The buffers and recordings of one size of batch."""

    def __init__(self, network: KernelGlow, size: int, record: Record) -> None:
        self.z = torch.zeros(size, network.config.n, device=network.device)
        self.r = torch.zeros(size, *network.config.shape, device=network.device)
        self._network, self._record = network, record
        self._back: dict[torch.dtype, Callable[[], None]] = {}

        def forward() -> None:
            self.x, self.kept = network.decode(self.z, keep=True)

        self.forward = record(forward)

    def back(self, dtype: torch.dtype) -> None:
        """From ``kept`` and ``r`` to ``g``."""

        def back() -> None:
            self.g = self._network.pull(self.kept, self.r, dtype)

        if dtype not in self._back:
            self._back[dtype] = self._record(back)
        self._back[dtype]()


class ReplayedGlow:
    """x = G(z) and its pullback as :class:`KernelGlow` gives them, few images from recordings."""

    def __init__(self, network: KernelGlow, record: Record = record_graph) -> None:
        self._network, self._record = network, record
        self._slots: dict[int, _Slot] = {}
        self._broken = False

    @property
    def config(self) -> GlowConfig:
        return self._network.config

    def kept_words(self, batch: int) -> int:
        """As of the batch that it is filled up to."""
        return self._network.kept_words(_filled(batch))

    def decode(self, z: Tensor, *, keep: bool) -> tuple[Tensor, Tensor]:
        """As :meth:`KernelGlow.decode`."""
        slot = self._slot(len(z))
        if slot is None:
            x, kept = self._network.decode(_zeros_to(z, _filled(len(z))), keep=keep)
            return x[: len(z)], kept
        _fill(slot.z, z)
        slot.forward()
        return slot.x[: len(z)].clone(), slot.kept[: None if keep else 0].clone()

    def pull(self, kept: Tensor, r: Tensor, back: torch.dtype = torch.float32) -> Tensor:
        """As :meth:`KernelGlow.pull`."""
        slot = self._slot(len(r))
        if slot is None:
            return self._network.pull(kept, _zeros_to(r, _filled(len(r))), back)[: len(r)]
        _fill(slot.r, r)
        slot.kept.copy_(kept)
        slot.back(back)
        return slot.g[: len(r)].clone()

    def _slot(self, batch: int) -> _Slot | None:
        size = _filled(batch)
        if self._broken or not 0 < size <= LARGEST:
            return None
        if size not in self._slots:
            try:
                self._slots[size] = _Slot(self._network, size, self._record)
            except Exception as error:  # whatever a driver says
                self._broken = True
                said = f"{type(error).__name__}: {error}"[:300]
                warnings.warn(
                    f"No recordings of kernels: {said}. They go one by one.", stacklevel=2
                )
                return None
        return self._slots[size]


def _filled(batch: int) -> int:
    """The size that a batch is filled up to."""
    return batch if not 0 < batch <= LARGEST else 1 << (batch - 1).bit_length()


def _fill(whole: Tensor, part: Tensor) -> None:
    whole[: len(part)] = part
    whole[len(part) :] = 0


def _zeros_to(part: Tensor, size: int) -> Tensor:
    return torch.cat([part, part.new_zeros(size - len(part), *part.shape[1:])])
