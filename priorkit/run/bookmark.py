"""Where rows stand that are still being solved: kept every few seconds, where their solver can go
on from there, so that a run that is killed loses only what came after."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from priorkit.interfaces import Problem, Solver
from priorkit.interfaces.draws import Average
from priorkit.loop import Ledger, company
from priorkit.run.journal import Journal
from priorkit.run.rows import Trace

__all__ = ["EVERY", "Bookmark", "Keeper"]

EVERY = 5.0  # seconds between two bookmarks at least,
SHARE = 20  # and times as long as the last one took to be written

STATE = ("u", "value", "misfit", "expected", "evaluations")  # of every State and Ledger


class Keeper:
    """Writes to a journal where a batch stands; called by the loop after every step.

    Parameters
    ----------
    traces : one per row of the batch, which say what row it is
    """

    def __init__(self, journal: Journal, solver: Solver[Any], traces: list[Trace]) -> None:
        self._journal, self._solver, self._traces = journal, solver, traces
        self._next = time.monotonic() + EVERY

    def __call__(self, ledger: Ledger) -> None:
        started = time.monotonic()
        if started < self._next or (own := self._solver.keep(ledger.state)) is None:
            return
        images = ledger.which
        running = [place for place, i in enumerate(images) if ledger.status[i] is None]
        if not running:
            return
        places = company(running, range(len(images)))
        which = [images[place] for place in places]
        tensors = {f"state.{name}": getattr(ledger.state, name)[places] for name in STATE}
        tensors |= {f"solver.{k}": v[places] if v.ndim else v for k, v in own.items()}
        tensors |= {f"ledger.{name}": getattr(ledger, name)[which] for name in STATE}
        traces = [asdict(self._traces[i]) for i in which]
        words: dict[str, Any] = {"running": len(running), "traces": traces}
        if ledger.draws is not None:
            draws = ledger.draws
            tensors["draws.count"] = torch.tensor(draws.counts)[which]
            tensors |= {"draws.mean": draws.mean[which], "draws.square": draws.square[which]}
            tensors["draws.kept"] = torch.stack([x[which] for x in draws.kept], 1)
        self._journal.mark(tensors, words)
        now = time.monotonic()
        self._next = now + max(EVERY, SHARE * (now - started))


@dataclass(frozen=True)
class Bookmark:
    """Where some rows of a run stood: ``own`` their numbers in it, ``traces`` one of each, and
    ``rows`` the same with the one that a single row has for company."""

    own: list[int]
    traces: list[Trace]
    rows: list[int]
    _tensors: dict[str, Tensor]
    _words: dict[str, Any]

    @classmethod
    def found(
        cls, journal: Journal, everyone: Sequence[Trace], pending: Sequence[int]
    ) -> Bookmark | None:
        """What a journal holds of ``pending`` rows; None for nothing.

        ``everyone`` has a trace for each row of the run, which says what row it is.
        """
        marked = journal.marked()
        if marked is None:
            return None
        tensors, words = marked
        numbers = {(trace.image, trace.restart): row for row, trace in enumerate(everyone)}
        traces = [Trace(**trace) for trace in words["traces"]]
        rows = [numbers.get((trace.image, trace.restart), -1) for trace in traces]
        own = [place for place in range(words["running"]) if rows[place] in pending]
        if not own:
            return None
        kept = company(own, [place for place, row in enumerate(rows) if row >= 0])
        taken = {name: value[kept] if value.ndim else value for name, value in tensors.items()}
        numbered = [rows[place] for place in kept]
        return cls(numbered[: len(own)], [traces[place] for place in own], numbered, taken, words)

    def ledger(self, solver: Solver[Any], problem: Problem, u0: Tensor, budget: int) -> Ledger:
        """That of the batch of these rows as it stood; ``problem`` and u0 are of them."""
        where = problem.y.device
        found = Ledger(problem, u0, solver.descends, guests=len(self.rows) - len(self.own))
        state = solver.again(problem, u0, budget, self._part("solver", where))
        for name, value in self._part("state", where).items():
            setattr(state, name, value)
        for name, value in self._part("ledger", where).items():
            setattr(found, name, value)
        found.state = state
        if draws := self._part("draws", where):
            kept = list(draws["kept"].unbind(1))
            found.draws = Average(len(u0), kept[0])
            found.draws.kept, found.draws.counts = kept, draws["count"].tolist()
            found.draws.mean, found.draws.square = draws["mean"], draws["square"]
        return found

    def _part(self, of: str, where: torch.device) -> dict[str, Tensor]:
        """The tensors of "state", "solver", "ledger" or "draws", by their names there."""
        split = ((name.split(".", 1), value) for name, value in self._tensors.items())
        return {name: value.to(where) for (owner, name), value in split if owner == of}
