"""What a device's recording is, on the processor: launches on fixed memory, and nothing else.

A function runs twice, as for a CUDA graph: once freely, and once while every kernel and every
operation of PyTorch is written down with the memory that it reads and writes. A replay does those
again, in that order, into that memory. Python's own doings, an assignment or a branch, are not
among them: what depends on them comes out wrong here as it does on a device.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from priorkit_glow.device.replay import Recording
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

__all__ = ["Tape"]


class Tape:
    """A launcher whose launches can be recorded; :meth:`record` is the recorder."""

    def __init__(self, launch: Callable[..., None]) -> None:
        self._launch = launch
        self._written: list[Callable[[], None]] | None = None

    def __call__(self, *launch: Any) -> None:
        self._launch(*launch)
        if self._written is not None:
            self._written.append(lambda: self._launch(*launch))

    def record(self, function: Callable[[], tuple[Tensor, ...]], device: torch.device) -> Recording:
        """As :func:`priorkit_glow.device.replay.record_graph`."""
        function()
        written = self._written = []
        try:
            with _Operations(written):
                results = function()
        finally:
            self._written = None

        def replay() -> None:
            for again in written:
                again()

        return Recording(replay, results)


class _Operations(TorchDispatchMode):
    """Writes down what PyTorch computes; views and memory without content are only addresses."""

    def __init__(self, written: list[Callable[[], None]]) -> None:
        super().__init__()
        self._written = written

    def __torch_dispatch__(
        self,
        operation: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = kwargs or {}
        found = operation(*args, **given)
        view = any(a.alias_info and not a.alias_info.is_write for a in operation._schema.arguments)
        if not view and "empty" not in operation.__name__:
            self._written.append(lambda: _again(operation, args, given, found))
        return found


def _again(operation: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], found: Any) -> None:
    """Do an operation again, its results into the memory of the first ones."""
    for old, new in zip(tree_leaves(found), tree_leaves(operation(*args, **kwargs)), strict=True):
        if isinstance(old, Tensor) and old is not new:
            old.copy_(new)
