"""A folder in parts: by processes, on a cluster, cut short, and with what can't be read."""

import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from priorkit_noises.gaussian import Gaussian

import priorkit
from priorkit.errors import BadInputError, PriorkitError
from priorkit.io import opening
from priorkit.io.frames import open_frame as frames
from priorkit.io.pictures import load
from priorkit.studies.results import Results
from tests.helpers import PATIENCE

COUNT, PART = 8, 3
SETTINGS = {"prior": "none", "op": "gaussian", "m": 60, "penalty": "tv", "gamma": 0.01}
SETTINGS |= {"budget": 15, "shape": [3, 8, 8]}


@pytest.fixture
def folder(tmp_path):
    """Eight pictures, in the folder faces."""
    place = tmp_path / "faces"
    place.mkdir()
    rng = np.random.default_rng(0)
    for i in range(COUNT):
        values = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(values).save(place / f"{i}.png")
    return place


@pytest.fixture
def whole(folder):
    """The folder as one run with one thread."""
    return alone(folder)


def alone(folder, **more):
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return priorkit.recover(folder, **SETTINGS | more)
    finally:
        torch.set_num_threads(before)


def parts_of(out):
    """The pictures that the parts hold, in their order, (B, C, H, W)."""
    places = sorted((out / "parts").iterdir())
    return np.concatenate([np.load(place / "x.npy") for place in places])


def same(out, whole):
    """The same numbers, and a row for each picture."""
    np.testing.assert_array_equal(parts_of(out), whole.x.numpy())
    rows = sorted(Results.read(out / "results.parquet").rows, key=lambda row: row["image"])
    assert [Path(row["image"]).name for row in rows] == [f"{i}.png" for i in range(COUNT)]
    assert [row["psnr"] for row in rows] == whole.psnr.tolist()
    assert [row["evaluations"] for row in rows] == whole.evaluations


# tests/studies/test_sweep.py has the processes.
@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_parts_are_the_whole(jobs, folder, whole, tmp_path):
    told = []
    found = priorkit.recover_folder(
        folder,
        out=tmp_path / "out",
        jobs=jobs,
        batch=PART,
        progress=lambda rows, *now: told.append((len(rows), *now)),
        **SETTINGS,
    )
    assert [now[1:] for now in told] == [(1, 3), (2, 3), (3, 3)]
    assert sum(now[0] for now in told) == len(found.rows) == COUNT
    assert not found.failed
    same(tmp_path / "out", whole)


def test_a_part_is_a_run_that_can_be_repeated(folder, tmp_path):
    """Noise and start are drawn by the number of the picture in the folder, also by replay."""
    more = {"start": "normal", "first": 5, "seed": 2}
    priorkit.recover_folder(folder, out=tmp_path / "out", jobs=1, batch=PART, **SETTINGS | more)
    same(tmp_path / "out", alone(folder, **more))
    place = tmp_path / "out" / "parts" / "000001"
    np.testing.assert_allclose(
        priorkit.replay(place).x.numpy(), np.load(place / "x.npy"), atol=1e-5
    )


def test_measurements_of_ones_own(folder, tmp_path):
    found = priorkit.recover_folder(
        y=folder, out=tmp_path / "out", jobs=1, batch=PART, prior="none", op="identity",
        penalty="tv", sigma=0.1, gamma=0.02, budget=5,
    )  # fmt: skip
    assert len(found.rows) == COUNT
    assert all("psnr" not in row and row["misfit"] > 0 for row in found.rows)


def test_pictures_of_which_nothing_else_is_said_are_denoised_with_one_sigma(folder, tmp_path):
    """As by recover, which takes them for measurements."""
    told = {"out": tmp_path / "out", "jobs": 1, "budget": 1}
    with pytest.raises(priorkit.PriorkitError, match="sigma='auto' looks at all pictures at once"):
        priorkit.recover_folder(folder, **told)
    rows = priorkit.recover_folder(folder, sigma=0.05, **told).rows
    one = priorkit.recover(folder, sigma=0.05, budget=1)
    assert one.truth is None
    assert [row.get("psnr") for row in rows] == [None] * len(one.x)
    assert [row["misfit"] for row in rows] == pytest.approx(one.misfit.tolist(), rel=1e-6)


