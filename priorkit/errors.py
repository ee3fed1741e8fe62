"""One family of errors: each says what is wrong, what was got, and what to try."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Self

__all__ = [
    "TRY",
    "BadInputError",
    "MismatchError",
    "PluginError",
    "PriorkitError",
    "UnknownNameError",
    "WeightsError",
    "asked",
    "did_you_mean",
    "needed",
]

TRY = " Try: "  # between what is wrong and what would work


class PriorkitError(Exception):
    """Base of every error that priorkit raises on purpose.

    Parameters
    ----------
    what : what is wrong, one sentence
    got : what was received instead, shown as it is
    try_ : what would work, or a question that says it, such as that of :func:`did_you_mean`
    ways : settings of a run that may do, each by itself a table of those to say otherwise: None is
        for one to leave out, ... for a number that is the user's own. Of a run that is refused,
        those are said that have been tried, see :mod:`priorkit.run.advice`; ``try_`` is for what
        no settings can say

    >>> print(PriorkitError("m must be at least 1.", got=0, try_="m=500"))
    m must be at least 1. Got 0. Try: m=500
    >>> print(PriorkitError("No.", ways=[{"solver": "adam"}, {"solver": "fista"}, {"gamma": None}]))
    No. Try: solver='adam' or 'fista', or no gamma
    """

    exit_code = 2  # of the command line
    each: Mapping[str, str] = {}  # where no file of several can be read, the reasons by their names

    def __init__(
        self,
        what: str,
        *,
        got: object = None,
        try_: str | None = None,
        ways: Iterable[Mapping[str, object]] = (),
    ) -> None:
        self.what, self.got, self.words = what, got, try_
        self.only(ways)

    def only(self, ways: Iterable[Mapping[str, object]]) -> None:
        """Let these be what it says to try, beside what it says in words."""
        self.ways = tuple(ways)
        got, try_ = str(self.got), self.try_ or ""
        said = self.what
        if self.got is not None:
            said += f" Got {got}" + "." * (not got.endswith("."))
        if try_:
            said += f" {try_}" if try_.endswith("?") else f"{TRY}{try_}"
        self.args = (" ".join(said.splitlines()),)  # one line, whatever a library's message held

    @property
    def try_(self) -> str | None:
        """What would work, in words."""
        return ", or ".join(filter(None, [_said(self.ways), self.words])) or None


class UnknownNameError(PriorkitError):
    """A name or an option that doesn't exist."""

    @classmethod
    def nearest(
        cls, what: str, name: str, known: Iterable[str], then: str = "", otherwise: str = ""
    ) -> Self:
        """The error ``what``, with the nearest of the ``known`` names, or ``otherwise`` where none
        is near; and what else to do."""
        near = did_you_mean(name, known) or otherwise
        return cls(" ".join(filter(None, (what, near, then))))


class BadInputError(PriorkitError):
    """A picture, a measurement or a setting that can't be used as it is."""


class MismatchError(PriorkitError):
    """Components that don't fit together: one requires what another can't do."""


class WeightsError(PriorkitError):
    """A weights file that is missing, damaged, tampered with or of another kind."""


class PluginError(PriorkitError):
    """A plugin whose code failed."""


@contextmanager
def needed(package: str, what: str, extra: str) -> Iterator[None]:
    """A block of imports of an optional package. Raises MismatchError without it, which says how
    to install it."""
    try:
        yield
    except ImportError as error:
        raise MismatchError(
            f"{what} the package {package}.", try_=f"pip install 'priorkit[{extra}]'"
        ) from error


def _shown(value: object) -> str:
    return "…" if value is ... else repr(value)


def _said(ways: Iterable[Mapping[str, object]]) -> str:
    """Settings to try in words, those that differ in one value put together."""
    values: dict[str, list[str]] = {}
    for way in ways:
        told = [(f"no {n}", "") if v is None else (f"{n}=", _shown(v)) for n, v in way.items()]
        *before, (name, value) = told
        words = " and ".join([*map("".join, before), name])
        values.setdefault(words, []).append(value)
    return ", or ".join(name + " or ".join(each) for name, each in values.items())


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A question naming the nearest known names, or an empty string.

    >>> did_you_mean("glow-celba", ["glow-celeba", "none"])
    "Did you mean 'glow-celeba'?"
    """
    return asked(difflib.get_close_matches(name, sorted(set(known)), n=3, cutoff=0.6))


def asked(names: Sequence[str]) -> str:
    """A question for one of some names, or an empty string where there are none."""
    return f"Did you mean {' or '.join(map(repr, names))}?" if names else ""
