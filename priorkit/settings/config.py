"""The settings of a run as data: what a user says, a file, and the record agree."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import (
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)

from priorkit.errors import BadInputError
from priorkit.settings.options import Values, plain
from priorkit.settings.refused import describe_errors, instead

__all__ = ["COMPONENTS", "KEYS", "RunConfig", "listed", "numbers_from", "of_runs", "split"]


MAX_NUMBERS = 50_000_000  # of an image

WORDS = {"sigma": ("auto",), "gamma": ("sure", "discrepancy")}  # instead of a number

Number = Annotated[int, Field(ge=0, lt=2**63)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class RunConfig(Values):
    """Everything that defines a run. None means that nobody said: then the
    weight card decides, else the prior's defaults, else priorkit's. Examples are what is said to
    try in place of a value that can't be.

    Components are a name, a path to weights (priors), or a table with a name and options.
    """

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    prior: Any = None
    op: Any = None
    noise: Any = None
    penalty: Any = None
    solver: Any = None
    start: Any = None
    image: str | None = None
    y: str | None = None
    shape: tuple[int, ...] | None = Field(default=None, examples=[(3, 64, 64)])
    kind: Literal["vector", "signal", "picture", "volume", "complex"] | None = None
    resize: bool = False
    range: tuple[float, float] | Literal["auto"] | None = Field(default=None, examples=[(0, 255)])
    clip: bool = False
    space: Literal["latent", "pixel"] | None = None
    restarts: int | None = Field(default=None, ge=1, le=1000, examples=[4])
    averaging: int = Field(default=1, ge=1, le=1000, examples=[4])
    sigma: Amount | Literal["auto"] | None = Field(default=None, examples=[0.1])
    noise_norm: Amount | None = Field(default=None, examples=[0.1])
    gamma: Amount | Literal["sure", "discrepancy"] | None = Field(default=None, examples=[0.1])
    budget: int | None = Field(default=None, ge=1, examples=[200])
    seed: int = Field(default=0, ge=0, lt=2**63)
    first: Number | list[Number] = 0
    device: str = "cpu"
    precision: Literal["float32", "float64", "mixed"] | None = None
    dataset: str | None = None
    slice: int | None = Field(default=None, ge=0)

    @field_validator("shape", mode="before")
    @classmethod
    def _length(cls, value: Any) -> Any:
        """A single number is the length of a vector: a command line has no list of one."""
        return (value,) if isinstance(value, int) and not isinstance(value, bool) else value

    @field_validator("shape")
    @classmethod
    def _size(cls, value: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if value is not None and (min(value, default=0) < 1 or len(value) > 4):
            raise ValueError(
                "it is (channels, height, width), (channels, depth, height, width), "
                "(channels, length) or (length,)"
            )
        if value is not None and math.prod(value) > MAX_NUMBERS:
            raise ValueError(f"it holds more than {MAX_NUMBERS // 1_000_000} million numbers")
        return value

    @field_validator("sigma", "gamma", mode="before")
    @classmethod
    def _number_or_word(cls, value: Any, info: ValidationInfo) -> Any:
        words = WORDS[info.field_name or ""]
        if isinstance(value, str) and value not in words:
            try:
                float(value)
            except ValueError:
                raise ValueError(f"it is a number or {' or '.join(map(repr, words))}") from None
        return value

    @model_validator(mode="before")
    @classmethod
    def _penalties_with_their_weights(cls, values: dict[str, Any]) -> dict[str, Any]:
        """``penalty=["tv", "nll"], gamma=[0.01, 0.1]`` as tables with a γ each, and 1 for their
        sum."""
        penalty, gamma = listed(values.get("penalty")), listed(values.get("gamma"))
        if isinstance(gamma, list):
            if not isinstance(penalty, list) or len(penalty) != len(gamma):
                count = len(penalty) if isinstance(penalty, list) else 1
                one = f"gamma={gamma[0]}" if gamma else "gamma=0.1"
                each = f"gamma=[{', '.join(['0.1'] * count)}], or {one} of their sum"
                raise BadInputError(
                    f"gamma holds a number for each penalty: {count}, got {len(gamma)}.",
                    try_=each if count > 1 else one,
                )
            pairs = zip(_numbers(gamma), penalty, strict=True)
            penalty, gamma = [_with_weight(w, part) for w, part in pairs], 1.0
        elif isinstance(penalty, list) and gamma is None:
            said = ["gamma" in part for part in penalty if isinstance(part, Mapping)]
            if any(said) and not (all(said) and len(said) == len(penalty)):
                raise ValueError("Either all of several penalties have a gamma, or none")
            gamma = 1.0 if any(said) else None
        return values | {k: v for k, v in (("penalty", penalty), ("gamma", gamma)) if v is not None}

    @field_validator("range", mode="wrap")
    @classmethod
    def _pair(cls, value: Any, checked: ValidatorFunctionWrapHandler) -> Any:
        """Which is the lower one is for interfaces.Range, which needs torch."""
        try:
            return checked(listed(value))
        except ValidationError:
            raise ValueError("it is (lo, hi), two numbers, or 'auto'") from None

    @model_validator(mode="after")
    def _one_noise(self) -> RunConfig:
        if self.sigma is not None and self.noise_norm is not None:
            raise BadInputError(
                "Say sigma or noise_norm, not both.",
                got=f"sigma={self.sigma}, noise_norm={self.noise_norm:g}",
                try_=f"sigma={self.sigma} and no noise_norm",
            )
        if self.clip and self.range is None:
            raise ValueError("clip brings values into the range, and none is given")
        if self.averaging > 1 and (self.restarts or 1) > 1:
            raise ValueError("Say restarts, of which the best is kept, or averaging, not both")
        return self


COMPONENTS = {
    "prior": "prior",
    "op": "operator",
    "noise": "noise",
    "penalty": "penalty",
    "solver": "solver",
    "start": "start",
}
KEYS = {kind: key for key, kind in COMPONENTS.items()}  # the setting that names one of a kind


def _numbers(gamma: list[Any]) -> list[float]:
    """The weights of penalties, which may be words of a command line. Raises BadInputError."""
    try:
        if any(isinstance(weight, bool) for weight in gamma):
            raise ValueError
        return list(map(float, gamma))
    except (TypeError, ValueError):
        raise BadInputError(
            "gamma holds a number for each penalty.",
            got=gamma,
            try_=f"gamma=[{', '.join(['0.1'] * len(gamma))}]",
        ) from None


def numbers_from(first: int | Sequence[int], count: int) -> Sequence[int]:
    """The numbers of so many images, of which the first one's was said, or each one's, and perhaps
    more. Raises BadInputError for fewer.

    >>> numbers_from(3, 2), numbers_from([3, 5, 8], 2)
    (range(3, 5), [3, 5])
    """
    if isinstance(first, int):
        return range(first, first + count)
    if len(first) < count or len(set(first)) < len(first):
        raise BadInputError(
            "first is the number of the first image, or a list of them, one for each image.",
            got=f"{len(set(first))} numbers of {count} images",
            try_="first=0",
        )
    return first[:count]


# What else recover and its command take: only a table gives it to a component as an option.
OF_COMMANDS = frozenset(("batch", "config", "engine", "help", "jobs", "json"))
OF_COMMANDS |= frozenset(("out", "plugins", "progress", "resume", "scheduler", "settings", "x"))


def of_runs(kind: str, option: str) -> bool:
    """Whether a keyword of this name is a setting of a run, so that no component of the kind gets
    it. A seed is of both, and a noise has the σ of its run.

    >>> of_runs("solver", "budget"), of_runs("noise", "sigma"), of_runs("solver", "rate")
    (True, False, False)
    """
    shared = {"seed"} | ({"sigma", "noise_norm"} if kind == "noise" else set())
    return option not in shared and (option in RunConfig.model_fields or option in OF_COMMANDS)


def split(*layers: Mapping[str, Any]) -> tuple[RunConfig, dict[str, Any]]:
    """One config from several layers, later ones over earlier ones, and the keywords in them that
    belong to components.

    None says nothing; an array as a component, such as a matrix or a start, is the component
    itself. Raises BadInputError for a bad value.
    """
    values: dict[str, Any] = {}
    for layer in layers:
        given = {
            name: v
            if name in COMPONENTS and not isinstance(v, (Mapping, os.PathLike))
            else plain(v)
            for name, v in layer.items()
            if v is not None
        }
        if "sigma" in given or "noise_norm" in given:  # a later layer says which of the two
            values.pop("sigma", None)
            values.pop("noise_norm", None)
        values |= given
    own = {name: v for name, v in values.items() if name in RunConfig.model_fields}
    try:
        config = RunConfig(**own)
    except ValidationError as error:
        of_one = any(complaint["loc"] for complaint in error.errors())  # not of several at once
        said = ("Setting " if of_one else "") + describe_errors(error)
        raise BadInputError(said, try_=instead(error, RunConfig)) from error
    return config, {name: v for name, v in values.items() if name not in own}


def listed(value: Any) -> Any:
    """``tv,nll`` of a command line as a list, as a tuple is; everything else as it is."""
    if isinstance(value, str) and "," in value:
        return [part.strip() for part in value.split(",")]
    return list(value) if isinstance(value, tuple) else value


def _with_weight(weight: float, part: Any) -> Any:
    """A penalty with its γ: a table, or of an object both."""
    if isinstance(part, (str, Mapping)):
        return {**({"name": part} if isinstance(part, str) else part), "gamma": weight}
    return weight, part
