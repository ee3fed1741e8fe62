"""Small batches as recordings: one call to the device instead of one per kernel.

A few images take a device less time than their several hundred launches take the processor. For
every size of batch that is a power of two, up to :data:`LARGEST`, the launches are recorded once
and replayed on buffers that stay where they are; a batch in between is filled up with zeros. The
kernels give an image the same numbers in every batch, so that this shows nowhere but in time.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

import torch
from torch import Tensor

from priorkit_glow.kernels import KernelGlow
from priorkit_glow.network import GlowConfig

__all__ = ["LARGEST", "Record", "Recording", "ReplayedGlow", "record_graph"]

LARGEST = 16  # images; beyond, the device is busy for longer than the launches take


@dataclass(frozen=True)
class Recording:
    """A function's launches, to be done again, and the memory that they leave its results in.

    That memory belongs to this recording: another one of the same function writes elsewhere, and
    what is needed later than the next replay is copied.
    """

    replay: Callable[[], None]
    results: tuple[Tensor, ...]


# Runs a function of a device and records it. Nothing but launches is done again: what the function
# assigns is assigned while it is recorded, so that results are what it returns.
Record = Callable[[Callable[[], tuple[Tensor, ...]], torch.device], Recording]


def record_graph(function: Callable[[], tuple[Tensor, ...]], device: torch.device) -> Recording:
    """As a CUDA graph; the first run, outside of it, compiles and allocates what has to be."""
    with torch.cuda.device(device):
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            function()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=side):  # its own default is of the first device used
            results = function()
    return Recording(graph.replay, results)


class _Slot:
    """The buffers and recordings of one size of batch."""

    def __init__(self, network: KernelGlow, size: int, record: Record) -> None:
        self._z = torch.zeros(size, network.config.n, device=network.device)
        self._r = torch.zeros(size, *network.config.shape, device=network.device)
        self._network, self._record = network, record
        self._forward = record(lambda: network.decode(self._z, keep=True), network.device)
        self._back: dict[torch.dtype, Recording] = {}

    def record_back(self, dtype: torch.dtype) -> None:
        """Record the pullback in that dtype, if it isn't yet."""
        if dtype not in self._back:
            network, kept, r = self._network, self._forward.results[1], self._r
            self._back[dtype] = self._record(
                lambda: (network.pull(kept, r, dtype),), network.device
            )

    def decode(self, z: Tensor) -> tuple[Tensor, ...]:
        """x and what was kept, in memory that the next call writes over."""
        _fill(self._z, z)
        self._forward.replay()
        return self._forward.results

    def pull(self, kept: Tensor, r: Tensor, dtype: torch.dtype) -> Tensor:
        """The gradient, in memory that the next call writes over."""
        self._forward.results[1].copy_(kept)
        _fill(self._r, r)
        self._back[dtype].replay()
        return self._back[dtype].results[0]


class ReplayedGlow:
    """x = G(z) and its pullback as :class:`KernelGlow` gives them, few images from recordings."""

    def __init__(self, network: KernelGlow, record: Record = record_graph) -> None:
        self._network, self._record = network, record
        self._slots: dict[int, _Slot] = {}
        self._lock = Lock()  # a recording's memory is one thread's until it is copied
        self._broken = False

    @property
    def config(self) -> GlowConfig:
        return self._network.config

    def kept_words(self, batch: int) -> int:
        """As of the batch that it is filled up to."""
        return self._network.kept_words(_filled(batch))

    def decode(self, z: Tensor, *, keep: bool) -> tuple[Tensor, Tensor]:
        """As :meth:`KernelGlow.decode`."""
        with self._lock:
            slot = self._slot(len(z))
            if slot is not None:
                x, kept = slot.decode(z)
                return x[: len(z)].clone(), kept[: None if keep else 0].clone()
        x, kept = self._network.decode(_zeros_to(z, _filled(len(z))), keep=keep)
        return x[: len(z)], kept

    def pull(self, kept: Tensor, r: Tensor, back: torch.dtype = torch.float32) -> Tensor:
        """As :meth:`KernelGlow.pull`."""
        with self._lock:
            slot = self._slot(len(r), back)
            if slot is not None:
                return slot.pull(kept, r, back)[: len(r)].clone()
        return self._network.pull(kept, _zeros_to(r, _filled(len(r))), back)[: len(r)]

    def _slot(self, batch: int, back: torch.dtype | None = None) -> _Slot | None:
        """The recordings for so many images, with that pullback; None where they can't be had."""
        size = _filled(batch)
        if self._broken or not 0 < size <= LARGEST:
            return None
        try:
            if size not in self._slots:
                self._slots[size] = _Slot(self._network, size, self._record)
            if back is not None:
                self._slots[size].record_back(back)
        except Exception as error:  # whatever a driver says
            self._broken = True
            said = f"{type(error).__name__}: {error}"[:300]
            warnings.warn(f"No recordings of kernels: {said}. They go one by one.", stacklevel=2)
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
