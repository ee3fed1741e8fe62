"""γ that follows from y: the run at the γ whose expected error, or whose misfit, is right."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, field, replace

from torch import Tensor

from priorkit.io.saved import number
from priorkit.linear import dots
from priorkit.run.run import Outcome, Solve, Task
from priorkit.streams import Streams

__all__ = ["search"]

FACTOR = math.log(4)  # of the first steps of γ
FINE = math.log(1.2)  # of the last ones of "sure": the error is flat about its minimum
NEAR = 0.01  # part of the noise's energy by which "discrepancy" may miss it
MOST = 30  # solves, or pairs of them
FAR = math.log(1e6)  # from where γ begins: beyond it R is everything, or nothing
PROBE = 0.1  # how far y is moved, in parts of σ

log = logging.getLogger("priorkit")


def search(solve: Solve, task: Task) -> Outcome:
    """As ``solve``, after a search for γ by the rule that was given for it.

    Every γ that is tried is a solve of all images as the last one is, so that the rule judges
    what comes back; γ is one for all. "sure" minimises the mean of Stein's unbiased estimate of
    the error where y is the image with Gaussian noise, n numbers of known σ,

        (1/n)‖x̂(y) − x‖² ≈ (1/n)‖x̂(y) − y‖² − σ² + 2σ²·⟨s, x̂(y + εs) − x̂(y)⟩/(εn),

    s random signs, which takes two solves, by steps of log γ that are halved. "discrepancy" finds
    the γ at which the mean misfit ℓ(A x̂, y) is that of noise alone, E ℓ at A x̂, by false position
    in log γ; the misfit rises with γ. The record lists what was tried under "weight", and the γ
    found as its gamma.

    References: Stein, "Estimation of the mean of a multivariate normal distribution", Ann.
    Statist. 1981; Ramani, Blu & Unser, "Monte-Carlo SURE", IEEE Trans. Image Process. 2008;
    Morozov, "On the solution of functional equations by the method of regularization", Soviet
    Math. Dokl. 1966.
    """
    rule, journal = task.setup.config.gamma, task.journal
    noted = None if journal is None else journal.noted("weight")
    if noted is None:
        tried = _Tried(solve, replace(task, journal=None, level=logging.DEBUG))
        solves = "pairs of solves" if rule == "sure" else "solves"
        log.info("γ by %s: some seven %s, each of %s.", rule, solves, task.planned)
        try:
            gamma = _least(tried) if rule == "sure" else _matching(tried)
        except _CutShort as cut:
            return cut.outcome
        table = [[gamma, number(mean)] for gamma, mean in sorted(tried.means.items())]
        noted = {"by": rule, "gamma": gamma, "tried": table}
        if rule == "sure":
            noted["expected"] = [number(e) for e in tried.expected[gamma].tolist()]
        if journal is not None:
            journal.note("weight", noted)
    found = solve(_at(task, float(noted["gamma"])))
    return replace(found, weight={key: v for key, v in noted.items() if key != "gamma"})


def _at(task: Task, gamma: float) -> Task:
    """The same at a γ that is a number."""
    setup = task.setup
    config, problem = setup.config.model_copy(update={"gamma": gamma}), setup.problem
    return replace(task, setup=replace(setup, config=config, problem=replace(problem, gamma=gamma)))


class _CutShort(Exception):  # noqa: N818  # not an error of its own
    """The search was cut: what there is at the γ that was being tried."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__()
        self.outcome = outcome


@dataclass
class _Tried:
    """The γ that were tried. ``means`` is what their rule says of each, over the images, infinite
    where a solve failed, and ``expected`` the error per image (B,) that "sure" expects."""

    solve: Solve
    task: Task
    means: dict[float, float] = field(default_factory=dict)
    expected: dict[float, Tensor] = field(default_factory=dict)

    def error(self, gamma: float) -> float:
        """The expected error at γ."""
        if gamma not in self.means:
            y, sigma = self.task.y, self.task.setup.problem.noise.std
            n = y[0].numel()
            setup = self.task.setup
            streams = Streams(setup.config.seed, "weight", setup.numbers(len(y)))
            move = PROBE * sigma * streams.signs(n).to(y).view_as(y)
            found = self._solve(gamma, y)
            moved = self._solve(gamma, y + move, found)
            slope = dots(moved.x - found.x, move) / (PROBE * sigma) ** 2
            expected = (found.misfit.to(y.device) + 2 * sigma**2 * slope) / n - sigma**2
            mean = float(expected.mean())
            self.means[gamma] = mean if math.isfinite(mean) else math.inf
            self.expected[gamma] = expected
            log.info("γ = %.4g: expected error %.3g per pixel.", gamma, mean)
        return self.means[gamma]

    def misfit(self, gamma: float) -> float:
        """The mean misfit at γ, in parts of the noise's."""
        if gamma not in self.means:
            found = self._solve(gamma, self.task.y)
            mean = float(found.misfit.mean() / found.noise_misfit.mean().clamp_min(1e-300))
            self.means[gamma] = mean if math.isfinite(mean) else math.inf
            log.info("γ = %.4g: misfit %.4g times that of the noise.", gamma, mean)
        return self.means[gamma]

    def _solve(self, gamma: float, y: Tensor, before: Outcome | None = None) -> Outcome:
        """The images at γ. After an error or Ctrl-C raises what there is of them: what was found
        ``before``, where this y is a moved one."""
        found = self.solve(replace(_at(self.task, gamma), y=y))
        if found.cut is not None:
            raise _CutShort(replace(before or found, cut=found.cut))
        return found


def _least(tried: _Tried) -> float:
    """The γ of the least expected error: of the neighbours of the best, then of nearer ones."""
    first = best = math.log(tried.task.setup.problem.gamma)
    step = FACTOR
    while step > FINE and len(tried.means) < MOST:
        around = (best, best + step, best - step)
        least = min(around, key=lambda t: tried.error(_rounded(t)))
        if abs(least - first) > FAR:
            log.warning("The expected error has no minimum: it still falls at this γ.")
            break
        step, best = (step / 2, best) if least == best else (step, least)
    return _rounded(best)


def _matching(tried: _Tried) -> float:
    """The γ of the noise's misfit: between two that miss it on either side, ever nearer."""
    first = t = math.log(tried.task.setup.problem.gamma)
    low: tuple[float, float] | None = None  # log γ, and the log of the misfit there, below 0
    high: tuple[float, float] | None = None
    while True:
        value = math.log(max(tried.misfit(_rounded(t)), 1e-300))
        if abs(math.expm1(value)) <= NEAR:
            return _rounded(t)
        low, high = (low, (t, value)) if value > 0 else ((t, value), high)
        if low is None or high is None:
            t += -FACTOR if low is None else FACTOR
            if abs(t - first) > FAR:
                break
            continue
        if len(tried.means) >= MOST or high[0] - low[0] < 1e-3:
            break
        t = _between(low, high)
    nearest = min(tried.means, key=lambda g: abs(math.log(max(tried.means[g], 1e-300))))
    log.warning(
        "No γ gives a misfit like that of the noise: the nearest has %.3g times as much.",
        tried.means[nearest],
    )
    return nearest


def _between(low: tuple[float, float], high: tuple[float, float]) -> float:
    """Where a line from one to the other is 0, but not too near to either."""
    part = 0.5 if math.isinf(high[1]) else -low[1] / (high[1] - low[1])
    return low[0] + min(max(part, 0.15), 0.85) * (high[0] - low[0])


def _rounded(t: float) -> float:
    """exp(t) as people read it, so that what is recorded is what was used."""
    return float(f"{math.exp(t):.4g}")
