"""Running studies: in processes, on a real Dask cluster, and killed in the middle."""

import csv
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import priorkit
from priorkit.errors import BadInputError
from priorkit.studies.results import Results
from tests.helpers import PATIENCE

STUDY = """
[settings]
op = "gaussian"
shape = [3, 8, 8]
budget = 20

[grid]
m = [20, 40]
seed = [0, 1, 2, 3, 4, 5]

[[variants]]
prior = "dct"

[[variants]]
label = "TV"
prior = "none"
penalty = "tv"
gamma = 0.01
"""
CELLS = 24


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    path = tmp_path_factory.mktemp("study") / "tiny.toml"
    path.write_text(STUDY)
    return path


@pytest.fixture(scope="module")
def serial(study):
    """What the study gives in this process, one cell after the other."""
    found = priorkit.sweep(study, out=study.with_name("serial.parquet"), jobs=1)
    assert len(found.rows) == CELLS
    return found


def same(found, serial):
    """Every cell once, with the serial result."""
    assert Counter(row["cell"] for row in found.rows) == Counter(r["cell"] for r in serial.rows)
    ours = {row["cell"]: row for row in found.rows}
    for row in serial.rows:
        assert ours[row["cell"]]["psnr"] == pytest.approx(row["psnr"], abs=1e-3)
        assert ours[row["cell"]]["evaluations"] == row["evaluations"]


def test_processes_give_the_serial_result(study, serial, tmp_path):
    told = []
    found = priorkit.sweep(
        study, out=tmp_path / "x.parquet", jobs=2, progress=lambda *now: told.append(now[1:])
    )
    same(found, serial)
    assert told == [(i + 1, CELLS) for i in range(CELLS)]
    assert [row["cell"] for row in found.rows] == [row["cell"] for row in serial.rows]


def test_only_what_is_new_is_run(study, serial, tmp_path):
    """A study that grew runs its new cells alone; other studies in the file stay."""
    out = tmp_path / "x.parquet"
    small = {"settings": {"op": "mask", "shape": [3, 8, 8], "prior": "none", "budget": 2}}
    told = []
    priorkit.sweep(small, out=out, progress=lambda *now: told.append(now[1:]))
    grown = {**small, "grid": {"seed": [0, 1]}}  # 0 is the default, and was said by nobody
    priorkit.sweep(grown, out=out, progress=lambda *now: told.append(now[1:]), jobs=1)
    priorkit.sweep(grown, out=out, progress=lambda *now: told.append(now[1:]), jobs=1)
    assert told == [(1, 1), (1, 2), (2, 2)]
    assert len(Results.read(out).rows) == 3


def test_a_failure_is_a_row_and_is_tried_again(tmp_path):
    out, told = tmp_path / "x.parquet", []
    study = {
        "settings": {"prior": "bm3d", "shape": [1, 16, 16], "budget": 2},
        "grid": {"op": ["phase", "mask"]},
    }
    for _ in range(2):
        found = priorkit.sweep(study, out=out, jobs=1, progress=lambda *now: told.append(now[1]))
        failed = found.where(op="phase")
        assert [row["status"] for row in failed.rows] == ["failed"]
        assert failed.rows[0]["reason"].startswith("BM3D removes Gaussian noise")
        assert found.where(op="mask").rows[0]["psnr"] > 0
    assert told == [1, 2, 2]


def test_words_and_numbers_of_an_axis_are_the_same_when_a_study_goes_on(tmp_path):
    settings = {"prior": "none", "penalty": "tv", "op": "identity", "sigma": 0.1, "budget": 2}
    study = {"settings": {**settings, "shape": [3, 8, 8]}, "grid": {"gamma": [0.01, "sure"]}}
    for _ in range(2):
        found = priorkit.sweep(study, out=tmp_path / "x.parquet", jobs=1)
        assert [row["gamma"] for row in found.rows] == [0.01, "sure"]


