"""Chunks and restarts put together: solutions with the images that they stand for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from priorkit.interfaces import Draws, Pixels, Problem, Solution

__all__ = ["Part", "apart", "averaged", "joined", "lower", "shown"]

# Standard deviation of what moves a start: of latents, whose own is 1, and of pixels.
APART = {"latent": 0.2, "pixel": 0.02}


@dataclass(frozen=True)
class Part:
    """A solution, and its images (B, *shape): of measured pictures within [0, 1], else anywhere.

    ``outside`` (B,) counts the values of a picture that left [0, 1]. The misfit of the solution
    is that of ``x``, whatever the solver's last was.
    """

    solution: Solution
    x: Tensor
    outside: Tensor

    @classmethod
    def of(cls, problem: Problem, solution: Solution) -> Part:
        """The images of a solution: D(û), or of a sampler the mean of its draws.

        Where the measurement doesn't tell x from −x, it is the one that is the more positive, as
        pictures are.
        """
        with torch.no_grad():
            x = problem.image(solution.u)
            signless = problem.operator.signless
            if signless and isinstance(problem.decoder, Pixels) and x.ndim == 4:
                over = (2, 3) if signless == "channel" else (1, 2, 3)
                x = torch.where(x.double().sum(over, keepdim=True) < 0, -x, x)
                solution.u = problem.decoder.encode(x)
            draws = solution.draws
            if draws is not None:
                drawn = (draws.count > 0).view(-1, *[1] * (x.ndim - 1))
                x = torch.where(drawn, draws.mean, x)
            outside = torch.zeros(len(x), dtype=torch.long, device=x.device)
            if x.ndim == 4:
                outside = ((x < 0) | (x > 1)).flatten(1).sum(1)
            x = shown(x, clip=problem.simulated)
            solution.misfit = problem.noise.misfit(problem.operator.A(x), problem.y)[0]
        return cls(solution, x, outside)

    def rows(self, index: list[int]) -> Part:
        """Some of its images."""
        return Part(self.solution.rows(index), self.x[index], self.outside[index])

    @classmethod
    def unsolved(cls, problem: Problem, u0: Tensor) -> Part:
        """Images that were left at their start."""
        b = len(u0)
        infinite = torch.full((b,), torch.inf, dtype=torch.float64, device=u0.device)
        never = ["never begun"] * b
        stopped = Solution(
            u=u0.clone(),
            value=infinite,
            misfit=infinite.clone(),
            expected=torch.full_like(infinite, torch.nan),
            status=["stopped"] * b,
            reason=never,
            evaluations=[0] * b,
        )
        return cls.of(problem, stopped)


def averaged(problem: Problem, tries: Sequence[Part]) -> Part:
    """Per image the mean of its tries, with its own misfit; of u the first try's."""
    first = tries[0].solution
    x = torch.stack([part.x for part in tries]).mean(0)
    found = [part.solution for part in tries]
    worst = [
        next((k for k, s in enumerate(found) if s.status[i] != "converged"), 0)
        for i in range(len(x))
    ]
    solution = Solution(
        u=first.u,
        value=torch.stack([s.value for s in found]).mean(0),
        misfit=problem.noise.misfit(problem.operator.A(x), problem.y)[0],
        expected=torch.full_like(first.value, torch.nan),  # of a mean: less than of its parts
        status=[found[k].status[i] for i, k in enumerate(worst)],
        reason=[found[k].reason[i] for i, k in enumerate(worst)],
        evaluations=[sum(s.evaluations[i] for s in found) for i in range(len(x))],
    )
    outside = torch.stack([part.outside for part in tries]).amax(0)
    return Part(solution, x, outside)


def apart(problem: Problem, u0: Tensor) -> Tensor:
    """Starts of tries that are averaged: those that no mirror tells apart are moved apart."""
    own = 2 if problem.has_mirror else 1
    moved = torch.tensor([restart >= own for restart in problem.restarts], device=u0.device)
    size = APART[problem.space]
    noise = problem.streams("averaging").normal(problem.size).to(u0)
    return torch.where(moved[:, None], u0 + size * noise, u0)


def shown(x: Tensor, *, clip: bool) -> Tensor:
    """Images as they are reported: nothing that isn't a number, and pictures within [0, 1] where
    it is known that the measured ones are: what an instrument measured has units of its own."""
    if x.ndim != 4:
        return x.nan_to_num(0.0)
    x = x.nan_to_num(0.5)
    return x.clamp(0, 1) if clip else x


def joined(parts: Sequence[Part]) -> Part:
    """One part of all chunks, in their order."""
    found = [part.solution for part in parts]
    solution = Solution(
        u=torch.cat([s.u for s in found]),
        value=torch.cat([s.value for s in found]),
        misfit=torch.cat([s.misfit for s in found]),
        expected=torch.cat([s.expected for s in found]),
        status=[status for s in found for status in s.status],
        reason=[reason for s in found for reason in s.reason],
        evaluations=[count for s in found for count in s.evaluations],
        draws=_joined_draws(parts) if any(s.draws is not None for s in found) else None,
    )
    x, outside = (torch.cat([getattr(part, name) for part in parts]) for name in ("x", "outside"))
    return Part(solution, x, outside)


def _joined_draws(parts: Sequence[Part]) -> Draws:
    """Draws of all chunks; one that Ctrl-C cut before its first has none, and no spread."""
    kept = min(len(p.solution.draws.samples) for p in parts if p.solution.draws is not None)
    found = []
    for part in parts:
        draws = part.solution.draws
        if draws is None:
            unknown = torch.full_like(part.x, torch.nan)
            count = torch.zeros(len(part.x), dtype=torch.long, device=part.x.device)
            draws = Draws(count, part.x, unknown, unknown.expand(kept, *unknown.shape))
        found.append(draws)
    return Draws(
        count=torch.cat([d.count for d in found]),
        mean=torch.cat([d.mean for d in found]),
        spread=torch.cat([d.spread for d in found]),
        samples=torch.cat([d.samples[-kept:] for d in found], 1),
    )


def lower(a: Part, b: Part) -> Part:
    """Per image the part of the lower objective; evaluations add up."""
    first, second = a.solution, b.solution
    better = second.value < first.value
    winners = [second if win else first for win in better.tolist()]

    def pick(one: Tensor, other: Tensor, lead: int = 0) -> Tensor:
        shape = (*[1] * lead, -1, *[1] * (one.ndim - lead - 1))
        return torch.where(better.view(shape), other, one)

    draws = first.draws
    if draws is not None and second.draws is not None:
        other = second.draws
        kept = min(len(draws.samples), len(other.samples))
        draws = Draws(
            count=pick(draws.count, other.count),
            mean=pick(draws.mean, other.mean),
            spread=pick(draws.spread, other.spread),
            samples=pick(draws.samples[-kept:], other.samples[-kept:], lead=1),
        )
    solution = Solution(
        u=pick(first.u, second.u),
        value=pick(first.value, second.value),
        misfit=pick(first.misfit, second.misfit),
        expected=pick(first.expected, second.expected),
        status=[winner.status[i] for i, winner in enumerate(winners)],
        reason=[winner.reason[i] for i, winner in enumerate(winners)],
        evaluations=[i + j for i, j in zip(first.evaluations, second.evaluations, strict=True)],
        draws=draws,
    )
    return Part(solution, pick(a.x, b.x), pick(a.outside, b.outside))
