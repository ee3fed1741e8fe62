"""What a name stands for, in words: for ``priorkit show``."""

from __future__ import annotations

import inspect
from typing import Any

from priorkit import weights
from priorkit.components import from_weights, option_fields
from priorkit.errors import PriorkitError, UnknownNameError, did_you_mean
from priorkit.registry import KINDS, registry
from priorkit.training import options_of

__all__ = ["describe"]


def describe(name: str) -> list[dict[str, Any]]:
    """One table per kind in which ``name`` is registered: doc, options, card of its weights.

    Raises UnknownNameError where no kind has it.
    """
    found = [e for e in (registry().find(kind, name) for kind in KINDS) if e is not None]
    if not found and (weights_entry := from_weights(name)) is not None:
        found = [weights_entry]
    if not found:
        known = [e.name for kind in KINDS for e in registry().entries(kind)]
        hint = did_you_mean(name, known)
        raise UnknownNameError(
            f"Unknown name {name!r}.{' ' + hint if hint else ''} Run: priorkit list"
        )
    return [_describe(entry) for entry in found]


def _describe(entry: Any) -> dict[str, Any]:
    target = entry.load()
    card: dict[str, Any] = {}
    if "weights" in entry.preset:
        try:
            card = weights.read(entry.preset["weights"]).card.model_dump(exclude={"training"})
        except PriorkitError as error:
            card = {"problem": str(error)}
    if entry.kind == "trainer":
        options = options_of(target)
    else:
        options = [
            {
                "name": option,
                "type": _type_name(field.annotation),
                "default": "required" if field.is_required() else field.default,
            }
            for option, field in option_fields(target).items()
            if option not in entry.preset
        ]
    return {
        "kind": entry.kind,
        "name": entry.name,
        "aliases": list(entry.aliases),
        "plugin": entry.plugin,
        "doc": inspect.getdoc(target) or "",
        "options": options,
        "card": card,
    }


def _type_name(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)
