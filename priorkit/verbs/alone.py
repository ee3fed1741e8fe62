"""Picture files of which nothing else is said: they are their own measurements."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from priorkit.counted import counted
from priorkit.errors import BadInputError
from priorkit.io.listing import PICTURES
from priorkit.io.places import Files, place
from priorkit.registry import registry
from priorkit.settings.config import COMPONENTS, RunConfig

__all__ = ["denoised"]

log = logging.getLogger("priorkit")

# What says that something else is meant: how it is to be measured, or recovered.
OTHERWISE = (*COMPONENTS, "shape", "kind", "resize", "clip", "space", "noise_norm", "gamma")


def denoised(x: Any, config: RunConfig, extra: Mapping[str, Any]) -> RunConfig | None:
    """The settings of a run that takes picture files x, or a folder of them, for what was
    measured: with the identity, the prior for pictures of any size, and σ as it was said, else as
    x shows it.

    None where x is something else, such as an array; where a component, an option of one, or a
    setting of ``OTHERWISE`` is given; or where no plugin offers the two.
    """
    if extra or any(_said(config, name) for name in OTHERWISE) or not _are_pictures(x):
        return None
    operator, prior = registry().any_size("operator"), registry().any_size("prior")
    if operator is None or prior is None:
        return None
    sigma = "auto" if config.sigma is None else config.sigma
    name = counted(len(x), "pictures") if isinstance(x, (list, tuple)) else Path(x).name
    log.info(
        "%s: denoised, since nothing else is said: prior %s, op %s, sigma %s. "
        "For a simulation, name an operator.",
        *(name, prior.name, operator.name, sigma),
    )
    return config.model_copy(update={"op": operator.name, "prior": prior.name, "sigma": sigma})


def _said(config: RunConfig, name: str) -> bool:
    return getattr(config, name) is not RunConfig.model_fields[name].default  # None, or False


def _are_pictures(x: Any) -> bool:
    """Whether x is the path of a picture file, as photographs are, or of a folder with some, or
    several of these; files of instruments have units of their own."""
    if isinstance(x, Files):
        return any(_are_pictures(item) for item in x)
    if isinstance(x, (list, tuple)):
        return bool(x) and all(_are_pictures(item) for item in x)
    if not isinstance(x, (str, os.PathLike)):
        return False
    try:
        path, _ = place(x)
        if path.is_dir():
            return any(_are_pictures(path / name) for name in os.listdir(path))
        return path.suffix.lower() in PICTURES and path.is_file()
    except (BadInputError, OSError, ValueError):  # what is wrong with it is said where it is read
        return False
