"""From settings to a recovery: simulate or take y, solve, score, record, and save."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

from torch import Tensor

from priorkit.io.folders import gives_way
from priorkit.io.pictures import Pictures, astronaut, raw_from
from priorkit.io.places import Pick, picked
from priorkit.io.raw import Raw
from priorkit.results import record
from priorkit.results.recovery import Recovery, RunError
from priorkit.run.journal import Journal, digest, opened
from priorkit.run.measure import as_it_came, measurement, simulate
from priorkit.run.memory import plan
from priorkit.run.run import Progress, Task
from priorkit.run.setup import Setup
from priorkit.settings.called import called_as
from priorkit.settings.config import RunConfig, split
from priorkit.settings.files import layer_of
from priorkit.settings.given import GivenStart
from priorkit.settings.keywords import Settings
from priorkit.verbs.alone import denoised
from priorkit.verbs.bars import in_steps
from priorkit.verbs.prepare import path_of, prepare, require_one_source
from priorkit.verbs.solved import solved

__all__ = ["Progress", "Ready", "ready", "recover"]


@called_as('priorkit.recover("face.png", prior="dct", op="gaussian", m=500)')
def recover(
    x: Any = None,
    *,
    y: Any = None,
    config: str | os.PathLike[str] | dict[str, Any] | None = None,
    out: str | os.PathLike[str] | None = None,
    resume: bool = False,
    progress: Progress | None = None,
    **settings: Unpack[Settings],
) -> Recovery:
    """Recover images from measurements: min over u of ℓ(A(D(u)), y) + γ·R(u).

    Where x is the file of a picture, or a folder of them, and nothing says how it is measured or
    recovered, it is denoised as if it were y, at its own size: by what priorkit ships, with a prior
    for photographs of any size, and σ as the picture shows it. Where a prior is given and no
    operator, where x is in memory, or where nothing is given at all, x is measured by the default
    operator, 500 random numbers, and the default prior is a Glow of faces. Where an operator is
    given and no prior, penalty, solver or space, pictures of another size than that Glow's keep it,
    and get the prior for photographs.
    ``recovery.record["config"]`` says what was chosen.

    Parameters
    ----------
    x : images to measure and recover, so that errors can be reported: a path, a folder, a
        PIL image, an array or a tensor, pictures and volumes in [0, 1] (see
        :func:`priorkit.io.pictures.load`).
        Without x and y, the sample photograph.
    y : real measurements instead, an array or a .npy file, (m,) or (B, m), or images, or a folder
        of them, for operators whose y is one; of pictures and volumes alone are whole numbers
        of 8 and 16 bits brightness, unless there is a range, or the noise is 'transmission',
        whose y are counts; all other y are numbers as they are
    config : settings from a TOML file or a dict; keywords given here go over it
    out : folder to save the results to, see :meth:`Recovery.save`. Until then every image is
        kept as it is finished in ``OUT.unfinished`` beside it, so that a run that is cut
        short, however it is, can go on. What an earlier run wrote there is replaced, with a
        warning before this one begins, once it is done: one that is cut short replaces
        nothing that is whole
    resume : go on with such a run: what is finished isn't solved again, and the result is that
        of a run that was never cut
    progress : instead of the bar that a notebook shows; called with a
        :class:`~priorkit.interfaces.Snapshot` and the number of rows
        done before this chunk, after each step; rows are the images, then the images again
        for each further restart. The memory that the run takes is logged
        before the first (logger "priorkit", level INFO)
    **settings : components ``prior``, ``op``, ``noise``, ``penalty``, ``solver``, ``start``,
        each a name, a path to weights, a table ``{"name": …}`` or an object; run-level settings
        ``shape``, ``kind`` (see :mod:`priorkit.interfaces.kinds`), ``space``, ``restarts``,
        ``sigma`` (or "auto"), ``noise_norm``, ``gamma`` (or "sure", "discrepancy"), ``budget``
        (evaluations per image), ``seed``, ``first`` (number of the first image, or those of all, by
        which their noise, start and draws are drawn), ``device``, ``precision`` ("float32",
        "float64" or "mixed"; by default "mixed" for a denoiser where products of bfloat16
        are fast, with AMX or tensor cores, else "float32"), ``resize`` (crop and resize arrays
        too, as files are), ``range`` ((lo, hi), the user's values that are 0 and 1 inside,
        or "auto") ``clip`` (bring x to it), ``dataset`` and ``slice`` (which one of files that hold
        several); and any option of a chosen component, such as ``m`` of the Gaussian operator

    Raises a :class:`~priorkit.errors.PriorkitError`, before any compute, for names, options,
    shapes or values that can't be used, for a run that doesn't fit into memory, and for an
    ``out`` that can't be written, isn't priorkit's, or has an unfinished run of other settings.
    Raises :class:`~priorkit.results.recovery.RunError` where a component fails meanwhile; what was
    done until then is saved to ``out``, and is the error's ``recovery``.
    """
    layer = layer_of(config, settings)
    both, extra = split(layer, settings)
    if x is None and y is None:  # what is given here goes over the config
        x, y = both.image, both.y
    if x is None and y is None:
        x = astronaut()
    elif y is None and (alone := denoised(x, both, extra)) is not None:
        x, y, both = None, x, alone
    require_one_source(x, y, both)
    with opened(out, resume=resume, inputs=[x, y, config, layer, settings]) as journal:
        made = ready(x, y, both, extra)
        failed: RunError | None = None
        saved = False
        try:
            recovery = made.recovered(progress, journal)
        except RunError as error:  # raised once the journal is closed: it is to go on with
            failed, recovery = error, error.recovery
        if journal is not None and out is not None:
            saved = gives_way(Path(out), cut=recovery.interrupted)
            if saved:
                recovery.save(out)
            if not recovery.interrupted:
                journal.clear()
    if failed is None:
        return recovery
    if out is None:
        raise failed
    kept_in = f"resume=True once it is mended{f'; what was done is in {out}' if saved else ''}"
    raise RunError(failed.what, recovery=recovery, try_=kept_in) from failed


def ready(x: Any, y: Any, config: RunConfig, extra: dict[str, Any]) -> Ready:
    """A run of images x or of measurements y, checked. Raises as :func:`recover` before any
    compute."""
    config = config.model_copy(update={"image": path_of(x), "y": path_of(y)})
    pick = Pick(config.dataset, config.slice)
    if y is None:
        setup, pictures = prepare(picked(x, pick), None, config, extra)
        assert pictures is not None
        return Ready(setup, pictures)
    given = raw_from(picked(y, pick), "The measurement y", kind=config.kind, shape=config.shape)
    return Ready(prepare(None, given.numbers, config, extra)[0], given)


@dataclass(frozen=True)
class Ready:
    """A run of which everything is checked and nothing is computed yet: of images, which are to be
    measured, or of measurements."""

    setup: Setup
    given: Pictures | Raw

    def recovered(
        self, progress: Progress | None = None, journal: Journal | None = None
    ) -> Recovery:
        """Measure, and solve. Raises RunError where a component fails meanwhile, whose ``recovery``
        is what was done until then."""
        setup, given = self.setup, self.given
        truth: Tensor | None = None
        said: Tensor | None = None
        if isinstance(given, Pictures):
            planned = plan(setup, len(given.x))
            truth = given.x.to(setup.device, setup.dtype)
            y, names = simulate(setup, truth), given.names
        else:
            y = measurement(given.numbers, setup, given.of)
            said = as_it_came(given.numbers, y, setup)
            names, planned = given.named(len(y)), plan(setup, len(y))
        with in_steps(progress, setup, len(y)) as told:
            task = Task(
                setup, y, truth, names, planned, told, journal,
                sources=given.sources, skipped=given.skipped, given=said,
            )  # fmt: skip
            if journal is not None:
                journal.agree(_identity(task))
            return solved(task)


def _identity(task: Task) -> dict[str, Any]:
    """What must be the same for a run to go on."""
    setup = task.setup
    start = setup.start.value if isinstance(setup.start, GivenStart) else None
    arrays = {"y": digest(task.y), "truth": digest(task.truth), "given start": digest(start)}
    settings = {k: v for k, v in setup.settings().items() if k not in ("image", "y")}
    return settings | record.provenance(setup) | {"names": task.names} | arrays
