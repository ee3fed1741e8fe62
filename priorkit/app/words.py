"""What the library says, in the words of a form: what there is to choose or to fill in there, and
no Python."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

from priorkit.discovery import describe
from priorkit.errors import TRY, PriorkitError
from priorkit.settings.config import COMPONENTS

__all__ = ["said", "warned"]

# What a form has for a setting that an error advises to say.
CONTROLS = {
    "sigma": "fill in sigma",
    "gamma": "fill in gamma",
    "budget": "another budget",
    "restarts": "other restarts",
    "space": "another space",
    "precision": "another precision",
    "prior": "another prior",
    "penalty": "another penalty",
    "solver": "another solver",
    "start": "another start",
    "noise": "another noise",
    "op": "another operator",
    "range": "say from where to where its values run",
    "shape": "choose a size, or fill in the shape of the picture",
    "slice": "fill in which slice, counted from 0",
    "frame": "fill in which slice, counted from 0",
    "dataset": "fill in which dataset",
    "kind": "choose its kind",
}
SETTING = re.compile(r"(?:^|[\s,(:])([a-z_]+)=(?!=)")


def said(error: Exception, options: Collection[str] = ()) -> str:
    """An error in the words of the form; of one that isn't the library's, what it is.

    Parameters
    ----------
    options : of the components that are chosen, each of which has a field of its name

    >>> said(PriorkitError("No noise level.", try_="sigma=0.1, or sigma='auto'"))
    'No noise level. Try: fill in sigma'
    >>> said(PriorkitError("No rows.", got=0, try_="numpy.asarray(x)"))
    'No rows. Got 0.'
    >>> ways = [{"solver": "adam"}, {"solver": "fista", "penalty": None}, {"gamma": ...}]
    >>> said(PriorkitError("No.", ways=ways))
    'No. Try: the solver adam, or the solver fista and no penalty, or fill in gamma'
    """
    if not isinstance(error, PriorkitError):
        return describe(error)
    what = error.what if error.got is None else f"{error.what} Got {error.got}."
    return _advised(" ".join(what.splitlines()), error.words or "", options, error.ways)


def warned(text: str, options: Collection[str] = ()) -> str:
    """A line of the library's log likewise."""
    what, _, try_ = text.partition(TRY)
    return _advised(what, try_, options)


def _advised(
    what: str,
    try_: str,
    options: Collection[str],
    ways: Iterable[Mapping[str, object]] = (),
) -> str:
    here = (way for way in ways if all(name in CONTROLS or name in options for name in way))
    told = [" and ".join(_setting(*each) for each in way.items()) for way in here]
    named = dict.fromkeys(SETTING.findall(try_))
    found = [
        CONTROLS.get(name) or f"fill in {name.replace('_', ' ')}"
        for name in named
        if name in CONTROLS or name in options
    ]
    advice = ", or ".join(dict.fromkeys(told + found))
    return f"{what}{TRY}{advice}" if advice else what


def _setting(name: str, value: object) -> str:
    """A setting of a way, a component to be chosen or a value to be filled in."""
    label = COMPONENTS.get(name, name).replace("_", " ")
    if value is None:
        return f"no {label}"
    if value is ... or name not in COMPONENTS:
        return CONTROLS.get(name) or f"fill in {label}"
    return f"the {label} {value}"
