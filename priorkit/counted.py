"""So many of something, or one of it, in words."""

from __future__ import annotations

import os
from collections.abc import Iterable

__all__ = ["a_or_an", "counted", "few", "spelt"]


def counted(count: int, things: str) -> str:
    """A number and what it counts, whose plural ``things`` begins with it.

    >>> counted(2000, "images"), counted(1, "calls of the denoiser"), counted(1, "tries")
    ('2,000 images', '1 call of the denoiser', '1 try')
    """
    first, space, rest = things.partition(" ")
    if count == 1:
        first = f"{first[:-3]}y" if first.endswith("ies") else first.removesuffix("s")
    return f"{count:,} {first}{space}{rest}"


def spelt(seconds: float) -> str:
    """A time as people say it.

    >>> spelt(5.25), spelt(800), spelt(36000)
    ('5.2 s', '13 min', '10 h')
    """
    times = ("s", 1), ("min", 60), ("h", 3600)
    unit, length = next((t for t in times if seconds < 120 * t[1]), times[-1])
    long = seconds / length
    return f"{long:.{0 if long >= 10 else 1}f} {unit}"


def few(names: Iterable[str], most: int = 3) -> str:
    """The first of some names, and how many more there are.

    >>> few(["a.png", "b.png"]), few(["a", "b", "c", "d", "e"])
    ('a.png, b.png', 'a, b, c and 2 more')
    """
    found = [os.fspath(name).encode("utf-8", "replace").decode() for name in names]
    more = f" and {len(found) - most:,} more" if len(found) > most else ""
    return ", ".join(found[:most]) + more


def a_or_an(thing: str) -> str:
    """One of something, with the article that its first letter asks for.

    >>> a_or_an("Encoder"), a_or_an("'diffusion'")
    ('an Encoder', "a 'diffusion'")
    """
    vowel = thing.lstrip("'")[:1].lower() in ("a", "e", "i", "o", "u")
    return f"{'an' if vowel else 'a'} {thing}"
