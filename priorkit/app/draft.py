"""A form that is being filled in, in data: from it an order, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from priorkit.app.components import fields, painter, plain, read_fields, run_fields, usual
from priorkit.app.fields import Field
from priorkit.app.order import Order
from priorkit.app.sketch import MISSING, Stroke
from priorkit.registry import registry
from priorkit.settings.config import COMPONENTS

__all__ = ["Draft"]

FOUND = ("range", "shape")  # what the form says in other ways than by a field


@dataclass
class Draft:
    """What has been filled in so far.

    Attributes
    ----------
    names : per kind the component, or None where it is left to the prior
    options : per kind and name what was filled in for its options
    run : of the run and its file, by name; sigma among them
    beside : the priors that are compared with the first
    whole : the file that ``source`` is a smaller copy of; None where it isn't
    strokes : what was drawn over the picture, and ``base`` the mask that was drawn before
    unpainted : the operator before anything was drawn; None where nothing is
    """

    source: Path | None = None
    measured: bool = False
    whole: Path | None = None
    names: dict[str, str | None] = field(default_factory=dict)
    options: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    run: dict[str, Any] = field(default_factory=dict)
    beside: list[str] = field(default_factory=list)
    strokes: list[Stroke] = field(default_factory=list)
    base: Path | None = None
    unpainted: str | None = None

    @classmethod
    def new(cls) -> Draft:
        """The sample photograph, measured as where nobody names an operator."""
        return cls(names={"operator": registry().fallback("operator").name})

    @classmethod
    def of(cls, order: Order) -> Draft:
        """What was filled in for an order."""
        draft = cls.new()
        draft.source, draft.measured = order.source, order.measured
        draft.whole = order.whole
        for key, kind in COMPONENTS.items():
            draft._choose(kind, order.settings.get(key))
        draft.run = {n: v for n, v in order.settings.items() if n not in COMPONENTS}
        draft.base = draft.painted
        if order.priors:
            draft._choose("prior", order.priors[0])
            draft.beside = [str(name) for name in order.priors[1:]]
        return draft

    def forget(self) -> None:
        """Everything that was said of the file, and what was drawn over it."""
        self.strokes, self.base, self.whole = [], None, None
        if self.painted is not None:
            self.paint(None)
        for name in (*(one.name for one in read_fields()), *FOUND):
            self.run.pop(name, None)

    def _choose(self, kind: str, said: Any) -> None:
        """Take a component as it is in settings."""
        if isinstance(said, Mapping):
            table = dict(said)
            name = str(table.pop("name"))
            self.names[kind] = name
            self.options[kind, name] = table
        elif isinstance(said, str):
            self.names[kind] = said

    @property
    def painted(self) -> Path | None:
        """The mask that was drawn; None where none was."""
        name = painter()
        filled = {} if name is None else self.filled("operator", name)
        found = filled.get("mask") if filled.get("missing") == MISSING else None
        return found if isinstance(found, Path) else None

    def paint(self, mask: Path | None) -> None:
        """Let the operator that takes such a mask be the one that measures; None takes the mask
        away again, and leaves the operator that was chosen before: of a run that is over, nobody
        knows which, and it is that of a file of which nothing is said."""
        name = painter()
        if name is None:
            return
        if mask is not None and self.painted is None:
            self.unpainted = self.names.get("operator")
        unsaid = plain() if self.measured else registry().fallback("operator").name
        self.names["operator"] = name if mask is not None else self.unpainted or unsaid
        self.filled("operator", name).update(mask=mask, missing=mask and MISSING)
        self.unpainted = None if mask is None else self.unpainted

    @property
    def files(self) -> list[Path]:
        """Every file that is named in it."""
        options = [value for table in self.options.values() for value in table.values()]
        named = [self.source, self.whole, self.base, *options]
        return [value for value in named if isinstance(value, Path)]

    def wrong(self) -> str | None:
        """What is wrong with a number that is filled in, and where; None where nothing is."""
        known = [(one, self.run) for one in (*run_fields(), *read_fields())]
        for kind, name in self.names.items():
            if name is not None:
                known += [(one, self.filled(kind, name)) for one in fields(kind, name)]
        for one, filled in known:
            said = one.complaint(filled.get(one.name))
            if said is not None:
                return said if said.startswith(one.label) else f"{one.label}: {said}."
        return None

    def filled(self, kind: str, name: str) -> dict[str, Any]:
        """What is filled in for the options of a component, from the beginning those that it
        requires."""
        return self.options.setdefault((kind, name), usual(kind, name))

    def component(self, kind: str) -> Any:
        """A component as in settings: a table where an option isn't its default; None where it is
        left to the prior."""
        name = self.names.get(kind)
        if name is None:
            return None
        said = _said(fields(kind, name), self.filled(kind, name))
        return {"name": name, **said} if said else name

    def order(self, usual: str | None = None) -> Order:
        """What it asks for. Raises BadInputError for what isn't a number where one is needed.

        Parameters
        ----------
        usual : the prior that is taken where none is named, which others may be compared with
        """
        first = self.component("prior") or usual or registry().fallback("prior").name
        own = self.names.get("prior") or first
        beside = [name for name in self.beside if name != own]
        settings: dict[str, Any] = {}
        for key, kind in COMPONENTS.items():
            said = self.component(kind)
            if said is not None and not (kind == "prior" and beside):
                settings[key] = said
        settings |= _said(run_fields(), self.run)
        if self.source is not None:
            settings |= _said(read_fields(), self.run)
            settings |= {n: v for n in FOUND if (v := self.run.get(n)) is not None}
        priors = (first, *beside) if beside else ()
        return Order(settings, self.source, self.measured, priors, self.whole)


def _said(known: list[Field], filled: Mapping[str, Any]) -> dict[str, Any]:
    """The options whose values aren't their defaults."""
    values = {one.name: one.value(filled.get(one.name)) for one in known}
    defaults = {one.name: one.default for one in known}
    return {n: v for n, v in values.items() if v is not None and v != defaults[n]}
