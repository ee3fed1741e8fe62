"""Discovery of plugins and lookup of components by name.

Plugins are found through the entry-point group ``priorkit``. Listing never imports a
component; a plugin that fails is recorded and the rest keep working.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from importlib.resources import files
from typing import Any

import pluggy

from priorkit import hookspecs
from priorkit.errors import PluginError, UnknownNameError, did_you_mean

__all__ = ["KINDS", "Entry", "PluginStatus", "Registry", "registry"]

KINDS = {
    "prior": "register_priors",
    "operator": "register_operators",
    "noise": "register_noises",
    "penalty": "register_penalties",
    "solver": "register_solvers",
    "start": "register_starts",
    "trainer": "register_trainers",
}


@dataclass(frozen=True)
class Entry:
    """A registered name: its kind, its target, and the plugin that it came from."""

    kind: str
    name: str
    target: Any
    plugin: str
    aliases: tuple[str, ...] = ()
    preset: dict[str, Any] = field(default_factory=dict)

    def load(self) -> Any:
        """The class or function itself, imported now if it was registered as a string.

        Raises PluginError naming the plugin where the import fails.
        """
        if not isinstance(self.target, str):
            return self.target
        module, _, attribute = self.target.partition(":")
        try:
            return getattr(importlib.import_module(module), attribute)
        except Exception as error:
            raise PluginError(
                f"The {self.kind} {self.name!r} of plugin {self.plugin!r} can't be imported.",
                got=f"{type(error).__name__}: {error}",
                try_="priorkit plugins",
            ) from error


@dataclass
class PluginStatus:
    """One plugin as found: where from, what it registered, what went wrong."""

    name: str
    distribution: str
    version: str
    names: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


class Registry:
    """Names of all kinds, gathered from plugins.

    Parameters
    ----------
    points : the entry points to load, in the order in which they may claim names
    """

    def __init__(self, points: Iterable[EntryPoint]) -> None:
        self.plugins: list[PluginStatus] = []
        self._loaded: list[PluginStatus] = []
        self._entries: dict[str, dict[str, Entry]] = {kind: {} for kind in KINDS}
        self._alias: dict[str, dict[str, str]] = {kind: {} for kind in KINDS}
        self._fallback: dict[str, str] = {}
        self._manager = pluggy.PluginManager("priorkit")
        self._manager.add_hookspecs(hookspecs)
        for point in points:
            self._load(point)

    def entries(self, kind: str) -> list[Entry]:
        """The entries of one kind, sorted by name."""
        return [self._entries[kind][name] for name in sorted(self._entries[kind])]

    def find(self, kind: str, name: str) -> Entry | None:
        """The entry of that name or alias, or None."""
        return self._entries[kind].get(self._alias[kind].get(name, name))

    def get(self, kind: str, name: str) -> Entry:
        """The entry of that name or alias.

        Raises UnknownNameError with the nearest names.
        """
        entry = self.find(kind, name)
        if entry is None:
            known = [*self._entries[kind], *self._alias[kind]]
            hint = did_you_mean(name, known)
            failed = ", ".join(repr(p.name) for p in self.plugins if p.failures)
            where = f"Plugins with problems: {failed}. Run: priorkit plugins" if failed else ""
            raise UnknownNameError(
                " ".join(
                    part
                    for part in (f"Unknown {kind} {name!r}.", hint, where or "Run: priorkit list")
                    if part
                )
            )
        return entry

    def fallback(self, kind: str) -> Entry:
        """The component of a kind that is taken where nobody chooses one.

        Raises UnknownNameError where no plugin offers one.
        """
        if kind not in self._fallback:
            raise UnknownNameError(
                f"No plugin says which {kind} to take where none is given. "
                f"Name one: {', '.join(e.name for e in self.entries(kind)) or 'none is there'}"
            )
        return self._entries[kind][self._fallback[kind]]

    def call_commands(self, app: Any) -> None:
        """Let plugins add commands; one that fails is recorded and left out."""
        for status in self._loaded:
            self._call("register_commands", status, app)

    def _load(self, point: EntryPoint) -> None:
        dist = point.dist
        status = PluginStatus(
            point.name, dist.name if dist else "unknown", dist.version if dist else ""
        )
        self.plugins.append(status)
        if self._manager.has_plugin(point.name):
            status.failures.append(f"a plugin named {point.name!r} is already loaded")
            return
        try:
            plugin = point.load()
            self._manager.register(plugin, name=point.name)
        except (Exception, SystemExit) as error:
            status.failures.append(_describe(error))
            if self._manager.has_plugin(point.name):  # pluggy keeps a half-registered plugin
                self._manager.unregister(name=point.name)
            return
        for caller in self._manager.get_hookcallers(plugin) or []:
            if not caller.has_spec():  # pluggy would wait for someone to declare it
                hint = did_you_mean(caller.name, [*KINDS.values(), "register_commands"])
                status.failures.append(f"unknown hook {caller.name!r}. {hint}".rstrip())
        self._loaded.append(status)
        for kind, hook_name in KINDS.items():
            self._call(hook_name, status, _Register(self, kind, status))

    def _call(self, hook_name: str, status: PluginStatus, argument: Any) -> None:
        """Call one hook of one plugin; a failure is recorded and stays with that plugin."""
        for hook in getattr(self._manager.hook, hook_name).get_hookimpls():
            if hook.plugin_name == status.name:
                try:
                    hook.function(argument)
                except (Exception, SystemExit) as error:
                    status.failures.append(f"{hook_name}: {_describe(error)}")

    def add(self, entry: Entry, status: PluginStatus, *, fallback: bool) -> None:
        """Take an entry in; a name or a place that is taken is refused, and said."""
        kind = entry.kind
        for taken in (entry.name, *entry.aliases):
            other = self.find(kind, taken)
            if other is not None:  # the first one keeps the name
                status.failures.append(
                    f"{kind} {taken!r} is already registered by plugin {other.plugin!r}"
                )
                return
        self._entries[kind][entry.name] = entry
        self._alias[kind].update({alias: entry.name for alias in entry.aliases})
        status.names.append(f"{kind} {entry.name}")
        if fallback and self._fallback.setdefault(kind, entry.name) != entry.name:
            status.failures.append(f"the fallback {kind} is {self._fallback[kind]!r} already")


class _Register:
    """What a hook is given; see :class:`priorkit.hookspecs.Register`."""

    def __init__(self, registry: Registry, kind: str, status: PluginStatus) -> None:
        self.registry, self.kind, self.status = registry, kind, status

    def __call__(
        self,
        name: str,
        target: Any,
        *,
        aliases: tuple[str, ...] = (),
        fallback: bool = False,
        **preset: Any,
    ) -> None:
        if isinstance(aliases, str):
            raise TypeError(f"aliases of {name!r} is a tuple of names, got {aliases!r}")
        entry = Entry(self.kind, name, target, self.status.name, tuple(aliases), preset)
        self.registry.add(entry, self.status, fallback=fallback)

    def weights(self, package: str, target: Any, *, fallback: str = "") -> None:
        folder = files(package) / "weights"
        names = sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []
        for name in (n.removesuffix(".safetensors") for n in names if n.endswith(".safetensors")):
            path = str(folder / f"{name}.safetensors")
            self(name, target, fallback=name == fallback, weights=path)


@cache
def registry() -> Registry:
    """The registry of this process, built at first use.

    ``PRIORKIT_PLUGINS`` selects plugins by entry-point name, comma separated: unset means
    all, empty means first-party only. First-party plugins are always there.
    """
    selection = os.environ.get("PRIORKIT_PLUGINS")
    chosen = None if selection is None else {n.strip() for n in selection.split(",")}

    def first_party(point: EntryPoint) -> bool:
        return point.dist is not None and point.dist.name == "priorkit"

    points = sorted(
        entry_points(group="priorkit"), key=lambda p: (not first_party(p), p.name, p.value)
    )
    unique = {(p.name, p.value): p for p in points}.values()  # an editable install lists twice
    return Registry(p for p in unique if chosen is None or first_party(p) or p.name in chosen)


def _describe(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())