def test_files_that_can_not_be_read_are_rows(folder, tmp_path):
    (folder / "0.png").write_text("no picture")
    (folder / "4.png").write_text("no picture")
    for resume in (False, True):
        found = priorkit.recover_folder(
            folder, out=tmp_path / "out", jobs=1, batch=PART, resume=resume, **SETTINGS
        )
        assert len(found.rows) == COUNT
        assert [Path(row["image"]).name for row in found.left_out] == ["0.png", "4.png"]
        assert "not a picture that can be read" in found.left_out[0]["reason"]
        assert {row["status"] for row in found.left_out} == {"left out"}
        assert not found.failed
        assert repr(found).endswith("2 left out>")


def test_how_many_files_are_left_out_is_said(folder, tmp_path, command_line):
    """Those that can't be read, and those that are read from no folder."""
    (folder / "0.png").write_text("no picture")
    (folder / "z.gif").write_text("")
    words = "--prior none --op gaussian --m 20 --shape 3 8 8 --budget 1 --engine processes --jobs 1"
    done = command_line("recover", folder, *words.split(), "--out", tmp_path / "out")
    assert done.code == 1
    assert f"Left out, 1 of the 9 files of {folder}: z.gif: .gif files are not read" in done.err
    assert f"Left out, 1 of 8 files:\n{folder / '0.png'} is not a picture that can be" in done.out
    assert done.out.split()[:3] == ["pictures", "left", "out"]  # as recover says
    assert "1 file of the folder was left out, as said above; the others are done." in done.err


@pytest.mark.parametrize("engine", [[], ["--engine", "processes", "--jobs", "1"]], ids=len)
def test_what_is_wrong_with_several_files_is_said_once(engine, folder, tmp_path, command_line):
    """With their names; of files that are read from no folder too."""
    for name in ("0.png", "3.png", "4.png"):
        (folder / name).write_text("no picture")
    (folder / "y.gif").write_text("")
    (folder / "z.gif").write_text("")
    words = "--prior none --op gaussian --m 20 --shape 3 8 8 --budget 1"
    done = command_line("recover", folder, *words.split(), *engine, "--out", tmp_path / "out")
    said = " ".join((done.err + done.out).split())
    assert done.code == 1
    assert said.count("is not a picture") == 1
    assert "each of 0.png, 3.png, 4.png is not a picture that can be read" in said
    assert said.count(".gif files are not read") == 1
    assert "y.gif, z.gif: .gif files are not read" in said
    assert f"Left out, {2 if engine else 5} of the 10 files of {folder}: " in said


def test_where_all_fail_no_others_are_said_to_be_done(folder, tmp_path, command_line, monkeypatch):
    from priorkit.studies import part

    def fails(*given, **more):
        raise OSError("no room")

    monkeypatch.setattr(part, "recover", fails)
    words = "--prior none --op gaussian --m 20 --shape 3 8 8 --budget 1 --engine processes --jobs 1"
    done = command_line("recover", folder, *words.split(), "--out", tmp_path / "out")
    assert done.code == 1
    assert "others are done" not in done.err
    assert "saved run" not in done.out


@pytest.mark.parametrize("second", ["no picture", ""])
def test_each_file_of_a_part_that_has_none_to_read_has_its_own_reason(folder, tmp_path, second):
    """Of two kinds or of one; they had all had that of the part, which named them all."""
    (folder / "0.png").write_text("no picture")
    (folder / "1.png").write_text(second)
    rows = priorkit.recover_folder(
        folder, out=tmp_path / "out", jobs=1, batch=2, **SETTINGS
    ).left_out
    assert [Path(row["image"]).name for row in rows] == ["0.png", "1.png"]
    for row in rows:
        assert row["reason"].startswith(f"{row['image']} is not a picture that can be read")


