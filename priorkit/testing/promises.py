"""Promises, kept, broken or untried one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from priorkit.discovery import describe

__all__ = ["Outcome", "outcomes", "promise"]


@dataclass(frozen=True)
class Outcome:
    """What a component promises, what breaks it, a hint, and why it wasn't tried.

    Kept is what is neither broken nor untried.
    """

    promise: str
    broken: str | None = None
    hint: str = ""
    untried: str | None = None


_collected: ContextVar[list[Outcome] | None] = ContextVar("collected", default=None)


@contextmanager
def promise(what: str, hint: str = "") -> Iterator[None]:
    """A block that checks one promise, with a hint for who breaks it.

    What it raises ends the check, unless :func:`outcomes` gathers them all.
    """
    gathered = _collected.get()
    if gathered is None:
        yield
        return
    try:
        yield
    except Exception as error:
        if _follows(error, gathered):
            gathered.append(Outcome(what, untried="what it needs is broken"))
        else:
            gathered.append(Outcome(what, _said(error), hint))
    else:
        gathered.append(Outcome(what))


def outcomes(check: Callable[[], None]) -> list[Outcome]:
    """Every promise that a check looks at, in its order: kept, broken or untried."""
    gathered: list[Outcome] = []
    token = _collected.set(gathered)
    try:
        check()
    except Exception as error:
        if not _follows(error, gathered):
            gathered.append(Outcome("it can be checked", _said(error)))
    finally:
        _collected.reset(token)
    return gathered


def _follows(error: Exception, gathered: list[Outcome]) -> bool:
    """Whether it only lacks what a promise that is broken would have given."""
    return isinstance(error, NameError) and any(outcome.broken for outcome in gathered)


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, AssertionError) and str(error) else describe(error)
