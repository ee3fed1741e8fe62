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
    """Counts operations, and raises AssertionError where one moves anything to or from "meta".

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
        tensors = [t for t in tree_leaves((args, kwargs, found)) if isinstance(t, Tensor)]
        devices = {t.device.type for t in tensors}
        if "meta" in devices:
            assert devices == {"meta"}, f"{operation} moves numbers between devices"
            view = any(a.alias_info and not a.alias_info.is_write for a in _arguments(operation))
            if not view and "empty" not in operation.__name__:
                self.launched[str(operation)] += 1
        return found

    @property
    def count(self) -> int:
        """All launches."""
        return sum(self.launched.values())


def _arguments(operation: Any) -> list[torch.Argument]:
    arguments: list[torch.Argument] = operation._schema.arguments
    return arguments