@pytest.mark.parametrize("moment", ["between parts", "in a part"])
def test_ctrl_c_and_on(moment, folder, whole, tmp_path, monkeypatch):
    """What is finished isn't solved again: neither parts, nor pictures of one that was cut."""
    from priorkit.studies import part

    out = tmp_path / "out"

    def cut(rows, done, total):
        if done == 2:
            raise KeyboardInterrupt

    def cut_in(*given, **more):
        def stop(now, _):
            if int(now.evaluations.max()) > 5:
                raise KeyboardInterrupt

        return priorkit.recover(*given, **more, progress=stop)

    if moment == "in a part":
        monkeypatch.setattr(part, "recover", cut_in)
    settings = {"out": out, "jobs": 1, "batch": PART, **SETTINGS}
    found = priorkit.recover_folder(
        folder, progress=cut if moment == "between parts" else None, **settings
    )
    monkeypatch.undo()
    assert found.interrupted
    with pytest.raises(BadInputError, match=r"holds parts of a run .*Try: resume=True"):
        priorkit.recover_folder(folder, **settings)
    told = []
    found = priorkit.recover_folder(
        folder, resume=True, progress=lambda rows, *now: told.append(now[0]), **settings
    )
    assert told == ([3] if moment == "between parts" else [1, 2, 3])
    assert not found.interrupted
    same(out, whole)


def test_a_run_that_is_done_is_replaced(folder, tmp_path, caplog):
    """As a run without an engine replaces one, in one step: while the new one isn't done, the
    result of the earlier one is kept; what others put there stays."""
    out = tmp_path / "out"
    settings = {"out": out, "jobs": 1, "batch": PART, **SETTINGS}
    priorkit.recover_folder(folder, **settings)
    (out / "note.txt").write_text("mine")
    before = parts_of(out)

    def cut(rows, done, total):
        raise KeyboardInterrupt

    assert priorkit.recover_folder(folder, progress=cut, **settings, seed=1).interrupted
    assert f"{out / 'earlier'} has the result of the earlier run" in caplog.text
    np.testing.assert_array_equal(parts_of(out / "earlier"), before)
    with pytest.raises(BadInputError, match=r"holds parts of a run that isn't done"):
        priorkit.recover_folder(folder, **settings)
    found = priorkit.recover_folder(folder, resume=True, **settings, seed=1)
    assert len(found.rows) == COUNT
    assert not found.failed
    assert f"The earlier result in {out} was replaced." in caplog.text
    assert not (out / "earlier").exists()
    assert (out / "note.txt").exists()
    assert (parts_of(out) != before).any()
    same(out, alone(folder, seed=1))


def test_its_warnings_are_said_as_options(folder, tmp_path, command_line):
    words = "--prior denoiser-photos --op mask --shape 3 8 8 --budget 1 --engine processes --jobs 1"
    done = command_line("recover", folder, *words.split(), "--out", tmp_path / "out")
    assert "Try: --budget" in done.err
    assert "Try: budget" not in done.err


def test_parts_without_their_rows_are_not_solved_again(folder, whole, tmp_path, monkeypatch):
    """As after a kill between the two."""
    from priorkit.studies import part

    settings = {"out": tmp_path / "out", "jobs": 1, "batch": PART, **SETTINGS}
    priorkit.recover_folder(folder, **settings)
    (tmp_path / "out" / "results.parquet").unlink()
    monkeypatch.setattr(part, "recover", None)
    assert not priorkit.recover_folder(folder, resume=True, **settings).failed
    same(tmp_path / "out", whole)


