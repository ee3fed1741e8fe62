"""What results are asked for wrongly is one line that says what they take."""

from types import SimpleNamespace

import numpy as np
import pytest

import priorkit
from priorkit.errors import BadInputError, PriorkitError
from priorkit.results.audit import Audit
from priorkit.results.comparison import Comparison
from priorkit.studies.results import Results
from tests.bad_files import one_line


@pytest.fixture(scope="module")
def made():
    """One of each."""
    x = np.full((2, 1, 8, 8), 0.5, dtype=np.float32)
    recovery = priorkit.recover(x, prior="none", op="identity", budget=2)
    rows = [{"cell": "a", "label": "x", "status": "stopped", "psnr": 3.0, "m": 5}]
    return SimpleNamespace(
        recovery=recovery,
        comparison=Comparison([], None, [], {}),
        audit=Audit([], {}),
        results=Results(rows),
    )


PATHS = ("recovery.save", "recovery.report", "comparison.save", "audit.save", "results.save")


@pytest.mark.parametrize("name", [*PATHS, "results.read"])
def test_a_path_is_one(name, made):
    owner, _, method = name.partition(".")
    called = getattr(getattr(made, owner), method)
    argument = "folder" if owner != "results" and method == "save" else "path"
    for value in (3, True, None, b"out", ["out"], "a\0b"):
        with pytest.raises(BadInputError) as caught:
            called(value)
        said = f"{method} takes a path for {argument}. Got {value!r}. Try: "
        assert one_line(caught.value).startswith(said)
        assert f".{method}(" in str(caught.value)
    with pytest.raises(BadInputError, match=rf"^{method} needs {argument}\. Try: "):
        called()
    with pytest.raises(PriorkitError, match=rf"^{method} takes no 'fold'\. "):
        called(fold="out")
    with pytest.raises(BadInputError, match=rf"^{method} takes {argument} by place, .* 2 by place"):
        called("out", "more")


WRONG = {
    "a word for a number": (lambda m: m.recovery.image("a"), "image takes a whole number for i."),
    "a part": (lambda m: m.recovery.image(1.5), "image takes a whole number for i. Got 1.5."),
    "too many": (lambda m: m.recovery.image(2), "There is no image 2: the run has 2 images."),
    "too few": (lambda m: m.recovery.image(-3), "There is no image -3: the run has 2 images."),
    "an axis": (lambda m: m.results.plot(across=3), "plot takes text for across. Got 3."),
    "no axis": (lambda m: m.results.plot(), "plot needs across. Try: results.plot(across="),
    "a colour": (lambda m: m.results.plot(across="m", colour=3), "plot takes no 'colour'."),
    "a column": (lambda m: m.results.summary(by="label"), "by is a list of columns. Got 'label'"),
    "a value": (lambda m: m.results.summary(value=3), "summary takes text for value. Got 3."),
    "by place": (lambda m: m.results.where(3), "where takes nothing by place, and all else by"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_no_result_has(case, made):
    call, said = WRONG[case]
    with pytest.raises(PriorkitError) as caught:
        call(made)
    assert one_line(caught.value).startswith(said)


def test_what_is_right_passes(made, tmp_path):
    """A path of either kind, and numbers of numpy."""
    assert made.recovery.save(tmp_path / "out") == tmp_path / "out"
    assert made.recovery.report(str(tmp_path / "page.html")).exists()
    last = made.recovery.image(np.int64(-1))
    assert last.size == made.recovery.image().size == made.recovery.image(i=1).size
    assert made.results.summary(by=("label",), across="m")[0].value == 3.0
