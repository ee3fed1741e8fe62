"""What came back of a run, scored once: the numbers alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from priorkit import metrics
from priorkit.interfaces import Draws, Kind, Noise, Operator, Status, Units
from priorkit.io.sources import Source
from priorkit.run.rows import Row, Trace

__all__ = ["Recovered", "Scores", "score"]


@dataclass(frozen=True)
class Scores:
    """How near images are to the truth, each (B,); PSNR and SSIM of what has pixels only."""

    error: Tensor | None = None
    psnr: Tensor | None = None
    ssim: Tensor | None = None


def score(x: Tensor, truth: Tensor | None, kind: Kind) -> Scores:
    """The scores of a batch, none without a truth."""
    if truth is None:
        return Scores()
    error = metrics.reconstruction_error(x, truth)
    return Scores(error, kind.psnr(x, truth), kind.ssim(x, truth))


@dataclass(repr=False)
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
    y : measurements (B, …)
    operator : the operator, bound to the shape of the images
    noise : the noise, bound to the entries of y
    status : per image "converged", "stopped" (by the budget or Ctrl-C) or "diverged"
    reason : per image, why it ended, of the solver's own x: before values are clipped
    truth : the images that were measured, where they are known
    scores : psnr, ssim, error per image, computed once; the first two for what has pixels only
    evaluations : per image, in the solver's unit
    objective : per image at the end, of the solver's u
    misfit : ℓ(A x̂, y) per image, x̂ the image that is returned
    outside : per image, how many values of the picture lay outside its range; they were clipped
        where the measurements were simulated, and are as they were where y was given
    expected_error : per image the error (1/n)‖x̂ − x‖² that the solver expects without knowing x,
        an estimate; None where it can't tell of any image
    draws : of a sampler, their count, mean, standard deviation and a few of them
    rows : every restart of every image, a :class:`~priorkit.run.rows.Row` each: of all images, then
        of all again for each further restart; x is, per image, that of the lowest objective
    restart_psnr : the PSNR of each of the rows where it is known, (restarts, B)
    start : the user's own start, where one was given
    skipped : files of a folder that couldn't be read, with the reason
    sources : per image, the file that it was read from, where results go back into such a format
    record : everything needed to repeat the run
    """

    kind: Kind
    units: Units
    x: Tensor
    z: Tensor | None
    y: Tensor
    operator: Operator
    noise: Noise
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
    rows: list[Row]
    restart_psnr: Tensor | None
    start: Tensor | None
    record: dict[str, Any]
    expected_error: Tensor | None = None
    draws: Draws | None = None
    skipped: dict[str, str] = field(default_factory=dict)
    sources: list[Source | None] = field(default_factory=list)
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
        estimate: 10 log₁₀ (hi − lo)²/e of the expected error e. None where it can't tell, and of
        images that aren't brightness."""
        if self.expected_error is None or not self.kind.bounded:
            return None
        error = self.expected_error / self.units.range.scale**2
        return -10 * error.clamp_min(1e-30).log10()

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
        return None if self.restart_psnr is None else self.restart_psnr.mean(0)

    @property
    def trace(self) -> list[Trace]:
        """What happened on the way, of each of the rows."""
        return [row.trace for row in self.rows]
