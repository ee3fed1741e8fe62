"""What the library warns of while something is done for a page, which shows it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["heard"]

_heard: ContextVar[list[str] | None] = ContextVar("heard", default=None)


class _Listener(logging.Handler):
    """Notes warnings of the thread in which somebody listens."""

    def emit(self, record: logging.LogRecord) -> None:
        found = _heard.get()
        said = record.getMessage()
        if found is not None and said not in found:
            found.append(said)


_listener = _Listener(logging.WARNING)


@contextmanager
def heard() -> Iterator[list[str]]:
    """A block, and the warnings that the library gives in it, each once; those of other threads
    aren't among them."""
    log = logging.getLogger("priorkit")
    if _listener not in log.handlers:
        log.addHandler(_listener)
    found: list[str] = []
    token = _heard.set(found)
    try:
        yield found
    finally:
        _heard.reset(token)
