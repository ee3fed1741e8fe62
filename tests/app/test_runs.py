"""The runs of the app without a browser: the queue, stopping and going on, and the folder."""

import io
import shlex
import sys
import tempfile
import threading
import zipfile
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from PIL import Image

import priorkit
from priorkit.app import run as run_module
from priorkit.app import runs as runs_module
from priorkit.app.order import Order
from priorkit.app.repeat import command, python
from priorkit.app.runs import Runs
from priorkit.cli.words import split
from priorkit.errors import BadInputError
from tests.helpers import PATIENCE

SMALL = {"prior": "none", "op": "mask", "shape": (3, 16, 16), "budget": 5}
# A descent that is far from its end after a few steps.
LONG = {"prior": "deep-decoder", "op": "mask", "shape": (3, 16, 16), "budget": 10**6, "gamma": 0.0}


def picture(side=24):
    buffer = io.BytesIO()
    shades = np.random.default_rng(0).integers(0, 255, (side, side, 3), dtype=np.uint8)
    Image.fromarray(shades).save(buffer, format="PNG")
    return buffer.getvalue()


@pytest.fixture
def runs(store):
    found = Runs(store, seconds=PATIENCE)
    yield found
    found.close()


def over(run):
    assert run.ended.wait(PATIENCE), "the run doesn't end"
    return run


@contextmanager
def held(monkeypatch):
    """Runs that wait within their first step, and an event that lets them go."""
    began, go = threading.Event(), threading.Event()
    recover = run_module.recover

    def waiting(x, *, progress, **settings):
        def told(now, done):
            began.set()
            go.wait(PATIENCE)
            progress(now, done)

        return recover(x, progress=told, **settings)

    monkeypatch.setattr(run_module, "recover", waiting)
    try:
        yield began, go
    finally:
        go.set()


def test_one_run_at_a_time_and_the_others_say_their_place(runs, monkeypatch):
    with held(monkeypatch) as (began, go):
        first, second, third = (runs.add(Order(SMALL)) for _ in range(3))
        assert began.wait(PATIENCE)
        assert [run.state for run in runs] == ["running", "queued", "queued"]
        assert [runs.place(run) for run in runs] == [0, 1, 2]
        assert runs.find(third.id) is third
        runs.stop(second)
        assert (second.state, second.result, runs.place(third)) == ("stopped", None, 1)
        go.set()
        assert [over(run).state for run in (first, second, third)] == ["done", "stopped", "done"]
    assert list(runs) == [first, second, third]
    assert len({run.id for run in runs}) == 3
    assert runs.find("no such run") is None


def test_a_full_queue_is_refused(runs, monkeypatch):
    monkeypatch.setattr(runs_module, "MOST_QUEUED", 1)
    with held(monkeypatch) as (began, _):
        runs.add(Order(SMALL))
        assert began.wait(PATIENCE)
        runs.add(Order(SMALL))
        with pytest.raises(BadInputError, match="1 runs wait already"):
            runs.add(Order(SMALL))


def test_the_oldest_finished_runs_are_forgotten_with_their_folders(runs, monkeypatch):
    monkeypatch.setattr(runs_module, "MOST_KEPT", 1)
    first, second = (over(runs.add(Order(SMALL))) for _ in range(2))
    third = over(runs.add(Order(SMALL)))
    assert list(runs) == [second, third]
    assert not first.out.exists()
    assert second.out.exists()


@pytest.mark.parametrize("how", ["stopped", "out of time"])
def test_a_run_that_is_ended_keeps_the_best_so_far_and_goes_on(runs, how, monkeypatch):
    if how == "out of time":
        runs.seconds = 0.0
        first = over(runs.add(Order(LONG)))
    else:
        with held(monkeypatch) as (began, go):
            first = runs.add(Order(LONG))
            assert began.wait(PATIENCE)
            runs.stop(first)
            go.set()
            over(first)
    assert (first.state, first.result.interrupted, first.error) == ("stopped", True, None)
    runs.seconds = PATIENCE
    second = over(runs.go_on(first, 12))
    assert (second.state, second.follows, first.followed) == ("done", first, second)
    config = second.result.record["config"]
    assert config["budget"] == 12
    assert torch.equal(second.result.y, first.result.y)
    assert torch.equal(second.result.start, first.result.z)
    assert second.result.misfit < first.result.misfit
    with pytest.raises(BadInputError, match="can't go on"):  # twice
        runs.go_on(first)


