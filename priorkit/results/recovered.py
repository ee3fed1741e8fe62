"""What came back of a run, scored once: the numbers alone."""

from __future__ import annotations

import math
from collections import Counter
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from priorkit import metrics
from priorkit.counted import counted
from priorkit.interfaces import Draws, Kind
from priorkit.interfaces.draws import NoDraws, stacked
from priorkit.io.pictures import dimensions
from priorkit.run.misfit import beyond, explained
from priorkit.run.rows import Row, Trace
from priorkit.run.run import Outcome, Task
from priorkit.run.setup import Setup
from priorkit.settings.given import GivenStart

__all__ = ["Recovered"]

UNEXPLAINED, BEYOND = "y isn't explained", "values far outside {}"


class Recovered:
    """What came back.

    Attributes
    ----------
    kind : what the images are
    units : the user's, of x, y, truth, start, draws and errors; objective and misfit are those of
        images in [0, 1]
    x : images (B, *shape), pictures and volumes clipped to their range, [0, 1] where nothing else
        was said, where the measurements were simulated from such; of a sampler the mean of its
        draws
    z : latents (B, k) in latent space, else None
    y : measurements (B, …); where there is a range those that were given, to the last bit
    operator : the operator, bound to the shape of the images
    noise : the noise, bound to the entries of y
    names : of the images, as their files have
    status : per image "converged", "stopped" (by the budget or Ctrl-C) or "diverged"
    reason : per image, why it ended, of the solver's own x: before values are clipped; how many
        draws were made where fewer than were ``asked``; and its ``doubts``
    explained : per image, whether its misfit is one of a recovery at all, see
        :func:`priorkit.run.misfit.explained`: not where y has other units than x, or is of another
        operator, however well the solver has converged. True where y was simulated, and of a run
        that was cut short
    doubts : per image, what speaks against it however well the solver has converged, in words: that
        y isn't ``explained``, that x lies far outside its range, see
        :func:`priorkit.run.misfit.beyond`. None of what was simulated or cut short
    truth : the images that were measured, where they are known
    psnr, ssim, error : per image, (B,): peak signal-to-noise ratio in dB, structural similarity and
        (1/n)‖x − x̂‖²; None without a truth, and the first two of what has no pixels
    evaluations : per image, in the solver's unit
    objective : per image at the end, of the solver's u: before values are clipped
    misfit : ℓ(A x̂, y) per image, x̂ the image that is returned: after they are, so that it isn't
        the part of the objective where values lay ``outside``
    noise_misfit : what noise alone has there, E ℓ of y that scatters around A x̂, per image; 0 where
        nobody knows how much noise there is
    outside : per image, how many values of the picture lay outside its range; they were clipped
        where the measurements were simulated, and are as they were where y was given
    expected_error : per image the error (1/n)‖x̂ − x‖² that the solver expects without knowing x,
        an estimate, which takes y for what was asked to be explained: NaN where it can't tell, or
        there are ``doubts``; None where that is so of all images
    draws : of a sampler, their count, mean, standard deviation and a few of them; where there are
        none, of another solver or before the first, the count is 0, and ``interval`` says why
    asked : how many draws of each image were to be made at most, 0 where none
    rows : every restart of every image, a :class:`~priorkit.run.rows.Row` each: of all images, then
        of all again for each further restart; x is, per image, that of the lowest objective
    restart_psnr : the PSNR of each of the rows where it is known, (restarts, B)
    start : the user's own start, where one was given
    seconds, interrupted : how long the run took, and whether Ctrl-C or an error ended it early
    skipped : files of a folder that were left out, with the reason
    sources : per image, the file that it was read from, where results go back into such a format
    record : everything needed to repeat the run
    """

    record: dict[str, Any]

    def __init__(self, outcome: Outcome, task: Task) -> None:
        setup, best, y, truth = outcome.setup, outcome.best, task.y, task.truth
        kind, x, self.units = setup.kind, outcome.x, setup.units
        self.kind, self.operator, self.names = kind, setup.problem.operator, task.names
        self.noise = setup.problem.noise
        latent = setup.problem.space == "latent" and setup.averaging == 1
        self.z = torch.stack([row.u for row in best]) if latent else None
        self.start = setup.start.value if isinstance(setup.start, GivenStart) else None
        self.status = [row.status for row in best]
        self.evaluations = [row.evaluations for row in best]
        self.outside = [row.outside for row in best]
        self.objective = torch.tensor([row.value for row in best], dtype=torch.float64).to(y.device)
        self.misfit = outcome.misfit.to(y.device)
        self.noise_misfit = outcome.noise_misfit.to(y.device)
        self.explained, far = [True] * len(best), [False] * len(best)
        if truth is None and outcome.cut is None:
            misfits = self.misfit, self.noise_misfit
            self.explained = explained(*misfits, y, setup.problem).tolist()
            far = beyond(x, kind).tolist()
        away = BEYOND.format(self.units.bounds)
        self.doubts = [
            [*([] if good else [UNEXPLAINED]), *([away] if out else [])]
            for good, out in zip(self.explained, far, strict=True)
        ]
        self.asked = setup.solver.draws * setup.averaging
        draws = stacked([row.draws for row in best], x)
        self.reason = [
            ", ".join([row.reason, *self._few(made), *doubts])
            for row, made, doubts in zip(best, _counts(draws, len(best)), self.doubts, strict=True)
        ]
        self.psnr = None if truth is None else kind.psnr(x, truth)
        self.ssim = None if truth is None else kind.ssim(x, truth)
        self.restart_psnr = _restart_psnr(self.psnr, outcome.rows, truth, kind)
        error = None if truth is None else metrics.reconstruction_error(x, truth)
        told = torch.tensor(
            [math.nan if d else _expected(outcome, i) for i, d in enumerate(self.doubts)],
            dtype=torch.float64,
        )
        if not self.units.plain:
            said, square = self.units.range, self.units.range.scale**2
            x = said.outside(x)
            y = self.units.y_outside(y) if task.given is None else task.given
            truth = None if truth is None else said.outside(truth)
            error, told = None if error is None else square * error, square * told
            draws = None if draws is None else draws.within(said)
        self.x, self.y, self.truth, self.error = x, y, truth, error
        self.draws: Draws = draws or NoDraws.of(x, self._undrawn(setup))
        self.expected_error = None if bool(told.isnan().all()) else told.to(y.device)
        self.rows = outcome.rows
        self.seconds = outcome.seconds
        self.interrupted = outcome.cut is not None
        self.skipped, self.sources = dict(task.skipped), list(task.sources)

    def __repr__(self) -> str:
        what = f"{counted(len(self.x), 'images')} of {dimensions(self.x.shape[1:])}"
        psnr = "" if self.psnr is None else f", PSNR {float(self.psnr.mean()):.2f} dB"
        ended = ", ".join(f"{self.status.count(s)} {s}" for s in sorted(set(self.status)))
        return f"<Recovery: {', '.join([what + psnr, ended, *self.doubted])}>"

    @property
    def doubted(self) -> Counter[str]:
        """Each of the ``doubts`` in words, and of how many images it is one."""
        return Counter(words for doubts in self.doubts for words in doubts)

    def _undrawn(self, setup: Setup) -> str:
        """Why there are no draws."""
        if self.asked:
            return "; ".join(dict.fromkeys(self.reason))
        return f"{setup.selections['solver']} makes no draws"

    def _few(self, made: int) -> list[str]:
        """How many draws of how many, in words; nothing where all were made."""
        return [f"{made} of {counted(self.asked, 'draws')}"] if made < self.asked else []

    @property
    def expected_psnr(self) -> Tensor | None:
        """The PSNR per image in dB that the solver expects without knowing the truth, (B,), an
        estimate: 10 log₁₀ (hi − lo)²/e of the expected error e. None where it can't tell, and of
        images that aren't brightness."""
        if self.expected_error is None or not self.kind.bounded:
            return None
        error = self.expected_error / self.units.range.scale**2
        return -10 * error.clamp_min(1e-30).log10()

    @cached_property
    def within_90(self) -> Tensor | None:
        """Per image the share of the truth's values that lie within ``draws.interval(0.9)``, (B,):
        0.9 where the error bars are true. None where no truth is known or nothing was drawn twice,
        NaN of an image that has one draw."""
        if self.truth is None or self.draws.spread is None:
            return None
        low, high = self.draws.interval(0.9)
        inside = (low <= self.truth) & (self.truth <= high)
        share = inside.flatten(1).double().mean(1)
        return torch.where(self.draws.count > 1, share, torch.nan)

    @property
    def mean_psnr(self) -> Tensor | None:
        """PSNR per image, the mean over restarts: the paper's number for its DCGAN."""
        return None if self.restart_psnr is None else self.restart_psnr.mean(0)

    @property
    def trace(self) -> list[Trace]:
        """What happened on the way, of each of the rows."""
        return [row.trace for row in self.rows]


def _restart_psnr(
    psnr: Tensor | None, rows: list[Row], truth: Tensor | None, kind: Kind
) -> Tensor | None:
    """The PSNR of every restart, (restarts, B): of a single one that of what came back."""
    if psnr is None or truth is None or len(rows) == len(psnr):
        return None if psnr is None else psnr[None]
    x = torch.stack([row.x for row in rows]).view(-1, *truth.shape)
    found = [kind.psnr(images, truth) for images in x]
    return torch.stack([known for known in found if known is not None])


def _counts(draws: Draws | None, images: int) -> list[int]:
    """How many draws there are of each of so many images."""
    return [0] * images if draws is None else draws.count.tolist()


def _expected(outcome: Outcome, i: int) -> float:
    """The error that is expected of image i: as a search for γ says, where there was one, else as
    its row does. NaN where it isn't known."""
    told = (outcome.weight or {}).get("expected")
    if told is None or outcome.setup.problem.noise.level.estimated:
        return outcome.best[i].expected
    return told[i] if told[i] and told[i] > 0 else math.nan
