"""Whether this is a notebook, and a bar in it over long work."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

__all__ = ["kernel", "stepped"]

Reached = Callable[..., tuple[float, float | None, str]]

_within: ContextVar[bool] = ContextVar("within", default=False)  # a bar: of parts none is shown
DELAY = 1.0  # seconds before a bar is shown: short work has none
FORMAT = "{l_bar}{bar}| {elapsed}{postfix}"


class _Bar(Protocol):
    """What a bar of tqdm offers."""

    n: float

    def set_postfix_str(self, s: str, refresh: bool = ...) -> None: ...

    def update(self, n: float) -> object: ...

    def close(self) -> None: ...


def kernel() -> Any | None:
    """The shell of the notebook that this runs in; None anywhere else. IPython isn't imported by
    this: a notebook has done so."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell if shell is not None and "IPKernelApp" in shell.config else None


@contextmanager
def stepped(progress: Any, reached: Reached) -> Iterator[Any]:
    """A ``progress`` for long work: the user's own where there is one; in a notebook else a bar, of
    widgets where the front end has them, or of text; None elsewhere.

    ``reached`` says from what progress is called with how far the work is, of how much, and what to
    write beside the bar.
    """
    if progress is not None or kernel() is None or _within.get():
        yield progress
        return
    bars: list[_Bar] = []  # made at the first step, when it is known how many there are

    def tell(*said: Any) -> None:
        done, total, note = reached(*said)
        bars.extend([] if bars else [_made(total)])
        for bar in bars:
            bar.set_postfix_str(note, refresh=False)
            bar.update((done if total is None else min(done, total)) - bar.n)

    before = _within.set(True)
    try:
        yield tell
    finally:
        _within.reset(before)
        for bar in bars:
            bar.close()


def _made(total: float | None) -> _Bar:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there are no widgets: then it is of text
        from tqdm.auto import tqdm
    bar: _Bar = tqdm(total=total, delay=DELAY, leave=False, bar_format=FORMAT)
    return bar
