"""Components chosen by the user, and free keywords given to the one that has them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from priorkit.errors import BadInputError, PriorkitError, UnknownNameError, did_you_mean
from priorkit.interfaces.units import Range
from priorkit.registry import registry
from priorkit.settings.config import COMPONENTS, RUN_LEVEL, RunConfig
from priorkit.settings.forked import use_one_thread_in_a_fork
from priorkit.settings.given import given_start
from priorkit.settings.options import option_fields
from priorkit.settings.select import Selection, class_of, resolve

__all__ = ["Selections", "give_rest", "select_all"]

LISTED = 3  # of the components that have an option


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

    def within(self, found: Range) -> Selections:
        """The same with the range of values that was found."""
        config = self.config.model_copy(update={"range": (found.lo, found.hi)})
        return replace(self, config=config)


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
    for name, value in extra.items():
        owners = [s for s in selections.values() if name in s.fields]
        if len(owners) > 1:
            raise _ambiguous(name, owners)
        if owners:
            owners[0].options[name] = value
            given[name] = owners[0]
            continue
        if not any(_owners([k for k in COMPONENTS.values() if k not in selections], name)):
            raise _unknown(name, selections)
        later[name] = value  # once the prior has chosen the rest
    return Selections(config, selections, later, given)


def give_rest(chosen: Selections, selections: dict[str, Selection]) -> None:
    """Free keywords to the components that the prior or the core chose."""
    for name, first in chosen.given.items():
        owners = [s for s in selections.values() if name in s.fields]
        if any(s is not first for s in owners):
            raise _ambiguous(name, owners)
    for name, value in chosen.extra.items():
        owners = [s for s in selections.values() if name in s.fields]
        if len(owners) > 1:
            raise _ambiguous(name, owners)
        if not owners:
            raise _unknown(name, selections)
        owners[0].options[name] = value


def _owners(kinds: Iterable[str], option: str) -> Iterator[str]:
    """The registered components of these kinds that have an option which a user may give.

    Imports them one by one, so that whoever wants to know of any asks for the first alone.
    """
    for kind in kinds:
        for entry in registry().entries(kind):
            try:
                if option in option_fields(class_of(entry)) and option not in entry.preset:
                    yield f"{kind} {entry.name!r}"
            except PriorkitError:
                continue


def _unknown(name: str, selections: Mapping[str, Selection]) -> UnknownNameError:
    """The error for an option that nothing here has: whose it is, or what is near it."""
    known = set(RUN_LEVEL) | set(COMPONENTS)
    for selection in selections.values():
        known |= selection.fields
    owners = list(_owners(COMPONENTS.values(), name))
    more = " and others" if len(owners) > LISTED else ""
    near = did_you_mean(name, known)
    hint = f" here: it is an option of {', '.join(owners[:LISTED])}{more}" if owners else ""
    return UnknownNameError(
        f"Unknown option {name!r}{hint}.{' ' + near if near and not owners else ''} "
        f"Options here: {', '.join(sorted(known))}"
    )


def _ambiguous(name: str, owners: list[Selection]) -> BadInputError:
    both = " and ".join(f"{s.kind} {s.name!r}" for s in owners)
    return BadInputError(
        f"The option {name!r} belongs to {both}.",
        try_=f'{owners[0].kind}={{"name": "{owners[0].name}", "{name}": …}}',
    )
