"""What is known of one try of one image; a run is a list of these."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from priorkit.interfaces import Draws, Kind, Pixels, Status
from priorkit.interfaces.answers import answer, answers
from priorkit.loop import Ledger, company

__all__ = ["Row", "Trace", "best", "ended"]


@dataclass
class Trace:
    """What happened to one restart of one image: lists with a number per step.

    ``norm`` is ‖u‖, ``seconds`` since the run began, or went on after it was cut.
    """

    image: int
    restart: int
    evaluations: list[int] = field(default_factory=list)
    objective: list[float] = field(default_factory=list)
    misfit: list[float] = field(default_factory=list)
    norm: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


@dataclass
class Row:
    """One try of one image, at its end.

    Attributes
    ----------
    u : where the solver ended, (n,)
    x : its image (*shape): of measured pictures within [0, 1], else anywhere, as what an
        instrument measured has units of its own
    value : the objective at u
    misfit : ℓ(A x, y), of ``x``, whatever the solver's last was
    noise_misfit : E ℓ there of noise alone; 0 where nobody knows how much there is
    expected : the error (1/n)‖x̂ − x‖² that the solver expects, NaN where it can't tell
    outside : how many values of the image left [0, 1]
    status, reason, evaluations : as the loop has them
    draws : of a sampler, a batch of one; None of others, and before the first draw
    trace : of the way there, which also says which image this is, and which restart of it
    """

    u: Tensor
    x: Tensor
    value: float
    misfit: float
    noise_misfit: float
    expected: float
    outside: int
    status: Status
    reason: str
    evaluations: int
    draws: Draws | None
    trace: Trace


def ended(ledger: Ledger, places: Sequence[int], traces: Sequence[Trace], kind: Kind) -> list[Row]:
    """The rows of a batch at some ``places``, with their images: D(u), or of a sampler the mean of
    its draws.

    Where the measurement doesn't tell x from −x, it is the one that is the more positive, as
    pictures are.
    """
    index = torch.tensor(company(places, range(len(ledger.u))), device=ledger.u.device)
    problem, u = ledger.problem.rows(index), ledger.u[index]
    draws = [None if ledger.draws is None else ledger.draws.of(place) for place in places]
    with torch.no_grad():
        x = problem.image(u)
        signless = problem.operator.signless
        if signless and isinstance(problem.decoder, Pixels) and kind.bounded:
            over = tuple(range(2 if signless == "channel" else 1, x.ndim))
            x = torch.where(x.double().sum(over, keepdim=True) < 0, -x, x)
            u = problem.decoder.encode(x)
        if any(draws):
            pairs = zip(x, draws, strict=False)  # the last may have company
            means = [one[None] if drawn is None else drawn.mean for one, drawn in pairs]
            x = torch.cat([*means, x[len(draws) :]])
        outside = kind.outside(x)
        x = kind.reported(x, clip=problem.simulated)
        operator, noise, y = problem.operator, problem.noise, problem.y
        Ax = answer(operator, "A", operator.A(x), y.shape, real=False)
        misfit, _ = answers(noise, "misfit", noise.misfit(Ax, y), (len(y),), y.shape)
        alone = noise.expected_misfit(Ax)
    # Of all at once: a device is waited for as often as it is asked.
    kept = ledger.value[index], misfit, alone, ledger.expected[index]
    value, misfit, alone, expected = torch.stack(kept).tolist()
    counts = torch.stack([outside, ledger.evaluations[index]]).tolist()
    return [
        Row(
            u=u[i],
            x=x[i],
            value=value[i],
            misfit=misfit[i],
            noise_misfit=alone[i],
            expected=expected[i],
            outside=counts[0][i],
            status=ledger.status[place] or "stopped",
            reason=ledger.reason[place],
            evaluations=counts[1][i],
            draws=draws[i],
            trace=trace,
        )
        for i, (place, trace) in enumerate(zip(places, traces, strict=True))
    ]


def best(tries: Sequence[Row]) -> Row:
    """The try of the lowest objective, one that isn't a number being the highest, with the
    evaluations of all."""
    least = min(tries, key=lambda row: math.inf if math.isnan(row.value) else row.value)
    return replace(least, evaluations=sum(row.evaluations for row in tries))
