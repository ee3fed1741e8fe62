"""Which of several things that take a while was begun last."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Turns"]


class Turns:
    """Counts what is begun one after the other, each while others may still be under way: what
    comes of any but the last is of what isn't filled in any more.

    >>> turns = Turns()
    >>> first, second = turns.begin(), turns.begin()
    >>> first(), second(), turns.now()()
    (False, True, True)
    """

    def __init__(self) -> None:
        self._count = 0

    def begin(self) -> Callable[[], bool]:
        """Begin another; what says whether it is still the last."""
        self._count += 1
        return self.now()

    def now(self) -> Callable[[], bool]:
        """What says whether none was begun since."""
        count = self._count
        return lambda: count == self._count
