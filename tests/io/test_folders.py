"""Folders of results: whole at every moment, and nobody else's files touched."""

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from priorkit.errors import BadInputError
from priorkit.io import folders
from priorkit.io.folders import claimed, locked, replacing, require_place, unfinished


def write(folder, **files):
    """Save ``name=text`` as results."""
    with replacing(folder) as stage:
        for name, text in files.items():
            (stage / f"{name}.txt").write_text(text)


def write_half(folder, error):
    with replacing(folder) as stage:
        (stage / "a.txt").write_text("half")
        raise error


def hold(folder):
    with locked(folder):
        pass


def held(folder):
    return {p.name: p.read_text() for p in folder.iterdir() if p.name != "manifest.json"}


@pytest.fixture(params=[True, False], ids=["exchange", "without"])
def exchange(request, monkeypatch):
    """With folders exchanged in one step, and on systems that can't."""
    if not request.param:
        monkeypatch.setattr(folders, "_exchange", lambda a, b: False)


@pytest.mark.usefixtures("exchange")
def test_an_earlier_run_is_replaced_and_nothing_is_left(tmp_path, caplog):
    write(tmp_path / "out", a="old", b="old")
    assert not caplog.records
    write(tmp_path / "out", a="new")
    assert caplog.messages == [f"The earlier result in {tmp_path / 'out'} was replaced."]
    assert held(tmp_path / "out") == {"a.txt": "new"}
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


@pytest.mark.usefixtures("exchange")
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, OSError])
def test_whatever_goes_wrong_the_old_run_stays(tmp_path, error):
    write(tmp_path / "out", a="old")
    with pytest.raises(BadInputError if error is OSError else error):
        write_half(tmp_path / "out", error)
    assert held(tmp_path / "out") == {"a.txt": "old"}
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


@pytest.mark.usefixtures("exchange")
def test_files_of_others_stay(tmp_path, caplog):
    """One that was added keeps its place; one that was changed, whose place is needed, is aside."""
    write(tmp_path / "out", a="old", b="old", c="old")
    (tmp_path / "out" / "mine.txt").write_text("mine")
    (tmp_path / "out" / "more").mkdir()
    (tmp_path / "out" / "more" / "x.txt").write_text("mine too")
    (tmp_path / "out" / "a.txt").write_text("edited")
    (tmp_path / "out" / "c.txt").write_text("edited")
    write(tmp_path / "out", a="new", b="new")
    assert (tmp_path / "out" / "more" / "x.txt").read_text() == "mine too"
    assert (tmp_path / "out" / "mine.txt").read_text() == "mine"
    assert (tmp_path / "out" / "a.txt").read_text() == "new"
    assert (tmp_path / "out" / "c.txt").read_text() == "edited"
    assert held(tmp_path / "out.before") == {"a.txt": "edited"}
    assert f"did not write are kept in {tmp_path / 'out.before'}: a.txt." in caplog.text


def test_what_priorkit_did_not_make_is_refused(tmp_path, monkeypatch):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    write(ours, a="old")
    theirs.mkdir()
    require_place(theirs)  # empty: nothing can be lost
    (theirs / "face.png").write_text("a picture")
    (theirs / "record.json").write_text("{}")
    for folder, said in {
        theirs: "did not write: nothing in it is replaced. Got face.png, record.json. Try: another",
        theirs / "face.png": "is a file",
        theirs / "face.png" / "out": "Not a directory",
        tmp_path / "x.png": r"name of a file\. Got x\.png\. Try: the folder .*/x$",
        tmp_path / "x.NII.GZ": r"name of a file\. Got x\.NII\.GZ\. Try: the folder .*/x$",
        tmp_path / ("n" * 300): "can't be written",
        tmp_path / "a\0b": "can't be written",
    }.items():
        with pytest.raises(BadInputError, match=said):
            require_place(folder)
    (tmp_path / "earlier.png").mkdir()  # of a version that made one
    require_place(tmp_path / "earlier.png")
    require_place(tmp_path / "run.2")
    with pytest.raises(BadInputError, match=r"holds an input of this run, a.txt"):
        require_place(ours, [ours / "a.txt"])
    monkeypatch.chdir(ours)
    with pytest.raises(BadInputError, match="the folder where you are"):
        require_place(ours)
    (ours / "manifest.json").write_text(json.dumps({"made_by": "someone", "files": {}}))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInputError, match="did not write"):
        require_place(ours)


def test_what_a_killed_process_left_is_swept(tmp_path):
    """Not what one that lives is writing."""
    dead, alive = tmp_path / ".out.saving-dead", tmp_path / ".out.saving-alive"
    for stage in (dead, alive):
        stage.mkdir()
        (stage / "half.txt").write_text("half")
    with locked(alive):
        write(tmp_path / "out", a="new")
    assert not dead.exists()
    assert alive.exists()


def test_only_one_works_in_a_folder(tmp_path):
    with locked(tmp_path), pytest.raises(BadInputError, match="Another process is working in"):
        hold(tmp_path)
    hold(tmp_path)


def test_a_run_gets_a_folder_of_its_own(tmp_path):
    with claimed(tmp_path / "out") as place:
        assert place == tmp_path / "out"
        with claimed(tmp_path / "out") as other:  # a run that begins at the same time
            assert other == tmp_path / "out-2"
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "out").mkdir()
    unfinished(tmp_path / "out-2").mkdir()
    with claimed(tmp_path / "out") as place:
        assert place == tmp_path / "out-3"


@pytest.mark.parametrize(
    ("kept", "age", "taken"),
    [
        ([], 3600, True),  # killed before it had noted anything
        ([], 0, False),  # it may be about to begin
        (["settings.json"], 0, True),
        (["settings.json", "000000.safetensors"], 3600, False),
        (["unfinished.mark"], 3600, False),
        (["weight.json"], 3600, False),
    ],
)
def test_a_folder_in_which_a_killed_run_finished_nothing_is_taken_again(tmp_path, kept, age, taken):
    beside = unfinished(tmp_path / "out")
    beside.mkdir()
    for name in kept:
        (beside / name).touch()
    then = time.time() - age
    os.utime(beside, (then, then))
    with claimed(tmp_path / "out") as place:
        assert (place == tmp_path / "out") == taken
    assert beside.exists() != taken


def test_the_folder_of_a_run_that_has_only_begun_is_its_own(tmp_path):
    beside = unfinished(tmp_path / "out")
    beside.mkdir()
    (beside / "settings.json").touch()
    with locked(beside), claimed(tmp_path / "out") as place:
        assert place == tmp_path / "out-2"


def test_of_runs_that_begin_at_once_none_gets_the_folder_of_another(tmp_path):
    """Nor one to which a run has saved since it was seen to be free."""
    many = 8
    together = Barrier(many)

    def begun(_):
        together.wait()
        with claimed(tmp_path / "out") as place:
            together.wait()
            place.mkdir()
            return place

    with ThreadPoolExecutor(many) as pool:
        places = list(pool.map(begun, range(many)))
    assert len(set(places)) == many
    assert sorted(tmp_path.iterdir()) == sorted(places)


def test_what_was_cut_short_replaces_nothing_that_is_whole(tmp_path, caplog):
    out = tmp_path / "out"
    for cut in (True, False):
        assert folders.gives_way(out, cut=True)  # nothing is there, or what was cut short
        with replacing(out, cut=cut) as stage:
            (stage / "a.txt").write_text("a")
    assert not folders.gives_way(out, cut=True)
    assert caplog.messages[-1].startswith(f"{out} keeps the result of the earlier run")
    assert folders.gives_way(out, cut=False)
