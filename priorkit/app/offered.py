"""What fits the picture and what was chosen so far; of everything else, why it doesn't."""

from __future__ import annotations

import copy
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from priorkit.app.components import needs, usual
from priorkit.errors import BadInputError, MismatchError, PriorkitError
from priorkit.interfaces import Prior, kind_of
from priorkit.registry import registry
from priorkit.run.advice import advised
from priorkit.run.setup import Setup, set_up
from priorkit.run.shapes import batch, shape_of, wide
from priorkit.settings.config import KEYS, RunConfig, split
from priorkit.settings.options import option_fields
from priorkit.settings.select import Selection, class_of, resolve
from priorkit.settings.selections import select_all
from priorkit.verbs.prepare import for_any_size, leaves_prior_open, prepare

__all__ = ["Offer", "Offers"]

Shape = tuple[int, ...]
WEIGHED = 1e-3  # the γ with which a penalty is tried where nobody says one
NOISY = 0.05  # and σ


@dataclass
class Offer:
    """The names of a kind that fit, those that may where something more is given, with what that
    is, and of the others why not; of operators so many first whose measurements are as y is, which
    is ``likely`` theirs."""

    fits: list[str]
    reasons: dict[str, str]
    needs: dict[str, str] = field(default_factory=dict)
    likely: int = 0

    def lacks(self, kind: str, name: str) -> bool:
        """Note what a component can't be tried without, which only a user can give; whether there
        is anything. Raises PluginError where it can't be imported."""
        lacking, can = needs(kind, name)
        if lacking is not None:
            (self.needs if can else self.reasons)[name] = lacking
        return lacking is not None


def _unsaid(settings: Mapping[str, Any], *, measured: bool = False) -> dict[str, Any]:
    """Values for what a penalty or a noise that is named needs, or what was ``measured``, and
    nobody has said yet: that it is missing says nothing of what fits."""
    found: dict[str, Any] = {}
    penalty, noise = (_name(settings.get(kind)) for kind in ("penalty", "noise"))
    if penalty not in (None, registry().fallback("penalty").name) and "gamma" not in settings:
        found["gamma"] = WEIGHED
    usual_ = registry().fallback("noise").name
    named = measured or noise not in (None, usual_)
    if named and not {"sigma", "noise_norm"} & settings.keys():
        known = option_fields(class_of(registry().get("noise", noise or usual_)))
        found |= {"sigma": NOISY} if "sigma" in known else {}
    return found


def _behind(settings: Mapping[str, Any], y: Tensor) -> Shape | None:
    """The shape of the picture of which y is with the operator in settings; None where y doesn't
    tell, or isn't of it as its options are."""
    operator = resolve("operator", settings["op"]).build(0)
    try:
        return shape_of(y, operator, settings.get("kind"))
    except BadInputError:
        return None


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
        """Which components of a kind fit, the other settings as they are; of operators first those
        whose measurements are as y is.

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
        apart: list[str] = []
        for entry in registry().entries(kind):
            try:
                if offer.lacks(kind, entry.name):
                    continue
                tried = rest | {key: {"name": entry.name} | usual(kind, entry.name)}
                tried |= _unsaid(tried, measured=y is not None)
                asked = kind == "operator" and y is not None and settings.get("shape") is None
                own = _behind(tried, y) if asked and y is not None else shape
                if own is None:  # the shape of its picture is yet to be said
                    apart.append(entry.name)
                    continue
                said = self.refused(tried, own, y)
                differs: PriorkitError | None = None
                if kind == "operator" and y is not None:
                    if said is None:
                        differs = self.differs(tried, own, y)
                    elif self.refused(tried, own) is None:  # y isn't of it as its options are
                        differs, said = BadInputError(said), None
            except PriorkitError as error:
                said, differs = error.what, None
            if said is None and isinstance(differs, MismatchError):
                said = differs.what
            if said is not None:
                offer.reasons[entry.name] = said
            else:
                (offer.fits if differs is None else apart).append(entry.name)
        offer.likely = len(offer.fits)
        offer.fits.extend(apart)
        return offer

    @staticmethod
    def every(kind: str) -> Offer:
        """All components of a kind that can be tried, where nobody knows yet what of."""
        found = Offer([], {})
        for entry in registry().entries(kind):
            try:
                if not found.lacks(kind, entry.name):
                    found.fits.append(entry.name)
            except PriorkitError as error:
                found.reasons[entry.name] = error.what
        return found

    def differs(
        self, settings: Mapping[str, Any], shape: Shape, y: Tensor | None
    ) -> PriorkitError | None:
        """In what the measurements of a run with these settings differ from y; None where they
        don't, or there is none."""
        if y is None:
            return None
        with self._lock:
            setup = self._set_up(settings, shape, y)
            operator = setup.problem.operator
            try:
                batch(y if setup.config.range is None else wide(y), operator, setup.kind)
                probe = operator.A(torch.zeros(1, *setup.problem.shape))
            except PriorkitError as error:
                return error
        if y.is_complex() == probe.is_complex():
            return None
        told = "complex", "real"
        one, other = told if y.is_complex() else told[::-1]
        return MismatchError(f"The measurement is {one}, and what this operator gives is {other}.")

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
        :func:`priorkit.recover`, for a y that isn't of this operator too."""
        with self._lock:
            found = self._set_up(settings, shape, y, advise=True).settings()
        differs = self.differs(settings, shape, y)
        if differs is not None:
            raise differs
        return found

    def _set_up(
        self,
        settings: Mapping[str, Any],
        shape: Shape,
        y: Tensor | None,
        *,
        advise: bool = False,
    ) -> Setup:
        """The run as it would begin; where it can't, with ``advise`` what has been tried is said.
        What is estimated of a measurement has a value here that costs nothing."""
        told = {n: v for n, v in settings.items() if n != "shape"}
        estimated = {"sigma": NOISY, "range": (0.0, 1.0), "gamma": WEIGHED}
        told |= {n: v for n, v in estimated.items() if isinstance(told.get(n), str)}
        named = told.get("prior") or self._open(shape, split(told)[0])
        told["prior"] = self._prior(named)
        prior: Prior = told["prior"].build(0)
        kind = kind_of(shape, settings.get("kind"))
        if prior.shape is not None and not kind.fits(prior.shape):
            asked = "×".join(map(str, prior.shape))
            asked += " numbers" if len(prior.shape) == 1 else ""
            raise BadInputError(f"It is for {kind_of(prior.shape).many} of {asked}.")
        if y is not None:
            return prepare(None, y, *split(told | {"shape": shape}), advise=advise)[0]
        config, extra = split(told)
        begin = advised if advise else set_up
        return begin(select_all(config, extra), prior.shape or tuple(shape), real=False)

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
