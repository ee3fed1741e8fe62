"""From settings to a recovery: simulate or take y, solve, score, record, and save."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

import torch
from torch import Tensor

from priorkit.engine import level, record
from priorkit.engine.choose import Chosen, choose
from priorkit.engine.components import blaming
from priorkit.engine.config import RunConfig, from_file, merge, split
from priorkit.engine.given import GivenStart
from priorkit.engine.journal import digest, opened
from priorkit.engine.measure import batch, measurement, question_sigma, shape_of, simulate
from priorkit.engine.memory import plan
from priorkit.engine.result import Recovery, RunError
from priorkit.engine.run import Progress
from priorkit.engine.settings import Settings
from priorkit.engine.setup import Setup, set_up
from priorkit.engine.weight import solve, tell
from priorkit.errors import BadInputError
from priorkit.interfaces import Operator, Prior, Shape
from priorkit.io import records
from priorkit.io.arrays import numbers
from priorkit.io.pictures import Pictures, astronaut, load, raw
from priorkit.registry import registry

__all__ = ["Progress", "load_framed", "path_of", "prepare", "recover", "replay"]

SAMPLE = (3, 64, 64)  # what the sample photograph is brought to where nothing else is said

log = logging.getLogger("priorkit")


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

    Where x is given and no operator, or nothing at all, defaults are taken: by what priorkit
    ships, a Glow of faces and 500 random measurements. Where an operator is given and no prior,
    penalty, solver or space, pictures of another size than that Glow's keep it, and get a prior
    for photographs of any size.
    ``recovery.record["config"]`` says what was chosen.

    Parameters
    ----------
    x : images to measure and recover, so that errors can be reported: a path, a folder, a
        PIL image, an array or a tensor in [0, 1] (see :func:`priorkit.io.pictures.load`).
        Without x and y, the sample photograph.
    y : real measurements instead, an array or a .npy file, (m,) or (B, m), or pictures for
        operators whose y is a picture; of these alone are whole numbers of 8 and 16 bits
        brightness, all other y are numbers as they are
    config : settings from a TOML file or a dict; keywords given here go over it
    out : folder to save the results to, see :meth:`Recovery.save`. Until then every image is
        kept as it is finished in ``OUT.unfinished`` beside it, so that a run that is cut
        short, however it is, can go on
    resume : go on with such a run: what is finished isn't solved again, and the result is that
        of a run that was never cut
    progress : called with a :class:`~priorkit.interfaces.Snapshot` and the number of rows
        done before this chunk, after each step; rows are the images, then the images again
        for each further restart. The memory that the run takes is logged
        before the first (logger "priorkit", level INFO)
    **settings : components ``prior``, ``op``, ``noise``, ``penalty``, ``solver``, ``start``,
        each a name, a path to weights, a table ``{"name": …}`` or an object; run-level settings
        ``shape``, ``space``, ``restarts``, ``sigma`` (or "auto"), ``noise_norm``, ``gamma`` (or
        "sure", "discrepancy"), ``budget`` (evaluations per image), ``seed``, ``device``,
        ``precision``, ``resize``
        (crop and resize arrays too, as files are); and any
        option of a chosen component, such as ``m`` of the Gaussian operator

    Raises a :class:`~priorkit.errors.PriorkitError`, before any compute, for names, options,
    shapes or values that can't be used, for a run that doesn't fit into memory, and for an
    ``out`` that can't be written, isn't priorkit's, or has an unfinished run of other settings.
    Raises :class:`~priorkit.engine.result.RunError` where a component fails meanwhile; what was
    done until then is saved to ``out``, and is the error's ``recovery``.
    """
    layer = (
        from_file(Path(config)) if isinstance(config, (str, os.PathLike)) else dict(config or {})
    )
    both, extra = split(layer, settings)
    if x is None and y is None:  # what is given here goes over the config
        x, y = both.image, both.y
    if x is None and y is None:
        x = astronaut()
    both = both.model_copy(update={"image": path_of(x), "y": path_of(y)})
    if x is not None and y is not None:
        raise BadInputError(
            "Give pictures x to simulate measurements of, or measurements y, not both."
        )
    with opened(out, resume=resume, inputs=[x, y, config, layer, settings]) as journal:
        y = None if y is None else raw(y, "The measurement y")
        setup, pictures = prepare(x, y, both, extra)
        if pictures is not None:
            planned = plan(setup, len(pictures.x))
            truth = pictures.x.to(setup.device, setup.dtype)
            measured, names = simulate(setup, truth), pictures.names
        else:
            truth, measured = None, measurement(y, setup)
            names = [f"{i:04d}" for i in range(len(measured))] if len(measured) > 1 else ["image"]
            planned = plan(setup, len(measured))
        if journal is not None:
            journal.agree(_identity(setup, measured, truth, names))
        failed: RunError | None = None
        try:
            recovery = solve(setup, measured, truth, names, progress, planned, journal)
        except RunError as error:
            failed, recovery = error, error.recovery
        if pictures is not None and pictures.skipped:
            recovery.skipped = recovery.record["skipped"] = pictures.skipped
        if journal is not None and out is not None:
            journal.settle(recovery, out)
            if failed is not None:
                kept_in = f"--resume once it is mended; what was done is in {out}"
                raise RunError(failed.what, recovery=recovery, try_=kept_in) from failed
        if failed is not None:
            raise failed
        return recovery


