"""Discovery of plugins and lookup of components by name.

Plugins are found through the entry-point group ``priorkit``. Listing never imports a
component; a plugin that fails is recorded and the rest keep working. While a plugin's code is
imported, what it prints goes to stderr and its changes of torch's defaults are undone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial
from importlib.metadata import Distribution, EntryPoint
from typing import Any

import pluggy

from priorkit import hookspecs
from priorkit.counted import a_or_an
from priorkit.discovery import PluginStatus, describe, installed, isolated, label
from priorkit.entry import Entry, Register
from priorkit.errors import UnknownNameError, did_you_mean

__all__ = ["COMPONENTS", "KINDS", "Entry", "PluginStatus", "Registry", "registry"]

KINDS = {
    "prior": "register_priors",
    "operator": "register_operators",
    "noise": "register_noises",
    "penalty": "register_penalties",
    "solver": "register_solvers",
    "start": "register_starts",
    "trainer": "register_trainers",
}
COMPONENTS = tuple(kind for kind in KINDS if kind != "trainer")  # classes; a trainer is a function
GONE = {"register_kernels": "It is gone: the component itself is a priorkit.cuda.Accelerated"}


class Registry:
    """Names of all kinds, gathered from plugins.

    Parameters
    ----------
    points : the entry points to load, in the order in which they may claim names
    broken : distributions whose entry points can't be read
    labelled : names and versions of their distributions, which it remembers: their metadata is a
        message of mail, which takes a millisecond to parse
    """

    def __init__(
        self,
        points: Iterable[EntryPoint],
        broken: Iterable[PluginStatus] = (),
        labelled: Callable[[Distribution | None], tuple[str, str]] | None = None,
    ) -> None:
        self.plugins: list[PluginStatus] = list(broken)
        self.away: dict[str, str] = {}  # names of weights that plugins have the cards of alone
        self._loaded: list[PluginStatus] = []
        self._words: dict[str, dict[str, Entry]] = {kind: {} for kind in KINDS}  # names, aliases
        self._fallback: dict[str, Entry] = {}
        self._any_size: dict[str, Entry] = {}
        self._labelled = cache(label) if labelled is None else labelled
        self._manager = pluggy.PluginManager("priorkit")
        self._manager.add_hookspecs(hookspecs)
        for point in points:
            self._load(point)

    def entries(self, kind: str) -> list[Entry]:
        """The entries of one kind, sorted by name."""
        return [entry for word, entry in sorted(self._words[kind].items()) if word == entry.name]

    def find(self, kind: str, name: str) -> Entry | None:
        """The entry of that name or alias, or None."""
        return self._words[kind].get(name)

    def get(self, kind: str, name: str) -> Entry:
        """The entry of that name or alias.

        Raises UnknownNameError with the nearest names.
        """
        entry = self.find(kind, name)
        if entry is None:
            failed = ", ".join(repr(p.name) for p in self.plugins if p.failures)
            where = f"Plugins with problems: {failed}. Run: priorkit plugins" if failed else ""
            others = [other for other, words in self._words.items() if name in words]
            told = f": it is {a_or_an(others[0])}" if others else ""
            what, then = f"Unknown {kind} {name!r}{told}.", where or "Run: priorkit list"
            raise UnknownNameError.nearest(what, name, self._words[kind], then)
        return entry

    def plugin(self, name: str) -> PluginStatus | None:
        """The loaded plugin of that name, see ``Entry.plugin``; None without one."""
        return next((status for status in self._loaded if status.name == name), None)

    def fallback(self, kind: str) -> Entry:
        """The component of a kind that is used where none is chosen.

        Raises UnknownNameError where no plugin offers one.
        """
        if kind not in self._fallback:
            raise UnknownNameError(
                f"No plugin says which {kind} to take where none is given. "
                f"Name one: {', '.join(e.name for e in self.entries(kind)) or 'none is there'}"
            )
        return self._fallback[kind]

    def any_size(self, kind: str) -> Entry | None:
        """The component used instead of a fallback that is for another size, or simulates what was
        measured already; None without one."""
        return self._any_size.get(kind)

    def commands(self, make: Callable[[], Any]) -> Iterator[tuple[PluginStatus, Any]]:
        """For each plugin an application, made by ``make``, with the commands that it adds."""
        for status in self._loaded:
            app = make()
            self._call("register_commands", status, app)
            yield status, app

    def _load(self, point: EntryPoint) -> None:
        name, version = self._labelled(point.dist)
        # Another package may have an entry point of that name.
        taken = self._manager.has_plugin(point.name)
        status = PluginStatus(f"{point.name} of {name}" if taken else point.name, name, version)
        self.plugins.append(status)
        if self._manager.has_plugin(status.name):
            status.failures.append(f"a plugin named {status.name!r} is already loaded")
            return
        try:
            with isolated(status.failures.append):
                plugin = point.load()
                self._manager.register(plugin, name=status.name)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # even SystemExit
            status.failures.append(describe(error))
            if self._manager.has_plugin(status.name):  # pluggy keeps a half-registered plugin
                self._manager.unregister(name=status.name)
            return
        for caller in self._manager.get_hookcallers(plugin) or []:
            if not caller.has_spec():  # pluggy accepts it, in case it is declared later
                near = did_you_mean(caller.name, [*KINDS.values(), "register_commands"])
                hint = GONE.get(caller.name, near)
                status.failures.append(f"unknown hook {caller.name!r}. {hint}".rstrip())
        self._loaded.append(status)
        for kind, hook_name in KINDS.items():
            add = partial(self._add, status)
            self._call(hook_name, status, Register(kind, status.name, add, self.away))

    def _call(self, hook_name: str, status: PluginStatus, argument: Any) -> None:
        """Call one hook of one plugin; a failure is recorded and stays with that plugin."""
        for hook in getattr(self._manager.hook, hook_name).get_hookimpls():
            if hook.plugin_name == status.name:
                try:
                    with isolated(status.failures.append):
                        hook.function(argument)
                except KeyboardInterrupt:
                    raise
                except BaseException as error:  # even SystemExit
                    status.failures.append(f"{hook_name}: {describe(error)}")

    def _add(self, status: PluginStatus, entry: Entry, fallback: bool, any_size: bool) -> None:
        """Add an entry. A name that is taken, or a second fallback, is recorded as a failure."""
        kind, words = entry.kind, (entry.name, *entry.aliases)
        for taken in words:
            if other := self.find(kind, taken):  # the first one keeps the name
                said = f"{kind} {taken!r} is already registered by plugin {other.plugin!r}"
                status.failures.append(said)
                return
        self._words[kind] |= dict.fromkeys(words, entry)
        status.names.append(f"{kind} {entry.name}")
        places = [(fallback, self._fallback, ""), (any_size, self._any_size, " for any size")]
        for wanted, place, size in places:
            if wanted and place.setdefault(kind, entry) is not entry:
                taken = place[kind].name
                status.failures.append(f"the fallback {kind}{size} is {taken!r} already")


@cache
def registry() -> Registry:
    """The registry of this process, built at first use.

    ``PRIORKIT_PLUGINS`` selects plugins by entry-point name, comma separated: unset means
    all, empty means first-party only. First-party plugins are always there.
    """
    selection = os.environ.get("PRIORKIT_PLUGINS")
    chosen = None if selection is None else {n.strip() for n in selection.split(",")}

    points, broken = installed()
    labelled = cache(label)
    ours = {point for point in points if labelled(point.dist)[0] == "priorkit"}
    points.sort(key=lambda p: (p not in ours, p.name, p.value))
    wanted = [p for p in points if chosen is None or p in ours or p.name in chosen]
    return Registry(wanted, broken, labelled)
