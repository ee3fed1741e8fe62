"""The device "meta" as one that is never asked: its tensors have shapes and no contents, so that
whatever reads a number of one, or looks for what is true in it, is an error."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

__all__ = ["Silent"]


class Silent(TorchDispatchMode):
    """Counts operations, and raises AssertionError where one takes anything from "meta", or brings
    something there that the device is waited for with.

    Attributes
    ----------
    launched : how often each operation was called that computes something on "meta"
    """

    def __init__(self) -> None:
        super().__init__()
        self.launched: Counter[str] = Counter()

    def __torch_dispatch__(
        self,
        operation: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        found = operation(*args, **(kwargs or {}))
        given, results = _devices((args, kwargs)), _devices(found)
        if "meta" in given | results:
            waits = not (kwargs or {}).get("non_blocking") or results != {"meta"}
            assert given | results == {"meta"} or not waits, f"{operation} waits for a device"
            view = any(a.alias_info and not a.alias_info.is_write for a in _arguments(operation))
            if not view and "empty" not in operation.__name__:
                self.launched[str(operation)] += 1
        return found

    @property
    def count(self) -> int:
        """All launches."""
        return sum(self.launched.values())


def _devices(tree: Any) -> set[str]:
    return {leaf.device.type for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)}


def _arguments(operation: Any) -> list[torch.Argument]:
    arguments: list[torch.Argument] = operation._schema.arguments
    return arguments
