"""A value that can't be: the error names the option, the value and one that can."""

import ast
from typing import Annotated, Literal

import pytest
from pydantic import Field, ValidationError

from priorkit.errors import BadInputError
from priorkit.registry import COMPONENTS
from priorkit.settings.config import RunConfig, split
from priorkit.settings.options import options_model
from priorkit.settings.refused import allowed, describe_errors, instead
from priorkit.settings.select import classes


class Camera:
    """With options of every kind."""

    def __init__(
        self,
        *,
        m: Annotated[int, Field(ge=1)],
        factor: Annotated[int, Field(ge=2, le=64)] = 4,
        fraction: Annotated[float, Field(gt=0, lt=1)] | None = None,
        gain: Annotated[float, Field(ge=1e-15)] = 1.0,
        rate: Annotated[float, Field(gt=0)] | None = None,
        arc: Annotated[float, Field(le=-1)] | None = None,
        layout: Literal["angles", "skimage"] = "angles",
        unit: Literal["mm", "inch"] | None = None,
        angles: int | list[float] = 30,
    ) -> None:
        pass


@pytest.mark.parametrize(
    ("name", "value", "try_"),
    [
        ("m", -5, "m=5"),  # its sign turned
        ("m", 0, "m=1"),  # the least
        ("m", 2.5, "m=2"),
        ("m", "abc", None),
        ("m", -1, "m=1"),
        ("m", True, None),  # which pydantic takes for 1
        ("factor", True, "factor=4"),
        ("factor", -1, "factor=4"),  # where other programs take it for the usual one
        ("fraction", "70%", "fraction=0.7"),
        ("fraction", "0,7", "fraction=0.7"),
        ("fraction", 70, "fraction=0.7"),
        ("factor", "70%", "factor=4"),  # which is for whole numbers
        ("angles", [1.0, True], "angles=30"),
        ("factor", -7, "factor=7"),
        ("factor", 0, "factor=4"),  # the default
        ("factor", -100, "factor=4"),  # 100 can't be either
        ("factor", 100, "factor=64"),  # the greatest
        ("factor", "many", "factor=4"),
        ("fraction", 1.5, "fraction=0.5"),
        ("fraction", -0.25, "fraction=0.25"),
        ("gain", 0, "gain=1"),  # not 1e-15
        ("gain", float("nan"), "gain=1"),
        ("rate", 0, None),
        ("arc", 3, "arc=-1"),
        ("layout", "skimge", "Did you mean 'skimage'?"),
        ("layout", 3, "layout='angles'"),
        ("unit", "yards", "unit='mm' or 'inch'"),
        ("angles", [1.0, "two"], None),
    ],
)
def test_what_to_try_can_be(name, value, try_):
    model = options_model(Camera)
    with pytest.raises(ValidationError) as raised:
        model(**{"m": 3, name: value})
    assert instead(raised.value, model) == try_
    said = describe_errors(raised.value)
    assert said.startswith(name)
    shown = value[1] if isinstance(value, list) and value[1] is not True else value
    assert any(f"Got {got}" in said for got in (shown, repr(shown), repr(str(shown))))


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("sigma", -0.1, "greater than or equal to 0. Got -0.1. Try: sigma=0.1"),
        ("gamma", "lots", "Got 'lots'. Try: gamma=0.1, or gamma='sure' or 'discrepancy'"),
        ("seed", "abc", "a valid integer, unable to .* integer. Got 'abc'. Try: seed=0"),
        ("seed", 2**64, "Got 18446744073709551616. Try: seed=0"),
        ("budget", "many", "Got 'many'. Try: budget=200"),
        ("budget", -3, "Try: budget=3"),
        ("seed", -1, "Try: seed=0"),
        ("budget", -1, "Try: budget=200"),
        ("budget", True, "neither true nor false. Got True. Try: budget=200"),
        ("sigma", True, "Got True. Try: sigma=0.1"),
        ("sigma", "5%", "Try: sigma=0.05, or sigma='auto'"),
        ("shape", (3, 64, 0), r"or \(length,\). Got .*Try: shape=\(3, 64, 64\)"),
        ("shape", (3, True, 64), r"Try: shape=\(3, 64, 64\)"),
        ("shape", (3, 64000, 6400), r"more than 50 million numbers. .*Try: shape=\(3, 64, 64\)"),
        ("precision", "half", "Try: precision='float32' or 'float64' or 'mixed'"),
        ("shape", "large", r"Input should be a list. Got 'large'. Try: shape=\(3, 64, 64\)"),
        ("shape", (3, 64, "x"), r"a valid integer, .* Got 'x'. Try: shape=\(3, 64, 64\)"),
        ("range", "all", r"Got 'all'. Try: range=\(0, 255\), or range='auto'"),
    ],
)
def test_a_setting_of_a_run(name, value, said):
    with pytest.raises(BadInputError, match=f"^Setting {name}.*{said}$"):
        split({name: value})


def test_examples_of_settings_can_be():
    for name, field in RunConfig.model_fields.items():
        for example in field.examples or ():
            assert allowed(RunConfig, name, example), name
    assert not allowed(RunConfig, "sigma", -1)


@pytest.mark.parametrize("kind", COMPONENTS)
def test_every_option_that_is_refused_says_one_that_can_be(kind):
    """Of all components here, for values that hardly an option may have."""
    refused = [
        (model, name, error)
        for model in (options_model(cls) for _, cls in classes(kind))
        for name in model.model_fields
        for value in (-(10**30), -3, -0.1, 0, 2.5, 10**30, "no such word", float("nan"))
        if (error := _refusal(model, name, value)) is not None
    ]
    assert refused or kind == "start"
    for model, name, error in refused:
        assert describe_errors(error).startswith(name)
        try_ = instead(error, model)
        if try_ is not None and try_.startswith(f"{name}="):
            first = try_.partition(", or ")[0].partition(" or ")[0]
            said = ast.literal_eval(first.removeprefix(f"{name}="))
            assert allowed(model, name, said), try_


def _refusal(model, name, value):
    try:
        model.__pydantic_validator__.validate_assignment(model.model_construct(), name, value)
    except ValidationError as error:
        return error
    return None
