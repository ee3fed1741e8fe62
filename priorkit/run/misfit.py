"""What a misfit tells of what was found: far from y, or too near."""

from __future__ import annotations

import logging
import math

import torch
from torch import Tensor

from priorkit.interfaces import Kind, LinearOperator, Noise, Problem, RandomOperator
from priorkit.linear import energy
from priorkit.run.setup import Setup

__all__ = ["beyond", "explained", "question_misfit"]

log = logging.getLogger("priorkit")

UNEXPLAINED, FITTED = 10.0, 0.01  # of the misfit that noise has, from which on one is questioned
DRAWN, SCATTER = 2.0, 7.0  # the same of draws, and what is added over √entries: noise scatters
HALF, NOISY = 0.65, 0.04  # the same below, of a whole y of which noise is such a part of ‖y‖²
EXACT = 1e-3  # of the misfit of an empty picture, from which draws are questioned of exact numbers
HARDLY = 0.25  # of the misfit of an empty picture, likewise where nobody knows the noise
HELD = 0.15  # of the same where it is known: γ may hold back a tenth of few measurements
AWAY = 1.0  # from [0, 1] on average, in its own widths, from which on values are of another range
NOTHING = 0.01  # of ‖x‖², the most that [0, 1] holds of values that lie outside it altogether


def explained(misfit: Tensor, alone: Tensor, y: Tensor, problem: Problem) -> Tensor:
    """Whether what was found explains y (B, *y_shape) at all, (B,) of its misfit (B,), and that
    which noise ``alone`` has there, E ℓ (B,). It doesn't where

        ℓ(A x̂, y) > 0.15 · ℓ(A 0, y) and > 10 · E ℓ           if the noise is known, and not from y,
        ℓ(A x̂, y) > ¼ · ℓ(A 0, y)                             else:

    ℓ(A 0, y), of an empty picture, is what y holds at all. That y is mostly in other units than x,
    or of another operator. A misfit above that of noise alone is no sign of it: γ > 0 has one by
    design. A quarter is left by noise of 5 dB.
    """
    empty = _empty(y, problem).to(misfit)
    if _known(problem.noise):
        return ~((misfit > UNEXPLAINED * alone) & (misfit > HELD * empty))
    return ~(misfit > HARDLY * empty)


def beyond(x: Tensor, kind: Kind) -> Tensor:
    """Whether images (B, *shape) lie far outside [0, 1], (B,): their values on average by more than
    its width, as in other units, or next to all of them and by a tenth of it, as where y has the
    other sign. False of what isn't brightness."""
    if not kind.bounded:
        return torch.zeros(len(x), dtype=torch.bool, device=x.device)
    x = x.double().flatten(1)
    inside = x.clamp(0, 1)
    away = (x - inside).abs().mean(1)
    none = inside.square().sum(1) < NOTHING * x.square().sum(1)
    return (away > AWAY) | (none & (away > AWAY / 10))


