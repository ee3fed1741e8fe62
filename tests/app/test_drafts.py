"""Forms that outlive their pages, the folder of a session, and what the library says to a page."""

import logging
import subprocess
import sys
import threading

import pytest

from priorkit.app import drafts as drafts_module
from priorkit.app.draft import Draft
from priorkit.app.drafts import Drafts
from priorkit.app.session import PREFIX, Session, sweep
from priorkit.app.warned import heard
from priorkit.app.words import said, warned
from priorkit.errors import BadInputError


@pytest.fixture
def drafts(store):
    return Drafts(store)


def test_a_draft_is_found_again_and_another_tab_has_a_copy(drafts):
    mask = drafts.store.keep("mask.png", b"drawn")
    draft = Draft.new()
    draft.paint(mask)
    id = drafts.add(draft)
    draft = drafts.find(id)
    assert drafts.find("none") is drafts.copied("none") is None
    there = [True]
    drafts.opened(id, lambda: there[0])
    assert drafts.find(id) is None
    copy = drafts.copied(id)
    assert (copy, copy is draft) == (draft, False)
    copy.paint(None)
    drafts.store.release(mask)  # as the form does with what was drawn before
    assert draft.painted == mask
    assert mask.exists()
    there[0] = False  # it was left
    assert drafts.find(id) == draft


def test_what_a_page_that_was_reloaded_does_yet_goes_nowhere(drafts):
    """A file that was read when it was left; and of two tabs that come at once each has its own."""
    id = drafts.add(Draft.new())
    left = drafts.find(id)
    here = drafts.find(id)
    left.names["operator"], left.source = "fourier", drafts.store.keep("y.npy", b"late")
    assert here == Draft.new()
    here.beside.append("dct")
    assert drafts.find(id) == here


def test_the_drafts_that_were_opened_longest_ago_are_forgotten(drafts, monkeypatch):
    monkeypatch.setattr(drafts_module, "MOST", 2)
    first, second = (drafts.add(Draft.new()) for _ in range(2))
    assert drafts.find(first) is not None
    third = drafts.add(Draft.new())
    assert [drafts.find(id) is not None for id in (first, second, third)] == [True, False, True]


def test_a_number_that_cannot_be_is_said_once_with_its_field():
    draft = Draft.new()
    assert draft.wrong() is None
    draft.run["sigma"] = "-1"
    assert draft.wrong() == "sigma: at least 0."
    draft.run["sigma"] = "much"
    assert draft.wrong() == "sigma: a number or 'auto'."
    draft.run["sigma"] = "auto"
    assert draft.wrong() is None


def test_a_session_that_was_killed_is_removed_by_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    code = (
        "import os, tempfile; tempfile.tempdir = {!r}\n"
        "from priorkit.app.session import Session; print(Session().root, flush=True); os._exit(9)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code.format(str(tmp_path))], capture_output=True, text=True
    )
    (left,) = tmp_path.iterdir()
    assert done.stdout.strip() == str(left)
    own = Session()
    (tmp_path / f"{PREFIX}file").write_text("no folder")
    assert sweep() == [left]
    assert own.root.exists()
    own.close()
    assert [path.name for path in tmp_path.iterdir()] == [f"{PREFIX}file"]


def test_warnings_are_heard_of_the_own_thread_alone():
    log = logging.getLogger("priorkit")

    def elsewhere():
        log.warning("of another")

    with heard() as found:
        for word in ("one", "two", "one"):
            log.warning("%s", word)
        log.info("no warning")
        other = threading.Thread(target=elsewhere)
        other.start()
        other.join()
    log.warning("later")
    assert found == ["one", "two"]


@pytest.mark.parametrize(
    ("try_", "advice"),
    [
        ("sigma=0.1, or sigma='auto'", "fill in sigma"),
        ("film.gif::frame=2, or kind='volume'", "fill in which slice, counted from 0, or choose"),
        ("shape=(3, 64, 64), to crop and resize it", "choose a size, or fill in the shape"),
        ("m=500", "fill in m"),
        ("priorkit show gaussian", None),
        ("numpy.asarray(image) / its largest number", None),
        ('op="mask", mask=numpy.isfinite(y)', "another operator"),
        (None, None),
    ],
)
def test_advice_is_of_what_the_form_has(try_, advice):
    error = BadInputError("No.", got=3, try_=try_)
    found = said(error, {"m"})
    assert found.startswith("No. Got 3.")
    if advice is None:
        assert found == "No. Got 3."
    else:
        assert found.startswith(f"No. Got 3. Try: {advice}")
    assert warned(str(error), {"m"}) == found
