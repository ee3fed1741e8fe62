"""What a plugin may register. Implement any of these and mark it ``@hookimpl``.

``register(name, target, *, aliases=(), **preset)`` makes ``target`` available under
``name``. ``target`` is a class (for a trainer: a function), or better the string
``"package.module:attribute"``, which is imported only when the name is used. ``preset``
fixes some of its options: that is how shipped weights get a name of their own.
"""

from __future__ import annotations

from typing import Any, Protocol

import pluggy

__all__ = ["Register", "hookimpl", "hookspec"]

hookspec = pluggy.HookspecMarker("priorkit")
hookimpl = pluggy.HookimplMarker("priorkit")


class Register(Protocol):
    """The function that a hook is given."""

    def __call__(
        self, name: str, target: Any, *, aliases: tuple[str, ...] = (), **preset: Any
    ) -> None: ...


@hookspec
def register_priors(register: Register) -> None:
    """Register subclasses of :class:`priorkit.interfaces.Prior`."""


@hookspec
def register_operators(register: Register) -> None:
    """Register subclasses of :class:`priorkit.interfaces.Operator`."""


@hookspec
def register_penalties(register: Register) -> None:
    """Register subclasses of :class:`priorkit.interfaces.Penalty`."""


@hookspec
def register_solvers(register: Register) -> None:
    """Register subclasses of :class:`priorkit.interfaces.Solver`."""


@hookspec
def register_starts(register: Register) -> None:
    """Register subclasses of :class:`priorkit.interfaces.Start`."""


@hookspec
def register_trainers(register: Register) -> None:
    """Register functions ``train(options, progress)``, run as ``priorkit train NAME``."""


@hookspec
def register_commands(app: Any) -> None:
    """Add commands to the command line; ``app`` is a ``typer.Typer``."""
