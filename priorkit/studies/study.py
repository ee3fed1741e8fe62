"""What a study consists of: a grid of settings becomes cells, each a run of its own."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from math import prod
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from priorkit.errors import BadInputError, PriorkitError, UnknownNameError
from priorkit.io.files import file_sha256, json_sha256
from priorkit.io.listing import ENDS
from priorkit.io.pictures import is_image
from priorkit.io.places import near, place
from priorkit.settings.config import split
from priorkit.settings.files import from_file
from priorkit.settings.options import plain
from priorkit.settings.refused import describe_errors
from priorkit.settings.selections import select_all
from priorkit.verbs.contest import label_of

__all__ = ["Cell", "Study", "placed"]

MAX_CELLS = 1_000_000
FILES = ("image", "y")  # settings that are paths, even where they look like names of components
Settings = dict[str, Any]


@dataclass(frozen=True)
class Cell:
    """One run of a study: the settings of :func:`priorkit.recover`, ``image`` among them.

    ``key`` is the sha256 of the settings and of the files that they name: cells with the same key
    have the same result, in any study.
    """

    key: str
    label: str
    settings: Settings


class _Variant(BaseModel):
    """Settings that are used together, and further axes for these settings alone."""

    model_config = ConfigDict(extra="allow")

    label: str | None = None
    grid: dict[str, list[Any]] = Field(default_factory=dict)


class Study(BaseModel):
    """A grid of runs, as a TOML file or a dict has it.

    Attributes
    ----------
    settings : of every run, those of :func:`priorkit.recover`, and ``image``: a picture, or a
        folder or list of them, which are then solved together
    grid : for each of its names a list of values; every combination of them is a run. A pattern
        such as ``image = ["faces/*.png"]`` stands for the files that it matches
    variants : tables of settings that go together, with a ``label``, and a ``grid`` of their own
        where not all have the same axes; each is run at every point of the grid
    pictures : whether the recovered pictures are kept too, as PNG
    """

    model_config = ConfigDict(extra="forbid")

    settings: Settings = Field(default_factory=dict)
    grid: dict[str, list[Any]] = Field(default_factory=dict)
    variants: list[_Variant] = Field(default_factory=lambda: [_Variant()])
    pictures: bool = False

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, values: Any) -> Any:
        return plain(values)

    @classmethod
    def read(cls, source: str | os.PathLike[str] | Mapping[str, Any] | Study) -> Study:
        """A study from a TOML or JSON file, a dict, or itself. Raises BadInputError, and
        UnknownNameError for a table that no study has."""
        if isinstance(source, Study):
            return source
        if not isinstance(source, (str, os.PathLike, Mapping)):
            raise BadInputError(
                "A study is a table, or a TOML file with one.",
                got=repr(source)[:60],
                try_='{"settings": {…}, "grid": {…}}',
            )
        values = source if isinstance(source, Mapping) else from_file(source)
        for name in values:
            if isinstance(name, str) and name not in cls.model_fields:
                what, known = f"A study has no {name!r}.", ", ".join(cls.model_fields)
                raise UnknownNameError.nearest(what, name, cls.model_fields, f"It has: {known}")
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            raise BadInputError(
                f"The study: {describe_errors(error)}",
                try_="tables [settings], [grid] and [[variants]], see docs/studies.md",
            ) from error

    def cells(self) -> list[Cell]:
        """Every run, its settings checked as far as each can be by itself. Whether they fit
        together is for the runs: one that is refused is a row that says why.

        Raises BadInputError for a study with too many runs, with none, with two that are the
        same, or with a setting both in a variant and on the grid, and what
        :func:`priorkit.recover` raises for names and options that don't exist and for values that
        they can't have.
        """
        # Patterns of pictures aren't expanded yet.
        shared = prod(map(len, self.grid.values()))
        count = sum(shared * prod(map(len, v.grid.values())) for v in self.variants)
        if count > MAX_CELLS:
            raise BadInputError(f"A study has at most {MAX_CELLS:,} runs.", got=count)
        digest = cache(_digest)  # of the files as they are now

        def identity(leaf: Any) -> Any:
            return f"sha256 {digest(Path(leaf))}" if _is_path(leaf) else leaf

        found: dict[str, Cell] = {}
        for label, settings in self._points():
            try:
                config, extra = split({k: v for k, v in settings.items() if k != "image"})
                chosen = select_all(config, extra)
                chosen.as_usual()
                chosen.check()
            except PriorkitError as error:
                raise type(error)(f"The run {_short(settings, str(error))}: {error}") from error
            try:
                key = json_sha256(_mapped(settings, identity))[:20]
            except TypeError as error:  # a value that JSON can't hold
                raise BadInputError(
                    "The settings of a study are values that a file can hold, not objects.",
                    got=_short(settings),
                    try_="a registered name, or the path of a .npy file",
                ) from error
            if key in found:
                raise BadInputError(
                    f"Two runs of the study are the same: {found[key].label!r} and {label!r}.",
                    got=_short(settings),
                )
            found[key] = Cell(key, label, settings)
        if not found:
            raise BadInputError("The study has no run: an axis of its grid is empty.")
        return list(found.values())

    def _points(self) -> Iterator[tuple[str, Settings]]:
        for variant in self.variants:
            own = dict(variant.model_extra or {})
            axes = {name: _expanded(name, values) for name, values in self.grid.items()}
            further = {name: _expanded(name, values) for name, values in variant.grid.items()}
            if twice := (own.keys() | further) & axes.keys() | own.keys() & further:
                what = f"The setting {min(twice)!r} of the variant {variant.label or own}"
                raise BadInputError(f"{what} is on the grid too.", try_="one of the two")
            axes |= further
            for values in itertools.product(*axes.values()):
                point = dict(zip(axes, values, strict=True))
                settings = placed({**self.settings, **own, **point})
                yield variant.label or label_of(settings.get("prior", "default prior")), settings


def placed(settings: Settings) -> Settings:
    """Settings whose paths are absolute, for processes that run in other folders. Raises
    BadInputError for an ``image`` or a ``y`` that isn't there."""
    return {n: _mapped(v, partial(_placed, file=n in FILES)) for n, v in settings.items()}


