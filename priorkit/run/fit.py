"""What doesn't fit, and why: classes that a component requires and another isn't."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
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
    Sampler,
    Solver,
    Start,
    ZeroPenalty,
)
from priorkit.registry import Entry, registry
from priorkit.settings.config import KEYS
from priorkit.settings.options import option_fields
from priorkit.settings.select import Selection, classes, resolve

__all__ = [
    "check",
    "check_called",
    "check_rule",
    "check_weighed",
    "misfits",
    "named",
    "suitable_solver",
]

ByKind = dict[str, Selection]
Ways = list[dict[str, Any]]
KNOWING = (Decoder, Denoiser, Density)  # priors that there is something to ask of


def check(selections: ByKind, problem: Problem, solver: Solver[Any], start: Start) -> None:
    """Refuse a mismatch, naming the missing piece and what would fit."""
    prior, penalty, used = (selections[kind] for kind in ("prior", "penalty", "solver"))
    if _missing((Decoder,), problem.decoder) is not None:
        raise _refusal("space 'latent'", Decoder, prior, [{"space": "pixel"}])
    for kind, have, needed in solver.requires.asked(problem):
        # Draws are of a distribution, from which the prior itself can draw.
        drawn = (Sampler,) if kind == "prior" and solver.draws else ()
        _need(used, needed, selections[kind], have, problem, drawn)
    _need(penalty, problem.penalty.requires, prior, problem.prior, problem)
    for kind, have, needed in start.requires.asked(problem):
        _need(selections["start"], needed, selections[kind], have, problem)
    if solver.requires.smooth and not problem.penalty.smooth:
        raise MismatchError(
            f"{used} requires a smooth penalty, and {penalty.name!r} isn't.",
            ways=named("solver", lambda cls: not cls.requires.smooth),
        )
    if _only_denoises(problem) and not solver.requires.prior:
        using = [{"solver": solver.name} for solver in _using(problem)]
        raise MismatchError(
            f"{used} makes no use of {prior}, which only denoises.",
            ways=using,
            try_=None if using else "a solver of a plugin",
        )


def check_called(selections: ByKind, problem: Problem, solver: Solver[Any]) -> None:
    """Refuse a prior that nothing but the start would call: the result wouldn't be its own."""
    prior, penalty = problem.prior, problem.penalty
    if problem.decoder is prior or solver.requires.prior or not isinstance(prior, KNOWING):
        return
    if penalty.requires and problem.gamma:
        return
    ways: Ways = [{"space": "latent"}] if isinstance(prior, Decoder) else []
    if isinstance(prior, Density):
        weight = {} if problem.gamma else {"gamma": ...}
        asking = named("penalty", lambda cls: cls.requires and issubclass(Density, cls.requires))
        ways += [{**way, **weight} for way in asking]
    raise MismatchError(
        f"Nothing in this run would call the {selections['prior']}: the search is "
        f"over pixels, and neither the penalty nor the solver asks it.",
        got=f"{selections['penalty']}, gamma={problem.gamma:g}, {selections['solver']}",
        ways=[*ways, *named("prior", lambda cls: not issubclass(cls, KNOWING))],
    )


def check_weighed(
    selections: ByKind, problem: Problem, gamma: float | None, solver: Solver[Any]
) -> None:
    """Refuse a penalty that was asked for, of a weight where one was said, and that the solver
    would leave out; where the prior is none for it, for that."""
    if solver.penalised or isinstance(problem.penalty, ZeroPenalty):
        return
    penalty, prior = selections["penalty"], selections["prior"]
    _need(penalty, problem.penalty.requires, prior, problem.prior, problem)  # of any solver
    raise MismatchError(
        f"{selections['solver']} weighs no penalty: it would leave out what was asked for.",
        got=f"{penalty}" + (f", gamma={gamma:g}" if gamma else ""),
        ways=[{"solver": None}, {"penalty": None, "gamma": None}],
    )