def question_misfit(
    misfit: Tensor, alone: Tensor, good: list[bool], y: Tensor, setup: Setup, *, of: str = ""
) -> None:
    """Warn where what was found doesn't explain y, as ``good`` says of each image (see
    :func:`explained`), is far from it for its noise, or is as near to it as only its noise is, to
    whose own misfit, ``alone`` (B,), its ``misfit`` (B,) is compared; ``of`` says who found it,
    where there are several.

    Far is ten times the noise's of a y that was measured, and little is a hundredth. Of one that
    was simulated much is by design: γ > 0 and a small family of pictures leave a misfit, and γ = 0
    of few measurements none. There that is said which no design has:

    - of draws more than twice the noise's: of p(x | y), each has as much on average as the truth.
      Not of random measurements, whose draws message passing leads to without fitting y closely.
      Of a y without noise more than a thousandth of that of an empty picture;
    - where y is a whole picture and much of it noise, a 25th of ‖y‖², less than 0.65 of the
      noise's, of a solver that γ could have held back.
    """
    noise, who = setup.problem.noise, f"{of}: " if of else ""
    lost, known = ~torch.tensor(good, device=misfit.device), _known(noise)
    ratio = misfit / alone.clamp_min(1e-300)
    most, least = _limits(y, setup)
    beside = alone if known else _empty(y, setup.problem).to(misfit)
    if bool(lost.any()):
        worst = int(torch.where(lost, misfit, -torch.inf).argmax())
        gives = "noise alone gives" if known else "an empty picture would give"
        which = "The measurement isn't explained"
        if len(good) > 1:
            which = f"{int(lost.sum())} of {len(good)} measurements aren't explained, and least "
            which += f"number {worst + 1}"
        log.warning(
            "%s%s: its misfit is %.3g where %s %.3g. "
            "Is the operator the one that measured it, and %s in the units of x? Or is γ too "
            "large, or the budget too small?",
            *(who, which, float(misfit[worst]), gives, float(beside[worst])),
            "are y and σ" if known else "is y",
        )
    elif known and bool((ratio > most).any()):
        i = int(ratio.argmax())
        log.warning(
            "%sThe misfit is %.3g where noise alone gives %.3g: %s",
            *(who, float(misfit[i]), float(alone[i])),
            _far(setup),
        )
    elif not noise.energy and _draws_fit(setup) and bool((misfit > EXACT * beside).any()):
        i = int((misfit / beside).argmax())
        log.warning(
            "%sThe misfit is %.3g of exact numbers, of which an empty picture would give %.3g: %s",
            *(who, float(misfit[i]), float(beside[i])),
            _far(setup),
        )
    elif known and bool((ratio < least).any()):
        i = int(ratio.argmin())
        log.warning(
            "%sThe noise was fitted too: the misfit is %.3g where noise alone gives %.3g. %s",
            *(who, float(misfit[i]), float(alone[i])),
            "Has y as much noise as was said, and is it in the units of x?"
            if setup.by_rule
            else "Try: a larger γ, or gamma='discrepancy'",
        )


def _limits(y: Tensor, setup: Setup) -> tuple[float, Tensor]:
    """How much of the noise's misfit what was found may have at most, and at least, (B,)."""
    problem, noise = setup.problem, setup.problem.noise
    power = energy(noise.measured(y))
    least = torch.full_like(power, 0.0 if problem.simulated else FITTED)
    held = setup.solver.penalised and not setup.by_rule  # by a larger γ
    if problem.simulated and problem.operator.sees_all and held:
        least = torch.where(noise.entries * noise.std**2 > NOISY * power, HALF, least)
    if _draws_fit(setup):
        return DRAWN + SCATTER / max(noise.entries, 1) ** 0.5, least
    return math.inf if problem.simulated else UNEXPLAINED, least


def _draws_fit(setup: Setup) -> bool:
    """Whether what was found is of draws, whose distance from y is that of noise."""
    operator = setup.problem.operator
    passed = isinstance(operator, RandomOperator) and operator.ensemble is not None
    return setup.solver.draws > 0 and not passed


def _far(setup: Setup) -> str:
    """What is to be asked where a misfit is larger than noise has it."""
    if not _draws_fit(setup):
        return (
            "little of what y holds, and more than its noise. Is γ too large, σ that of y, or the "
            "budget too small?"
        )
    linear = isinstance(setup.problem.operator, LinearOperator)
    said = (
        "y says more of x than these draws do. Is the budget too small, σ that of y, or x of a "
        "kind that the prior doesn't know" + ("?" if linear else ", or A steep or flat there?")
    )
    if not setup.unusual:
        return said
    own = "".join(f" and no {name}" for name in setup.selections["solver"].options)
    return f"{said} Try: no solver{own}, for the usual one may come nearer"


def _known(noise: Noise) -> bool:
    """Whether somebody said how much noise there is, and it wasn't taken from y."""
    return noise.known and bool(noise.energy) and not noise.level.estimated


def _empty(y: Tensor, problem: Problem) -> Tensor:
    """ℓ(A 0, y), (B,)."""
    zero = torch.zeros(1, *problem.shape, device=y.device, dtype=y.real.dtype)
    with torch.no_grad():
        return problem.noise.misfit(problem.operator.A(zero).expand_as(y), y)[0]
