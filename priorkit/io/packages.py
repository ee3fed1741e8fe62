"""Packages of plugins that a saved run or its settings need, as its files name them."""

from __future__ import annotations

import logging
from collections.abc import Container, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any, TypedDict

from priorkit.errors import UnknownNameError
from priorkit.registry import COMPONENTS, registry

__all__ = ["Package", "check", "parsed"]

log = logging.getLogger("priorkit")


class Package(TypedDict):
    """A package of plugins that a run used: its version, and of what, as ``prior wiener``."""

    version: str
    names: list[str]


def parsed(told: Any) -> dict[str, Package]:
    """Packages by their names, as a file has them. Raises KeyError, TypeError or ValueError."""
    return {str(package): _package(about) for package, about in dict(told).items()}


def _package(told: Any) -> Package:
    names = [str(words) for words in told["names"]]
    if not all(words.partition(" ")[0] in COMPONENTS for words in names):
        raise ValueError(f"names of components {names}")
    return {"version": str(told["version"]), "names": names}


def check(packages: Mapping[str, Package], used: Container[str] | None = None) -> None:
    """Raise UnknownNameError for a name that nobody registers now, saying which package it was of;
    warn of a package that has another version by now. Where it is known which names are ``used``,
    the others don't matter, nor does a package of which none is."""
    for package, told in packages.items():
        names = [words for words in told["names"] if used is None or words in used]
        if told["names"] and not names:
            continue
        was, now = f"{package} {told['version']}", _installed(package)
        for kind, name in (words.split(" ", 1) for words in names):
            if registry().find(kind, name) is not None:
                continue
            if now is None:
                why, then = "which isn't installed", "that package, from where it was"
            else:
                why, then = f"and {package} {now} doesn't register it", "priorkit plugins"
            raise UnknownNameError(f"Unknown {kind} {name!r}: it was of {was}, {why}.", try_=then)
        if now not in (None, told["version"]):
            log.warning("This run was made with %s, and %s is installed.", was, now)


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except (PackageNotFoundError, ValueError):
        return None