def test_the_command_line_where_all_runs_fail(command_line, tmp_path, monkeypatch):
    """The reasons are said, each once, and no column is missed."""
    monkeypatch.chdir(tmp_path)
    study = tmp_path / "bad.toml"
    study.write_text('[settings]\nop = "phase"\nprior = "bm3d"\nshape = [1, 16, 16]\n'
                     '[grid]\nseed = [0, 1, 2]\n')  # fmt: skip
    for words in ([], ["--summary"]):
        done = command_line("sweep", study, "--jobs", "1", *words)
        assert done.code == 1, done.err
        assert done.out.count("bm3d: BM3D removes Gaussian noise") == 1
        assert "(3 runs)" in done.out
        assert ("Wrote" in done.out) == (not words)


def test_the_command_line_of_measurements(command_line, tmp_path, monkeypatch):
    """Of which no PSNR is known."""
    monkeypatch.chdir(tmp_path)
    np.save("y.npy", np.random.default_rng(0).random((2, 3, 8, 8), dtype=np.float32))
    Path("y.toml").write_text(
        '[settings]\ny = "y.npy"\nprior = "none"\npenalty = "tv"\nop = "identity"\n'
        "sigma = 0.1\nbudget = 2\n[grid]\ngamma = [0.01, 0.1]\n"
    )
    for words in (["--jobs", "1"], ["--jobs", "1"], ["--summary"]):
        done = command_line("sweep", "y.toml", *words)
        assert done.code == 0, done.err
        assert "gamma = 0.01" in done.out
        assert "±" in done.out


def test_how_true_error_bars_are_is_a_column(tmp_path):
    """Of runs that draw; of others it is empty."""
    settings = {"prior": "denoiser-photos", "op": "identity", "sigma": 0.1, "shape": (3, 16, 16)}
    variants = [{"label": "draws", "solver": {"name": "ancestral", "draws": 2, "levels": 4}},
                {"label": "best"}]  # fmt: skip
    study = {"settings": settings, "variants": variants}
    found = priorkit.sweep(study, out=tmp_path / "a.parquet", jobs=1)
    drawn, best = (found.where(label=label).rows[0] for label in ("draws", "best"))
    assert 0.5 < drawn["within_90"] <= 1
    assert best["within_90"] is None
    (mean,) = found.summary(value="within_90")
    assert mean.group == ("draws",)


def test_pictures_are_kept(tmp_path):
    import io

    from PIL import Image

    study = {"settings": {"prior": "none", "op": "identity", "sigma": 0.1, "shape": [3, 8, 8],
                          "penalty": "tv", "gamma": 0.1}, "pictures": True}  # fmt: skip
    priorkit.sweep(study, out=tmp_path / "x.parquet")
    (row,) = Results.read(tmp_path / "x.parquet").rows
    assert Image.open(io.BytesIO(row["png"])).size == (8, 8)


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt, pytest.param(SystemExit, marks=pytest.mark.slow)]
)
def test_a_study_that_is_cut_goes_on(error, study, serial, tmp_path):
    """Ctrl-C gives what is done; whatever else ends it leaves that in the file."""
    out, told = tmp_path / "x.parquet", []

    def cut(rows, done, total):
        if done == 5:
            raise error

    if error is KeyboardInterrupt:
        found = priorkit.sweep(study, out=out, jobs=1, progress=cut)
        assert found.interrupted
        assert len(found.rows) == 5
    else:
        with pytest.raises(error):
            priorkit.sweep(study, out=out, jobs=1, progress=cut)
    assert len(Results.read(out).rows) == 5
    found = priorkit.sweep(study, out=out, jobs=1, progress=lambda *now: told.append(now[1]))
    assert told[0] == 6  # what was there isn't run again
    assert not found.interrupted
    same(found, serial)
    assert [p.name for p in tmp_path.iterdir()] == ["x.parquet"]


def test_a_cluster_gives_the_serial_result(study, serial, tmp_path):
    """Dask's scheduler and worker, in this process."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
    ) as cluster:
        found = priorkit.sweep(
            study, out=tmp_path / "x", engine="dask", scheduler=cluster.scheduler_address
        )
    same(found, serial)


@pytest.mark.slow
def test_a_cluster_that_loses_a_worker(study, serial, dying, tmp_path):
    found = priorkit.sweep(study, out=tmp_path / "x.parquet", **dying(8))
    same(found, serial)
    same(Results.read(tmp_path / "x.parquet"), serial)


# priorkit, but that the cells of the last seed come to no end.
ENDLESS = """
import time
from priorkit.cli import main
from priorkit.studies import sweep