@pytest.mark.parametrize("lost", ["part", "array", "cut", "manifest", "picture", "table"])
def test_what_is_missing_of_a_result_is_made_again(lost, folder, whole, tmp_path, monkeypatch):
    """And nothing else is; it had been said to be there, as the table had its rows."""
    from priorkit.studies import part

    out, solved = tmp_path / "out", []
    settings = {"out": out, "jobs": 1, "batch": PART, **SETTINGS}
    priorkit.recover_folder(folder, **settings)
    place = out / "parts" / "000001"
    if lost == "part":
        shutil.rmtree(place)
    elif lost == "array":
        (place / "x.npy").unlink()
    elif lost == "cut":
        (place / "y.npy").write_bytes((place / "y.npy").read_bytes()[:-8])
    elif lost == "manifest":
        (place / "manifest.json").unlink()
    elif lost == "picture":
        next((place / "images").iterdir()).unlink()
    else:
        (out / "results.parquet").write_bytes((out / "results.parquet").read_bytes()[:99])

    def counted(*given, **more):
        solved.append(more["out"])
        return priorkit.recover(*given, **more)

    monkeypatch.setattr(part, "recover", counted)
    if lost != "table":
        with pytest.raises(BadInputError, match=r"parts of a run that isn't done.*resume=True"):
            priorkit.recover_folder(folder, **settings)
    found = priorkit.recover_folder(folder, resume=True, **settings)
    assert solved == [place] * (lost != "table")
    assert len(found.rows) == COUNT
    assert not found.failed
    assert (out / "parts" / "000001.before").exists() == (lost in ("manifest", "cut"))
    for kept in out.rglob("*.before"):
        shutil.rmtree(kept) if kept.is_dir() else kept.unlink()
    same(out, whole)


def test_pictures_of_several_sizes_are_parts_of_their_own(folder, tmp_path):
    """Also in gray, and of measurements; one that can't be read is left out of any."""
    with Image.open(folder / "2.png") as wide:
        wide.resize((10, 8)).save(folder / "2.png")
        wide.resize((10, 8)).convert("RGBA").save(folder / "3.png")
    with Image.open(folder / "7.png") as gray:
        gray.convert("L").save(folder / "7.png")
    (folder / "5.png").write_text("no picture")
    said = {name: value for name, value in SETTINGS.items() if name not in ("shape", "m", "op")}
    for what in ("x", "y"):
        out = tmp_path / what
        settings = {what: folder, "out": out, "jobs": 1, "batch": 4, "op": "identity", **said}
        for resume in (False, True):
            found = priorkit.recover_folder(resume=resume, sigma=0.1, **settings)
            unread = [Path(row["image"]).name for row in found.rows if "misfit" not in row]
            assert unread == ["5.png"]
            assert len(found.rows) == COUNT
            held = [np.load(p / "x.npy").shape for p in sorted((out / "parts").iterdir())]
            assert held == [(2, 3, 8, 8), (2, 3, 8, 8), (2, 3, 8, 10), (1, 1, 8, 8)]
            assert [Path(row["image"]).name for row in found.rows] == [f"{i}.png" for i in range(8)]
        alone = priorkit.recover(**{what: folder / "2.png"}, first=2, op="identity", sigma=0.1,
                                 **said)  # fmt: skip
        np.testing.assert_allclose(
            np.load(out / "parts" / "000002" / "x.npy")[0], alone.x[0].numpy(), atol=1e-6
        )


def test_pictures_of_one_size_are_solved_together_wherever_they_are(folder, tmp_path):
    """As of sizes that alternate; each by its place in the folder, as rows are, and repeatable."""
    for i in range(1, COUNT, 2):
        with Image.open(folder / f"{i}.png") as wide:
            wide.resize((10, 8)).save(folder / f"{i}.png")
    said = {name: value for name, value in SETTINGS.items() if name not in ("shape", "m", "op")}
    said |= {"op": "identity", "sigma": 0.1, "batch": 4, "jobs": 1, "out": tmp_path / "out"}
    found = priorkit.recover_folder(folder, **said)
    held = sorted((tmp_path / "out" / "parts").iterdir())
    assert [np.load(place / "x.npy").shape for place in held] == [(4, 3, 8, 8), (4, 3, 8, 10)]
    assert [Path(row["image"]).name for row in found.rows] == [f"{i}.png" for i in range(COUNT)]
    config = {name: value for name, value in said.items() if name not in ("batch", "jobs", "out")}
    alone = priorkit.recover(folder / "5.png", first=5, **config)
    assert found.rows[5]["psnr"] == pytest.approx(float(alone.psnr), abs=1e-4)
    np.testing.assert_array_equal(priorkit.replay(held[1]).x.numpy(), np.load(held[1] / "x.npy"))
    plan = tmp_path / "out" / "plan.json"
    assert json.loads(plan.read_text())["parts"][1] == [[1, 2], [3, 4], [5, 6], [7, 8]]
    again = priorkit.recover_folder(folder, resume=True, **said)
    assert [row["psnr"] for row in again.rows] == [row["psnr"] for row in found.rows]


