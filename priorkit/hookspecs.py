"""What a plugin may register. Implement any of these and mark it ``@hookimpl``.

``register(name, target, *, aliases=(), **preset)`` makes ``target`` available under ``name``, and
``register.weights(package, target)`` all weights that a package ships: see
:class:`priorkit.entry.Register`.
"""

from __future__ import annotations

from typing import Any

import pluggy

from priorkit.entry import Register

__all__ = ["Register", "hookimpl", "hookspec"]

hookspec = pluggy.HookspecMarker("priorkit")
hookimpl = pluggy.HookimplMarker("priorkit")


@hookspec
def register_priors(register: Register) -> None:
    """Register subclasses of :class:`priorkit.interfaces.Prior`."""


@hookspec
def register_operators(register: Register) -> None:
    """Register subclasses of :class:`priorkit.interfaces.Operator`."""


@hookspec
def register_noises(register: Register) -> None:
    """Register subclasses of :class:`priorkit.interfaces.Noise`."""


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
