"""Components chosen by the user, and free keywords given to the one that has them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from priorkit.errors import BadInputError, PriorkitError, UnknownNameError
from priorkit.interfaces.units import Range
from priorkit.registry import Entry, registry
from priorkit.settings.config import COMPONENTS, KEYS, RunConfig
from priorkit.settings.forked import use_one_thread_in_a_fork
from priorkit.settings.given import given_start
from priorkit.settings.options import option_fields, told_of
from priorkit.settings.select import Selection, class_of, resolve

__all__ = ["Selections", "give_rest", "select_all"]

LISTED = 3  # of the components that have an option
FEW = 3  # options of a component, up to which an error says what they are
OTHERS = ("penalty", "solver", "start")  # kinds of which another may be named for its option


@dataclass
class Selections:
    """The components of a config, resolved but not yet built.

    Prior, operator and noise are always chosen; the others wait for what the prior suggests.
    ``extra`` are options of components that nobody has chosen yet, and ``given`` says who got
    the others; ``estimated`` that nobody said σ, and it was taken from y; ``repeated`` that
    a record says all of it.
    """

    config: RunConfig
    selections: dict[str, Selection]
    extra: dict[str, Any]
    given: dict[str, Selection]
    estimated: bool = False
    repeated: bool = False

    def check(self) -> None:
        """Raise what :meth:`Selection.check` does of what is chosen, and UnknownNameError for an
        option of a kind of which one is chosen that doesn't have it."""
        for selection in self.selections.values():
            selection.check()
        unsaid = [kind for kind in COMPONENTS.values() if kind not in self.selections]
        for name in self.extra:
            if not any(_owners(unsaid, name)):
                raise _unknown(name, self.selections, {})

    def within(self, found: Range) -> Selections:
        """The same with the range of values that was found."""
        config = self.config.model_copy(update={"range": (found.lo, found.hi)})
        return replace(self, config=config)

    def as_usual(self) -> None:
        """Where no operator was named, let that which is taken have the options that it has then,
        under those that were said."""
        if self.config.op is None:
            operator = self.selections["operator"]
            operator.options = registry().fallback("operator").usual | operator.options

    def otherwise(self, way: Mapping[str, Any]) -> Selections:
        """The same with some settings and options said otherwise, None being one that is left out;
        the other components are those that are here. Raises as :func:`select_all`."""
        own = {name: value for name, value in way.items() if name in RunConfig.model_fields}
        options = {name: value for name, value in way.items() if name not in own}
        kept = {
            key: self.selections[kind].again(anew=kind == "noise", but=options)
            for key, kind in COMPONENTS.items()
            if kind in self.selections
        }
        free = {name: owner.options[name] for name, owner in self.given.items()} | self.extra
        if "sigma" in own:
            own["noise_norm"] = None
        said = {name: value for name, value in (free | options).items() if value is not None}
        told = select_all(self.config.model_copy(update=kept | own), said)
        estimated = self.estimated and "sigma" not in own
        return replace(told, estimated=estimated, repeated=self.repeated)

    def whole(self, way: Mapping[str, Any]) -> dict[str, Any]:
        """A way to say some settings otherwise that also leaves out the options of components that
        others take the place of, which these don't have."""
        found = dict(way)
        for name, owner in self.given.items():
            key = KEYS[owner.kind]
            if name not in way and isinstance(way.get(key), str):
                try:
                    kept = name in resolve(owner.kind, way[key]).fields
                except PriorkitError:  # which is what refuses the way
                    continue
                found |= {} if kept else {name: None}
        return found