def run(cell, **more):
    from priorkit.studies import cell as module
    if cell.settings["seed"] > 4:
        module.recover = lambda *_, **__: time.sleep(3600)
    return module.run(cell, **more)

sweep.run = run
main()
"""


def driver(study, out, **pipes):
    """``priorkit sweep`` in a process of its own, which never comes to its end."""
    words = ["sweep", str(study), "--out", str(out), "--jobs", "2"]
    return subprocess.Popen(
        [sys.executable, "-c", ENDLESS, *words], start_new_session=True, **pipes
    )


@pytest.mark.slow
def test_a_driver_that_is_killed(study, serial, tmp_path):
    out = tmp_path / "x.parquet"
    sweep = driver(study, out, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + PATIENCE
    while not out.exists() or len(Results.read(out).rows) < 5:
        assert sweep.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(sweep.pid, signal.SIGKILL)
    sweep.wait()
    before = len(Results.read(out).rows)
    assert 5 <= before < CELLS
    told = []
    found = priorkit.sweep(study, out=out, jobs=1, progress=lambda *now: told.append(now[1]))
    assert told[0] == before + 1  # what was there isn't run again
    same(found, serial)
    same(Results.read(out), serial)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.parquet"]


@pytest.mark.slow
def test_ctrl_c(study, serial, tmp_path):
    out = tmp_path / "x.parquet"
    sweep = driver(study, out, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + PATIENCE
    while not out.exists():
        assert sweep.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(sweep.pid, signal.SIGINT)  # as a terminal does: to the workers too
    _, err = sweep.communicate(timeout=PATIENCE)
    assert sweep.returncode == 130, err
    assert "Interrupted: the same command continues." in err
    assert "Traceback" not in err
    assert all(row["status"] != "failed" for row in Results.read(out).rows)
    same(priorkit.sweep(study, out=out, jobs=1), serial)


def test_a_cluster_that_is_not_there(study, tmp_path):
    with pytest.raises(BadInputError, match=r"scheduler can't be reached\. Got nowhere:1"):
        priorkit.sweep(study, out=tmp_path / "x", engine="dask", scheduler="nowhere:1", wait=0.1)


def test_the_command_line(study, serial, command_line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    serial.save(tmp_path / "tiny.parquet")
    done = command_line("sweep", study)
    assert done.code == 0, done.err
    assert "m = 20" in done.out
    assert "TV" in done.out
    assert "Wrote tiny.parquet" in done.out
    done = command_line("sweep", study, "--summary", "--across", "m", "--value", "misfit")
    assert "Wrote tiny-misfit.csv, tiny-misfit.svg" in done.out  # not over those of the usual value
    table = list(csv.reader(Path("tiny-misfit.csv").read_text().splitlines()))
    assert table[0] == ["label", "m", "misfit", "low", "high", "count"]
    assert len(table) == 5
    assert "<svg" in Path("tiny-misfit.svg").read_text()
    assert "Wrote tiny.csv, tiny.svg" in command_line("sweep", study, "--summary").out
    done = command_line("sweep", "tny.parquet", "--summary")
    assert done.code == 2
    assert "There is no file tny.parquet. Did you mean 'tiny.parquet'?" in done.err
    done = command_line("sweep", study, "--out", "tiny.csv")
    assert "tiny.csv is no name of a Parquet file. Try: the file tiny.parquet" in done.err
    for data, words in (
        (b"", "this file moved away"),
        (b"PAR1 and no more", "what it held is lost"),
    ):
        Path("cut.parquet").write_bytes(data)
        done = command_line("sweep", "cut.parquet", "--summary")
        assert re.search(rf"cut\.parquet is no Parquet file.*Try: .*{words}", done.err), done.err
    done = command_line("sweep", tmp_path / "nothing.toml")
    assert (done.code, "can't be read" in done.err) == (2, True)