def test_numbers_of_images_are_one_for_each(folder):
    """By which they are drawn: the same whatever else is in the batch."""
    own = {"op": "gaussian", "m": 20, "prior": "none", "budget": 2, "restarts": 2}
    files = [str(folder / f"{i}.png") for i in range(3)]
    whole = priorkit.recover(files, **own, start="normal")
    some = priorkit.recover([files[2], files[0]], first=[2, 0], **own, start="normal")
    np.testing.assert_array_equal(some.y, whole.y[[2, 0]])
    np.testing.assert_array_equal(some.x, whole.x[[2, 0]])
    with pytest.raises(BadInputError, match="or a list of them, one for each image"):
        priorkit.recover(files, first=[2], **own)


def test_the_parts_of_a_plan_are_those_of_its_files(folder, tmp_path):
    """A plan that says no parts is one of a version that knew one size; others are refused."""
    settings = {"out": tmp_path / "out", "jobs": 1, "batch": PART, **SETTINGS}
    priorkit.recover_folder(folder, **settings)
    plan = tmp_path / "out" / "plan.json"
    noted = json.loads(plan.read_text())
    assert noted["parts"] == [[[0, 2]], [[2, 5]], [[5, 8]]]
    before = {name: v for name, v in noted.items() if name != "parts"}
    for earlier in before, before | {"cuts": [[0, 2], [2, 5], [5, 8]]}:
        plan.write_text(json.dumps(earlier))
        assert not priorkit.recover_folder(folder, resume=True, **settings).failed
    for parts in ([[[0, 2]], [[3, 8]]], [[[0, 8]], []], [[[0, 9]]], [1], "no"):
        plan.write_text(json.dumps(noted | {"parts": parts}))
        with pytest.raises(BadInputError, match=r"plan.json can't be read.*Try: another folder"):
            priorkit.recover_folder(folder, resume=True, **settings)
    for cuts in ([[0, 2], [3, 8]], [[0, 2]], [[2, 8]], [], [1], "no"):
        plan.write_text(json.dumps(noted | {"cuts": cuts}))
        with pytest.raises(BadInputError, match=r"plan.json can't be read.*Try: another folder"):
            priorkit.recover_folder(folder, resume=True, **settings)


def test_a_part_that_fails_is_tried_again(folder, whole, tmp_path, monkeypatch):
    from priorkit.studies import part

    def fails(*given, **more):
        raise OSError("no room")

    settings = {"out": tmp_path / "out", "jobs": 1, "batch": PART, **SETTINGS}
    monkeypatch.setattr(part, "recover", fails)
    found = priorkit.recover_folder(folder, **settings)
    monkeypatch.undo()
    assert len(found.failed) == COUNT
    assert "no room" in found.failed[0]["reason"]
    assert not priorkit.recover_folder(folder, resume=True, **settings).failed
    same(tmp_path / "out", whole)


@pytest.mark.slow
def test_a_cluster_that_loses_a_worker(folder, whole, dying, tmp_path):
    found = priorkit.recover_folder(folder, out=tmp_path / "out", batch=2, **dying(1), **SETTINGS)
    assert not found.failed
    same(tmp_path / "out", whole)


# priorkit, but that the first process that comes to the second part is killed in its middle.
KILLED = """
import os
from priorkit.cli import main
from priorkit.studies import folder

driver = os.getpid()

def solve(cell, *, out):
    import os, signal
    import priorkit
    from priorkit.studies import part
    mark = out / "mark"
    def stop(now, _):
        if os.getpid() != driver and cell.key == "000001" and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
    part.recover = lambda *given, **more: priorkit.recover(*given, **more, progress=stop)
    return part.solve(cell, out=out)

folder.solve = solve
main()
"""


