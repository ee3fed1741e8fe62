"""Functions of tensors as recordings: one call to a device instead of one per launch.

A device takes less time for a few hundred small images than the processor for a thousand launches.
What a function launches for inputs of some shapes is recorded when they come for the third time,
which takes as long as two go one by one, and done again at every later one.
"""

from __future__ import annotations

import warnings
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from threading import Lock

import torch
from torch import Tensor

__all__ = [
    "ROOM",
    "SEEN",
    "Function",
    "Record",
    "Recording",
    "Recordings",
    "record_graph",
    "recorded_size",
]

ROOM = 2 << 30  # bytes of what all recordings of one owner keep
SEEN = 2  # calls of a kind that go one by one before it is recorded

Function = Callable[..., tuple[Tensor, ...]]


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


def recorded_size(count: int) -> int:
    """How many images a recording of so many is made for: so many or some more, of four sizes
    between 2ᵏ and 2ᵏ⁺¹, because batches become smaller as images end.

    >>> [recorded_size(count) for count in (1, 7, 9, 12, 13, 240)]
    [1, 7, 10, 12, 14, 256]
    """
    step = 1 << max(0, count.bit_length() - 3)
    return -(-count // step) * step


class Recordings:
    """Functions of tensors, recorded for inputs whose shapes come again, and replayed.

    Replays work on buffers that stay where they are, into which inputs are copied. The recordings
    that were used last are held, as many as have room. Where one fails, there is one warning, and
    everything goes one by one from then on. Threads wait for each other, because buffers are one
    thread's until its results are copied.

    A function that is recorded decides nothing by the contents of its inputs and moves nothing
    between devices, and what it reads besides its inputs stays where it is.

    Parameters
    ----------
    room : bytes that the recordings may keep together; a larger one is never made
    record : what records on the device at hand
    """

    def __init__(self, *, room: int = ROOM, record: Record = record_graph) -> None:
        self.room, self._record = room, record
        self._held: OrderedDict[Hashable, _Held] = OrderedDict()  # the last used at the end
        self._seen: Counter[Hashable] = Counter()
        self._lock = Lock()
        self._broken = False

    def __deepcopy__(self, memo: dict[int, object]) -> Recordings:
        """Without any recording: those of the original read its owner's memory."""
        return Recordings(room=self.room, record=self._record)

    def __call__(
        self, key: Hashable, function: Function, *inputs: Tensor, keeps: int
    ) -> tuple[Tensor, ...]:
        """function(*inputs), whose results are nobody else's.

        Where a gradient is wanted the function goes one by one: a recording has none.

        Parameters
        ----------
        key : which function it is; with the device, dtypes and shapes of the inputs it says which
            recording to replay
        inputs : one or more, on one device
        keeps : bytes that a recording of it keeps: what the function allocates, and its inputs
        """
        if torch.is_grad_enabled() and any(given.requires_grad for given in inputs):
            return function(*inputs)
        kind = (key, *((given.device, given.dtype, given.shape) for given in inputs))
        with self._lock:
            held = self._recorded(kind, function, inputs, keeps)
            if held is not None:
                return held(inputs)
        return function(*inputs)

    def _recorded(
        self, kind: Hashable, function: Function, inputs: tuple[Tensor, ...], keeps: int
    ) -> _Held | None:
        """The recording of that kind, made if it is time; None where it goes one by one."""
        if kind in self._held:
            self._held.move_to_end(kind)
            return self._held[kind]
        self._seen[kind] += 1
        if self._broken or self._seen[kind] <= SEEN or keeps > self.room:
            return None
        while self._held and keeps + sum(each.keeps for each in self._held.values()) > self.room:
            gone, _ = self._held.popitem(last=False)
            del self._seen[gone]  # what is crowded out again and again mostly goes one by one
        try:
            self._held[kind] = _Held.of(function, inputs, keeps, self._record)
        except Exception as error:  # whatever a driver says
            self._broken = True
            self._held.clear()
            said = f"{type(error).__name__}: {error}"[:300]
            warnings.warn(
                f"The device's work can't be recorded: {said}. Launches go one by one.",
                stacklevel=3,
            )
            return None
        return self._held[kind]


@dataclass
class _Held:
    """A recording with its inputs. ``function`` is held because it holds what its launches read."""

    function: Function
    inputs: tuple[Tensor, ...]
    recording: Recording
    keeps: int
    stream: torch.cuda.Stream | None = field(default=None)  # that it was last replayed on

    @classmethod
    def of(
        cls, function: Function, inputs: tuple[Tensor, ...], keeps: int, record: Record
    ) -> _Held:
        # Tensors made in inference mode could be written nowhere else.
        with torch.inference_mode(False), torch.no_grad():
            own = tuple(x.clone(memory_format=torch.contiguous_format) for x in inputs)
            recording = record(lambda: function(*own), own[0].device)
        return cls(function, own, recording, keeps)

    @torch.no_grad()
    def __call__(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        self._follow()
        for own, given in zip(self.inputs, inputs, strict=True):
            own.copy_(given)
        self.recording.replay()
        return tuple(result.clone() for result in self.recording.results)

    def _follow(self) -> None:
        """Wait, on the device, for a replay that another stream may not have come to the end of."""
        if self.inputs[0].device.type == "cuda":
            stream = torch.cuda.current_stream(self.inputs[0].device)
            if self.stream not in (None, stream):
                stream.wait_stream(self.stream)
            self.stream = stream