def _identity(setup: Setup, y: Tensor, truth: Tensor | None, names: list[str]) -> dict[str, Any]:
    """What must be the same for a run to go on."""
    start = setup.start.value if isinstance(setup.start, GivenStart) else None
    arrays = {"y": digest(y), "truth": digest(truth), "given start": digest(start)}
    settings = {k: v for k, v in setup.record().items() if k not in ("image", "y")}
    return settings | record.provenance(setup) | {"names": names} | arrays


def replay(folder: str | os.PathLike[str], *, progress: Progress | None = None) -> Recovery:
    """Repeat a saved run from its record and its stored measurements.

    Of a run with a rule for γ, both the γ and what the rule said are those of the record.

    Raises BadInputError where the folder holds no run, or one made with objects that have no
    name, and WeightsError where the weights are no longer the ones that were used.
    """
    saved = records.read(Path(folder))
    config = merge(saved.config)
    measured = numbers(saved.y, "The saved measurement")
    real = saved.truth is None
    setup, _ = prepare(
        None, measured, config, {}, real=real, estimated=saved.estimated, repeated=True
    )
    record.check_inputs(saved, setup)
    truth = (
        None if saved.truth is None else torch.from_numpy(saved.truth).to(setup.device, setup.dtype)
    )
    y = measurement(measured, setup)
    recovery = solve(setup, y, truth, saved.names, progress, plan(setup, len(y)))
    if saved.weight:
        tell(setup, recovery, saved.weight)
    return recovery


def prepare(
    x: Any,
    y: Tensor | None,
    config: RunConfig,
    extra: dict[str, Any],
    *,
    real: bool = True,
    estimated: bool = False,
    repeated: bool = False,
) -> tuple[Setup, Pictures | None]:
    """Everything that can be refused before compute; images come back framed.

    ``real`` and ``estimated``: whether y was measured, and σ taken from it before; ``repeated``:
    whether a record says what to do.
    """
    chosen = replace(choose(config, extra), estimated=estimated, repeated=repeated)
    if y is None and config.op is None:  # x, and perhaps a prior
        usual, own = registry().fallback("operator").usual, chosen.selections["operator"]
        own.options = usual | own.options
    pictures: Pictures | None = None
    if _leaves_prior_open(config):
        if y is None:
            pictures = load_framed(x, config.shape)
            shape: Shape | None = tuple(pictures.x.shape[1:])
        else:
            shape = config.shape or shape_of(y, chosen.selections["operator"].build(config.seed))
        chosen = _for_shape(chosen, config, extra, shape)
    prior: Prior = chosen.selections["prior"].build(config.seed)
    fixed = prior.shape or config.shape
    if y is not None:
        operator: Operator = chosen.selections["operator"].build(config.seed)
        size = fixed or shape_of(y, operator)
        if config.sigma == "auto" and size is not None and real:
            chosen = _told(chosen, y, operator, size)
        setup = set_up(chosen, size, real=real)
    else:
        if pictures is None or fixed not in (None, tuple(pictures.x.shape[1:])):
            pictures = load_framed(x, fixed, resize=config.resize)
        setup = set_up(chosen, tuple(pictures.x.shape[1:]), real=False)
        question_sigma(setup, refuse=True)
    plan(setup, 1)  # refused before the operator makes what it needs
    return setup, pictures


def _leaves_prior_open(config: RunConfig) -> bool:
    """Whether a measurement is asked for and neither a prior nor how one is used, so that what
    fits the pictures can be taken; ``resize`` asks that they fit the prior."""
    said = (config.prior, config.penalty, config.solver, config.space)
    return config.op is not None and said == (None,) * 4 and not config.resize


def _for_shape(
    chosen: Chosen, config: RunConfig, extra: dict[str, Any], shape: Shape | None
) -> Chosen:
    """The same with the prior for any size, where a picture isn't of the fallback's."""
    usual: Prior = chosen.selections["prior"].build(config.seed)
    other = registry().any_size("prior")
    if other is None or shape is None or len(shape) != 3 or usual.shape in (None, tuple(shape)):
        return chosen
    again = choose(config.model_copy(update={"prior": other.name}), extra)
    return replace(again, estimated=chosen.estimated, repeated=chosen.repeated)


def _told(chosen: Chosen, y: Tensor, operator: Operator, shape: Shape) -> Chosen:
    """What was chosen, with the σ that y shows."""
    level.require_gaussian(chosen.selections["noise"])
    with blaming(f"operator {chosen.selections['operator'].name!r}"):
        operator = operator.bind(shape)
    level.require_picture(chosen.selections["operator"].name, operator)
    sigma = level.estimate(batch(y, operator), operator)
    words = "σ estimated: %.3g. How good the result is can't be told from that."
    log.info(words, sigma)
    config = chosen.config.model_copy(update={"sigma": sigma})
    return replace(chosen, config=config, estimated=True)


def load_framed(x: Any, shape: Shape | None, *, resize: bool = False) -> Pictures:
    """Images brought to ``shape``; the sample photograph has a size of its own."""
    natural = SAMPLE if path_of(x) == path_of(astronaut()) else None
    return load(x, shape or natural, resize=resize)


def path_of(source: Any) -> str | None:
    """Where the input came from, for the record; None for what was in memory."""
    return os.path.abspath(source) if isinstance(source, (str, os.PathLike)) else None
