"""From a name, a path, a table or an object to a component with checked options."""

from __future__ import annotations

import inspect
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from priorkit import interfaces
from priorkit.discovery import describe
from priorkit.errors import BadInputError, PluginError, PriorkitError, UnknownNameError
from priorkit.interfaces.penalty import total
from priorkit.io import hub, weights
from priorkit.registry import Entry, registry
from priorkit.settings.options import option_fields, options_model, plain
from priorkit.settings.refused import describe_errors, instead

__all__ = ["Selection", "blaming", "class_of", "classes", "from_weights", "resolve"]


@contextmanager
def blaming(who: Selection | Entry | str) -> Iterator[None]:
    """Turn what a component's code raises into a PluginError that names the component."""
    try:
        yield
    except (PriorkitError, AssertionError):
        raise
    except Exception as error:
        raise PluginError(f"The {who} failed.", got=describe(error)) from error


def class_of(entry: Entry) -> Any:
    """The class that an entry registers. Raises PluginError where it isn't one of its kind."""
    found, base = entry.load(), getattr(interfaces, entry.kind.capitalize())
    if not (isinstance(found, type) and issubclass(found, base)):
        raise PluginError(
            f"The {entry} of plugin {entry.plugin!r} isn't a class derived "
            f"from priorkit.interfaces.{base.__name__}.",
            got=ascii(found)[:80],
        )
    return found


def classes(kind: str) -> Iterator[tuple[Entry, Any]]:
    """Every registered component of a kind, with its class; one that can't be imported is left out,
    as what it lacks may be just what the user doesn't have."""
    for entry in registry().entries(kind):
        try:
            found = class_of(entry)
        except PriorkitError:
            continue
        yield entry, found


@dataclass
class Selection:
    """A component chosen but not yet built: its class and its options, or the object itself.

    ``name`` and ``options`` are what the record of a run says of it, ``plugin`` who registered it.
    """

    kind: str
    name: str
    target: Any = None
    options: dict[str, Any] = field(default_factory=dict)
    preset: dict[str, Any] = field(default_factory=dict)
    instance: Any = None
    plugin: str = ""  # of an object nobody
    _built: Any = None

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r}"

    @property
    def fields(self) -> set[str]:
        """Names of the options that a user may give."""
        if self.target is None:  # an object was given, its options are set
            return set()
        return set(option_fields(self.target)) - set(self.preset) - {"seed"}

    def each(self) -> list[Selection]:
        """The components that it stands for."""
        return [self]

    def build(self, seed: int, **more: Any) -> Any:
        """The component, its options validated; one without a ``seed`` of its own gets the run's.

        It is built once: priors read and verify their weights here. ``more`` are options that
        the record of a run has in another place.
        """
        if self._built is None:
            with blaming(self):
                made = self._build(seed, more) if self.instance is None else self.instance
                self._built = made.seeded(seed)
        return self._built

    def check(self) -> None:
        """Raise as :meth:`build` for options that can't be, without building anything: which are
        there, and a value by itself."""
        for part in self.each():
            if part.target is not None:
                part._checked(0, {})

    def _build(self, seed: int, more: dict[str, Any]) -> Any:
        return self.target(**self._checked(seed, more))

    def _checked(self, seed: int, more: dict[str, Any]) -> dict[str, Any]:
        """The options of the constructor, validated."""
        options = {**self.preset, **self.options, **more}
        model = options_model(self.target)
        if "seed" in model.model_fields and options.get("seed") is None:
            options["seed"] = seed
        unknown = sorted(set(options) - set(model.model_fields))
        if unknown:
            said = f"{self} has no option {unknown[0]!r}."
            allowed = f"Its options: {', '.join(sorted(self.fields)) or 'none'}"
            raise UnknownNameError.nearest(said, unknown[0], model.model_fields, otherwise=allowed)
        try:
            checked = model(**options)
        except ValidationError as error:
            raise BadInputError(
                f"{self}: {describe_errors(error)}",
                try_=instead(error, model) or f"priorkit show {self.name}",
            ) from error
        return {name: getattr(checked, name) for name in model.model_fields}

    def again(self, *, anew: bool, but: Collection[str]) -> Selection:
        """The same for another run, built already where it is: not where it is to be built
        ``anew``, as a noise is whose level is of the run, nor where ``but`` names options of it."""
        anew = anew or not self.fields.isdisjoint(but)
        return replace(self, options=dict(self.options), _built=None if anew else self._built)

    def becomes(self, component: Any) -> None:
        """Let a component take the place of the one that was built, whose options it has."""
        self._built = component

    def table(self) -> dict[str, Any]:
        """The component as a table for a config file.

        What a file can't hold, an object or an array, is named in angle brackets.
        """
        return {"name": self.name} | {k: _plain(v) for k, v in self.options.items()}


