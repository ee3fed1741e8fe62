"""From a config to a problem: components chosen and checked, then one objective.

Everything that can be refused is refused here, before any compute.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from priorkit.components import Component, option_fields, resolve
from priorkit.config import COMPONENTS, RUN_LEVEL, RunConfig
from priorkit.errors import BadInputError, MismatchError, PriorkitError, UnknownNameError
from priorkit.errors import did_you_mean as near
from priorkit.given import given_start
from priorkit.interfaces import (
    Decoder,
    Evaluation,
    LinearDecoder,
    MatrixOperator,
    Noise,
    Operator,
    Penalty,
    Prior,
    Requires,
    Shape,
    Solver,
    Space,
    Start,
)
from priorkit.registry import registry

__all__ = ["CORE_DEFAULTS", "Chosen", "Problem", "Setup", "choose", "set_up"]

# What the core falls back to when neither user, card nor prior says anything.
CORE_DEFAULTS = {"penalty": "none", "solver": "lbfgs", "start": "zero"}
CORE_BUDGET = 400
UNKNOWN = Noise()


@dataclass
class Problem:
    """‖A(D(u)) − y‖² + γ·R(u) for a batch of measurements.

    ``y`` is (B, *y_shape). In latent space u is a latent (B, k) and D decodes it; in pixel
    space u is a flattened image and D only gives it its shape back. ``noise_energy`` is
    E‖η‖² per image where it is known and γ = 0: a misfit below it fits the noise. ``truth``
    are the pictures that were measured, where they are known.
    """

    y: Tensor
    operator: Operator
    prior: Prior
    penalty: Penalty
    gamma: float
    space: Space
    shape: Shape
    noise: Noise = UNKNOWN
    noise_energy: float = 0.0
    truth: Tensor | None = None

    @property
    def size(self) -> int:
        """n, the length of u."""
        if self.space == "latent":
            return cast(Decoder, self.prior).latent_size
        return math.prod(self.shape)

    def image(self, u: Tensor) -> Tensor:
        """D(u), (B, n) → (B, C, H, W)."""
        if self.space == "latent":
            return cast(Decoder, self.prior).decode(u)
        return u.view(len(u), *self.shape)

    def value_grad(self, u: Tensor, index: Tensor | None = None) -> Evaluation:
        """The objective, its gradient and the misfit ‖A(D(u)) − y‖², one per row of u.

        ``index`` says which images of the batch the rows are (default: all, in order).
        Sums over measurements run in float64. A value can be non-finite where u is far out;
        nothing is raised.
        """
        return self._evaluate(u, index, self.gamma)

    def smooth(self, u: Tensor, index: Tensor | None = None) -> Evaluation:
        """The misfit alone and its gradient, for solvers that treat the penalty by its prox."""
        return self._evaluate(u, index, 0.0)

    def offset(self) -> Tensor:
        """A(D(0)), (1, *y_shape): what is measured at u = 0."""
        zero = torch.zeros(1, self.size, dtype=self.y.real.dtype, device=self.y.device)
        return self.operator.A(self.image(zero))

    def matrix(self) -> Tensor:
        """AΦ as a matrix (m, n), where the operator has rows and D(u) = Φu + D(0).

        In pixel space Φ is the identity.
        """
        operator = cast(MatrixOperator, self.operator)
        m = math.prod(operator.y_shape)
        blocks = []
        for start in range(0, m, 512):
            rows = operator.rows(start, min(start + 512, m)).to(self.y)
            if self.space == "latent":
                images = rows.view(-1, *self.shape)
                rows = cast(LinearDecoder, self.prior).decode_adjoint(images)
            blocks.append(rows)
        return torch.cat(blocks)

    def _evaluate(self, u: Tensor, index: Tensor | None, gamma: float) -> Evaluation:
        y = self.y if index is None else self.y[index]
        if self.space == "latent":
            x, pullback = cast(Decoder, self.prior).decode_vjp(u)
        else:
            x, pullback = u.view(len(u), *self.shape), lambda r: r.flatten(1)
        residual = self.operator.A(x) - y
        misfit = residual.abs().flatten(1).double().square().sum(1)
        slope = self.operator.vjp(x, 2 * residual)
        value = misfit
        if gamma and self.penalty.acts_on == "x":
            penalty, grad = self.penalty.value_grad(x)
            value = value + gamma * penalty.double()
            slope = slope + gamma * grad
        gradient = pullback(slope)
        if gamma and self.penalty.acts_on == "u":
            penalty, grad = self.penalty.value_grad(u)
            value = value + gamma * penalty.double()
            gradient = gradient + gamma * grad
        return Evaluation(value, gradient, misfit)


@dataclass
class Chosen:
    """The components of a config, resolved but not yet built.

    ``extra`` are options of components that nobody has chosen yet, and ``given`` says who got
    the others.
    """

    config: RunConfig
    prior: Component
    operator: Component
    penalty: Component | None
    solver: Component | None
    start: Component | None
    extra: dict[str, Any]
    given: dict[str, Component]


@dataclass
class Setup:
    """Everything that a run needs, built, bound and checked; nothing computed yet."""

    config: RunConfig
    components: dict[str, Component]
    prior: Prior
    operator: Operator
    penalty: Penalty
    solver: Solver
    start: Start
    gamma: float
    space: Space
    budget: int
    restarts: int
    noise: Noise
    shape: Shape
    real: bool
    device: torch.device
    dtype: torch.dtype

    def problem(self, y: Tensor, truth: Tensor | None = None) -> Problem:
        """The problem of one batch of measurements, and the pictures behind it where known."""
        entries = self.entries(y)
        energy = 0.0 if self.gamma else entries * self.noise.std(entries) ** 2
        return Problem(
            y=y,
            operator=self.operator,
            prior=self.prior,
            penalty=self.penalty,
            gamma=self.gamma,
            space=self.space,
            shape=self.shape,
            noise=self.noise,
            noise_energy=energy,
            truth=truth,
        )

    def entries(self, y: Tensor) -> int:
        """How many numbers of one measurement were really measured."""
        seen = self.operator.seen()
        return int(seen.sum()) if seen is not None else y[0].numel()

    def record(self) -> dict[str, Any]:
        """The config with nothing left open: giving it back repeats the run."""
        values = self.config.model_dump(exclude_none=True)
        for key, kind in COMPONENTS.items():
            values[key] = self.components[kind].record()
        values |= {
            "space": self.space,
            "gamma": self.gamma,
            "budget": self.budget,
            "restarts": self.restarts,
            "shape": list(self.shape),
        }
        values.pop("noise_norm", None)
        values.pop("sigma", None)
        if self.noise.sigma is not None:
            values["sigma"] = self.noise.sigma
        elif self.noise.noise_norm is not None:
            values["noise_norm"] = self.noise.noise_norm
        return values


def choose(config: RunConfig, extra: dict[str, Any]) -> Chosen:
    """Resolve the components, and give each free keyword to the one component that has it.

    Raises UnknownNameError for a keyword that none has, BadInputError for one that several
    have.
    """
    chosen: dict[str, Component | None] = {}
    for key, kind in COMPONENTS.items():
        spec = getattr(config, key)
        if key == "start":
            spec = given_start(spec) or spec
        chosen[kind] = resolve(kind, spec) if spec is not None else None
    later: dict[str, Any] = {}
    given: dict[str, Component] = {}
    for name, value in extra.items():
        owners = [c for c in chosen.values() if c is not None and name in c.fields]
        if len(owners) > 1:
            raise _ambiguous(name, owners)
        if owners:
            owners[0].options[name] = value
            given[name] = owners[0]
            continue
        open_kinds = [kind for kind, component in chosen.items() if component is None]
        if not _known_to(open_kinds, name):
            raise _unknown(name, chosen)
        later[name] = value  # once the prior has chosen the rest
    return Chosen(config=config, extra=later, given=given, **chosen)  # type: ignore[arg-type]


def _known_to(kinds: list[str], option: str) -> bool:
    """Whether any registered component of these kinds has that option."""
    for kind in kinds:
        for entry in registry().entries(kind):
            try:
                if option in option_fields(entry.load()):
                    return True
            except PriorkitError:
                continue
    return False


def _unknown(name: str, chosen: Mapping[str, Component | None]) -> UnknownNameError:
    known = set(RUN_LEVEL) | set(COMPONENTS)
    for component in chosen.values():
        known |= component.fields if component is not None else set()
    hint = near(name, known)
    return UnknownNameError(
        f"Unknown option {name!r}.{' ' + hint if hint else ''} "
        f"Options here: {', '.join(sorted(known))}"
    )


def _ambiguous(name: str, owners: list[Component]) -> BadInputError:
    both = " and ".join(f"{c.kind} {c.name!r}" for c in owners)
    return BadInputError(
        f"The option {name!r} belongs to {both}.",
        try_=f'{owners[0].kind}={{"name": "{owners[0].name}", "{name}": …}}',
    )


def _give_rest(chosen: Chosen, components: dict[str, Component]) -> None:
    """Free keywords to the components that the prior or the core chose."""
    for name, first in chosen.given.items():
        owners = [c for c in components.values() if name in c.fields]
        if any(c is not first for c in owners):
            raise _ambiguous(name, owners)
    for name, value in chosen.extra.items():
        owners = [c for c in components.values() if name in c.fields]
        if len(owners) > 1:
            raise _ambiguous(name, owners)
        if not owners:
            raise _unknown(name, components)
        owners[0].options[name] = value


def set_up(chosen: Chosen, shape: Shape | None, *, real: bool) -> Setup:
    """Build, bind and check everything for images of ``shape``.

    ``real`` says that y was measured rather than simulated, so that no noise level is
    assumed. Raises MismatchError where components don't fit, BadInputError for settings.
    """
    config = chosen.config
    seed = config.seed
    prior: Prior = chosen.prior.build(seed)
    operator: Operator = chosen.operator.build(seed)
    shape = _shape(prior, chosen.prior.name, shape, config.shape)
    prior = prior.bind(shape)
    operator = operator.bind(shape)
    noise = Noise(config.sigma, config.noise_norm)
    if noise == Noise() and not real:
        noise = operator.default_noise
    choices = prior.defaults(operator, noise)
    # The prior's choices belong together: another penalty doesn't inherit their space.
    wanted = resolve("penalty", choices.penalty or CORE_DEFAULTS["penalty"])
    follows = chosen.penalty is None or chosen.penalty.name == wanted.name
    natural: Space = "latent" if isinstance(prior, Decoder) else "pixel"
    space = config.space or (choices.space if follows else None) or natural

    penalty_c = chosen.penalty or wanted
    solver_c = chosen.solver or resolve("solver", choices.solver or CORE_DEFAULTS["solver"])
    start_c = chosen.start or resolve("start", choices.start or CORE_DEFAULTS["start"])
    components = {
        "prior": chosen.prior,
        "operator": chosen.operator,
        "penalty": penalty_c,
        "solver": solver_c,
        "start": start_c,
    }
    _give_rest(chosen, components)
    penalty: Penalty = penalty_c.build(seed)
    solver: Solver = solver_c.build(seed)
    start: Start = start_c.build(seed)
    _check(components, prior, operator, penalty, solver, start, space)
    gamma = _gamma(config, choices.gamma if follows else None, chosen.penalty, penalty_c, follows)
    setup = Setup(
        config=config,
        components=components,
        prior=prior,
        operator=operator,
        penalty=penalty.bind(prior),
        solver=solver,
        start=start,
        gamma=gamma,
        space=space,
        budget=config.budget or choices.budget or CORE_BUDGET,
        restarts=config.restarts or (choices.restarts if chosen.start is None else 1) or 1,
        noise=noise,
        shape=shape,
        real=real,
        device=_device(config.device),
        dtype=torch.float64 if config.precision == "float64" else torch.float32,
    )
    solver.check(setup)
    start.check(setup)
    return setup


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).sum().item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:  # of several backends
        raise BadInputError(
            f"The device {name!r} isn't available.",
            got=str(error).splitlines()[0][:100],
            try_="device='cpu'",
        ) from error
    return device


def _shape(prior: Prior, name: str, given: Shape | None, asked: Shape | None) -> Shape:
    """One shape from what prior, pictures and user say; they must agree."""
    for other in (given, asked):
        if prior.shape is not None and other is not None and tuple(other) != tuple(prior.shape):
            raise MismatchError(
                f"prior {name!r} is for images of shape {tuple(prior.shape)}.",
                got=tuple(other),
                try_="a picture file, which is cropped and resized, or another prior",
            )
    shape = prior.shape or given or asked
    if shape is None:
        raise BadInputError("The shape of the picture isn't known.", try_="shape=(3, 64, 64)")
    return tuple(shape)


def _gamma(
    config: RunConfig,
    suggested: float | None,
    asked: Component | None,
    penalty: Component,
    follows: bool,
) -> float:
    if config.gamma is not None:
        if config.gamma > 0 and penalty.name == CORE_DEFAULTS["penalty"]:
            raise BadInputError(
                "gamma weighs a penalty, and none is chosen.", try_="penalty='l2', gamma=…"
            )
        return config.gamma
    if penalty.name == CORE_DEFAULTS["penalty"]:
        return 0.0
    if not follows and asked is not None:
        raise BadInputError(
            f"The penalty {asked.name!r} needs its weight gamma, "
            "for which there is no default here.",
            try_="gamma=0.01",
        )
    if suggested is None:
        raise BadInputError(
            f"The default weight of the penalty {penalty.name!r} depends on the noise level.",
            try_="sigma=0.1, or gamma=… itself",
        )
    return suggested


def _check(
    names: dict[str, Component],
    prior: Prior,
    operator: Operator,
    penalty: Penalty,
    solver: Solver,
    start: Start,
    space: Space,
) -> None:
    """Refuse a mismatch, naming the missing piece and what would fit."""
    requires = solver.requires
    solver_label = f"solver {names['solver'].name!r}"
    _fits(solver_label, requires, names, prior, operator, penalty, space)
    _need(f"penalty {names['penalty'].name!r}", prior, penalty.requires, names["prior"])
    start_label = f"start {names['start'].name!r}"
    _fits(start_label, start.requires, names, prior, operator, penalty, space)
    if requires.smooth and not penalty.smooth:
        fitting = _names("solver", lambda cls: not cls.requires.smooth)
        raise MismatchError(
            f"{solver_label} requires a smooth penalty, and {names['penalty'].name!r} isn't.",
            try_=f"solver={fitting}",
        )


def _fits(
    who: str,
    requires: Requires,
    names: dict[str, Component],
    prior: Prior,
    operator: Operator,
    penalty: Penalty,
    space: Space,
) -> None:
    if space == "latent":
        _need("space 'latent'", prior, (Decoder,), names["prior"])
        if requires.latent is None:
            raise MismatchError(f"{who} works in pixel space only.", try_="space='pixel'")
        _need(who, prior, requires.latent, names["prior"])
    _need(who, prior, requires.prior, names["prior"])
    _need(who, operator, requires.operator, names["operator"])
    _need(who, penalty, requires.penalty, names["penalty"])


def _need(who: str, have: Any, classes: tuple[type, ...], component: Component) -> None:
    for cls in classes:
        if not isinstance(have, cls):
            fitting = _names(component.kind, lambda other, cls=cls: issubclass(other, cls))
            raise MismatchError(
                f"{who} requires the {component.kind} to be a {cls.__name__}, "
                f"and {component.name!r} isn't.",
                try_=f"{component.kind}={fitting}" if fitting else None,
            )


def _names(kind: str, fits: Any) -> str:
    """Registered names of a kind whose class fits; a component that fails to import doesn't."""
    found = []
    for entry in registry().entries(kind):
        try:
            if fits(entry.load()):
                found.append(repr(entry.name))
        except PriorkitError:
            continue
    return " or ".join(found)
