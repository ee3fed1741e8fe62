"""From what was chosen to a problem: everything built, bound and checked.

Everything that can be refused is refused here, before any compute.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from priorkit.counted import counted
from priorkit.devices import device_named
from priorkit.errors import BadInputError, MismatchError, PriorkitError
from priorkit.interfaces import (
    Choices,
    Decoder,
    Kind,
    Noise,
    Operator,
    Penalty,
    Prior,
    Problem,
    Shape,
    Solver,
    Space,
    Spec,
    Start,
    Units,
    ZeroPenalty,
    kind_of,
)
from priorkit.interfaces.adapt import Parts, bound_operator, bound_prior
from priorkit.interfaces.answers import bound
from priorkit.run import fit
from priorkit.run import precision as precisions
from priorkit.run.room import require_room
from priorkit.run.said import LEVELS, noise_for, said_by, units_for
from priorkit.settings.config import COMPONENTS, RunConfig, numbers_from
from priorkit.settings.given import GivenStart
from priorkit.settings.select import Selection, blaming, resolve
from priorkit.settings.selections import Selections, give_rest

__all__ = ["Setup", "set_up", "unknown_shape"]

log = logging.getLogger("priorkit")


@dataclass
class Setup:
    """Everything that a run needs, built, bound and checked; nothing computed yet.

    ``noise`` is in the user's units, that of the problem in those of images in [0, 1]; ``unusual``
    says that the user named another solver than the one that is taken where nobody names one.
    """

    config: RunConfig
    selections: dict[str, Selection]
    kind: Kind
    units: Units
    noise: Noise
    problem: Problem
    solver: Solver[Any]
    unusual: bool
    start: Start
    budget: int
    restarts: int
    averaging: int
    device: torch.device
    dtype: torch.dtype
    precision: precisions.Precision

    @property
    def tries(self) -> int:
        """How many rows an image has: its restarts, or the solves that are averaged."""
        return self.restarts * self.averaging

    @property
    def by_rule(self) -> bool:
        """Whether γ is yet to be found, see :mod:`priorkit.run.weight`: that of the problem is
        where the search begins."""
        return isinstance(self.config.gamma, str)

    def numbers(self, count: int) -> Sequence[int]:
        """The numbers of so many images, by which their noise, start and draws are drawn."""
        return numbers_from(self.config.first, count)

    def settings(self) -> dict[str, Any]:
        """The config with nothing left open: giving it back repeats the run."""
        values = self.config.model_dump(exclude_none=True)
        for key, kind in COMPONENTS.items():
            values[key] = self.selections[kind].table()
        values |= {
            "space": self.problem.space,
            "gamma": self.config.gamma if self.by_rule else self.problem.gamma,
            "budget": self.budget,
            "restarts": self.restarts,
            "shape": list(self.problem.shape),
            "precision": self.precision,
        }
        if self.kind is not kind_of(self.problem.shape):
            values["kind"] = self.kind.name
        for name in LEVELS:
            values.pop(name, None)
        if not self.config.first:
            del values["first"]
        level = said_by(self.noise.level)
        return values | {k: v for k, v in level.items() if k not in values["noise"]}


def set_up(
    chosen: Selections, shape: Shape | None, *, real: bool, kind: Kind | None = None
) -> Setup:
    """Build, bind and check everything for images of ``shape``, of a ``kind`` where it is known.

    ``real`` says that y was measured rather than simulated, so that no noise level is
    assumed. Raises MismatchError where components don't fit, BadInputError for settings.
    """
    config, selections = chosen.config, dict(chosen.selections)
    seed = config.seed
    prior: Prior = selections["prior"].build(seed)
    operator: Operator = selections["operator"].build(seed)
    shape = _shape(prior, selections["prior"], shape, config.shape)
    kind = kind or kind_of(shape, config.kind)
    with blaming(selections["prior"]):
        prior = bound_prior(prior, shape, kind)
    if isinstance(prior, Parts):
        log.info("%s is for pictures: it goes over %s.", selections["prior"], prior.over)
    with blaming(selections["operator"]):
        operator = bound_operator(operator, shape, kind)
    device = device_named(config.device)
    dtype = torch.float64 if config.precision == "float64" else torch.float32
    # Before the defaults, which may ask what the operator does.
    needed = operator.memory * (2 if dtype == torch.float64 else 1)
    require_room(needed, needed, device)
    said = noise_for(config, selections["noise"], operator, real=real)
    if chosen.estimated:
        said.level = replace(said.level, estimated=True)
    units, noise = units_for(config, operator, said, kind, selections["operator"])
    with blaming(selections["prior"]):
        choices = prior.defaults(operator, noise)
        prior = choices.prior or prior
        asked_for = config.gamma is not None or {"penalty", "solver"} & set(selections)
        if choices.refused and not asked_for:
            raise MismatchError(choices.refused, ways=choices.instead or [{"gamma": ...}])
    # The prior's choices belong together: another penalty doesn't inherit their space.
    wanted = resolve("penalty", choices.penalty)
    asked = selections.setdefault("penalty", wanted)
    follows = asked.name == wanted.name or type(asked.instance) is wanted.target
    natural: Space = "latent" if isinstance(prior, Decoder) else "pixel"
    space = config.space or (choices.space if follows else None) or natural
    suggested = choices.restarts if "start" not in selections else 1
    selections.setdefault("start", resolve("start", choices.start))
    zero: Penalty = resolve("penalty", None).build(seed)
    bare = Problem(operator, prior, noise, zero, 0.0, space, shape, not real, seed)
    said_solver = selections.get("solver")
    suits = said_solver is None or said_solver.name == resolve("solver", choices.solver).name
    suggests = choices.solver if follows else None  # it was chosen for that penalty
    if said_solver is None:
        selections["solver"] = _usual_solver(suggests, bare)
    give_rest(chosen, selections)
    penalty: Penalty = selections["penalty"].build(seed)
    solver: Solver[Any] = selections["solver"].build(seed)
    start: Start = selections["start"].build(seed)
    if isinstance(start, GivenStart):
        within = None if config.range is None else units.range
        start = replace(start, range=within, first=config.first)
    # A sampler draws once: the draws of one of several tries alone would be the answer.
    once = config.averaging > 1 or solver.draws > 0
    restarts = config.restarts or (1 if once else suggested) or 1
    # What was asked for is refused; what a card or prior suggests, or a record says, left out. What
    # a rule for γ can't weigh, the rule says.
    asks = not chosen.repeated and (config.gamma or (config.gamma is None and not follows))
    composed = replace(bare, penalty=penalty)
    if asks and not isinstance(config.gamma, str):  # more of a reason than a space
        fit.check_weighed(selections, composed, config.gamma, solver)
    fit.check(selections, composed, solver, start)
    own = choices if follows else Choices()
    if isinstance(config.gamma, str):
        fit.check_rule(selections, config.gamma, bare, solver)
    unsaid = config.gamma is None and not solver.penalised  # then γ·R is left out: it is 0
    gamma = 0.0 if unsaid else _gamma(config, own, asked.name, penalty, follows, bare)
    with blaming(selections["penalty"]):
        penalty = bound(penalty, penalty.bind(prior, shape))
    problem = replace(bare, penalty=penalty, gamma=gamma)
    precision = precisions.chosen(config.precision, own, space, device)
    if precision == "mixed":
        problem = replace(problem, prior=precisions.mixed(prior, selections["prior"], space))
    with blaming(selections["solver"]):
        solver.check(problem)
    with blaming(selections["start"]):
        start.check(problem)
    fit.check_called(selections, problem, solver)
    # What a prior suggests is in the unit of the solver that it suggests.
    budget = config.budget or (choices.budget if suits else None) or solver.budget
    if budget < (least := solver.least(problem)) and not chosen.repeated:
        log.warning(
            "%s may need %s for what is asked of it, and ends after %d. Try: budget=%d, or more",
            *(selections["solver"], counted(least, solver.unit), budget, least),
        )
    return Setup(
        config=config,
        selections=selections,
        kind=kind,
        units=units,
        noise=said,
        problem=problem,
        solver=solver,
        unusual=not chosen.repeated and _is_unusual(said_solver, suggests, bare),
        start=start,
        budget=budget,
        restarts=restarts,
        averaging=config.averaging,
        device=device,
        dtype=dtype,
        precision=precision,
    )


def _usual_solver(suggested: Spec | None, problem: Problem) -> Selection:
    """The solver where nobody names one. Raises as :func:`priorkit.run.fit.suitable_solver`."""
    return resolve("solver", suggested) if suggested else fit.suitable_solver(problem)


def _is_unusual(named: Selection | None, suggested: Spec | None, problem: Problem) -> bool:
    """Whether a solver that was named isn't the usual one, where there is one."""
    if named is None:
        return False
    try:
        usual = _usual_solver(suggested, problem)
    except PriorkitError:
        return False
    return named.name != usual.name and type(named.instance) is not usual.target


