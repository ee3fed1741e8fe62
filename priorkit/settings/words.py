"""A setting that was typed, and what is a number."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["is_number", "value"]


def value(text: str) -> Any:
    """A word read as JSON where it is JSON, else as text.

    >>> value("[1, 2]"), value("0.1"), value("gaussian")
    ([1, 2], 0.1, 'gaussian')
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def is_number(value: Any, whole: bool = False) -> bool:
    """Whether a value is a number of Python's, a ``whole`` one; True and False are none."""
    return isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
