"""Whether this is a notebook, and a bar in it over long work."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.util import find_spec
from io import StringIO
from typing import Any, Protocol

__all__ = ["kernel", "stepped"]

Reached = Callable[..., tuple[float, float | None, str]]

_within: ContextVar[bool] = ContextVar("within", default=False)  # a bar: of parts none is shown
DELAY = 1.0  # seconds before a bar is shown: short work has none
COLUMNS = 80  # of one of text
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
    widgets where the front end has them, or of text, which is one output; None elsewhere.

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
    if find_spec("ipywidgets") is None:
        return _of_text(total)
    bar: _Bar = tqdm(total=total, delay=DELAY, leave=False, bar_format=FORMAT)
    return bar


def _of_text(total: float | None) -> _Bar:
    """A bar that is one output of its cell, which is changed in place: what is written to stderr is
    an output each time, and a saved notebook keeps them all."""
    from IPython.display import display
    from tqdm.std import tqdm

    class Shown(tqdm):  # type: ignore[misc]  # tqdm has no types
        """Its output is made when it is first drawn, and stays as it was last."""

        handle: Any = None

        def display(self, msg: str | None = None, pos: int | None = None) -> None:
            text = {"text/plain": str(self) if msg is None else msg}
            if self.handle is None:
                self.handle = display(text, raw=True, display_id=True)
            else:
                self.handle.update(text, raw=True)

    bar: _Bar = Shown(
        total=total,
        delay=DELAY,
        bar_format=FORMAT,
        file=StringIO(),
        ncols=COLUMNS,
        ascii=False,
    )
    return bar