def check_rule(selections: ByKind, rule: str, problem: Problem, solver: Solver[Any]) -> None:
    """Refuse a rule for γ that can't be followed here: "sure" or "discrepancy"."""
    operator, noise = problem.operator, problem.noise
    if not solver.penalised:
        raise MismatchError(
            f"{selections['solver']} weighs no penalty, so that there is no gamma to choose.",
            got=f"gamma={rule!r}",
            ways=[{"solver": None}, {"gamma": None}],
        )
    if rule == "sure" and not (operator.sees_all and isinstance(noise, GaussianNoise)):
        raise MismatchError(
            "gamma='sure' is for a y that is the whole picture with Gaussian noise.",
            got=f"{selections['operator']}, {selections['noise']}",
            ways=[{"gamma": "discrepancy"}],
        )
    if not noise.known or not noise.energy:
        raise BadInputError(
            f"gamma={rule!r} needs to know how much noise there is.",
            got="no noise" if noise.known else "no sigma",
            ways=[{"sigma": 0.1}, {"gamma": ...}],
            try_=None if problem.simulated else "sigma='auto' where y is a picture",
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
    for selection in _using(problem):
        try:
            selection.build(problem.seed).check(problem)
        except PriorkitError as error:
            refused = refused or error
        else:
            return selection
    ways: Ways = [{"space": "pixel"}] if problem.space == "latent" else []
    raise refused or MismatchError(
        "No solver can use a prior that only denoises on this problem.",
        ways=[*ways, *named("prior", lambda cls: issubclass(cls, (Decoder, Density)))],
        try_="a linear operator, or a solver of a plugin",
    )


def _only_denoises(problem: Problem) -> bool:
    prior = problem.prior
    return isinstance(prior, Denoiser) and not isinstance(prior, (Decoder, Density))


def _using(problem: Problem) -> list[Selection]:
    """Registered solvers that call the prior and fit, the most demanding first, but those that
    draw last, of fewer draws before more."""
    found: list[tuple[int, int, Selection]] = []
    for entry, cls in classes("solver"):
        requires = cls.requires
        if requires.prior and _fits(cls, problem):
            named = (*requires.prior, *requires.operator, *requires.noise, *requires.penalty)
            selection, demand = resolve("solver", entry.name), sum(len(c.__mro__) for c in named)
            found.append((selection.build(problem.seed).draws, -demand, selection))
    return [selection for _, _, selection in sorted(found, key=lambda each: each[:2])]


def _missing(needed: Iterable[type], have: object) -> type | None:
    """The first of the classes that it isn't of; None where it is of all."""
    return next((cls for cls in needed if not isinstance(have, cls)), None)


def _need(
    who: Selection,
    needed: Iterable[type],
    selection: Selection,
    have: object,
    problem: Problem,
    offered: tuple[type, ...] = (),
) -> None:
    """Refuse a component that isn't of the classes which another needs, with another of its own
    kind first, and then with those that are of these classes, and of the ones ``offered``."""
    missing = _missing(needed, have)
    if missing is None:
        return
    ways = _others(who, problem)
    latent = isinstance(have, Pixels) and have is not problem.prior
    if missing is Pixels or (latent and isinstance(problem.prior, Decoder)):
        space = "pixel" if missing is Pixels else "latent"
        raise MismatchError(f"{who} works in {space} space only.", ways=[{"space": space}, *ways])
    # What was measured elsewhere can't be measured otherwise; an object is what was meant.
    fixed = selection.kind in ("operator", "noise") and not (problem.simulated and selection.plugin)
    if not fixed:
        classes = (missing, *offered)
        ways += named(
            selection.kind, lambda cls: all(issubclass(cls, c) for c in classes), selection.name
        )
    raise _refusal(str(who), missing, selection, ways or [{KEYS[who.kind]: None}])


def _others(who: Selection, problem: Problem) -> Ways:
    """Solvers or starts in place of one, which are cheaper to change than what else was named: the
    one that is taken where nobody names one, or in place of one with options, or that draws, those
    that fit, perhaps in the other space, have these, and draw. None of other kinds."""
    if who.kind not in ("solver", "start"):
        return []
    draws = who.kind == "solver" and who.build(problem.seed).draws > 0
    if not who.options and not draws:
        return [{KEYS[who.kind]: None}]
    found: Ways = []
    problems = replace(problem, space="latent"), replace(problem, space="pixel")
    for entry, cls in classes(who.kind):
        has = who.options.keys() <= option_fields(cls).keys()
        if has and any(_fits(cls, each) for each in problems):
            other = resolve(who.kind, entry.name)
            if not draws or other.build(problem.seed).draws > 0:
                found.append({KEYS[who.kind]: entry.name})
    return found


def _fits(cls: type[Solver[Any]] | type[Start], problem: Problem) -> bool:
    """Whether the problem is of the classes that a solver or a start requires."""
    return all(_missing(needed, have) is None for _, have, needed in cls.requires.asked(problem))


def _refusal(who: str, missing: type, selection: Selection, ways: Ways) -> MismatchError:
    """The error for a component that isn't of a class which is required."""
    needs = f"{who} requires the {selection.kind} to be {a_or_an(missing.__name__)}"
    return MismatchError(f"{needs}, and {selection.name!r} isn't.", ways=ways)


def named(kind: str, fits: Callable[[Any], bool], instead: str = "") -> Ways:
    """For each registered component of a kind whose class fits the setting that names it; one that
    fails to import doesn't fit.

    Those of the same data as the one that they take the place of (``instead``) come first, as
    ``diffusion-celeba`` for ``glow-celeba``, and then those that are taken where nobody names one.
    """
    usual = (registry().any_size(kind), registry().fallback(kind))
    data = instead.partition("-")[2]

    def far(entry: Entry) -> tuple[bool, bool]:
        return not data or entry.name.partition("-")[2] != data, entry not in usual

    found = sorted(classes(kind), key=lambda pair: far(pair[0]))
    return [{KEYS[kind]: entry.name} for entry, cls in found if fits(cls)]
