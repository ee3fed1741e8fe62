"""What there is to fill in for a component, and what it is, from its class."""

from __future__ import annotations

from functools import cache
from typing import Any

from priorkit.app.fields import Field, field_of, words_of
from priorkit.errors import PriorkitError
from priorkit.interfaces import IdentityOperator
from priorkit.registry import registry
from priorkit.settings.config import RunConfig
from priorkit.settings.options import option_fields, told_of
from priorkit.settings.select import class_of, classes

__all__ = [
    "HOW",
    "about",
    "fields",
    "needs",
    "painter",
    "plain",
    "read_fields",
    "run_fields",
    "usual",
]

HOW = ("kind", "dataset", "slice")
RUN = ("sigma", "gamma", "budget", "restarts", "averaging", "seed", "space", "precision", "device")


@cache
def fields(kind: str, name: str) -> list[Field]:
    """What there is to fill in for a component; the seed of a random one is the run's.

    Raises PluginError where it can't be imported.
    """
    entry = registry().get(kind, name)
    target = class_of(entry)
    told = told_of(target)
    return [
        field_of(option, info, told.get(option, ""))
        for option, info in option_fields(target).items()
        if option not in entry.preset and option not in ("seed", "sigma", "noise_norm")
    ]


@cache
def run_fields() -> list[Field]:
    """What there is to fill in for a run, besides its components and how its file is read."""
    return [field_of(name, RunConfig.model_fields[name]) for name in RUN]


@cache
def read_fields() -> list[Field]:
    """What there is to say of how a file is read."""
    return [field_of(name, RunConfig.model_fields[name]) for name in HOW]


def about(kind: str, name: str, *, measured: bool = False) -> str:
    """What a component is, in a sentence or two, in words for a file that was ``measured``; nothing
    where it can't be imported."""
    try:
        return words_of(class_of(registry().get(kind, name)), measured=measured)
    except PriorkitError:
        return ""


@cache
def painter() -> str | None:
    """The operator that takes a mask which was painted over a picture; None without one."""
    found = (
        e.name for e, cls in classes("operator") if {"mask", "missing"} <= {*option_fields(cls)}
    )
    return next(found, None)


@cache
def plain() -> str:
    """The operator of a picture that is only noisy."""
    found = (e.name for e, cls in classes("operator") if issubclass(cls, IdentityOperator))
    return next(found, registry().fallback("operator").name)


def usual(kind: str, name: str) -> dict[str, Any]:
    """Values for the options that a component requires, where there is one: of the fallback of its
    kind, else the least that is allowed."""
    told = registry().fallback(kind).usual
    required = [one for one in fields(kind, name) if one.required]
    return {
        one.name: told.get(one.name, one.low)
        for one in required
        if told.get(one.name, one.low) is not None
    }


def needs(kind: str, name: str) -> tuple[str | None, bool]:
    """What a component can't be tried without, and only a user can give, and whether a browser can
    send it; None where it needs nothing more than :func:`usual` has."""
    known = usual(kind, name)
    lacking = [one for one in fields(kind, name) if one.required and one.name not in known]
    if not lacking:
        return None, True
    told = " and ".join(one.label for one in lacking)
    if all(one.path for one in lacking):
        return f"needs a file of {told}", True
    return f"needs its {told}", all(one.what != "file" for one in lacking)