def select_all(config: RunConfig, extra: Mapping[str, Any]) -> Selections:
    """Resolve the components, and give each free keyword to the one component that has it.

    Raises UnknownNameError for a keyword that none has, BadInputError for one that several
    have.
    """
    use_one_thread_in_a_fork()  # here every verb begins
    selections: dict[str, Selection] = {}
    for key, kind in COMPONENTS.items():
        spec = getattr(config, key)
        if key == "start":
            spec = given_start(spec) or spec
        if spec is not None or kind in ("prior", "operator", "noise"):
            selections[kind] = resolve(kind, spec)
    later: dict[str, Any] = {}
    given: dict[str, Selection] = {}
    open_kinds = [k for k in COMPONENTS.values() if k not in selections or k in OTHERS]
    for name, value in extra.items():
        owner = _give(name, value, selections)
        if owner is not None:
            given[name] = owner
        elif any(_owners(open_kinds, name)):
            later[name] = value  # once the prior has chosen the rest; else what fits is said there
        else:
            raise _unknown(name, selections, {})
    return Selections(config, selections, later, given)


def give_rest(chosen: Selections, selections: dict[str, Selection]) -> None:
    """Free keywords to the components that the prior or the core chose; these mustn't have one that
    another was given. Raises as :func:`select_all`."""
    for name, owner in chosen.given.items():
        _give(name, owner.options[name], selections)
    for name, value in chosen.extra.items():
        if _give(name, value, selections) is None:
            said = chosen.selections
            others = {k: key for k, key in KEYS.items() if k not in said or k in OTHERS}
            raise _unknown(name, selections, others)


def _give(name: str, value: Any, selections: Mapping[str, Selection]) -> Selection | None:
    """Set an option of the one component that has it, and return that; None where none has it."""
    owners = [selection for selection in selections.values() if name in selection.fields]
    if len(owners) > 1:
        first, both = owners[0], " and ".join(map(str, owners))
        raise BadInputError(
            f"The option {name!r} belongs to {both}.",
            try_=f'{first.kind}={{"name": "{first.name}", "{name}": …}}',
        )
    if not owners:
        return None
    owners[0].options[name] = value
    return owners[0]


def _owners(kinds: Iterable[str], option: str) -> Iterator[Entry]:
    """The registered components of these kinds that have an option which a user may give; each is
    imported only when it is its turn."""
    for kind in kinds:
        for entry in registry().entries(kind):
            try:
                if option in option_fields(class_of(entry)) and option not in entry.preset:
                    yield entry
            except PriorkitError:
                continue


def _unknown(
    name: str, selections: Mapping[str, Selection], others: Mapping[str, str]
) -> UnknownNameError:
    """The error for an option that nothing here has: whose it is, or what is near it. Those of
    kinds of which ``others`` may be named, each with the setting that does, are what to try."""
    of_runs = set(RunConfig.model_fields)
    known = of_runs.union(*(selection.fields for selection in selections.values()))
    entries = list(_owners(COMPONENTS.values(), name))
    kinds, owners = {entry.kind for entry in entries}, list(map(str, entries))
    # Of one that others of its kind have, theirs are all that may be meant.
    near = [s for s in selections.values() if s.kind in kinds and s.fields - of_runs]
    told = [f"of {s}: {_words(s, of_runs)}" for s in near]
    if not near:
        theirs = [(s, sorted(s.fields - of_runs)) for s in selections.values()]
        told = [", ".join(sorted(of_runs)), *(f"of {s}: {', '.join(o)}" for s, o in theirs if o)]
    more = " and others" if len(owners) > LISTED else ""
    hint = f" here: it is an option of {', '.join(owners[:LISTED])}{more}" if owners else ""
    what = f"Unknown option {name!r}{hint}."
    ways = [{others[entry.kind]: entry.name} for entry in _owners(others, name)]
    if ways:
        return UnknownNameError(what, ways=ways)
    return UnknownNameError.nearest(
        what,
        name,
        () if owners else known,
        otherwise=f"Options here: {'; '.join(told)}",
    )


def _words(selection: Selection, but: Collection[str]) -> str:
    """The options of a component, and of a few what they are."""
    names = sorted(selection.fields.difference(but))
    told = told_of(selection.target) if len(names) <= FEW else {}
    return ", ".join(f"{n} ({told[n].partition('. ')[0]})" if n in told else n for n in names)
