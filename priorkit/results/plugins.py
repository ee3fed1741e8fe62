"""Which plugins a run needs, beside those of priorkit itself."""

from __future__ import annotations

from priorkit.io.packages import Package
from priorkit.registry import registry
from priorkit.run.setup import Setup

__all__ = ["of"]

UNSAID = ("priorkit", "unknown")  # what nobody installs besides, or can


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