def test_a_sampler_goes_on_as_the_very_same_run(runs, monkeypatch):
    """As if it had never been stopped."""
    from priorkit.run import bookmark

    monkeypatch.setattr(bookmark, "EVERY", 0.0)
    monkeypatch.setattr(bookmark, "SHARE", 0)
    settings = {"prior": "denoiser-photos", "op": "mask", "shape": (3, 16, 16), "budget": 12}
    settings["solver"] = {"name": "diffpir", "draws": 2}
    order, steps = Order(settings), []

    def counted(self, now, done, label=""):
        steps.append(now)
        if len(steps) == 4:
            runs.stop(first)

    monkeypatch.setattr(run_module.Watched, "__call__", counted)
    first = runs.add(order)
    over(first)
    assert (first.state, first.goes_on()) == ("stopped", "resume")
    second = over(runs.go_on(first))
    assert (second.state, second.error) == ("done", None)
    assert torch.equal(second.result.x, priorkit.recover(**settings).x)


def test_what_goes_on_and_leaves_the_queue_can_go_on_again(runs, monkeypatch):
    monkeypatch.setattr(runs, "seconds", 0.0)
    stopped = over(runs.add(Order(LONG)))
    runs.seconds = PATIENCE
    with held(monkeypatch) as (began, go):
        runs.add(Order(SMALL))
        assert began.wait(PATIENCE)
        second = runs.go_on(stopped, 2)
        assert stopped.goes_on() is None
        runs.stop(second)
        assert (stopped.followed, stopped.goes_on()) == (None, "start")
        third = runs.go_on(stopped, 2)
        go.set()
        assert over(third).state == "done"


def test_a_one_shot_solver_that_is_done_goes_nowhere(runs):
    settings = {"prior": "denoiser-photos", "op": "identity", "shape": (3, 16, 16)}
    done = over(runs.add(Order(settings)))
    assert (done.state, done.goes_on()) == ("done", None)


def test_a_run_gives_its_folder_which_can_be_begun_again(runs, tmp_path, monkeypatch):
    source = runs.store.keep("my face.png", picture())
    mask = Image.new("L", (24, 24), 255)
    mask.paste(0, (4, 4, 9, 12))
    buffer = io.BytesIO()
    mask.save(buffer, format="PNG")
    drawn = runs.store.keep("mask.png", buffer.getvalue())
    order = Order({**SMALL, "shape": None, "op": {"name": "mask", "mask": drawn}}, source)
    run = over(runs.add(order))
    assert run.error is None
    assert run.panels[0].sentence.startswith("mean PSNR")
    assert [card.what for card in run.panels[0].images[0][1]] == [
        "truth",
        "measurement",
        "recovery",
        "error",
    ]
    archive = zipfile.ZipFile(io.BytesIO(run.archive()))
    names = set(archive.namelist())
    for name in ("report.html", "record.json", "inputs/my face.png", "inputs/mask.png"):
        assert f"priorkit-out/{name}" in names
    for name in names:
        assert tempfile.gettempdir().encode() not in archive.read(name)
    archive.extractall(tmp_path)
    runs.store.clear()
    monkeypatch.chdir(tmp_path)
    again = priorkit.recover(config="priorkit-out/config.toml")
    assert torch.equal(again.x, run.result.x)
    assert torch.equal(priorkit.replay("priorkit-out").x, run.result.x)
    mask.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "priorkit-out/inputs/mask.png")
    with pytest.raises(BadInputError, match=r"mask\.png has changed since this run"):
        priorkit.replay("priorkit-out")
    (tmp_path / "priorkit-out/inputs/mask.png").write_bytes(buffer.getvalue())
    exec((tmp_path / "priorkit-out/repeat.py").read_text(), said := {})
    assert torch.equal(said["recovery"].x, run.result.x)
    words = shlex.split((tmp_path / "priorkit-out/repeat.sh").read_text())
    (image,), settings = split(words[2:])
    assert torch.equal(priorkit.recover(image, **settings).x, run.result.x)


def test_priors_are_compared_on_one_measurement(runs):
    settings = {key: SMALL[key] for key in ("shape", "budget")} | {"op": "blur"}
    run = over(runs.add(Order(settings, priors=("none", "dct", "realnvp-2d"))))
    assert run.error is None
    assert [panel.label for panel in run.panels] == ["none", "dct", "realnvp-2d"]
    assert [bool(panel.images) for panel in run.panels] == [True, True, False]
    assert "shape (2,)" in run.panels[2].sentence
    assert run.picture(1, 0, "recovery").startswith(b"\x89PNG")
    assert run.picture(1, 0, "nothing") is run.picture(9, 0, "recovery") is None
    names = zipfile.ZipFile(io.BytesIO(run.archive())).namelist()
    assert {"priorkit-out/report.html", "priorkit-out/dct/record.json"} <= set(names)
    assert set(run.watched.course) <= {"none", "dct"}


