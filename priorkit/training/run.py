"""Running a plugin's trainer: its options are the dataclass that it takes."""

from __future__ import annotations

import inspect
from dataclasses import fields
from pathlib import Path
from typing import Any, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from priorkit.discovery import describe
from priorkit.errors import BadInputError, PluginError, PriorkitError, UnknownNameError
from priorkit.io.files import require_writable
from priorkit.io.folders import require_named_as_folder
from priorkit.io.places import exists, near
from priorkit.registry import registry
from priorkit.settings.options import no_flag
from priorkit.settings.refused import describe_errors
from priorkit.settings.select import resolve
from priorkit.training.options import Progress

__all__ = ["options_of", "run_trainer"]

NEEDED = {"data": "--data FOLDER of pictures, or a zip", "out": "--out FOLDER for the weights"}


def run_trainer(name: str, given: dict[str, Any], progress: Progress | None = None) -> Path | None:
    """Train with the registered trainer ``name``; the weights file, or None if stopped early.

    A trainer is a function ``train(options, progress)`` whose first parameter is annotated
    with a dataclass that has at least ``data`` and ``out``.

    Raises UnknownNameError for an unknown trainer or option, BadInputError for bad values.
    """
    train = registry().get("trainer", name).load()
    options_class = _options_class(train)
    hints = get_type_hints(options_class)
    for key in given:
        if key not in hints:
            others = f"Its options: {', '.join(hints)}"
            raise UnknownNameError.nearest(
                f"trainer {name!r} has no option {key!r}.", key, hints, otherwise=others
            )
    for required in NEEDED:
        if required not in given:
            raise BadInputError(f"trainer {name!r} needs --{required}.", try_=NEEDED[required])
    if not exists(data := Path(str(given["data"]))):
        raise BadInputError(
            "There is no training data there.", got=data, try_=near(data, (".zip",))
        )
    usual = {item.name: item.default for item in fields(options_class)}
    values = {key: _read(key, value, hints[key], usual[key]) for key, value in given.items()}
    if values.get("init"):  # a registered name stands for its file
        prior = resolve("prior", values["init"])
        values["init"] = prior.preset.get("weights")
        if not values["init"]:
            raise BadInputError("init is weights to begin with.", got=prior.name)
    require_named_as_folder(Path(values["out"]))
    require_writable(Path(values["out"]))
    try:  # a trainer raises ValueError for what it can't use
        result: Path | None = train(options_class(**values), progress)
    except PriorkitError:
        raise
    except ValueError as error:
        raise BadInputError(str(error)) from error
    except Exception as error:
        raise PluginError(f"The trainer {name!r} failed.", got=describe(error)) from error
    return result


def _read(name: str, value: Any, wanted: Any, usual: Any) -> Any:
    """A value as the type of its option; a single number may stand for a list. Raises BadInputError
    that says the ``usual`` one."""
    if wanted in (str, Path):
        value = str(value)
    elif get_origin(wanted) is list and not isinstance(value, list):
        value = [value]
    ways = [{name: usual}] if isinstance(usual, (bool, int, float)) else []
    try:
        return TypeAdapter(wanted).validate_python(no_flag(value, wanted))
    except ValidationError as error:
        raise BadInputError(describe_errors(error, f"--{name}"), ways=ways) from error
    except ValueError as error:
        raise BadInputError(f"--{name}: {error}.", got=value, ways=ways) from error


def options_of(train: Any) -> list[dict[str, Any]]:
    """Name, annotation, default and help of a trainer's options."""
    cls = _options_class(train)
    defaults, hints = cls(), get_type_hints(cls)
    return [
        {
            "name": f.name.replace("_", "-"),
            "type": hints[f.name],
            "default": "required" if f.name in NEEDED else getattr(defaults, f.name),
            "help": f.metadata.get("help", ""),
        }
        for f in fields(cls)
    ]


def _options_class(train: Any) -> Any:
    try:
        first = next(iter(inspect.signature(train).parameters))
        found = get_type_hints(train)[first]
        fields(found)
    except Exception as error:
        raise PluginError(
            "A trainer is a function whose first parameter is annotated with a dataclass.",
            got=describe(error),
        ) from error
    return found
