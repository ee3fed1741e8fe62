"""Training by several processes, which torchrun starts, gives the run of one."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from safetensors.torch import load_file

from tests.helpers import PATIENCE, smooth_pictures

GLOW = ["--size", "8", "--steps-per-level", "2", "2", "--width", "8", "8", "--batch", "8",
        "--iterations", "12", "--every", "4", "--validation", "4", "--warmup", "0",
        "--shift", "1", "--device", "cpu"]  # fmt: skip

DIFFUSION = ["--size", "8", "--channels", "8", "16", "--blocks", "1", "1", "--batch", "8",
             "--iterations", "12", "--every", "4", "--validation", "4", "--warmup", "0",
             "--rate", "1e-2", "--device", "cpu"]  # fmt: skip


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return smooth_pictures(tmp_path_factory.mktemp("pictures"), 40, 12)


def command(*words):
    """``priorkit train`` by two processes."""
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    return [sys.executable, *torchrun, "-m", "priorkit.cli", "train", *map(str, words)]


def run(*words):
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(
        command(*words), capture_output=True, text=True, timeout=PATIENCE, env=environment
    )


def curve(folder):
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [(line["step"], line["train"], line["validation"]) for line in lines]


@pytest.mark.slow
def test_two_processes_give_the_run_of_one(pictures, tmp_path, command_line):
    """A batch of 8 in one process, or 4 in each of two: the same losses and the same weights."""
    words = ["glow", "--data", pictures, *GLOW, "--out"]
    done = command_line("train", *words, tmp_path / "1")
    assert done.code == 0, done.err
    done = run(*words, tmp_path / "2")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Wrote") == 1
    one, two = curve(tmp_path / "1"), curve(tmp_path / "2")
    assert [step for step, *_ in two] == [4, 8, 12]
    np.testing.assert_allclose(two, one, atol=2e-3)
    assert one[0][1] - one[-1][1] > 0.1  # it learns, so that agreeing says something
    ours, theirs = (load_file(tmp_path / n / "glow.safetensors") for n in "21")
    for name, value in theirs.items():
        np.testing.assert_allclose(ours[name].float(), value.float(), atol=3e-3, err_msg=name)


@pytest.mark.slow
def test_each_process_has_its_part_of_what_is_mixed(pictures, tmp_path, command_line):
    """Half of a batch from other pictures: one process has those, one the rest, and the run is
    that of one."""
    words = ["diffusion", "--data", pictures, "--also", pictures, *DIFFUSION, "--out"]
    done = command_line("train", *words, tmp_path / "1")
    assert done.code == 0, done.err
    done = run(*words, tmp_path / "2")
    assert done.returncode == 0, done.stderr
    one, two = (
        [json.loads(line) for line in (tmp_path / n / "log.jsonl").read_text().splitlines()]
        for n in "12"
    )
    assert [line["step"] for line in two] == [4, 8, 12]
    for ours, theirs in zip(two, one, strict=True):
        for name in ("train", "psnr_0.01", "psnr_0.1"):
            assert ours[name] == pytest.approx(theirs[name], abs=2e-3)
    assert one[-1]["psnr_0.1"] > one[0]["psnr_0.1"] + 0.1  # it learns


@pytest.mark.slow
def test_what_two_began_one_ends(pictures, tmp_path, command_line):
    """Ctrl-C at two processes saves; one goes on with the checkpoint, to the same losses."""
    words = ["glow", "--data", pictures, "--out", tmp_path / "run", *GLOW]
    at = words.index("--iterations") + 1
    words[at] = "1000000"  # which nobody waits for
    two = subprocess.Popen(
        command(*words), stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True, start_new_session=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    log = tmp_path / "run" / "log.jsonl"
    deadline = time.monotonic() + PATIENCE
    while not log.exists():
        assert two.poll() is None, two.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(two.pid, signal.SIGINT)
    two.communicate(timeout=PATIENCE)
    before = curve(tmp_path / "run")
    words[at] = str(4 * len(before) + 8)
    done = command_line("train", *words)
    assert done.code == 0, done.err
    after = curve(tmp_path / "run")
    assert after[: len(before)] == before
    assert len(after) == len(before) + 2


REFUSED = {
    "glow": ([*GLOW, "--batch", "9"], "of all processes together, a multiple of 2 here; got 9"),
    "dcgan": (["--size", "16", "--device", "cpu"], "is trained by one process, without torchrun"),
}


@pytest.mark.parametrize("trainer", REFUSED)
def test_what_several_processes_refuse(trainer, pictures, tmp_path, command_line, monkeypatch):
    """Each of them by itself, before they are connected."""
    words, said = REFUSED[trainer]
    words = [trainer, "--data", pictures, "--out", tmp_path / "run", *words]
    for rank in "01":
        for name, value in {"RANK": rank, "WORLD_SIZE": "2", "LOCAL_RANK": rank}.items():
            monkeypatch.setenv(name, value)
        done = command_line("train", *words)
        assert done.code == 2
        assert said in done.err
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_torchrun_ends_where_they_refuse(pictures, tmp_path):
    words, said = REFUSED["glow"]
    done = run("glow", "--data", pictures, "--out", tmp_path / "run", *words)
    assert done.returncode != 0
    assert said in done.stderr
    assert not (tmp_path / "run").exists()
