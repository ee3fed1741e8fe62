"""The promises of a component, checked one by one: kept, broken or untried."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass

from priorkit.discovery import describe

__all__ = ["Outcome", "Untried", "outcomes", "promise"]


@dataclass(frozen=True)
class Outcome:
    """A promise, how it is broken, a hint for mending it, and why it wasn't tried.

    It is kept where ``broken`` and ``untried`` are None.
    """

    promise: str
    broken: str | None = None
    hint: str = ""
    untried: str | None = None


class Untried(Exception):  # noqa: N818  # it is no error
    """A promise that can't be tried here, and why."""


_collected: ContextVar[list[Outcome] | None] = ContextVar("collected", default=None)


@contextmanager
def promise(what: str, hint: str = "") -> Iterator[None]:
    """A block that checks one promise, with a hint for mending a broken one.

    An exception in the block ends the check; within :func:`outcomes` it is recorded, and the
    check goes on, as it does from :class:`Untried` always.
    """
    gathered = _collected.get()
    if gathered is None:
        with suppress(Untried):
            yield
        return
    try:
        yield
    except Untried as why:
        gathered.append(Outcome(what, untried=str(why)))
    except Exception as error:
        if _follows(error, gathered):
            gathered.append(Outcome(what, untried="a promise that it needs is broken"))
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
    """Whether an error is only that a variable is missing, which a block above would have set had
    its promise not been broken."""
    return isinstance(error, NameError) and any(outcome.broken for outcome in gathered)


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, AssertionError) and str(error) else describe(error)
