"""Batches as recordings: one call to the device instead of one per launch.

A device takes less time for a few hundred images than the processor for a thousand launches. What
a size of batch launches is recorded when it comes for the third time, which takes as long as two
go one by one. Recordings replay on buffers that stay where they are; those of the sizes that were
used last are held, as many as have room.
"""

from __future__ import annotations

import warnings
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

import torch
from torch import Tensor

from priorkit_glow.device.glow import KernelGlow
from priorkit_glow.network import GlowConfig

__all__ = ["LARGEST", "ROOM", "SEEN", "Record", "Recording", "ReplayedGlow", "record_graph"]

LARGEST = 512  # images; beyond, the device is busy for longer than the launches take
ROOM = 2 << 30  # bytes of what all recordings keep for their pullbacks
SEEN = 2  # batches of a size that go one by one before it is recorded


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
        # Its own default is a stream of the first device used; other threads may do what they like.
        with torch.cuda.graph(graph, stream=side, capture_error_mode="thread_local"):
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
        self._z.copy_(z)
        self._forward.replay()
        return self._forward.results

    def pull(self, kept: Tensor, r: Tensor, dtype: torch.dtype) -> Tensor:
        """The gradient, in memory that the next call writes over."""
        self._forward.results[1].copy_(kept)
        self._r.copy_(r)
        self._back[dtype].replay()
        return self._back[dtype].results[0]


class ReplayedGlow:
    """x = G(z) and its pullback as :class:`KernelGlow` gives them, from recordings."""

    def __init__(self, network: KernelGlow, record: Record = record_graph) -> None:
        self._network, self._record = network, record
        self._slots: OrderedDict[int, _Slot] = OrderedDict()  # the last used at the end
        self._seen: Counter[int] = Counter()
        self._lock = Lock()  # a recording's memory is one thread's until it is copied
        self._broken = False

    @property
    def config(self) -> GlowConfig:
        return self._network.config

    def kept_words(self, batch: int) -> int:
        """As :meth:`KernelGlow.kept_words`."""
        return self._network.kept_words(batch)

    def decode(self, z: Tensor, *, keep: bool) -> tuple[Tensor, Tensor]:
        """As :meth:`KernelGlow.decode`."""
        with self._lock:
            self._seen[len(z)] += 1
            slot = self._slot(len(z))
            if slot is not None:
                x, kept = slot.decode(z)
                return x.clone(), kept[: None if keep else 0].clone()
        return self._network.decode(z, keep=keep)

    def pull(self, kept: Tensor, r: Tensor, back: torch.dtype = torch.float32) -> Tensor:
        """As :meth:`KernelGlow.pull`."""
        with self._lock:
            slot = self._slot(len(r), back)
            if slot is not None:
                return slot.pull(kept, r, back).clone()
        return self._network.pull(kept, r, back)

    def _slot(self, batch: int, back: torch.dtype | None = None) -> _Slot | None:
        """The recordings for so many images, with that pullback; None where they go one by one."""
        size = 4 * self.kept_words(batch)
        few = self._seen[batch] <= SEEN
        if self._broken or few or not 0 < batch <= LARGEST or size > ROOM:
            return None
        try:
            if batch not in self._slots:
                while self._slots and size + 4 * sum(map(self.kept_words, self._slots)) > ROOM:
                    self._slots.popitem(last=False)
                self._slots[batch] = _Slot(self._network, batch, self._record)
            self._slots.move_to_end(batch)
            if back is not None:
                self._slots[batch].record_back(back)
        except Exception as error:  # whatever a driver says
            self._broken = True
            said = f"{type(error).__name__}: {error}"[:300]
            warnings.warn(f"No recordings of kernels: {said}. They go one by one.", stacklevel=2)
            return None
        return self._slots[batch]
