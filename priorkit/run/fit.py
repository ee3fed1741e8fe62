"""What doesn't fit, and why: classes that a component requires and another isn't."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from priorkit.counted import a_or_an
from priorkit.errors import BadInputError, MismatchError, PriorkitError
from priorkit.interfaces import (
    Decoder,
    Denoiser,
    Density,
    GaussianNoise,
    Pixels,
    Problem,
    Solver,
    Start,
    ZeroPenalty,
)
from priorkit.settings.select import Selection, classes, resolve

__all__ = [
    "check",
    "check_called",
    "check_rule",
    "check_weighed",
    "misfits",
    "suitable_solver",
]

ByKind = dict[str, Selection]
KNOWING = (Decoder, Denoiser, Density)  # priors that there is something to ask of


def check(selections: ByKind, problem: Problem, solver: Solver[Any], start: Start) -> None:
    """Refuse a mismatch, naming the missing piece and what would fit."""
    prior, penalty, used = (selections[kind] for kind in ("prior", "penalty", "solver"))
    _need("space 'latent'", (Decoder,), prior, problem.decoder)
    for kind, have, needed in solver.requires.asked(problem):
        _need(used, needed, selections[kind], have)
    _need(penalty, problem.penalty.requires, prior, problem.prior)
    for kind, have, needed in start.requires.asked(problem):
        _need(selections["start"], needed, selections[kind], have)
    if solver.requires.smooth and not problem.penalty.smooth:
        fitting = _names("solver", lambda cls: not cls.requires.smooth)
        raise MismatchError(
            f"{used} requires a smooth penalty, and {penalty.name!r} isn't.",
            try_=f"solver={fitting}",
        )
    if _only_denoises(problem) and not solver.requires.prior:
        raise MismatchError(
            f"{used} makes no use of {prior}, which only denoises.",
            try_=f"solver={' or '.join(repr(s.name) for s in _using(problem)) or 'of a plugin'}",
        )


def check_called(selections: ByKind, problem: Problem, solver: Solver[Any]) -> None:
    """Refuse a prior that nothing but the start would call: the result wouldn't be its own."""
    prior, penalty = problem.prior, problem.penalty
    if problem.decoder is prior or solver.requires.prior or not isinstance(prior, KNOWING):
        return
    if penalty.requires and problem.gamma:
        return
    tries = ["space='latent'"] if isinstance(prior, Decoder) else []
    if isinstance(prior, Density):
        tries.append("penalty='nll' with a gamma above 0")
    raise MismatchError(
        f"Nothing in this run would call the {selections['prior']}: the search is "
        f"over pixels, and neither the penalty nor the solver asks it.",
        got=f"{selections['penalty']}, gamma={problem.gamma:g}, {selections['solver']}",
        try_=" or ".join([*tries, "prior='none'"]),
    )


def check_weighed(selections: ByKind, problem: Problem, solver: Solver[Any]) -> None:
    """Refuse a penalty that was asked for and that the solver would leave out."""
    if solver.penalised or isinstance(problem.penalty, ZeroPenalty):
        return
    raise MismatchError(
        f"{selections['solver']} weighs no penalty: it would leave out what was asked for.",
        got=f"{selections['penalty']}" + (f", gamma={problem.gamma:g}" if problem.gamma else ""),
        try_="neither penalty nor gamma, or another solver",
    )


def check_rule(selections: ByKind, rule: str, problem: Problem, solver: Solver[Any]) -> None:
    """Refuse a rule for γ that can't be followed here: "sure" or "discrepancy"."""
    operator, noise = problem.operator, problem.noise
    if not solver.penalised:
        raise MismatchError(
            f"{selections['solver']} weighs no penalty, so that there is no gamma to choose.",
            got=f"gamma={rule!r}",
            try_="no gamma",
        )
    if not noise.known or not noise.energy:
        raise BadInputError(
            f"gamma={rule!r} needs to know how much noise there is.",
            got="no noise" if noise.known else "no sigma",
            try_="sigma=0.1; sigma='auto' where y is a picture; or gamma=…",
        )
    if rule == "sure" and not (operator.sees_all and isinstance(noise, GaussianNoise)):
        raise MismatchError(
            "gamma='sure' is for a y that is the whole picture with Gaussian noise.",
            got=f"{selections['operator']}, {selections['noise']}",
            try_="gamma='discrepancy'",
        )


def misfits(selections: ByKind, problem: Problem, solver: Solver[Any]) -> str | None:
    """What the solver requires that the problem, composed of what was selected, isn't; or None."""
    for kind, have, needed in solver.requires.asked(problem):
        missing = _missing(needed, have)
        if missing is not None:
            return (
                f"{selections['solver']} requires the {kind} to be {a_or_an(missing.__name__)} then"
            )
    return None


def suitable_solver(problem: Problem) -> Selection:
    """The solver where nobody names one: the fallback, or for a prior that only denoises the
    one that asks the most of the problem among those that call it; one that draws where no other
    can, since error bars, which nobody asked for, take their time.

    Raises MismatchError where such a prior has none, or what the first of them says against it.
    """
    if not _only_denoises(problem):
        return resolve("solver", None)
    refused: PriorkitError | None = None
    solvers = [(each, each.build(problem.seed)) for each in _using(problem)]
    for selection, solver in sorted(solvers, key=lambda pair: pair[1].draws > 0):
        try:
            solver.check(problem)
        except PriorkitError as error:
            refused = refused or error
        else:
            return selection
    raise refused or MismatchError(
        "No solver can use a prior that only denoises on this problem.",
        try_="a linear operator, or a solver of a plugin",
    )


def _only_denoises(problem: Problem) -> bool:
    prior = problem.prior
    return isinstance(prior, Denoiser) and not isinstance(prior, (Decoder, Density))


def _using(problem: Problem) -> list[Selection]:
    """Registered solvers that call the prior and fit, the most demanding first."""
    found: list[tuple[int, Selection]] = []
    for entry, cls in classes("solver"):
        requires = cls.requires
        asked = requires.asked(problem)
        if requires.prior and all(_missing(needed, have) is None for _, have, needed in asked):
            named = (*requires.prior, *requires.operator, *requires.noise, *requires.penalty)
            found.append((sum(len(c.__mro__) for c in named), resolve("solver", entry.name)))
    return [selection for _, selection in sorted(found, key=lambda pair: -pair[0])]


def _missing(needed: Iterable[type], have: object) -> type | None:
    """The first of the classes that it isn't of; None where it is of all."""
    return next((cls for cls in needed if not isinstance(have, cls)), None)


def _need(who: Selection | str, needed: Iterable[type], selection: Selection, have: object) -> None:
    missing = _missing(needed, have)
    if missing is None:
        return
    if missing is Pixels or isinstance(have, Pixels):
        space = "pixel" if missing is Pixels else "latent"
        raise MismatchError(f"{who} works in {space} space only.", try_=f"space={space!r}")
    kind = selection.kind
    fitting = _names(kind, lambda cls: issubclass(cls, missing))
    raise MismatchError(
        f"{who} requires the {kind} to be {a_or_an(missing.__name__)}, and "
        f"{selection.name!r} isn't.",
        try_=f"{kind}={fitting}" if fitting else None,
    )


def _names(kind: str, fits: Callable[[Any], bool]) -> str:
    """Registered names of a kind whose class fits; a component that fails to import doesn't."""
    return " or ".join(repr(entry.name) for entry, cls in classes(kind) if fits(cls))
