"""What a start promises."""

from __future__ import annotations

from dataclasses import replace

import torch

from priorkit.interfaces import Problem, Start
from priorkit.testing.chance import addressed
from priorkit.testing.compare import close, finite
from priorkit.testing.promises import promise
from priorkit.testing.samples import problem_for

__all__ = ["check_start"]


@addressed
def check_start(start: Start, *, problem: Problem | None = None) -> None:
    """A start on a problem that meets what it requires, in every space that it allows.

    u₀ has the right shape and dtype, is finite, and is the same when made again and for an image
    alone. A random start differs between restarts.

    Parameters
    ----------
    problem : with its data, for a start that requires what no sample has
    """
    found = [problem] if problem is not None else [problem_for(start.requires, unseen=True)]
    if problem is None and start.requires.latent is not None:
        found.append(replace(found[0], space="pixel"))
    for case in found:
        start.check(replace(case, data=None))
        y = case.y.clone()
        with promise(
            f"u₀ is finite, belongs to its image, and is the same again, in {case.space} space",
            "of shape (B, problem.size), drawn from problem.streams('start')",
        ):
            u = start.make(case)
            assert tuple(u.shape) == (len(y), case.size), f"u₀ has shape {tuple(u.shape)}"
            assert u.dtype == y.real.dtype, f"u₀ is {u.dtype}, y is {y.dtype}"
            finite("u₀", u)
            assert torch.equal(case.y, y), "the start changes y"
            assert torch.equal(start.make(case), u), "a start is the same when made again"
            for i in (1, 2):
                alone = start.make(case.rows(torch.tensor([i])))
                close(alone, u[i : i + 1], 1e-6, "an image's start depends on its batch")
        _check_restarts(start, case)


def _check_restarts(start: Start, problem: Problem) -> None:
    """A start that differs between equal measurements is random; then restarts must differ too."""
    truth = None if problem.truth is None else problem.truth[:1].expand_as(problem.truth)
    y, images = problem.y[:1].expand_as(problem.y), problem.images
    u = start.make(problem.at(y, truth, images))
    if torch.allclose(u[0], u[1]):
        return
    with promise("two restarts of a random start differ", "streams know the restart"):
        again = start.make(problem.at(y, truth, images, [1] * len(y)))
        assert not torch.equal(u, again), "two restarts of a random start are the same"