@dataclass
class Several(Selection):
    """Penalties that add up, each with its weight, None where only their sum has one."""

    parts: list[tuple[float | None, Selection]] = field(default_factory=list)

    def each(self) -> list[Selection]:
        return [part for _, part in self.parts]

    def _build(self, seed: int, more: dict[str, Any]) -> Any:
        return total([(1.0 if w is None else w, part.build(seed)) for w, part in self.parts])

    def table(self) -> list[dict[str, Any]]:  # type: ignore[override]  # a table each
        return [
            part.table() | ({} if weight is None else {"gamma": weight})
            for weight, part in self.parts
        ]


def _several(specs: list[Any]) -> Several:
    """From names, tables with a ``gamma``, objects, and pairs of a γ and an object."""
    parts = []
    for spec in specs:
        weight = None
        if isinstance(spec, tuple):
            weight, spec = spec
        elif isinstance(spec, Mapping):
            weight = spec.get("gamma")
            spec = {name: v for name, v in spec.items() if name != "gamma"}
        parts.append((weight, resolve("penalty", spec)))
    return Several("penalty", " + ".join(part.name for _, part in parts), parts=parts)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(v) for name, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, str) and "." in value and os.path.isfile(value):
        return os.path.abspath(value)  # so that a record can be replayed from anywhere
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return f"<{type(value).__name__}>"


def resolve(kind: str, spec: Any) -> Selection:
    """Turn what a user may write for a component into a :class:`Selection`.

    ``spec`` is a registered name, a path to weights, a table ``{"name": …, options}``, or an
    object of the right class; a list of them, penalties that add up; a Selection is itself, and
    None the fallback of the kind.
    Raises UnknownNameError or WeightsError.
    """
    if isinstance(spec, Selection):
        return spec
    if spec is None:
        spec = registry().fallback(kind).name
    if kind == "penalty" and isinstance(spec, (list, tuple)) and spec:
        return _several(list(spec))
    options: dict[str, Any] = {}
    if isinstance(spec, Mapping):
        options = dict(plain(spec))
        name = options.pop("name", None)
        if not isinstance(name, str):
            raise BadInputError(
                f"A table for the {kind} needs a name.", got=spec, try_='{"name": "gaussian"}'
            )
        spec = name
    if not isinstance(spec, (str, Path)):
        named = spec if inspect.isroutine(spec) else type(spec)
        name = f"<{named.__module__}.{named.__qualname__}>"
        return Selection(kind, name, instance=_component(kind, spec))
    name = str(spec)
    entry = registry().find(kind, name)
    if entry is None and kind == "prior":
        entry = from_weights(name)
    entry = entry or registry().get(kind, name)
    preset = dict(entry.preset)
    return Selection(kind, entry.name, class_of(entry), options, preset, plugin=entry.plugin)


def _component(kind: str, thing: Any) -> Any:
    """An object that is a component, or that a registered class of its kind adopts."""
    base = getattr(interfaces, kind.capitalize())
    if isinstance(thing, base):
        return thing
    if isinstance(thing, type) and issubclass(thing, base):
        raise BadInputError(
            f"The {kind} is an object, and this is its class.",
            got=f"class {thing.__name__}",
            try_=f"{thing.__name__}()",
        )
    for entry, cls in classes(kind):
        with blaming(entry):
            adopted = cls.adopt(thing)
        if adopted is not None:
            return adopted
    raise BadInputError(
        f"The {kind} is a name, a table with one, an object of class {base.__name__}, or what a "
        "plugin takes for one.",
        got=repr(thing)[:80],
    )


def from_weights(name: str) -> Entry | None:
    """A prior given as a path to weights, or by the name of weights in cache or hub.

    Raises WeightsError for a name of which only the card is installed.
    """
    looks_like_path = name.endswith(".safetensors") or "/" in name or "\\" in name
    found = weights.read(name) if looks_like_path else hub.find(name)
    if found is None:
        if name in registry().away:
            raise hub.elsewhere(Path(registry().away[name]))
        return None
    family = registry().find("prior", found.card.family)
    if family is None:
        raise UnknownNameError(
            f"{found.path} holds weights of the family {found.card.family!r}, "
            "which no installed plugin provides. Run: priorkit plugins"
        )
    preset = {**family.preset, "weights": str(found.path)}
    return Entry("prior", name, family.target, family.plugin, preset=preset)