@pytest.mark.slow
def test_a_process_that_is_killed(folder, whole, tmp_path):
    out = tmp_path / "out"
    words = ["recover", str(folder), "--engine", "processes", "--jobs", "2", "--out", str(out)]
    words += ["--batch", str(PART)]
    for name, value in SETTINGS.items():
        words += [f"--{name}", *map(str, value if isinstance(value, list) else [value])]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, *words], capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stderr
    assert (out / "mark").exists()
    assert "results.parquet" in done.stdout
    same(out, whole)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"batch": 0}, "batch must be at least 1. Got 0"),
        ({"batch": "3"}, "recover_folder takes a whole number for batch. Got '3'"),
        ({"jobs": "3"}, "recover_folder takes a whole number for jobs. Got '3'"),
        ({"range": "auto"}, r"range='auto' looks at all pictures at once.*range=\(lo, hi\)"),
        ({"gamma": "sure"}, "gamma='sure' looks at all pictures at once"),
        ({"penalty": object()}, "values that a file can hold, not objects|penalty"),
        ({"noise": Gaussian()}, "a file can hold, not objects. Got noise=<priorkit_noises"),
        ({"prior": "dctt"}, "Unknown prior 'dctt'"),
        ({"resume": True}, "There is no unfinished run of"),
        ({"y": "y.npy"}, "Give one folder"),
        ({"engine": "ray"}, "'processes' or 'dask'"),
        ({"start": [[0.0] * 192, [0.0] * 192]}, "There must be 1 start or 1"),
    ],
)
def test_what_is_refused(more, message, folder, tmp_path):
    with pytest.raises(priorkit.PriorkitError, match=message):
        priorkit.recover_folder(folder, **{"out": tmp_path / "out", **SETTINGS, **more})
    assert not (tmp_path / "out").exists()


def test_the_size_of_the_parts_stays(folder, tmp_path):
    """Of a run that goes on: another one is refused, the same and none are taken."""
    settings = {"out": tmp_path / "out", "jobs": 1, **SETTINGS}
    priorkit.recover_folder(folder, batch=PART, **settings)
    with pytest.raises(BadInputError, match=r"has parts of 3 pictures\. Got batch=2\. Try: no"):
        priorkit.recover_folder(folder, batch=2, resume=True, **settings)
    for batch in (PART, None):
        assert not priorkit.recover_folder(folder, batch=batch, resume=True, **settings).failed


def test_a_cluster_that_is_not_there_leaves_nothing(folder, tmp_path):
    """The same call with the right address isn't one that goes on."""
    where = {"engine": "dask", "scheduler": "nowhere:1", "wait": 0.1}
    with pytest.raises(BadInputError, match=r"scheduler can't be reached\. Got nowhere:1"):
        priorkit.recover_folder(folder, out=tmp_path / "out", **where, **SETTINGS)
    assert not (tmp_path / "out").exists()


def test_the_first_picture_is_read_once_before_the_parts(folder, tmp_path, monkeypatch):
    """Though it says what all are set up with; one that can't be read is passed over."""
    read, whole = [], Image.open
    monkeypatch.setattr(Image, "open", lambda *a, **k: read.append(a[0]) or whole(*a, **k))
    load(folder / "0.png", (3, 8, 8))
    once = len(read)
    monkeypatch.setattr("priorkit.studies.folder.swept", lambda *_: Results([]))
    priorkit.recover_folder(folder, out=tmp_path / "a", **SETTINGS)
    assert len(read) == 2 * once
    (folder / "0.png").write_bytes(b"no picture")
    priorkit.recover_folder(folder, out=tmp_path / "b", **SETTINGS)
    with pytest.raises(PriorkitError, match="Unknown prior 'nothing'"):
        priorkit.recover_folder(folder, out=tmp_path / "c", **SETTINGS | {"prior": "nothing"})


