"""Which plugins a run needs, beside those of priorkit itself."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

from priorkit.errors import UnknownNameError
from priorkit.io.saved import Package
from priorkit.registry import registry
from priorkit.run.setup import Setup

__all__ = ["check", "of"]

UNSAID = ("priorkit", "unknown")  # what nobody installs besides, or can
log = logging.getLogger("priorkit")


def of(setup: Setup) -> dict[str, Package]:
    """The packages whose components are in a run, by their names; not priorkit itself, nor those of
    objects that were given, which no package registered."""
    found: dict[str, Package] = {}
    for chosen in setup.selections.values():
        for selection in chosen.each():
            status = registry().plugin(selection.plugin)
            if status is None or status.distribution in UNSAID:
                continue
            new: Package = {"version": status.version, "names": []}
            package = found.setdefault(status.distribution, new)
            if registry().find(selection.kind, selection.name):  # not a path to weights
                package["names"].append(f"{selection.kind} {selection.name}")
    return found


def check(packages: Mapping[str, Package]) -> None:
    """Raise UnknownNameError for a name of a saved run that nobody registers now, saying which
    package it was of; warn of a package that has another version by now."""
    for package, told in packages.items():
        was, now = f"{package} {told['version']}", _installed(package)
        for kind, name in (words.split(" ", 1) for words in told["names"]):
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
