"""What a device's recording is, on the processor: launches on fixed memory, and nothing else.

A function runs twice, as for a CUDA graph: once freely, and once while every kernel and every
operation of PyTorch is written down with the memory that it reads and writes. A replay does those
again, in that order, into that memory. Python's own doings, an assignment or a branch, are not
among them: what depends on them comes out wrong here as it does on a device. To ask for a number,
or for how many are true, is an error as it is there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from priorkit.recordings import Recording

__all__ = ["Tape", "asks"]


class Tape:
    """A launcher whose launches can be recorded; :meth:`record` is the recorder. Without one it
    records what PyTorch computes."""

    def __init__(self, launch: Callable[..., None] | None = None) -> None:
        self._launch = launch or _none
        self._written: list[Callable[[], None]] | None = None

    def __call__(self, *launch: Any) -> None:
        self._launch(*launch)
        if self._written is not None:
            self._written.append(lambda: self._launch(*launch))

    def record(self, function: Callable[[], tuple[Tensor, ...]], device: torch.device) -> Recording:
        """As :func:`priorkit.recordings.record_graph`."""
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


def asks(operation: Any, args: tuple[Any, ...]) -> bool:
    """Whether an operation waits for a device to say what is in its memory."""
    name = str(operation)
    if name.startswith(("aten.index.", "aten.index_put")):  # by a mask: where is it true?
        return any(i is not None and i.dtype in (torch.bool, torch.uint8) for i in args[1])
    return name.split(".")[1] in ("_local_scalar_dense", "nonzero", "masked_select", "equal")


def _none(*launch: Any) -> None:
    raise AssertionError("this tape launches no kernels of our own")


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
        if asks(operation, args):
            raise RuntimeError(f"{operation}: operation not permitted when stream is capturing")
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