def unknown_shape() -> BadInputError:
    """The error for a measurement that doesn't say what it is of."""
    return BadInputError(
        "The shape of the picture isn't known.",
        try_="shape=(3, 64, 64), shape=(1, 64, 64) in gray, "
        "or kind='complex' of a scanner's spectra",
    )


def _shape(prior: Prior, selected: Selection, given: Shape | None, asked: Shape | None) -> Shape:
    """One shape from what prior, images and user say; they must agree."""
    said = ((asked, "shape=", "no shape, or another prior"), (given, "images of ", "another prior"))
    for other, who, instead in said:
        if prior.shape is not None and other is not None and tuple(other) != tuple(prior.shape):
            raise MismatchError(
                f"{selected} is for images of shape {tuple(prior.shape)}.",
                got=f"{who}{tuple(other)}",
                try_=instead,
            )
    shape = prior.shape or given or asked
    if shape is None:
        raise unknown_shape()
    return tuple(shape)


def _gamma(
    config: RunConfig,
    choices: Choices,
    name: str,
    penalty: Penalty,
    follows: bool,
    problem: Problem,
) -> float:
    if isinstance(penalty, ZeroPenalty):
        if config.gamma:
            raise BadInputError(
                "gamma weighs a penalty, and none is chosen.",
                ways=[
                    {"gamma": None},
                    *fit.named("penalty", lambda cls: not issubclass(cls, ZeroPenalty)),
                ],
            )
        return 0.0
    if isinstance(config.gamma, str):  # where the search for it begins
        hint = choices.gamma or penalty.hint(problem.operator, problem.noise)
        return hint or problem.noise.std**2
    if config.gamma is not None:
        return config.gamma
    if not follows:
        hint = penalty.hint(problem.operator, problem.noise)
        raise BadInputError(
            f"The penalty {name!r} needs its weight gamma, for which there is no default here.",
            ways=[{"gamma": ... if hint is None else float(f"{hint:.2g}")}],
        )
    if choices.gamma is None:
        raise BadInputError(
            f"The default weight of the penalty {name!r} depends on the noise level.",
            ways=[{"sigma": 0.1}, {"gamma": ...}],
        )
    return choices.gamma
