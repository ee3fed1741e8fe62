"""Settings in a file or a table, and the packages of plugins that they need."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from priorkit.errors import BadInputError
from priorkit.io import packages
from priorkit.io.places import near
from priorkit.settings.config import COMPONENTS, listed
from priorkit.settings.options import named

__all__ = ["from_file", "layer_of", "to_toml"]

MAX_CONFIG = 16 << 20  # bytes of a config file


def from_file(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The settings in a TOML or JSON file. Raises BadInputError where it can't be read."""
    path = Path(path)
    try:
        if path.stat().st_size > MAX_CONFIG:
            raise BadInputError(f"The config file {path} is larger than {MAX_CONFIG >> 20} MiB.")
        text = path.read_text(encoding="utf-8-sig")  # some editors put a mark in front
        values = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        raise BadInputError(
            f"The config file {path} can't be read.",
            got=error.strerror or str(error),
            try_=near(path, (".toml", ".json"))
            or "the path of a TOML or JSON file, such as config.toml of a saved run",
        ) from error
    except (ValueError, RecursionError) as error:
        kind = "JSON" if path.suffix == ".json" else "TOML"
        raise BadInputError(
            f"The config file {path} is not {kind}.", got=str(error)[:200]
        ) from error
    if not isinstance(values, dict):
        raise BadInputError(f"The config file {path} must hold a table.", got=type(values).__name__)
    return values


def layer_of(
    config: str | os.PathLike[str] | Mapping[str, Any] | None, over: Mapping[str, Any]
) -> dict[str, Any]:
    """The settings that were given as a file, a table or not at all; those ``over`` them are what
    was given besides.

    Raises BadInputError, and UnknownNameError for a component of a package that isn't there, where
    its ``plugins`` say which that is: the config of a saved run has them.
    """
    if isinstance(config, (str, os.PathLike)):
        config = from_file(config)
    if not isinstance(config, Mapping | None):
        raise BadInputError(
            "config is a table of settings, or a TOML file with one.",
            got=repr(config)[:60],
            try_='config={"prior": "dct"}',
        )
    layer = named(config or {})
    needed = layer.pop("plugins", {})
    try:
        needed = packages.parsed(needed)
    except (KeyError, TypeError, ValueError) as error:
        raise BadInputError(
            "plugins of a config is the table that is in that of a saved run.",
            got=repr(needed)[:60],
        ) from error
    packages.check(needed, set(_names(over, layer)))
    return layer


def _names(*layers: Mapping[str, Any]) -> Iterator[str]:
    """The components that settings name, as ``prior wiener``; the first that says one says it."""
    for key, kind in COMPONENTS.items():
        spec = listed(next((x[key] for x in layers if x.get(key) is not None), None))
        for part in spec if isinstance(spec, list) else [spec]:
            name = part.get("name") if isinstance(part, Mapping) else part
            if isinstance(name, str):
                yield f"{kind} {name}"


def to_toml(config: dict[str, Any]) -> str:
    """A config as TOML, settings that are None left out."""
    import tomli_w

    return tomli_w.dumps(_without_none(config))


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_none(v) for k, v in value.items() if v is not None}
    if isinstance(value, (list, tuple)):
        return [_without_none(v) for v in value]
    return value if isinstance(value, (str, int, float, bool)) else str(value)
