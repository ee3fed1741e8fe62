"""A verb that is called wrongly says what it takes, and a call that it shows can be made."""

import ast
import inspect

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
