"""What came back of a run, scored once."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from priorkit import metrics
from priorkit.errors import PluginError
from priorkit.interfaces import Draws, Operator, Status
from priorkit.io.pictures import to_pil

__all__ = ["Attempt", "Recovery", "RunError", "Scores", "Trace", "score"]


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


@dataclass(frozen=True)
class Scores:
    """How near images are to the truth, each (B,); PSNR and SSIM of pictures only."""

    error: Tensor | None = None
    psnr: Tensor | None = None
    ssim: Tensor | None = None


def score(x: Tensor, truth: Tensor | None) -> Scores:
    """The scores of a batch, none without a truth."""
    if truth is None:
        return Scores()
    error = metrics.reconstruction_error(x, truth)
    return Scores(error, peak(x, truth), metrics.ssim(x, truth) if x.ndim == 4 else None)


def peak(x: Tensor, truth: Tensor | None) -> Tensor | None:
    """The PSNR of pictures, (B,), where the truth is known."""
    return None if truth is None or x.ndim != 4 else metrics.psnr(x, truth)


@dataclass(frozen=True)
class Attempt:
    """One restart: objective and misfit at its end, and PSNR where it is known, each (B,)."""

    objective: Tensor
    misfit: Tensor
    psnr: Tensor | None


@dataclass(repr=False)
class Recovery:
    """What came back.

    Attributes
    ----------
    x : images (B, C, H, W), clipped to [0, 1] where the measurements were simulated from
        pictures; of a sampler the mean of its draws
    z : latents (B, k) in latent space, else None
    y : measurements (B, …)
    operator : the operator, bound to the shape of the images
    status : per image "converged", "stopped" (by the budget or Ctrl-C) or "diverged"
    reason : per image, why it ended, of the solver's own x: before values are clipped
    truth : the images that were measured, where they are known
    scores : psnr, ssim, error per image, computed once; the first two for pictures only
    evaluations : per image, in the solver's unit
    objective : per image at the end, of the solver's u
    misfit : ℓ(A x̂, y) per image, x̂ the image that is returned
    outside : per image, how many values of the picture lay outside [0, 1]; they were clipped
        where the measurements were simulated, and are as they were where y was given
    expected_error : per image the error (1/n)‖x̂ − x‖² that the solver expects without knowing x,
        an estimate; None where it can't tell of any image
    draws : of a sampler, their count, mean, standard deviation and a few of them
    attempts : an :class:`Attempt` per restart; x is, per image, that of the lowest objective
    start : the user's own start, where one was given
    skipped : files of a folder that couldn't be read, with the reason
    trace : a :class:`Trace` per image, then per image of each further restart
    record : everything needed to repeat the run
    """

    x: Tensor
    z: Tensor | None
    y: Tensor
    operator: Operator
    status: list[Status]
    reason: list[str]
    names: list[str]
    truth: Tensor | None
    scores: Scores
    evaluations: list[int]
    objective: Tensor
    misfit: Tensor
    outside: list[int]
    seconds: float
    trace: list[Trace]
    attempts: list[Attempt]
    start: Tensor | None
    record: dict[str, Any]
    expected_error: Tensor | None = None
    draws: Draws | None = None
    skipped: dict[str, str] = field(default_factory=dict)
    interrupted: bool = False

    def __repr__(self) -> str:
        shape, count = "×".join(map(str, self.x.shape[1:])), len(self.x)
        psnr = "" if self.psnr is None else f", PSNR {float(self.psnr.mean()):.2f} dB"
        ended = ", ".join(f"{self.status.count(s)} {s}" for s in sorted(set(self.status)))
        return f"<Recovery: {count} image{'s' if count > 1 else ''} of {shape}{psnr}, {ended}>"

    @property
    def psnr(self) -> Tensor | None:
        """Peak signal-to-noise ratio per image in dB, (B,); None without a truth."""
        return self.scores.psnr

    @property
    def expected_psnr(self) -> Tensor | None:
        """The PSNR per image in dB that the solver expects without knowing the truth, (B,), an
        estimate: −10 log₁₀ of the expected error. None where it can't tell; pictures only."""
        if self.expected_error is None or self.x.ndim != 4:
            return None
        return -10 * self.expected_error.clamp_min(1e-30).log10()

    @property
    def ssim(self) -> Tensor | None:
        """Structural similarity per image, (B,); None without a truth."""
        return self.scores.ssim

    @property
    def error(self) -> Tensor | None:
        """(1/n)‖x − x̂‖² per image, (B,); None without a truth."""
        return self.scores.error

    @property
    def mean_psnr(self) -> Tensor | None:
        """PSNR per image, the mean over restarts: the paper's number for its DCGAN."""
        values = [attempt.psnr for attempt in self.attempts if attempt.psnr is not None]
        return torch.stack(values).mean(0) if values else None

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write images, a grid, the report, the config and the record into a folder."""
        from priorkit.report.folder import save

        return save(self, Path(folder))

    def grid(self) -> Any:
        """A PIL image: one row per image with truth, measurement, recovery, error."""
        from priorkit.report import grid

        return grid.grid(self)

    def plot(self) -> Any:
        """The same as a matplotlib figure where that is installed, else as :meth:`grid`."""
        from priorkit.report import grid

        return grid.plotted(self)

    def _repr_png_(self) -> bytes:
        from priorkit.report.grid import png

        return png(self.grid())

    def _repr_html_(self) -> str:
        from priorkit.report import page

        return page.in_notebook(self)

    def report(self, path: str | os.PathLike[str]) -> Path:
        """Write a self-contained HTML page."""
        from priorkit.report.page import write

        return write(self, Path(path))

    def image(self, i: int = 0) -> Any:
        """Recovered image ``i`` as a PIL image."""
        return to_pil(self.x[i])


class RunError(PluginError):
    """A component that failed while a run was on; ``recovery`` is what was done until then."""

    exit_code = 1

    def __init__(self, what: str, *, recovery: Recovery, try_: str | None = None) -> None:
        super().__init__(what, try_=try_)
        self.recovery = recovery
