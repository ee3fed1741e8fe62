"""The record of a run: everything that is needed to repeat it and to believe it."""

from __future__ import annotations

import hashlib
import io
import json
import math
import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from priorkit.errors import BadInputError, WeightsError
from priorkit.files import write_atomic

if TYPE_CHECKING:
    from priorkit.problem import Setup
    from priorkit.recovery import Attempt, Recovery

__all__ = [
    "Saved",
    "check_inputs",
    "clear",
    "make",
    "read",
    "read_array",
    "repeatable",
    "write_arrays",
]

FORMAT = 1
ARRAYS = ("y", "x", "z", "truth", "start")


@dataclass(frozen=True)
class Saved:
    """A run read back from its folder."""

    config: dict[str, Any]
    weights: dict[str, str]
    files: dict[str, str]
    names: list[str]
    y: np.ndarray
    x: np.ndarray
    truth: np.ndarray | None


def make(setup: Setup, recovery: Recovery) -> dict[str, Any]:
    """The record of a finished run, as JSON-able data."""
    record: dict[str, Any] = {
        "format": FORMAT,
        "config": setup.record(),
        "weights": dict(setup.prior.provenance),
        "files": _files(setup),
        "versions": {name: version(name) for name in ("priorkit", "torch", "numpy")}
        | {"python": platform.python_version()},
        "seconds": round(recovery.seconds, 3),
        "images": [],
    }
    scores = {k: getattr(recovery, k) for k in ("psnr", "ssim", "error")}
    attempts = len(recovery.attempts)
    for i, name in enumerate(recovery.names):
        image = {
            "name": name,
            "status": recovery.status[i],
            "evaluations": recovery.evaluations[i],
            "objective": _number(recovery.objective[i]),
            "misfit": _number(recovery.misfit[i]),
        }
        image |= {k: _number(v[i]) for k, v in scores.items() if v is not None}
        if attempts > 1:
            image["restarts"] = [_attempt(attempt, i) for attempt in recovery.attempts]
        record["images"].append(image)
    return record


def _attempt(attempt: Attempt, i: int) -> dict[str, Any]:
    values = {"objective": _number(attempt.objective[i]), "misfit": _number(attempt.misfit[i])}
    return values if attempt.psnr is None else values | {"psnr": _number(attempt.psnr[i])}


def _files(setup: Setup) -> dict[str, str]:
    """sha256 of every file that an option names, such as the matrix of an operator."""
    found = {}
    for component in setup.components.values():
        for value in component.record().values():
            if isinstance(value, str) and "." in value and Path(value).is_file():
                found[value] = hashlib.sha256(Path(value).read_bytes()).hexdigest()
    return found


def _number(value: Any) -> float | None:
    """A float, or None for what JSON has no word for: an image that was never evaluated."""
    return float(value) if math.isfinite(value) else None


def write_arrays(recovery: Recovery, folder: Path) -> None:
    """y, x̂, z and the truth as .npy files beside the record."""
    for name in ARRAYS:
        tensor = getattr(recovery, name)
        if tensor is not None:
            buffer = io.BytesIO()
            np.save(buffer, tensor.detach().cpu().numpy())
            write_atomic(folder / f"{name}.npy", buffer.getvalue())


def clear(folder: Path) -> None:
    """Remove the files of an earlier run, so that none is taken for one of this run."""
    record = folder / "record.json"
    if record.exists():
        try:
            names = [Path(str(i["name"])).name for i in json.loads(record.read_text())["images"]]
        except (OSError, ValueError, KeyError, TypeError):
            names = []
        record.unlink()
        for path in [folder / f"{array}.npy" for array in ARRAYS]:
            path.unlink(missing_ok=True)
        for name in names:
            (folder / "images" / f"{name}.png").unlink(missing_ok=True)


def repeatable(config: dict[str, Any], folder: Path, start: Tensor | None) -> dict[str, Any]:
    """The config of a saved run, with what was in memory named by the files beside it."""
    config, folder = dict(config), folder.resolve()
    if "image" not in config and "y" not in config:
        key, name = ("image", "truth") if (folder / "truth.npy").exists() else ("y", "y")
        config[key] = str(folder / f"{name}.npy")
    if start is not None:
        config["start"] = str(folder / "start.npy")
    return config


def read(folder: Path) -> Saved:
    """A run from the folder that :meth:`Recovery.save` wrote. Raises BadInputError."""
    path = folder / "record.json"
    if not path.exists():
        raise BadInputError(f"{folder} holds no run.", try_="a folder written by --out or save()")
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["format"] != FORMAT:
            raise BadInputError(f"{path} has another format.", got=record["format"])
        config, images = dict(record["config"]), record["images"]
        names = [str(image["name"]) for image in images]
        weights, files = dict(record["weights"]), dict(record["files"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadInputError(
            f"{path} is not a record of a run.", got=f"{type(error).__name__}: {error}"[:100]
        ) from error
    for component in ("prior", "op", "penalty", "solver"):
        chosen = config.get(component)
        values = chosen.values() if isinstance(chosen, dict) else [chosen]
        for value in values:
            if isinstance(value, str) and value.startswith("<"):
                raise BadInputError(
                    f"This run's {component} used an object, {value}, that a record can't rebuild.",
                    try_="a registered name, and a path for an array",
                )
    start, truth = [
        read_array(path) if (path := folder / f"{name}.npy").exists() else None
        for name in ("start", "truth")
    ]
    if start is not None:
        config["start"] = start
    y, x = read_array(folder / "y.npy"), read_array(folder / "x.npy")
    return Saved(config, weights, files, names, y, x, truth)


def read_array(path: Path) -> np.ndarray:
    """A .npy file, never a pickle. Raises BadInputError where it can't be read."""
    try:
        array = np.load(path, allow_pickle=False)
    except Exception as error:  # numpy raises many kinds for a damaged file
        raise BadInputError(
            f"{path} is not an array that can be read.",
            got=f"{type(error).__name__}: {str(error)[:100]}",
            try_="numpy.save",
        ) from error
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiucb":
        raise BadInputError(f"{path} must hold one array of numbers.")
    return array


def check_inputs(saved: Saved, setup: Setup) -> None:
    """Raise where weights (WeightsError) or files (BadInputError) aren't those of the run."""
    for path, digest in _files(setup).items():
        if saved.files.get(path) != digest:
            raise BadInputError(f"{path} has changed since this run.", try_="the file as it was")
    now = dict(setup.prior.provenance)
    if now != saved.weights:
        raise WeightsError(
            "The weights are not the ones that this run used.",
            got=f"{now or 'none'} instead of {saved.weights or 'none'}",
        )
