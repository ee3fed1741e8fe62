"""The folder of a saved run: written, cleared, and read back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.io.arrays import read_array, write_array
from priorkit.io.files import file_names

__all__ = ["ARRAYS", "FORMAT", "Saved", "clear", "read", "repeatable", "write_arrays"]

FORMAT = 1
ARRAYS = ("y", "x", "z", "truth", "start", "spread", "samples")


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


def write_arrays(arrays: Mapping[str, Tensor | None], folder: Path) -> None:
    """Write y, x̂, z, the truth … as .npy files beside the record, those that there are."""
    for name, tensor in arrays.items():
        if tensor is not None:
            write_array(folder / f"{name}.npy", tensor.detach().cpu().numpy())


def clear(folder: Path) -> None:
    """Remove the files of an earlier run, so that none is taken for one of this run."""
    record = folder / "record.json"
    if record.exists():
        try:
            names = [str(i["name"]) for i in json.loads(record.read_text())["images"]]
        except (OSError, ValueError, KeyError, TypeError):
            names = []
        record.unlink()
        for path in [folder / f"{array}.npy" for array in ARRAYS]:
            path.unlink(missing_ok=True)
        for name in file_names(names):
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
    for component in ("prior", "op", "noise", "penalty", "solver"):
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
