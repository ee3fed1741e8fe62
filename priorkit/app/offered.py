"""What fits the picture and what was chosen so far; of everything else, why it doesn't."""

from __future__ import annotations

import copy
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from priorkit.app.fields import Field, field_of, told_of, words_of
from priorkit.errors import BadInputError, PriorkitError
from priorkit.interfaces import IdentityOperator, Prior, kind_of
from priorkit.registry import registry
from priorkit.run.setup import Setup, set_up
from priorkit.settings.config import COMPONENTS, RunConfig, split
from priorkit.settings.options import option_fields
from priorkit.settings.select import Selection, class_of, classes, resolve
from priorkit.settings.selections import select_all
from priorkit.verbs.prepare import for_any_size, leaves_prior_open, prepare

__all__ = [
    "HOW",
    "KEYS",
    "Offer",
    "Offers",
    "about",
    "fields",
    "painter",
    "plain",
    "read_fields",
    "run_fields",
    "usual",
]

Shape = tuple[int, ...]
KEYS = {kind: key for key, kind in COMPONENTS.items()}  # of settings
WEIGHED = 1e-3  # the γ with which a penalty is tried where nobody says one
NOISY = 0.05  # and σ
HOW = ("kind", "dataset", "slice")
RUN = ("sigma", "gamma", "budget", "restarts", "averaging", "seed", "space", "precision", "device")


@dataclass(frozen=True)
class Offer:
    """The names of a kind that fit, and of the others why not."""

    fits: list[str]
    reasons: dict[str, str]


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


def run_fields() -> list[Field]:
    """What there is to fill in for a run, besides its components and how its file is read."""
    return [field_of(name, RunConfig.model_fields[name]) for name in RUN]


def read_fields() -> list[Field]:
    """What there is to say of how a file is read."""
    return [field_of(name, RunConfig.model_fields[name]) for name in HOW]


def about(kind: str, name: str) -> str:
    """What a component is, in a sentence or two; nothing where it can't be imported."""
    try:
        return words_of(class_of(registry().get(kind, name)))
    except PriorkitError:
        return ""


def painter() -> str | None:
    """The operator that takes a mask which was painted over a picture; None without one."""
    found = (
        e.name for e, cls in classes("operator") if {"mask", "missing"} <= {*option_fields(cls)}
    )
    return next(found, None)


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


def _unsaid(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Values for what a penalty or a noise that is named needs and nobody has said yet: that it is
    missing says nothing of what fits."""
    found: dict[str, Any] = {}
    penalty, noise = (_name(settings.get(kind)) for kind in ("penalty", "noise"))
    if penalty not in (None, registry().fallback("penalty").name) and "gamma" not in settings:
        found["gamma"] = WEIGHED
    named = noise not in (None, registry().fallback("noise").name)
    if noise is not None and named and not {"sigma", "noise_norm"} & settings.keys():
        known = option_fields(class_of(registry().get("noise", noise)))
        found |= {"sigma": NOISY} if "sigma" in known else {}
    return found


def _name(component: Any) -> str | None:
    """What a component in settings is called; None where there is none."""
    found = component.get("name") if isinstance(component, Mapping) else component
    return None if found is None else str(found)


class Offers:
    """Tries components, each as a run would begin with it, and remembers what came of it.

    Nothing is computed; priors are read once.
    """

    def __init__(self) -> None:
        self._priors: dict[str, Selection] = {}
        self._said: dict[str, str | None] = {}
        self._y: Tensor | None = None  # that it was said of
        self._lock = threading.Lock()

    def offer(
        self, kind: str, settings: Mapping[str, Any], shape: Shape, y: Tensor | None = None
    ) -> Offer:
        """Which components of a kind fit, the other settings as they are.

        Parameters
        ----------
        settings : those of a run; what they say of this kind is left out
        shape : of the picture, which may be brought to another that a prior asks for
        y : where it was measured, the measurement
        """
        key = KEYS[kind]
        rest = {name: v for name, v in settings.items() if name != key}
        if kind == "prior":  # these are asked with the prior, not it with them
            later = ("penalty", "solver", "start", "space")
            rest = {name: v for name, v in rest.items() if name not in later}
        offer = Offer([], {})
        for entry in registry().entries(kind):
            try:
                table = {"name": entry.name} | usual(kind, entry.name)
                tried = rest | {key: table}
                said = self.refused(tried | _unsaid(tried), shape, y)
            except PriorkitError as error:
                said = error.what
            if said is None:
                offer.fits.append(entry.name)
            else:
                offer.reasons[entry.name] = said
        return offer

    def refused(
        self, settings: Mapping[str, Any], shape: Shape, y: Tensor | None = None
    ) -> str | None:
        """Why a run with these settings would be refused; None where it wouldn't be."""
        key = repr((sorted(settings.items(), key=str), shape))
        with self._lock:
            if y is not self._y:
                self._y, self._said = y, {}
            if key not in self._said:
                try:
                    self._set_up(settings, shape, y)
                    self._said[key] = None
                except PriorkitError as error:
                    self._said[key] = error.what
            return self._said[key]

    def chosen(
        self, settings: Mapping[str, Any], shape: Shape, y: Tensor | None = None
    ) -> dict[str, Any]:
        """The config of the run, with everything that nobody said as it would be chosen; raises as
        :func:`priorkit.recover`."""
        with self._lock:
            return self._set_up(settings, shape, y).settings()

    def _set_up(self, settings: Mapping[str, Any], shape: Shape, y: Tensor | None) -> Setup:
        """The run as it would begin. What is estimated of a measurement has a value here that
        costs nothing."""
        told = {n: v for n, v in settings.items() if n != "shape"}
        estimated = {"sigma": NOISY, "range": (0.0, 1.0), "gamma": WEIGHED}
        told |= {n: v for n, v in estimated.items() if isinstance(told.get(n), str)}
        named = told.get("prior") or self._open(shape, split(told)[0])
        told["prior"] = self._prior(named)
        prior: Prior = told["prior"].build(0)
        kind = kind_of(shape, settings.get("kind"))
        if prior.shape is not None and not kind.fits(prior.shape):
            asked = "×".join(map(str, prior.shape))
            raise BadInputError(f"It is for images of {asked}, which no {kind.name} can be.")
        if y is not None:
            return prepare(None, y, *split(told | {"shape": shape}))[0]
        config, extra = split(told)
        return set_up(select_all(config, extra), prior.shape or tuple(shape), real=False)

    def _open(self, shape: Shape, config: RunConfig) -> str:
        """The prior that a run takes where nobody names one."""
        usual = registry().fallback("prior")
        if not leaves_prior_open(config):
            return usual.name
        return (for_any_size(self._prior(usual.name).build(0), shape) or usual).name

    def _prior(self, spec: Any) -> Selection:
        """A prior that is read once; its selection is for one run."""
        spec = {"name": spec} if isinstance(spec, str) else spec
        key = repr(spec)
        if key not in self._priors:
            self._priors[key] = resolve("prior", spec)
            self._priors[key].build(0)
        return copy.copy(self._priors[key])
