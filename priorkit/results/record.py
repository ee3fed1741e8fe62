"""The record of a run: everything that is needed to repeat it and to believe it."""

from __future__ import annotations

import os
import platform
import sys
from functools import cache
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any

import torch

from priorkit.errors import BadInputError, WeightsError
from priorkit.interfaces import Draws
from priorkit.interfaces.adapt import Parts
from priorkit.io.files import file_sha256
from priorkit.io.saved import FORMAT, Saved, number
from priorkit.results import plugins
from priorkit.results.recovered import Recovered
from priorkit.run.run import Outcome
from priorkit.run.setup import Setup

__all__ = ["check_inputs", "make", "provenance"]

READERS = ("pydicom", "nibabel", "h5py", "astropy", "tifffile", "scipy")  # packages


def make(outcome: Outcome, recovery: Recovered) -> dict[str, Any]:
    """The record of a finished run, as JSON-able data."""
    setup = outcome.setup
    record: dict[str, Any] = {
        "format": FORMAT,
        "config": setup.settings(),
        **provenance(setup),
        "versions": _versions(),
        "machine": _machine(),
        "seconds": round(recovery.seconds, 3),
        "unit": setup.solver.unit,
        "estimated": ["sigma"] if setup.problem.noise.level.estimated else [],
        "images": [],
    }
    # Of all images at once: a device is waited for as often as it is asked.
    scores = {
        name: values.tolist()
        for name in ("psnr", "expected_psnr", "ssim", "error", "within_90")
        if (values := getattr(recovery, name)) is not None
    }
    objective, misfit = recovery.objective.tolist(), recovery.misfit.tolist()
    alone = recovery.noise_misfit.tolist()
    b = len(recovery.names)
    for i, name in enumerate(recovery.names):
        image = {
            "name": name,
            "status": recovery.status[i],
            "reason": recovery.reason[i],
            "evaluations": recovery.evaluations[i],
            "objective": number(objective[i]),
            "misfit": number(misfit[i]),
            "outside": recovery.outside[i],
        }
        image |= {"noise": number(alone[i])} if setup.problem.noise.known else {}
        image |= {k: number(v[i]) for k, v in scores.items()}
        if len(recovery.rows) > b:
            psnr = recovery.restart_psnr
            known = [None] * len(recovery.rows) if psnr is None else psnr[:, i]
            image["restarts"] = [
                {"objective": number(row.value), "misfit": number(row.misfit)}
                | ({} if value is None else {"psnr": number(value)})
                for row, value in zip(recovery.rows[i::b], known, strict=False)
            ]
        if recovery.draws:
            image |= _drawn(recovery.draws.rows([i]))
        record["images"].append(image)
    if needed := plugins.of(setup):
        record["plugins"] = needed
    if isinstance(setup.problem.prior, Parts):
        record["over"] = setup.problem.prior.over  # the prior is for pictures, and went over these
    if recovery.skipped:
        record["skipped"] = recovery.skipped
    return record if outcome.weight is None else record | {"weight": outcome.weight}


def _versions() -> dict[str, str]:
    """Of what computes, and of the libraries that read files, those that have been loaded."""
    readers = [name for name in READERS if name in sys.modules]
    found = {name: _version(name) for name in ("priorkit", "torch", "numpy", "pillow", *readers)}
    return found | {"python": platform.python_version()}


_version = cache(version)


def _machine() -> dict[str, str | int]:
    """What sums are rounded by: the processor, which of its vectors torch uses, and threads."""
    vectors = torch.backends.cpu.get_cpu_capability()
    return {
        "processor": f"{platform.machine()}, {vectors}",
        "threads": torch.get_num_threads(),
    }


def _drawn(draws: Draws) -> dict[str, Any]:
    """How many draws there are of one image, and how far they spread."""
    told: dict[str, Any] = {"draws": int(draws.count[0])}
    return told if draws.spread is None else told | {"spread": number(draws.spread.mean())}


def provenance(setup: Setup) -> dict[str, dict[str, str]]:
    """sha256 of the weights of the components, and of the files that their options name."""
    return {"weights": _weights(setup), "files": _files(setup)}


def check_inputs(saved: Saved, setup: Setup) -> None:
    """Raise where weights (WeightsError) or files (BadInputError) aren't those of the run."""
    for path, digest in _files(setup).items():
        elsewhere = digest in saved.files.values()  # the same file at another place
        if saved.files.get(path, digest if elsewhere else None) != digest:
            raise BadInputError(f"{path} has changed since this run.", try_="the file as it was")
    now = _weights(setup)
    if now != saved.weights:
        raise WeightsError(
            "The weights are not the ones that this run used.",
            got=f"{now or 'none'} instead of {saved.weights or 'none'}",
        )


def _weights(setup: Setup) -> dict[str, str]:
    """What all components say of their provenance."""
    problem = setup.problem
    parts = (problem.prior, problem.operator, problem.noise, problem.penalty)
    found: dict[str, str] = {}
    for component in (*parts, setup.solver, setup.start):
        found |= component.provenance
    return found


def _files(setup: Setup) -> dict[str, str]:
    """sha256 of every file that an option names, such as the matrix of an operator."""
    found = {}
    said = [selection.table() for selection in setup.selections.values()]
    for table in chain.from_iterable(t if isinstance(t, list) else [t] for t in said):
        for value in table.values():
            if isinstance(value, str) and "." in value and os.path.isfile(value):
                found[value] = file_sha256(Path(value))
    return found