def _expanded(name: str, values: list[Any]) -> list[Any]:
    """The values of an axis; patterns of pictures are replaced by the files they match."""
    found: list[Any] = []
    for value in values:
        if name == "image" and isinstance(value, str) and "*" in value:
            matches = _pictures(Path(value).parent, Path(value).name)
            if not matches:
                raise BadInputError(f"No picture matches {value}.")
            found += map(str, matches)
        else:
            found.append(value)
    return found


def _pictures(folder: Path, pattern: str = "*") -> list[Path]:
    return sorted(p for p in folder.glob(pattern) if is_image(p))


def _placed(value: Any, file: bool) -> Any:
    """A value with its path absolute. With ``file`` it is a path, even if it looks like a name.
    Raises BadInputError."""
    named = file and isinstance(value, str)
    if named and not os.path.exists(place(value)[0]):
        raise BadInputError(f"There is no file {value}.", try_=near(place(value)[0], ENDS))
    return os.path.abspath(value) if named or _is_path(value) else value


def _mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    """A setting with every value in its lists and tables changed."""
    if isinstance(value, dict):
        return {name: _mapped(v, change) for name, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_mapped(v, change) for v in value]
    return change(value)


def _digest(path: Path) -> str:
    """sha256 of a file, or of the pictures in a folder."""
    path, pick = place(path)
    if path.is_file():
        return file_sha256(path) + (f" {pick}" if pick else "")
    return json_sha256([[p.name, file_sha256(p)] for p in _pictures(path)])


def _is_path(value: Any) -> bool:
    """Whether a setting names something on the disk; a bare word names a component."""
    if not isinstance(value, str) or not ("." in value or os.sep in value):
        return False
    try:
        return place(value)[0].exists()
    except (OSError, ValueError, BadInputError):  # not a possible path
        return False


def _short(settings: Settings, about: str = "") -> str:
    """Settings in so many words; first those of which the words of an error are ``about`` the name
    or the value, and that it mustn't lose."""

    def aside(item: tuple[str, Any]) -> bool:
        name, value = item
        said = "|".join(map(re.escape, (name, repr(value))))
        return not re.search(rf"(?<!\w)({said})(?!\w)", about)

    text = ", ".join(f"{name} = {value}" for name, value in sorted(settings.items(), key=aside))
    return text if len(text) < 120 else f"{text[:117]}…"
