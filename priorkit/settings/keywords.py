"""The keywords of ``recover`` and its like, as types.

An editor and mypy read them in ``keywords.pyi``, which docs/settings.py writes from the registered
components. Nothing here reads them: what a component doesn't know is refused when it is chosen.
"""

from __future__ import annotations

from typing import TypedDict

__all__ = ["Settings", "Shared"]


class Shared(TypedDict, total=False):
    """Keywords: what a run and its measurement can be told."""


class Settings(Shared, total=False):
    """Keywords: the same, and the two that are compared or chosen."""