@pytest.mark.parametrize("what", ["x", "y"])
def test_each_file_is_read_once(what, folder, tmp_path, monkeypatch):
    """By its part, also of one that holds what can't be read, and where it is looked at again; the
    first that can be, once more, to tell whether the settings fit."""
    read = Counter()
    monkeypatch.setattr(
        opening, "open_frame", lambda path, *a: [read.update([path.name]), frames(path, *a)][1]
    )
    (folder / "1.png").write_bytes(b"no picture")
    (folder / "2.png").unlink()
    (folder / "2.png").symlink_to("gone.png")
    settings = {"jobs": 1, "batch": COUNT, "out": tmp_path / "out", **SETTINGS}
    settings |= {"op": "identity", "m": None} if what == "y" else {}
    settings = {name: value for name, value in settings.items() if value is not None}
    for resume in (False, True):
        found = priorkit.recover_folder(**{what: folder}, resume=resume, **settings)
        reasons = {Path(row["image"]).name: row["reason"] for row in found.left_out}
        assert "not a picture that can be read" in reasons.pop("1.png")
        assert "There is no file" in reasons.pop("2.png")
        assert not reasons
        assert all(count == 1 for name, count in read.items() if name != "0.png")
        assert len(read) == COUNT - 1
        assert read["0.png"] == 2 + resume


def test_what_is_refused_of_folders(folder, tmp_path):
    def run(x=folder, out=tmp_path / "out", **more):
        return priorkit.recover_folder(x, out=out, jobs=1, batch=PART, **SETTINGS | more)

    with pytest.raises(BadInputError, match="An engine is for a folder of pictures"):
        run(folder / "0.png")
    with pytest.raises(BadInputError, match="holds the input of this run"):
        run(out=tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.txt").touch()
    with pytest.raises(BadInputError, match=r"holds something else\. Got a\.txt\. Try: "):
        run(out=tmp_path / "mine")
    run()
    with pytest.raises(
        BadInputError, match=r"had other settings\. Got seed=1 in place of no seed\."
    ):
        run(resume=True, seed=1)
    Image.new("RGB", (8, 8)).save(folder / "9.png")
    (folder / "0.png").write_bytes((folder / "1.png").read_bytes())
    (folder / "1.png").unlink()
    with pytest.raises(BadInputError, match="had other files") as raised:
        run(resume=True)
    assert raised.value.got == "1 new (9.png), 1 gone (1.png), 1 changed (0.png)"
    (tmp_path / "out" / "plan.json").write_text(json.dumps([]))
    with pytest.raises(BadInputError, match=r"plan\.json can't be read"):
        run(resume=True)


def test_runs_with_and_without_an_engine_do_not_replace_each_other(folder, tmp_path):
    """Which is what is said, and not that somebody else's files are there."""
    priorkit.recover_folder(folder, out=tmp_path / "parts", jobs=1, **SETTINGS)
    with pytest.raises(BadInputError, match="parts holds a run of an engine, and this one is of n"):
        priorkit.recover(folder, out=tmp_path / "parts", **SETTINGS)
    priorkit.recover(folder, out=tmp_path / "plain", **SETTINGS)
    with pytest.raises(BadInputError, match="plain holds a run without an engine, and this one"):
        priorkit.recover_folder(folder, out=tmp_path / "plain", jobs=1, **SETTINGS)


def test_the_command_line(folder, command_line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (folder / "3.png").write_text("no picture")
    words = ["recover", "faces", "--prior", "none", "--op", "mask", "--budget", "2"]
    done = command_line(*words, "--engine", "processes", "--jobs", "1")
    assert done.code == 1, done.err
    assert "Wrote priorkit-out: results.parquet" in done.out
    assert done.out.count("3.png") == done.out.count(f"{folder / '3.png'} is not a picture") == 1
    assert "3.png" not in done.err
    assert "1 file of the folder was left out" in done.err
    done = command_line(*words, "--jobs", "2")
    assert (done.code, "--jobs is for an engine" in done.err) == (2, True)
    done = command_line(*words, "--engine", "processes", "--resume")
    assert (done.code, "Say which run is to go on" in done.err) == (2, True)
