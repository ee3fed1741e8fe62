"""A verb that is called wrongly says what it takes, and a call that it shows can be made."""

import ast
import inspect
from pathlib import Path

import numpy as np
import pytest

import priorkit
from priorkit.errors import BadInputError, PriorkitError, UnknownNameError
from priorkit.settings.called import called_as
from priorkit.studies.study import Study
from tests.bad_files import one_line

VERBS = ("recover", "compare", "audit", "replay", "sweep", "recover_folder")
CALLS = {
    "keyword of a study": (
        lambda: priorkit.sweep(prior=["dct", "wavelet"], op="gaussian"),
        UnknownNameError,
        "sweep takes no 'prior'. It takes: study, out, jobs, ",
        '"grid": {"prior": ["dct", "wavelet"]}}, out=',
    ),
    "misspelt": (
        lambda: priorkit.sweep({}, out="a.parquet", job=2),
        UnknownNameError,
        "sweep takes no 'job'. Did you mean 'jobs'? Try: priorkit.sweep(",
    ),
    "keyword of a replay": (
        lambda: priorkit.replay("out", budget=3),
        UnknownNameError,
        "replay takes no 'budget'. It takes: folder, progress. Try: priorkit.replay(",
    ),
    "no out": (
        lambda: priorkit.recover_folder("few"),
        BadInputError,
        'recover_folder needs out. Try: priorkit.recover_folder("FOLDER", out="results"',
    ),
    "no study": (lambda: priorkit.sweep(), BadInputError, "sweep needs study and out. Try: "),
    "no priors": (
        lambda: priorkit.compare("face.png", prior="dct"),
        BadInputError,
        "compare needs priors. Try: ",
    ),
    "no groups": (lambda: priorkit.audit(priors=["dct"]), BadInputError, "audit needs groups."),
    "by place": (
        lambda: priorkit.recover("a.png", "b.png"),
        BadInputError,
        "recover takes x by place, and all else by name. Got 2 by place. Try: priorkit.recover(",
    ),
    "twice": (
        lambda: priorkit.recover("a.png", x="b.png"),
        BadInputError,
        "recover was given x twice.",
    ),
}


# What else a verb is given, and what is no path, no flag or no function.
STUDY = {"settings": {"prior": "none", "op": "identity"}}
NEEDED = {
    "recover": {"prior": "none", "op": "identity"},
    "compare": {"priors": ["none"], "op": "identity"},
    "audit": {"groups": {"a": np.zeros((1, 8, 8))}, "priors": ["dct"], "op": "identity"},
    "replay": {"folder": "nowhere"},
    "sweep": {"study": STUDY, "out": "a.parquet"},
    "recover_folder": {"x": "nowhere", "out": "out"},
}
WRONG = {
    "out": ("a path", (3, b"out", ["out"], "a\0b", {})),
    "folder": ("a path", (3, True)),
    "resume": ("True or False", ("yes", 1, [])),
    "progress": ("a function", (3, True, "bar")),
}
TAKE = [
    (verb, name)
    for verb in VERBS
    for name in WRONG
    if name in inspect.signature(getattr(priorkit, verb)).parameters
]


@pytest.mark.parametrize(("verb", "name"), TAKE)
def test_an_argument_of_another_kind_is_a_priorkit_error(verb, name):
    words, wrong = WRONG[name]
    for value in wrong:
        with pytest.raises(BadInputError) as caught:
            getattr(priorkit, verb)(**NEEDED[verb] | {name: value})
        shown = repr(value)
        assert f"{verb} takes {words} for {name}. Got {shown}. Try: " in one_line(caught.value)


def test_an_argument_of_its_kind_passes(face, tmp_path, monkeypatch):
    """None is a default, and a flag may be numpy's."""
    monkeypatch.chdir(tmp_path)
    given = {"prior": "none", "op": "identity", "penalty": "tv", "gamma": 0.1, "budget": 1}
    found = priorkit.recover(face, **given, out=Path("out"), resume=np.False_, progress=print)
    assert priorkit.replay(Path("out"), progress=None).x.shape == found.x.shape
    assert priorkit.recover(face, **given, out=None, resume=None).x.shape == found.x.shape


NAMES = {
    "a config": lambda: priorkit.recover(config={3: "none"}),
    "a component": lambda: priorkit.recover(op={"name": "mask", 3: 4}),
    "a study": lambda: priorkit.sweep({3: 4}, out="a.parquet"),
}


@pytest.mark.parametrize("case", NAMES)
def test_a_setting_has_a_name(case):
    with pytest.raises(BadInputError, match=r"The names of settings are text\. Got 3\."):
        NAMES[case]()


def test_a_matrix_as_a_prior_is_refused_as_one():
    """Where a file alone would be denoised, if nothing else were said."""
    with pytest.raises(BadInputError, match="The prior is a name, a table with one, an object"):
        priorkit.recover("face.png", prior=np.ones((2, 2)))


@pytest.mark.parametrize("case", CALLS)
def test_a_wrong_call_is_a_priorkit_error(case):
    call, error, *phrases = CALLS[case]
    with pytest.raises(PriorkitError) as caught:
        call()
    assert type(caught.value) is error
    for phrase in phrases:
        assert phrase in one_line(caught.value)


@pytest.mark.parametrize("name", VERBS)
def test_the_call_that_is_shown_can_be_made(name):
    """By its signature; the study of a sweep is one."""
    verb = getattr(priorkit, name)
    with pytest.raises(PriorkitError) as caught:
        verb(*"abcdefgh")
    shown = caught.value.try_ or str(caught.value).partition("Try: ")[2]
    call = ast.parse(shown, mode="eval").body
    assert isinstance(call, ast.Call)
    args = [ast.literal_eval(arg) for arg in call.args]
    keywords = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
    inspect.signature(verb).bind(*args, **keywords)
    if name == "sweep":
        priors = [cell.settings["prior"] for cell in Study.read(*args).cells()]
        assert priors == ["dct", "wavelet"]


def test_every_verb_is_checked():
    """All functions that priorkit has, but for what marks hooks."""
    functions = {name for name in priorkit.__all__ if inspect.isfunction(getattr(priorkit, name))}
    assert functions - {"hookimpl"} == set(VERBS)


def test_what_a_verb_itself_raises_passes():
    """A TypeError within it is its own."""

    @called_as("fails()")
    def fails() -> None:
        raise TypeError("within")

    with pytest.raises(TypeError, match="within"):
        fails()
