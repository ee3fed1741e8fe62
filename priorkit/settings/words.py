"""A setting that was typed."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["value"]


def value(text: str) -> Any:
    """A word read as JSON where it is JSON, else as text.

    >>> value("[1, 2]"), value("0.1"), value("gaussian")
    ([1, 2], 0.1, 'gaussian')
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
