"""``benchmarks/gpu/gpu``: what it copies, and its steps, which measure nothing without a device."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch

from priorkit.io.pictures import astronaut

ROOT = Path(__file__).parents[2]
GPU = "benchmarks/gpu/gpu"
needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")


def run(root, *words, **environment):
    given = {**os.environ, "PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}
    given |= {"STASH": str(root / "stash"), **environment}
    return subprocess.run(
        ["bash", root / GPU, *words], capture_output=True, text=True, env=given, check=False
    )


@pytest.fixture
def checkout(tmp_path):
    """The script in a tree of its own, so that what it copies goes there, and nothing else is."""
    root = tmp_path / "checkout"
    shutil.copytree(ROOT / "benchmarks/gpu", root / "benchmarks/gpu")
    for name in ("priorkit", "plugins", "tests", "pyproject.toml", "constraints.txt"):
        (root / name).symlink_to(ROOT / name)
    return root


@needs_bash
def test_it_copies_what_it_is_given(checkout, tmp_path):
    (tmp_path / "some.zip").write_bytes(b"faces")
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures/a.png").write_bytes(b"a")
    done = run(checkout, "data", f"faces={tmp_path}/some.zip", f"test={tmp_path}/pictures")
    assert done.returncode == 0, done.stderr
    assert (checkout / ".gpu/faces.zip").read_bytes() == b"faces"
    assert (checkout / ".gpu/test/a.png").read_bytes() == b"a"
    assert ".gpu/" in (ROOT / ".gitignore").read_text().splitlines()
    wrong = run(checkout, "data", "flowers=some.zip")
    assert wrong.returncode
    assert wrong.stderr == "faces=ZIP, photos=ZIP or test=FOLDER, got flowers=some.zip\n"


@needs_bash
def test_it_says_how_much_that_is(checkout, tmp_path):
    (tmp_path / "some.zip").write_bytes(bytes(3 << 20))
    done = run(checkout, "data", f"faces={tmp_path}/some.zip", LIMIT="20")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "0 MiB of checkout and 3 MiB of .gpu\n"
    large = run(checkout, "data", LIMIT="3")
    assert large.returncode
    assert large.stderr.splitlines()[:2] == [
        "That is more than 3 MiB. The largest:",
        f"{3 << 20} .gpu/faces.zip",
    ]


@needs_bash
def test_what_is_put_aside_is_there_for_later_runs(checkout, tmp_path):
    (checkout / ".gpu").mkdir()
    (checkout / ".gpu/faces.zip").write_bytes(b"faces")
    put = {"OUT": str(tmp_path / "out"), "STASH": str(tmp_path / "stash")}
    done = run(checkout, "run", "stash", **put)
    assert "stash: rc 0" in done.stdout, done.stdout + done.stderr
    assert (tmp_path / "stash/faces.zip").read_bytes() == b"faces"


@needs_bash
@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="small where there is no device")
def test_of_a_training_comes_what_matters(checkout, tmp_path):
    """From a zip that an earlier run put aside. A machine may send back few files, and small."""
    stash, out = tmp_path / "stash", tmp_path / "out"
    stash.mkdir()
    with zipfile.ZipFile(stash / "photos.zip", "w") as archive:
        for k in range(12):
            archive.write(astronaut(), f"{k}.png")
    done = run(checkout, "run", "photos", OUT=str(out), STASH=str(stash))
    assert "photos: rc 0" in done.stdout, done.stdout + done.stderr
    weights = {f"diffusion-photos.{kind}" for kind in ("safetensors", "json")}
    assert {path.name for path in out.iterdir()} <= {
        *weights, "photos.jsonl", "photos.png", "log.txt", "results.jsonl"
    }  # fmt: skip
    assert all((out / name).stat().st_size for name in weights)


@needs_bash
def test_without_a_command_it_says_what_there_is(checkout):
    done = run(checkout)
    assert done.returncode == 2
    assert "gpu run STEP..." in done.stdout


@pytest.mark.slow
@needs_bash
def test_a_step_without_time_is_left_out(checkout, tmp_path):
    late = run(checkout, "run", "baseline", OUT=str(tmp_path / "out"), BUDGET="0")
    assert "baseline: left out, no time" in late.stdout


@needs_bash
@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="small where there is no device")
def test_a_step_is_noted(checkout, tmp_path):
    out = tmp_path / "out"
    done = run(checkout, "run", "baseline", OUT=str(out))
    assert "baseline: rc 0" in done.stdout, done.stdout + done.stderr
    rows = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    assert {row["network"] for row in rows} == {"small", "large"}
    assert all(row["ms"] > 0 for row in rows)
    assert not any("error" in row for row in rows)


@needs_bash
@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="small where there is no device")
def test_the_steps_that_run_our_kernels(checkout, tmp_path):
    out = tmp_path / "out"
    done = run(checkout, "run", "check", "small", OUT=str(out))
    assert "check: rc 0" in done.stdout, done.stdout + done.stderr
    assert "small: rc 0" in done.stdout, done.stdout + done.stderr


@needs_bash
@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="small where there is no device")
def test_the_steps_that_recover(checkout, tmp_path):
    """What they note: by which prior, how long it took, and how far it is from what is kept."""
    out = tmp_path / "out"
    done = run(checkout, "run", "recover", "amp", OUT=str(out))
    assert "recover: rc 0" in done.stdout, done.stdout + done.stderr
    assert "amp: rc 0" in done.stdout, done.stdout + done.stderr
    rows = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    assert {row["prior"] for row in rows} == {"glow-celeba", "diffusion-celeba"}
    assert all({"seconds", "psnr", "less_kept", "worst"} <= set(row) for row in rows)
    (clocked,) = (row for row in rows if row["turn"] == "with a clock")
    assert clocked["network_s"] + clocked["solver_s"] == pytest.approx(clocked["seconds"], abs=0.02)