def test_priors_are_compared_on_a_file_of_measurements(runs, tmp_path, monkeypatch):
    """Without a truth; the folder has the file and what repeats it."""
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).standard_normal((1, 16, 16))
    np.save(buffer, (0.5 + 0.1 * noise).astype(np.float32))
    source = runs.store.keep("y.npy", buffer.getvalue())
    settings = {"op": "mask", "sigma": 0.1, "gamma": 0.02}
    order = Order(settings, source, True, ("wavelet", "dct"))
    run = over(runs.add(order))
    assert (run.state, run.error) == ("done", None)
    assert [bool(panel.images) for panel in run.panels] == [True, True]
    assert [card.what for card in run.panels[0].images[0][1]] == ["measurement", "recovery"]
    assert "misfit" in run.cells[0]
    assert "PSNR" not in run.cells[0]
    assert command(order) == (
        "priorkit compare --op mask --sigma 0.1 --gamma 0.02 --priors wavelet,dct "
        "--y priorkit-out/inputs/y.npy"
    )
    archive = zipfile.ZipFile(io.BytesIO(run.archive()))
    archive.extractall(tmp_path)
    monkeypatch.chdir(tmp_path)
    exec((tmp_path / "priorkit-out/repeat.py").read_text(), said := {})
    for one, other in zip(said["comparison"].rows, run.result.rows, strict=True):
        assert torch.equal(one.recovery.x, other.recovery.x)
    _, again = split(shlex.split((tmp_path / "priorkit-out/repeat.sh").read_text())[2:])
    found = priorkit.compare(**again | {"priors": again["priors"].split(",")})
    assert torch.equal(found.rows[1].recovery.x, run.result.rows[1].recovery.x)


def test_what_is_wrong_is_said_without_paths_of_this_machine(runs, monkeypatch):
    source = runs.store.keep("face.png", b"no picture")
    said = over(runs.add(Order(SMALL, source))).error
    assert said.startswith("face.png is not a picture that can be read. Got ")
    assert tempfile.gettempdir() not in said

    def broken(source, **_):
        raise OSError(28, "No space left on device", str(source))

    monkeypatch.setattr(run_module, "recover", broken)
    run = over(runs.add(Order(SMALL, source)))
    assert run.error == "OSError: [Errno 28] No space left on device: 'face.png'"
    assert (run.state, run.result, run.goes_on()) == ("failed", None, None)


def test_the_queue_outlives_a_run_that_fails(runs):
    first = runs.add(Order({**SMALL, "op": "no-such"}))
    second = runs.add(Order(SMALL))
    assert "Unknown operator 'no-such'" in over(first).error
    assert over(second).state == "done"


def test_orders_that_cannot_be_are_refused(runs):
    with pytest.raises(BadInputError, match=r"At most 4 priors .* Got 5"):
        runs.add(Order({}, priors=tuple("abcde")))
    for path in ("/etc/hostname", "..\\secret.npy", "a.h5::x"):
        with pytest.raises(BadInputError, match="mask: a file is sent from the browser"):
            runs.add(Order({"op": {"name": "mask", "mask": path}}))
    assert list(runs) == []


def test_a_comparison_is_said_in_both_languages():
    order = Order({"op": {"name": "gaussian", "m": 500}, "sigma": "auto"}, priors=("dct", "none"))
    assert command(order) == (
        'priorkit compare --op \'{"name": "gaussian", "m": 500}\' --sigma auto --priors dct,none'
    )
    assert "comparison = priorkit.compare(" in python(order)
    with_options = Order({}, priors=({"name": "dct"}, "none"))
    assert command(with_options).startswith("# priors with options of their own")


@pytest.mark.parametrize(
    "settings",
    [
        {"m": 500, "shape": [3, 64, 64], "gamma": 1e-3, "resize": True},
        {"op": {"name": "radon", "angles": [0, 45.5]}, "seed": 3},
        {"op": {"name": "mask", "missing": "#ff0000"}, "dataset": "12", "range": [0, 255.0]},
    ],
)
def test_a_command_line_is_read_back_as_the_settings(settings):
    _, found = split(shlex.split(command(Order(settings)))[2:])
    assert found == settings


def test_without_the_extra_it_says_what_to_install(command_line, monkeypatch):
    monkeypatch.setitem(sys.modules, "priorkit.app.serve", None)
    done = command_line("app")
    assert (done.code, "pip install 'priorkit[app]'" in done.err) == (2, True)
