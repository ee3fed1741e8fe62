"""Names that a shell completes, looked up when Tab is pressed."""

from __future__ import annotations

from collections.abc import Callable

from priorkit.registry import registry

__all__ = ["names"]


def names(*kinds: str) -> Callable[[str], list[str]]:
    """The registered names of some kinds that begin with what was typed."""

    def complete(incomplete: str) -> list[str]:
        found = {entry.name for kind in kinds for entry in registry().entries(kind)}
        return sorted(name for name in found if name.startswith(incomplete))

    return complete
