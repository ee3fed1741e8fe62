"""Who takes part in a comparison: one prior each; measurement and settings are the same for all."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from priorkit.errors import BadInputError, PriorkitError, UnknownNameError
from priorkit.interfaces import Prior, Shape
from priorkit.results.contender import Contender
from priorkit.run.memory import Plan, plan
from priorkit.run.setup import Setup
from priorkit.settings.config import COMPONENTS, split
from priorkit.settings.select import Selection, resolve
from priorkit.settings.selections import Selections, select_all
from priorkit.verbs.evidence import Evidence

__all__ = ["Entries", "common_shape", "contestants", "entries_of", "label_of", "set_up_all"]

# What is the same for all: the images, how they are read, and how they are measured.
READ = ("image", "y", "first", "shape", "kind", "range", "clip", "resize", "dataset", "slice")
MEASUREMENT = (*READ, "op", "noise", "sigma", "noise_norm", "seed")

# Of every prior, what was selected for it or why that can't be.
Entries = list[tuple[Contender, Selections | PriorkitError]]


def entries_of(
    tables: list[dict[str, Any]], counts: list[int | None], common: dict[str, Any]
) -> Entries:
    """The components of every row: one operator per m, one prior per contestant.

    Raises UnknownNameError for a component that nobody registered: a misspelt name is no row.
    """
    found: Entries = []
    priors = _known(tables)
    for m in counts:
        operator: Selection | None = None
        for table in tables:
            row = Contender(str(table["label"]), m)
            own = {k: v for k, v in table.items() if k != "label"}
            try:
                if row.label in priors:
                    own["prior"] = priors[row.label]
                _refuse_other_measurement(own, MEASUREMENT)
                given = common if operator is None else common | {"op": operator}
                chosen = select_all(*split(given, {"m": m}, own))
                shared = [n for n, s in chosen.given.items() if s.kind in ("operator", "noise")]
                _refuse_other_measurement(own, shared)
                operator = chosen.selections["operator"]
                found.append((row, chosen))
            except PriorkitError as error:
                found.append((row, error))
    return found


def _known(tables: list[dict[str, Any]]) -> dict[str, Selection]:
    """The priors by the labels of their rows, so that weights are read once; without one that
    can't be had, whose row says why. Raises UnknownNameError for a name of any component that
    isn't one."""
    priors = {}
    for table in tables:
        for key, kind in COMPONENTS.items():
            try:
                if key in table:
                    chosen = resolve(kind, table[key])
                    if key == "prior":
                        priors[str(table["label"])] = chosen
            except UnknownNameError:
                raise
            except PriorkitError:
                continue
    return priors


def _refuse_other_measurement(own: dict[str, Any], shared: Sequence[str]) -> None:
    """All must see the same images, A and noise."""
    for name in own:
        if name in shared:
            raise BadInputError(
                f"A contestant can't change the measurement by {name!r}.",
                try_=f"{name}=… of the comparison",
            )


def common_shape(entries: Entries, settings: Mapping[str, Any]) -> Shape | None:
    """The shape asked for, or of the first prior that has one, so that all see the same."""
    if settings.get("shape") is not None:
        return tuple(settings["shape"])
    for _, chosen in entries:
        if isinstance(chosen, Selections):
            try:
                prior: Prior = chosen.selections["prior"].build(chosen.config.seed)
            except PriorkitError:  # its row says why
                continue
            if prior.shape is not None:
                return prior.shape
    return None


def set_up_all(entries: Entries, evidence: Evidence) -> list[tuple[Contender, Setup, Plan]]:
    """Everything that can be refused is refused before any compute; raises if all are."""
    problems = []
    errors = []
    for row, chosen in entries:
        try:
            if isinstance(chosen, PriorkitError):
                raise chosen
            setup = evidence.set_up(chosen)
            problems.append((row, setup, plan(setup, len(evidence.names))))
        except PriorkitError as error:
            row.reason = str(error)
            errors.append(error)
    if not problems:
        raise errors[0]
    return problems


def contestants(priors: Any) -> list[dict[str, Any]]:
    """Tables with a prior and a label each, of what a user may write for one: such a table, its
    label left out or not, or the prior alone. Raises BadInputError for what is no list of these,
    and for labels that two share."""
    if isinstance(priors, (str, os.PathLike, Mapping)) or not isinstance(priors, Iterable):
        raise BadInputError(
            "priors is a list.", got=repr(priors)[:60], try_='priors=["glow-celeba", "dct"]'
        )
    tables = [
        {"label": label_of(prior["prior"]), **prior}
        if isinstance(prior, Mapping) and "prior" in prior
        else {"label": label_of(prior), "prior": prior}
        for prior in priors
    ]
    if not tables:
        raise BadInputError("Name the priors.", try_='priors=["glow-celeba", "dct"]')
    labels = [str(table["label"]) for table in tables]
    if len(set(labels)) < len(labels):
        raise BadInputError(
            "Each prior needs a label of its own.", got=", ".join(labels), try_='"label": …'
        )
    return tables


def label_of(prior: Any) -> str:
    """What a prior is called where the user gave it no label."""
    name = prior.get("name") if isinstance(prior, dict) else prior
    return Path(name).stem if isinstance(name, (str, Path)) else type(prior).__name__
