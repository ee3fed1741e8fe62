"""argmin: what a solver must be, and the words in which it reports."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Generic, NamedTuple, Self, TypeVar

import torch
from torch import Tensor

from priorkit.interfaces.component import Component, Status
from priorkit.interfaces.ends import Ends
from priorkit.interfaces.noise import Noise
from priorkit.interfaces.operator import Operator
from priorkit.interfaces.penalty import Penalty
from priorkit.interfaces.prior import Decoder, Pixels, Prior
from priorkit.interfaces.problem import Problem

__all__ = ["Requires", "Snapshot", "Solver", "State", "shared"]


@dataclass(frozen=True)
class Requires:
    """What a solver or a start requires of the components of a problem.

    ``latent`` is asked of D: of the prior in latent space, and in pixel space of
    :class:`Pixels`, which is linear and encodes. None refuses latent space.
    """

    latent: tuple[type[Prior], ...] | None = (Decoder,)
    prior: tuple[type[Prior], ...] = ()
    operator: tuple[type[Operator], ...] = ()
    noise: tuple[type[Noise], ...] = ()
    penalty: tuple[type[Penalty], ...] = ()
    smooth: bool = False

    def asked(self, problem: Problem) -> list[tuple[str, Component, tuple[type, ...]]]:
        """Kind, component of the problem, and the classes that it must be of."""
        return [
            ("prior", problem.prior, self.prior),
            ("prior", problem.decoder, (Pixels,) if self.latent is None else self.latent),
            ("operator", problem.operator, self.operator),
            ("noise", problem.noise, self.noise),
            ("penalty", problem.penalty, self.penalty),
        ]


def require(cls: type[Component], requires: object) -> None:
    """Raises TypeError where what a solver or start ``requires`` is no :class:`Requires`."""
    if not isinstance(requires, (Requires, property)):
        why = f"a Requires, such as Requires(prior=(Denoiser,)), and not {requires!r}"
        raise TypeError(f"{cls.__name__}.requires is {why}")


def shared(**options: Any) -> Any:
    """A field of a :class:`State` that is one for the whole batch, not a row per image."""
    return field(metadata={"shared": True}, **options)


@dataclass(kw_only=True)
class State:
    """Where a solver stands: one row per image that still runs.

    A solver derives from it and adds what it needs: tensors with a row per image, lists, or
    objects that have ``rows`` too; :func:`shared` marks what is none of these.

    Attributes
    ----------
    u : the point (b, n) that ``value`` and ``misfit`` belong to
    value, misfit : (b,) float64, infinite before the first evaluation
    evaluations : (b,) of the solver's ``unit`` so far; the loop compares them with the budget
    ends : of which images have ended, and why: what :attr:`status` and :attr:`reason` read
    drawn : (b,) whether u is a draw of a sampler, to be averaged and kept
    expected : (b,) float64, the error (1/n)‖x̂ − x‖² of u that the solver expects without knowing
        x, NaN where it can't tell
    """

    u: Tensor
    value: Tensor
    misfit: Tensor
    evaluations: Tensor
    ends: Ends
    drawn: Tensor
    expected: Tensor

    @classmethod
    def begin(cls, u0: Tensor, **more: Any) -> Self:
        """The state at u0 before any evaluation; ``more`` are the fields of a subclass."""
        b, device = len(u0), u0.device
        infinite = torch.full((b,), torch.inf, dtype=torch.float64, device=device)
        return cls(
            u=u0.clone(),
            value=infinite,
            misfit=infinite.clone(),
            evaluations=torch.zeros(b, dtype=torch.long, device=device),
            ends=Ends(b),
            drawn=torch.zeros(b, dtype=torch.bool, device=device),
            expected=torch.full_like(infinite, torch.nan),
            **more,
        )

    def rows(self, index: Tensor) -> Self:
        """The state of these images alone, in the order of ``index`` (b,)."""
        return type(self)(
            **{
                item.name: value if item.metadata.get("shared") else _rows(value, index)
                for item in fields(self)
                for value in [getattr(self, item.name)]
            }
        )

    @property
    def status(self) -> list[Status | None]:
        """Per image; one whose status is set leaves the batch.

        On a device, to read it waits for all that was begun there; the loop does, once a step.
        """
        return self.ends.status

    @property
    def reason(self) -> list[str]:
        """Per image, why it has the status."""
        return self.ends.reason

    def end(self, which: Tensor, status: Status, reason: str) -> None:
        """Give the images ``which`` (b,) bool their status; one that has one keeps it."""
        self.ends.note(which, status, reason)

    def diverge(self, which: Tensor, problem: Problem, points: Tensor) -> None:
        """End images as diverged; the reason is what isn't finite at their ``points`` (b, n).

        It is looked for when the status is read: until then the points mustn't be changed.
        """

        def reason(i: int) -> str:
            row = torch.tensor([i], device=points.device)
            return problem.rows(row).blame(points[row])

        self.ends.note(which, "diverged", reason)


def _rows(value: Any, index: Tensor) -> Any:
    if isinstance(value, Tensor):
        return value[index]
    if isinstance(value, list):
        return [value[i] for i in index.tolist()]
    return None if value is None else value.rows(index)


class Snapshot(NamedTuple):
    """Where a batch stands: evaluations so far and the values kept, each (B,) and on the
    processor, u (B, n), on demand its images (B, *shape), ``image()``, and on the processor again
    ‖u‖ and how many were drawn of each, (B,)."""

    evaluations: Tensor
    objective: Tensor
    misfit: Tensor
    u: Tensor
    image: Callable[[], Tensor]
    norm: Tensor
    draws: Tensor


S = TypeVar("S", bound=State)


class Solver(Component, ABC, Generic[S]):
    """Finds u, a step at a time; everything that isn't mathematics is in ``priorkit.loop``.

    Budget, progress, trace, best iterate, values that aren't finite, Ctrl-C, rows that are
    done and draws are the loop's. S is the solver's own :class:`State`. ``unit`` is what a
    budget counts, ``budget`` how many where nobody says. Where ``descends``, the answer is
    the iterate of the lowest value, else the last one. One that isn't ``penalised`` leaves γ·R
    out. A sampler makes at most so many ``draws`` of each image, for which its budget is.
    """

    requires: ClassVar[Requires] = Requires()
    unit: ClassVar[str] = "evaluations"
    budget: ClassVar[int] = 400
    descends: ClassVar[bool] = True
    penalised: ClassVar[bool] = True
    draws: int = 0

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        require(cls, cls.requires)

    def least(self, problem: Problem) -> int:
        """The fewest evaluations that are enough, whatever the data, for what its options say,
        such as so many draws. ``problem`` has no data yet.

        A run whose budget is less says so.
        """
        return 1

    def check(self, problem: Problem) -> None:
        """Raise a PriorkitError, before any compute, where this solver can't serve.

        ``problem`` has no data yet; classes are checked by ``requires``.
        """

    @abstractmethod
    def init(self, problem: Problem, u0: Tensor, budget: int) -> S:
        """The state at u0 (B, n), with at most ``budget`` evaluations per image to come."""

    @abstractmethod
    def step(self, problem: Problem, state: S) -> S:
        """The state after one more evaluation per image, or the few that belong together, by which
        a budget may be exceeded; or with images ended.

        ``problem`` and ``state`` hold the images that still run, and beside the last one another
        that has ended, of which nothing is read. A step may change ``state`` and return it. It
        counts its evaluations, and ends images by :meth:`State.end`.
        """

    def keep(self, state: S) -> dict[str, Tensor] | None:
        """What :meth:`again` needs to go on from here, beside the fields of every State: tensors
        with a row per image, or of no dimension. None where the solve can't be left now; solvers
        whose solves are short say so always.
        """
        return None

    def again(self, problem: Problem, u0: Tensor, budget: int, kept: dict[str, Tensor]) -> S:
        """The state that :meth:`keep` was called with; the loop sets the fields of every State."""
        return self.init(problem, u0, budget)

    def memory(self, problem: Problem) -> tuple[int, int]:
        """Bytes that the state takes: one for all images, and per image."""
        return 0, 4 * 8 * problem.size
