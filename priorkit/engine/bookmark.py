"""Where rows stand that are still being solved: kept every few seconds, where their solver can go
on from there, so that a run that is killed loses only what came after."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from priorkit.engine.journal import Journal
from priorkit.engine.loop import Average, Begun, Ledger
from priorkit.engine.result import Trace
from priorkit.interfaces import Problem, Solver

__all__ = ["EVERY", "Bookmark", "Keeper"]

EVERY = 5.0  # seconds between two bookmarks at least,
SHARE = 20  # and times as long as the last one took to be written

STATE = ("u", "value", "misfit", "expected", "evaluations")  # of every State and Ledger
DRAWS = ("count", "mean", "square")  # of an Average, per row


class Keeper:
    """Writes to a journal where a chunk stands; called by the loop after every step.

    Parameters
    ----------
    rows, traces : of the run, one of each per row of the chunk
    """

    def __init__(
        self, journal: Journal, solver: Solver[Any], rows: list[int], traces: list[Trace]
    ) -> None:
        self._journal, self._solver, self._rows, self._traces = journal, solver, rows, traces
        self._next = time.monotonic() + EVERY

    def __call__(self, ledger: Ledger) -> None:
        started = time.monotonic()
        own = self._solver.keep(ledger.state) if started >= self._next else None
        images = ledger.which.tolist()
        running = [place for place, i in enumerate(images) if ledger.status[i] is None]
        if own is None or not running:
            return
        which = [images[place] for place in running]
        each = list(dict.fromkeys(which))  # one may be there twice
        tensors = {f"state.{name}": getattr(ledger.state, name)[running] for name in STATE}
        tensors |= {f"solver.{k}": v[running] if v.ndim else v for k, v in own.items()}
        tensors |= {f"ledger.{name}": getattr(ledger, name)[each] for name in STATE}
        words: dict[str, Any] = {
            "state": [self._rows[i] for i in which],
            "rows": [self._rows[i] for i in each],
            "traces": [asdict(self._traces[i]) for i in each],
        }
        if ledger.draws is not None:
            tensors |= {f"draws.{name}": getattr(ledger.draws, name)[each] for name in DRAWS}
            tensors["draws.kept"] = torch.stack([x[each] for x in ledger.draws.kept])
            words |= {"stride": ledger.draws.stride, "seen": ledger.draws.seen}
        self._journal.mark(tensors, words)
        now = time.monotonic()
        self._next = now + max(EVERY, SHARE * (now - started))


@dataclass(frozen=True)
class Bookmark:
    """Where some rows of a run stood: ``rows`` their numbers, ``traces`` one of each."""

    rows: list[int]
    traces: list[Trace]
    _state: list[int]  # the row of each row of the state
    _tensors: dict[str, Tensor]
    _words: dict[str, Any]

    @classmethod
    def found(cls, journal: Journal, pending: Sequence[int]) -> Bookmark | None:
        """What a journal holds of rows that are ``pending``; None for nothing."""
        marked = journal.marked()
        if marked is None:
            return None
        tensors, words = marked
        rows, state = list(words["rows"]), list(words["state"])
        left = [i for i, row in enumerate(rows) if row in pending]
        own = [i for i, row in enumerate(state) if row in pending]
        kept = {}
        for name, value in tensors.items():
            part = own if name.startswith(("state.", "solver.")) else left
            taken = value[:, part] if name == "draws.kept" else value[part] if value.ndim else value
            kept[name] = taken
        traces = [Trace(**words["traces"][i]) for i in left]
        places = [rows[i] for i in left]
        return cls(places, traces, [state[i] for i in own], kept, words) if left else None

    def begin(self, solver: Solver[Any], problem: Problem, u0: Tensor, budget: int) -> Begun:
        """The batch of these rows as it stood; ``problem`` and u0 are of these rows."""
        device = problem.y.device
        tensors = {name: value.to(device) for name, value in self._tensors.items()}
        ledger = Ledger(problem, u0, solver.descends)
        for name in STATE:
            setattr(ledger, name, tensors[f"ledger.{name}"])
        if "draws.mean" in tensors:
            ledger.draws = Average(len(u0), tensors["draws.kept"][0])
            for name in DRAWS:
                setattr(ledger.draws, name, tensors[f"draws.{name}"])
            ledger.draws.kept = list(tensors["draws.kept"])
            ledger.draws.stride, ledger.draws.seen = self._words["stride"], self._words["seen"]
        place = torch.tensor([self.rows.index(row) for row in self._state], device=device)
        taken = torch.arange(len(place), device=device)
        if len(place) == 1:  # its companion has ended meanwhile
            taken = problem.paired(taken)
        index = place[taken]
        own = {
            name.removeprefix("solver."): value[taken] if value.ndim else value
            for name, value in tensors.items()
            if name.startswith("solver.")
        }
        state = solver.again(problem.rows(index), u0[index], budget, own)
        for name in STATE:
            setattr(state, name, tensors[f"state.{name}"][taken].clone())
        return Begun(ledger, index, state)
