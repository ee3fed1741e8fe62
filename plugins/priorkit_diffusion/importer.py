"""Tensors of a run of training elsewhere, under the names that they have here."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

__all__ = ["renamed"]

MODULES = {
    "emb": "embedding",
    "inp": "enter",
    "down": "down",
    "dn": "shrink",
    "mid": "middle",
    "at": "attention",
    "un": "grow",
    "mix": "merge",
    "up": "up",
    "out": "leave",
}
LEAVES = {"c1": "first", "c2": "second", "f": "modulation", "q": "asked", "o": "told"}


def renamed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a state dict with short names; what it computes anew is left out."""
    found = {}
    for name, tensor in state.items():
        head, *rest = name.split(".")
        if head != "fr":
            parts = [MODULES.get(head, head), *(LEAVES.get(part, part) for part in rest)]
            found[".".join(parts)] = tensor
    return found
