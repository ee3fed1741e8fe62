"""What to try where a run is refused: settings that have been tried, and that nothing refuses."""

from __future__ import annotations

import itertools
import logging
import math
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from priorkit.discovery import describe
from priorkit.errors import PriorkitError
from priorkit.interfaces import Kind, Shape, kind_of
from priorkit.run.setup import Setup, set_up
from priorkit.settings.config import RunConfig
from priorkit.settings.selections import Selections

__all__ = ["advised"]

Way = Mapping[str, Any]  # settings to say otherwise, see PriorkitError
Refused = Callable[[Way], PriorkitError | None]
Cost = tuple[int, int, int]

FEW, FEWER = 4, 2  # ways that are said at most, and of those that another refusal led to
TRIED = 32  # ways of one step that are tried, at most: a millisecond each, more to read weights
SOME = 0.01  # what stands for a number that is the user's
NUMBERS, LEAST = 200_000_000, 8  # in the images of all that is tried, and how many are at least
STEPS = 3  # refusals in a row that are followed
HOW = {"space", "solver", "start"}  # the solution is found
OPEN = ("space", "penalty", "gamma", "solver", "start")  # settings that may be left out

log = logging.getLogger("priorkit")


def advised(
    chosen: Selections, shape: Shape | None, *, real: bool, kind: Kind | None = None
) -> Setup:
    """As :func:`priorkit.run.setup.set_up`, and an error's ``ways`` are settings that have been
    tried: with each of them nothing here is refused.

    A way that is refused is followed to what that refusal suggests, and so on; where none leads
    out, what can be left out is. Ways that leave what was named as it is come first, and of what
    was, how the solution is found is cheaper to change than what it is.
    """
    begin = partial(set_up, shape=shape, real=real, kind=kind)
    try:
        return begin(chosen)
    except PriorkitError as error:
        if error.ways:
            said = [name for name in OPEN if getattr(chosen.config, name) is not None]
            vectors = shape is not None and not (kind or kind_of(shape)).has_pixels
            most = max(LEAST, NUMBERS // math.prod(shape or ()))
            with _silent():
                refused = _trial(chosen, begin, most, vectors)
                cost = partial(_cost, chosen)
                error.only(_accepted(error.ways, refused, chosen.whole, cost, said))
        raise


def _trial(
    chosen: Selections, begin: Callable[[Selections], Setup], most: int, vectors: bool
) -> Refused:
    """What refuses a way, or None; from the number ``most`` on all are taken for refused."""
    count = itertools.count()

    def refused(way: Way) -> PriorkitError | None:
        if next(count) >= most:
            return PriorkitError("Not tried.")
        if vectors and "prior" in way:
            return PriorkitError("It is the prior that says that numbers are vectors.")
        told = {name: SOME if value is ... else value for name, value in way.items()}
        try:
            begin(chosen.otherwise(told))
        except PriorkitError as error:
            return error
        except Exception as error:  # what was refused first is what is said
            return PriorkitError(describe(error))
        return None

    return refused


def _cost(chosen: Selections, way: Way) -> Cost:
    """How many settings and options that were named a way says otherwise, those of how the solution
    is found by themselves, and how long it is."""
    fields = RunConfig.model_fields
    named = {
        name
        for name in way
        if name in chosen.given
        or name in chosen.extra
        or (name in fields and getattr(chosen.config, name) != fields[name].default)
    }
    return len(named - HOW), len(named & HOW), len(way)


def _accepted(
    ways: Sequence[Way],
    refused: Refused,
    whole: Callable[[Way], Way],
    cost: Callable[[Way], Cost],
    said: Sequence[str],
) -> list[Way]:
    """The cheapest ways that nothing refuses, and others that are as short: of those suggested,
    else of those that their refusals suggest, and so on, until one leaves what is to be found as it
    was named; else in the same way from some of what was ``said`` left out."""
    counts = range(1, len(said) + 1)
    less = [
        dict.fromkeys(names) for count in counts for names in itertools.combinations(said, count)
    ]
    for begin in (ways, less):
        further, most, found = list(begin), FEW, list[Way]()
        for step in range(STEPS):
            tried, further = _distinct(map(whole, further)), []
            for way in sorted(tried, key=cost)[:TRIED] if step else tried[:TRIED]:
                if len(found) == most:
                    break
                error = refused(way)
                if error is None:
                    own = [name for name in way if way[name] is None] if not step else list(way)
                    found.append(_least(way, own, refused))
                else:
                    further += [{**way, **m} for m in error.ways if not way.keys() & m.keys()]
            if any(cost(way)[0] == 0 for way in found):
                break
            most = max(FEWER, len(found) + 1)
        if found:
            found.sort(key=cost)
            return _distinct(way for way in found if len(way) <= len(found[0]))
    return []


def _least(way: Way, names: Sequence[str], refused: Refused) -> Way:
    """A way without what it doesn't need of these. Of one that was suggested that is what it leaves
    out alone: the rest belongs together, as a prior and its penalty."""
    for name in names:
        less = {n: v for n, v in way.items() if n != name}
        if less and refused(less) is None:
            way = less
    return way


def _distinct(ways: Iterable[Way]) -> list[Way]:
    found: list[Way] = []
    for way in ways:
        if way not in found:
            found.append(way)
    return found


@contextmanager
def _silent() -> Iterator[None]:
    """A block without what this thread logs: it is of runs that nobody asked for."""
    here = threading.get_ident()

    def elsewhere(record: logging.LogRecord) -> bool:
        return record.thread != here

    log.addFilter(elsewhere)
    try:
        yield
    finally:
        log.removeFilter(elsewhere)
