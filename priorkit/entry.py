"""A registered name, and how a plugin registers it."""

from __future__ import annotations

import importlib
import logging
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from priorkit.discovery import describe, isolated
from priorkit.errors import PluginError

__all__ = ["Entry", "Register"]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")
log = logging.getLogger("priorkit")


@dataclass(frozen=True)
class Entry:
    """A registered name: its kind, its target, and the plugin that it came from."""

    kind: str
    name: str
    target: Any
    plugin: str
    aliases: tuple[str, ...] = ()
    preset: dict[str, Any] = field(default_factory=dict)
    usual: dict[str, Any] = field(default_factory=dict)  # options where no component is chosen

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r}"

    def load(self) -> Any:
        """The class or function itself, imported now if it was registered as a string.

        Raises PluginError naming the plugin where the import fails.
        """
        if not isinstance(self.target, str):
            return self.target
        module, _, attribute = self.target.partition(":")
        try:
            if module in sys.modules:  # imported already: none of its code runs
                return getattr(importlib.import_module(module), attribute)
            with isolated(lambda what: log.warning("Plugin %r %s.", self.plugin, what)):
                return getattr(importlib.import_module(module), attribute)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # even SystemExit
            raise PluginError(
                f"The {self} of plugin {self.plugin!r} can't be imported.",
                got=describe(error),
                try_="priorkit plugins",
            ) from error


class Register:
    """The argument of a hook: a function that registers names of one kind.

    ``add`` takes what comes of it: the entry, and whether it is a fallback, and one for any size.
    ``away`` gets the cards of weights that are elsewhere, by name.
    """

    def __init__(
        self,
        kind: str,
        plugin: str,
        add: Callable[[Entry, bool, bool], None],
        away: dict[str, str],
    ) -> None:
        self.kind, self.plugin, self._add, self._away = kind, plugin, add, away

    def __call__(
        self,
        name: str,
        target: Any,
        *,
        aliases: tuple[str, ...] = (),
        fallback: bool | Mapping[str, Any] = False,
        any_size: bool = False,
        **preset: Any,
    ) -> None:
        """Register a name.

        Parameters
        ----------
        target : a class (for a trainer: a function), or better "package.module:attribute", which is
            imported when the name is first used
        aliases : further names
        fallback : whether it is used where no component of its kind is chosen. For an operator it
            may be a mapping: its options in a run that measures pictures and names no operator,
            ``priorkit recover`` of the sample photograph
        any_size : whether this prior is used instead of the fallback for pictures of another size
            than the fallback's, ``priorkit recover photo.jpg --op mask``. Of an operator, whether
            a picture file of which nothing is said is its measurement, which that prior recovers,
            ``priorkit recover photo.jpg``
        **preset : options that have a fixed value under this name, such as ``weights``

        Raises TypeError for what can't be a name or a target.
        """
        if isinstance(aliases, str):
            raise TypeError(f"aliases of {name!r} is a tuple of names, got {aliases!r}")
        for word in (name, *aliases):
            if not isinstance(word, str) or not NAME.fullmatch(word):
                raise TypeError(
                    f"a name is letters, digits, '.', '_', '+' and '-', got {ascii(word)[:80]}"
                )
        if not callable(target) and not (isinstance(target, str) and ":" in target):
            raise TypeError(
                f"the target of {name!r} is a class or 'module:class', got {ascii(target)[:80]}"
            )
        if any_size and self.kind not in ("prior", "operator"):
            raise TypeError(
                f"any_size is an option of priors and operators, and {name!r} is neither"
            )
        usual = dict(fallback) if isinstance(fallback, Mapping) else {}
        entry = Entry(self.kind, name, target, self.plugin, tuple(aliases), preset, usual)
        self._add(entry, bool(fallback), any_size)

    def weights(self, package: str, target: Any, *, fallback: str = "", any_size: str = "") -> None:
        """Register every ``weights/NAME.safetensors`` of a package as NAME; ``fallback`` and
        ``any_size`` are the names that are registered as such. A card alone, NAME.json, makes no
        name: it tells who asks for it where the weights are."""
        folder = files(package) / "weights"
        paths = {path.name: path for path in folder.iterdir()} if folder.is_dir() else {}
        for file, path in sorted(paths.items()):
            name, _, suffix = file.rpartition(".")
            if suffix == "safetensors":
                first, other = name == fallback, name == any_size
                self(name, target, fallback=first, any_size=other, weights=str(path))
            elif suffix == "json" and f"{name}.safetensors" not in paths:
                self._away[name] = str(path)
