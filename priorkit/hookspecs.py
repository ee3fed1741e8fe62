"""What a plugin may register. Implement any of these and mark it ``@hookimpl``.

``register(name, target, *, aliases=(), **preset)`` makes ``target`` available under
``name``. ``target`` is a class (for a trainer: a function), or better the string
``"package.module:attribute"``, which is imported only when the name is used. ``preset``
fixes some of its options: that is how weights get a name of their own, and
``register.weights(package, target)`` does so for all that a package ships.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import pluggy

__all__ = ["Register", "hookimpl", "hookspec"]

hookspec = pluggy.HookspecMarker("priorkit")
hookimpl = pluggy.HookimplMarker("priorkit")


class Register(Protocol):
    """The argument of a hook: a function, with a method for weights that a package ships."""

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
        """Register a name. A ``fallback`` is used where no component of its kind is chosen. For an
        operator it may be a mapping: its options in a run that chooses neither a prior nor an
        operator, ``priorkit recover face.png``. A prior of ``any_size`` is used instead of the
        fallback for pictures of another size than the fallback's,
        ``priorkit recover photo.jpg --op mask``."""

    def weights(self, package: str, target: Any, *, fallback: str = "", any_size: str = "") -> None:
        """Register every ``weights/NAME.safetensors`` of a package as NAME; ``fallback`` and
        ``any_size`` are the names that are registered as such."""


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
def register_kernels(register: Register) -> None:
    """Register functions ``kernels(device)`` that compile and check kernels for a CUDA device,
    with :func:`priorkit.cuda.kernels`; ``priorkit doctor`` calls them."""


@hookspec
def register_commands(app: Any) -> None:
    """Add commands to the command line; ``app`` is a ``typer.Typer``."""
