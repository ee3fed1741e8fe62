"""What a solver promises."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast, get_args

import torch
from torch import Tensor

from priorkit.counted import counted
from priorkit.interfaces import Denoiser, Problem, ProximalPenalty, Solver, Status, ZeroPenalty
from priorkit.loop import Ledger, iterate, solve
from priorkit.testing.chance import addressed
from priorkit.testing.compare import close
from priorkit.testing.promises import promise
from priorkit.testing.samples import problem_for

__all__ = ["check_solver"]

CALLS = "calls of the denoiser"
# What is counted in a unit, both by whoever asks for it and here; others are a solver's own.
COUNTED = {"evaluations": "products with A", CALLS: CALLS}
AGAIN = 20  # evaluations of a solve that is repeated
Solved = Callable[[Problem, Tensor], Ledger]  # what the solver finds, from a start u0


@addressed
def check_solver(
    solver: Solver[Any],
    *,
    budget: int = 400,
    tolerance: float = 1e-3,
    problem: Problem | None = None,
) -> None:
    """A solver on a small problem that meets what it requires.

    It comes within ``tolerance`` of the minimum where it descends, keeps its budget, counts what
    its unit says, neither fewer nor more, reports the value that belongs to u, and doesn't change
    its inputs. The result of an image is the same alone and in a batch, whatever the others
    measured. The draws of a sampler are the same when drawn again, and differ between images and
    restarts.

    Parameters
    ----------
    budget : evaluations per image, enough to converge
    tolerance : how far the objective may be above its minimum, in parts of its possible fall
    problem : with its data, for a solver that requires what no sample has
    """
    problem = problem or problem_for(solver.requires, known=not solver.descends)
    solver.check(replace(problem, data=None))
    u0 = torch.zeros(len(problem.y), problem.size, dtype=problem.y.real.dtype)
    y, start = problem.y.clone(), u0.clone()

    def solved(problem: Problem, u0: Tensor, budget: int = budget) -> Ledger:
        found, cut = solve(solver, problem, u0, budget)
        if cut is not None:  # what ended it early
            raise cut
        return found

    with promise(
        "init and step solve, and change nothing of their inputs",
        "count in state.evaluations; end images by state.end",
    ):
        early = solved(problem, u0, budget=min(AGAIN, budget))
        found = solved(problem, u0)
        assert torch.equal(problem.y, y), "the solver changes y"
        assert torch.equal(u0, start), "the solver changes u0"
        assert found.u.shape == u0.shape, f"u has shape {tuple(found.u.shape)}"
        assert bool(torch.isfinite(found.u).all()), "u has values that aren't finite"
        assert int(found.evaluations.max()) <= budget, "more evaluations than the budget"
        assert int(found.evaluations.min()) >= 1, "no evaluation was counted"
        assert all(found.reason), "a status without its reason"
        unknown = set(found.status) - set(get_args(Status))
        assert not unknown, f"{unknown} is no status: {', '.join(get_args(Status))}"
    with promise(
        "solving again with the same object takes the same steps",
        "what changes from step to step is in the state that init makes, not on the solver",
    ):
        again = solved(problem, u0, budget=min(AGAIN, budget))
        assert torch.equal(again.evaluations, early.evaluations), "it counts other evaluations"
        close(again.u, early.u, 1e-6, f"u after {AGAIN} evaluations, after another solve")
    with promise("a small budget is kept", "at most one more evaluation per step"):
        short = solved(problem, u0, budget=2)
        assert int(short.evaluations.max()) <= 2, "a budget of 2 isn't kept"
    with promise("u stays in the precision of the problem", "no .double() of u or its gradient"):
        solved(_single(problem), u0.float(), budget=2)
    if solver.descends:
        with promise("value and misfit are those of u", "set all three together in step"):
            _check_values(problem, short, "u after two evaluations")
        with promise(
            "it comes to the minimum",
            "another rate, or check_solver(…, budget=…); descends = False where it needn't",
        ):
            _check_descent(problem, u0, found, tolerance)
    if solver.unit in COUNTED:
        says = "count each problem.value_grad, and nothing else"
        if solver.unit == CALLS:
            says = "count each image that prior.denoise is called with, and nothing else"
        with promise(f"{COUNTED[solver.unit]} are what is counted as {solver.unit}", says):
            _check_count(solver, problem, u0, budget)
    with promise("images don't influence each other", "no sum or step over the batch"):
        _check_independence(solver, solved, problem, u0, found)
    if found.draws is not None:
        with promise(
            "draws depend on the seed, the image and the restart alone",
            "problem.streams(name, step=number)",
        ):
            _check_draws(solved, problem, u0, found)


def _single(problem: Problem) -> Problem:
    """The same measurements in float32, as those of a run are."""
    y = problem.y.to(torch.complex64 if problem.y.is_complex() else torch.float32)
    truth = None if problem.truth is None else problem.truth.float()
    return problem.at(y, truth, problem.images, problem.restarts)


def _check_values(problem: Problem, found: Ledger, which: str) -> None:
    now = problem.value_grad(found.u)
    close(now.value, found.value, 1e-6, f"value isn't that of {which}")
    close(now.misfit, found.misfit, 1e-6, f"misfit isn't that of {which}")


def _check_descent(problem: Problem, u0: Tensor, found: Ledger, tolerance: float) -> None:
    _check_values(problem, found, "u")
    lowest, first = _minimum(problem, u0), problem.value_grad(u0).value
    falls = (found.value - lowest) / (first - lowest)
    worst = int(falls.argmax())
    assert float(falls[worst]) < tolerance, (
        f"the objective is {float(falls[worst]):.2e} of its possible fall above the minimum; "
        f"it ended {found.status[worst]} ({found.reason[worst]}) "
        f"after {counted(int(found.evaluations[worst]), 'evaluations')}"
    )


def _minimum(problem: Problem, u0: Tensor) -> Tensor:
    """The least objective of a convex problem, by many proximal gradient steps."""
    probe = torch.eye(problem.size, dtype=u0.dtype)
    flat = problem.at(torch.zeros_like(problem.y[:1]).expand(len(probe), *problem.y.shape[1:]))
    zero = flat.smooth(torch.zeros_like(probe)).grad
    curvature = float(torch.linalg.matrix_norm(flat.smooth(probe).grad - zero, 2))
    u = u0.clone()
    for _ in range(3000):
        u = u - problem.smooth(u).grad / curvature
        if not isinstance(problem.penalty, ZeroPenalty):
            penalty = cast(ProximalPenalty, problem.penalty)
            u = penalty.prox(u, problem.gamma / curvature)
    return problem.value_grad(u).value


def _check_count(solver: Solver[Any], problem: Problem, u0: Tensor, budget: int) -> None:
    """A step of an image counts as many evaluations as it makes products with A, or calls of the
    denoiser: no fewer, which would cost more than its budget, and no more. What init makes comes
    to the first step, and needn't be counted there."""
    made, what = 0, COUNTED[solver.unit]

    def counted_of(call: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def counting(x: Tensor, *more: Any, **named: Any) -> Tensor:
            nonlocal made
            made += len(x)
            return call(x, *more, **named)

        return counting

    operator, prior = copy.copy(problem.operator), copy.copy(problem.prior)
    if solver.unit == CALLS:
        denoise = counted_of(cast(Denoiser, problem.prior).denoise)
        prior.denoise = denoise
    else:
        operator.A = counted_of(problem.operator.A)  # type: ignore[method-assign]
    watched = replace(problem, operator=operator, prior=prior).rows(torch.tensor([0]))
    before = 0, 0
    for step, ledger in enumerate(iterate(solver, watched, u0[:1], budget)):
        now = made, int(ledger.evaluations[0])
        done, said = now[0] - before[0], now[1] - before[1]
        assert said == done or (said < done and step == 0), (
            f"a step took {counted(done, what)} and counted {counted(said, solver.unit)}"
        )
        before = now


def _check_independence(
    solver: Solver[Any], solved: Solved, problem: Problem, u0: Tensor, found: Ledger
) -> None:
    y = problem.y.clone()
    y[0] *= 1e6
    beside = solved(problem.at(y, problem.truth, problem.images), u0)
    for i in range(1, len(u0)):
        close(beside.u[i], found.u[i], 1e-6, "an image's result depends on what another measured")
    row = torch.tensor([2])
    alone = solved(problem.rows(row), u0[row])
    close(alone.u, found.u[2:3], 1e-6, "an image's result depends on its batch")
    if solver.unit == "evaluations":
        assert int(alone.evaluations[0]) == int(found.evaluations[2]), (
            "an image alone takes other steps"
        )


def _check_draws(solved: Solved, problem: Problem, u0: Tensor, found: Ledger) -> None:
    def mean(ledger: Ledger) -> Tensor:
        assert ledger.draws is not None, "some solves have draws, and some have none"
        return ledger.draws.mean

    first, row = mean(found), torch.tensor([2])
    close(mean(solved(problem, u0)), first, 1e-9, "the same seed gives other draws")
    alone = mean(solved(problem.rows(row), u0[row]))
    close(alone, first[2:3], 1e-6, "an image's draws depend on its batch")
    second = problem.at(problem.y, problem.truth, problem.images, [1] * len(problem.y))
    gap = float((mean(solved(second, u0)) - first).abs().max())
    assert gap > 1e-9, "two restarts share their draws"
    same = problem.at(problem.y[:1].expand_as(problem.y), None, problem.images)
    equal = mean(solved(same, u0))
    assert float((equal[0] - equal[1]).abs().max()) > 1e-9, "two images share their draws"
