"""The folder of a saved run: what is in it, and how it is read back."""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from priorkit.counted import counted
from priorkit.errors import BadInputError
from priorkit.io.arrays import read_array, write_array
from priorkit.io.manifest import MANIFEST, lacking, verify
from priorkit.io.packages import Package, parsed
from priorkit.io.places import FOLDERS, near

__all__ = ["FORMAT", "Saved", "number", "objects", "read", "repeatable", "write_arrays"]

log = logging.getLogger("priorkit")

FORMAT = 1
MAX_RECORD = 256 << 20  # bytes


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
    estimated: bool = False  # whether σ was estimated from y
    weight: dict[str, Any] = field(default_factory=dict)  # the outcome of a search for γ
    plugins: dict[str, Package] = field(default_factory=dict)  # by the names of their packages


def number(value: Any) -> float | None:
    """A float, or None for what JSON has no word for: infinite, or never evaluated."""
    return float(value) if math.isfinite(value) else None


def objects(config: Mapping[str, Any]) -> dict[str, str]:
    """The components of a recorded run that were objects, or had such options: of each the first,
    which no file can hold."""
    found: dict[str, str] = {}
    for component in ("prior", "op", "noise", "penalty", "solver"):
        chosen = config.get(component)
        for table in chosen if isinstance(chosen, list) else [chosen]:
            for value in table.values() if isinstance(table, dict) else [table]:
                if isinstance(value, str) and value.startswith("<"):
                    found.setdefault(component, value)
    return found


def write_arrays(arrays: Mapping[str, Tensor | None], folder: Path) -> dict[str, str]:
    """Write y, x̂, z, the truth … as .npy files beside the record, those that there are. The sha256
    of each file, by its name."""
    kept = {f"{name}.npy": tensor for name, tensor in arrays.items() if tensor is not None}
    return {
        name: write_array(folder / name, tensor.detach().cpu().numpy())
        for name, tensor in kept.items()
    }


def repeatable(config: dict[str, Any], place: Path, written: Set[str]) -> dict[str, Any]:
    """The config of a run saved at ``place``. Inputs without a path that can be written, such as
    arrays in memory, are replaced by the files ``written`` there."""
    config = dict(config)
    for key in ("image", "y"):
        try:
            config.get(key, "").encode()
        except UnicodeEncodeError:  # a TOML file can't name it
            del config[key]
    if "image" not in config and "y" not in config:
        key, name = ("image", "truth") if "truth" in written else ("y", "y")
        config[key] = str(place / f"{name}.npy")
    if "start" in written:
        config["start"] = str(place / "start.npy")
    return config


def read(folder: Path) -> Saved:
    """A run from the folder that :meth:`Recovery.save` wrote. Raises BadInputError."""
    path = folder / "record.json"
    if not os.path.exists(path):
        raise BadInputError(
            f"{str(folder)[:200]} holds no run.",
            try_=(near(folder, FOLDERS) if not os.path.exists(folder) else None)
            or "a folder written by --out or save(), or one of the parts of such",
        )
    try:
        if path.stat().st_size > MAX_RECORD:
            raise BadInputError(f"{path} is larger than {MAX_RECORD >> 20} MiB.")
        record = json.loads(path.read_text(encoding="utf-8-sig"))
        if record["format"] != FORMAT:
            raise BadInputError(f"{path} has another format.", got=record["format"])
        config, images = dict(record["config"]), record["images"]
        names = [str(image["name"]) for image in images]
        weights, files = dict(record["weights"]), dict(record["files"])
        estimated = "sigma" in record.get("estimated", [])
        weight = dict(record.get("weight", {}))
        plugins = parsed(record.get("plugins", {}))
        if "expected" in weight:
            weight["expected"] = [None if e is None else float(e) for e in weight["expected"]]
            if len(weight["expected"]) != len(names):
                raise ValueError(f"{len(weight['expected'])} expected errors")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadInputError(
            f"{path} is not a record of a run.", got=f"{type(error).__name__}: {error}"[:100]
        ) from error
    for component, value in objects(config).items():
        raise BadInputError(
            f"This run's {component} used an object, {value}, that a record can't rebuild.",
            try_="a registered name, and a path for an array",
        )
    _require_files(folder)
    start, truth = [
        read_array(path) if (path := folder / f"{name}.npy").exists() else None
        for name in ("start", "truth")
    ]
    if start is not None:
        config["start"] = start
    y, x = read_array(folder / "y.npy"), read_array(folder / "x.npy")
    _require_agreement(folder, names, y, x, truth)
    return Saved(config, weights, files, names, y, x, truth, estimated, weight, plugins)


def _require_files(folder: Path) -> None:
    """Raise BadInputError where an array is missing, or isn't what was written; warn where nothing
    says what was."""
    names = ("y.npy", "x.npy", "truth.npy", "start.npy")
    listed = lacking(folder)
    known = (*names[:2], *listed)
    gone = [name for name in names if name in known and not (folder / name).exists()]
    if gone:
        again = f"priorkit recover --config {folder / 'config.toml'}, which makes the run again"
        raise BadInputError(
            f"{folder} is no whole run: {' and '.join(gone)} {'is' if len(gone) < 2 else 'are'} "
            "missing.",
            try_=again if (folder / "config.toml").exists() else "the whole folder",
        )
    if MANIFEST in listed:
        log.warning(
            "%s has no %s that can be read: whether its files are those that were written can't "
            "be told.",
            *(folder, MANIFEST),
        )
    verify(folder, names)


def _require_agreement(
    folder: Path, names: list[str], y: np.ndarray, x: np.ndarray, truth: np.ndarray | None
) -> None:
    """Raise BadInputError unless the arrays are of as many images as there are names."""
    if not names or y.ndim < 2 or x.ndim < 2 or not len(names) == len(y) == len(x):
        shapes = f"{counted(len(names), 'images')}, and shapes {y.shape} and {x.shape}"
        raise BadInputError(
            f"The record, y.npy and x.npy of {folder} are not of the same images.", got=shapes
        )
    for name, array in {"x": x, "truth": truth}.items():
        if array is None:
            continue
        if array.shape != x.shape or array.dtype.kind != "f":
            raise BadInputError(
                f"{name}.npy of {folder} must hold real images of shape {x.shape}.",
                got=f"{array.dtype} of shape {array.shape}",
            )
