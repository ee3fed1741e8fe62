"""A run that is killed at any moment and resumed gives the bits of one that was never killed.

``PRIORKIT_KILLS`` is how many moments each command is killed at by each of SIGKILL, one SIGINT and
two: one in ``make test``, three in ``make check``, twenty in ``make kill``.
"""

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Queue
from typing import Any

import pytest

from priorkit.io.folders import unfinished
from tests.helpers import PATIENCE, smooth_pictures

MOMENTS = int(os.environ.get("PRIORKIT_KILLS", "1"))
ROOT = Path(__file__).parents[2]
KINDS = {"SIGKILL": (signal.SIGKILL,), "SIGINT": (signal.SIGINT,), "twice": (signal.SIGINT,) * 2}


class Server:
    """Runs commands in forks of a process that has imported everything; one at a time."""

    def __init__(self):
        (self.theirs, tasks), (told, self.gives) = os.pipe(), os.pipe()
        self.tasks, self.told = os.fdopen(tasks, "w"), os.fdopen(told)

    def run(self, words, cwd, signals=(), limit=0):
        """Exit code, seconds, and what was said on stderr."""
        task = {"words": [str(word) for word in words], "cwd": str(cwd), "limit": limit}
        task |= {"signals": list(signals), "stderr": str(cwd / "stderr.txt")}
        (cwd / "stderr.txt").write_text("")
        self.tasks.write(json.dumps(task) + "\n")
        self.tasks.flush()
        ended = json.loads(self.told.readline())
        return ended["code"], ended["seconds"], (cwd / "stderr.txt").read_text()


@pytest.fixture(scope="module")
def servers():
    """Two of them, for two cores, forked from a process that has imported everything once."""
    both = Queue()
    made = [Server() for _ in range(2)]
    pipes = [pipe for server in made for pipe in (server.theirs, server.gives)]
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'plugins'}",
    }
    with subprocess.Popen(
        [sys.executable, "-m", "tests.kill.server", *map(str, pipes)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment,
        pass_fds=pipes,
    ) as process:
        for pipe in pipes:
            os.close(pipe)
        assert process.stdout.readline() == "ready\n"
        for server in made:
            both.put(server)
        yield both
        for server in made:
            server.tasks.close()
        assert process.wait(PATIENCE) == 0
        for server in made:
            server.told.close()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Ten small pictures."""
    return smooth_pictures(tmp_path_factory.mktemp("pictures"), 10, 16)


def results(folder):
    """Everything in a folder of results that doesn't tell the time, as bytes or tables."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.suffix in (".npy", ".safetensors") or path.parent.name == "images":
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        elif path.name in ("record.json", "results.json", "trace.json"):
            found[name] = untimed(json.loads(path.read_text()))
    return found


def untimed(value):
    clocks = ("seconds", "psnr_at", "equal_seconds", "config", "training")
    if isinstance(value, dict):
        return {k: untimed(v) for k, v in value.items() if k not in clocks}
    return [untimed(v) for v in value] if isinstance(value, list) else value


def is_whole(folder):
    """Every file that the manifest lists is there as it was written, and no other."""
    listed = json.loads((folder / "manifest.json").read_text())["files"]
    there = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert there == set(listed) | {"manifest.json"}
    for name, digest in listed.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest, name
    return True


@dataclass(frozen=True)
class Case:
    """A command that is killed, and what is known of it."""

    words: list[Any]
    whole: dict[str, Any]  # what `undisturbed` found
    again: Callable[[Path, list[Any]], list[Any]]  # the command that finishes a killed run
    before: Path | None = None  # an earlier run that is in the folder already


def killed(servers, case, kind, number, folder):
    """Kill one run in a new folder, then let a second command finish it, and compare."""
    out = folder / "out"
    words = [*case.words, "--out", out]
    rng = random.Random(f"{words} {kind} {number}")
    folder.mkdir()
    server = servers.get()
    try:
        if case.before is not None:
            shutil.copytree(case.before, out)
        first = rng.uniform(0, 1.05 * case.whole["seconds"])
        times = [first, first + rng.uniform(0.001, 0.15)]
        signals = list(zip(times, KINDS[kind], strict=False))
        code, _, said = server.run(words, folder, signals)
        assert "Traceback" not in said, said
        assert code in {"SIGKILL": (-9, 0), "SIGINT": (130, 0), "twice": (130, 0)}[kind], said
        if case.before is not None:
            assert out.exists()
            is_whole(out)
            now = results(out)
            old = now == results(case.before)
            assert old or kind != "SIGKILL" or now == case.whole["results"]
        code, _, said = server.run(case.again(out, words), folder)
        assert code == 0, said
        assert results(out) == case.whole["results"]
        left = {path.name for path in folder.iterdir()} - {out.name, "stderr.txt"}
        assert not left, left
    finally:
        servers.put(server)


def each_moment(servers, tmp_path, case):
    """Kill the command of a case by each kind of signal, at several moments."""
    with ThreadPoolExecutor(2) as pool:
        tasks = [
            pool.submit(killed, servers, case, kind, number, tmp_path / f"{kind}-{number}")
            for kind in KINDS
            for number in range(MOMENTS)
        ]
        for task in tasks:
            task.result()


def undisturbed(servers, folder, words):
    """The results of a run that isn't killed, and how long it takes."""
    folder.mkdir()
    server = servers.get()
    try:
        code, seconds, said = server.run([*words, "--out", folder / "out"], folder)
        code, seconds, said = server.run([*words, "--out", folder / "out2"], folder)
        assert code == 0, said
        assert results(folder / "out") == results(folder / "out2")
        return {"seconds": seconds, "results": results(folder / "out"), "out": folder / "out"}
    finally:
        servers.put(server)


def resumed(out, words):
    """The same command, with --resume where there is an unfinished run."""
    return [*words, "--resume"] if unfinished(out).exists() else words


RECOVER = [
    "--prior",
    "dct",
    "--op",
    "gaussian",
    "--m",
    "300",
    "--seed",
    "3",
    "--solver",
    "fista",
    "--tolerance",
    "1e-3",
]


@pytest.fixture(scope="module")
def recovered(servers, pictures, tmp_path_factory):
    words = ["recover", pictures, *RECOVER]
    return words, undisturbed(servers, tmp_path_factory.mktemp("whole") / "run", words)


def test_recover(servers, recovered, tmp_path):
    words, whole = recovered
    assert len({t["evaluations"][-1] for t in whole["results"]["trace.json"]}) > 1
    each_moment(servers, tmp_path, Case(words, whole, resumed))


@pytest.mark.slow
def test_a_sampler(servers, pictures, tiny_weights, tmp_path):
    """The draws that were done aren't drawn again, and those that follow are the same."""
    words = ["recover", pictures / "0.png", "--prior", tiny_weights, "--m", "60"]
    words += ["--sigma", "0.05", "--solver", "perturb", "--budget", "160"]
    whole = undisturbed(servers, tmp_path / "whole", words)
    each_moment(servers, tmp_path, Case(words, whole, resumed))


@pytest.mark.slow
def test_saving_over_an_old_run(servers, recovered, pictures, tmp_path):
    """The folder holds the old run or the new one, whole, whenever one looks."""
    words, whole = recovered
    other = ["recover", pictures, "--prior", "none", "--op", "mask", "--budget", "3"]
    old = undisturbed(servers, tmp_path / "old", other)["out"]
    each_moment(servers, tmp_path, Case(words, whole, resumed, before=old))


@pytest.mark.slow
def test_compare(servers, pictures, tmp_path):
    words = ["compare", pictures, "--priors", "dct,wavelet,none", "--ms", "100", "250"]
    words += ["--budget", "40"]
    whole = undisturbed(servers, tmp_path / "whole", words)
    each_moment(servers, tmp_path, Case(words, whole, resumed))


@pytest.mark.slow
def test_train(servers, pictures, tmp_path):
    words = f"train realnvp --data {pictures} --size 8 --levels 1 --steps 2 --width 8".split()
    words += [
        "--validation",
        "2",
        "--batch",
        "4",
        "--iterations",
        "60",
        "--every",
        "10",
        "--name",
        "small",
    ]
    whole = undisturbed(servers, tmp_path / "whole", words)
    assert "small.safetensors" in whole["results"]
    each_moment(servers, tmp_path, Case(words, whole, lambda out, words: words))


def test_a_full_disk(servers, recovered, tmp_path):
    """No file may grow beyond 20 kB: the old run stays, whole, and the reason is one line."""
    words, whole = recovered
    out = tmp_path / "out"
    shutil.copytree(whole["out"], out)
    server = servers.get()
    try:
        code, _, said = server.run([*words, "--out", out], tmp_path, limit=20_000)
        assert code == 2
        assert f"{out} can't be written. Got File too large" in said.splitlines()[-1]
        assert "Traceback" not in said
        assert results(out) == whole["results"]
        assert is_whole(out)
        code, _, said = server.run(resumed(out, [*words, "--out", out]), tmp_path)
        assert code == 0, said
        assert {p.name for p in tmp_path.iterdir()} == {"out", "stderr.txt"}
    finally:
        servers.put(server)


def test_two_processes_and_one_folder(servers, recovered, tmp_path):
    """One works in the folder; the other is refused, or runs after it."""
    words, whole = recovered
    out = tmp_path / "out"
    pair = [servers.get(), servers.get()]
    try:
        (tmp_path / "a").mkdir()
        (tmp_path / "b").mkdir()
        with ThreadPoolExecutor(2) as pool:
            both = [
                pool.submit(server.run, [*words, "--out", out], tmp_path / name)
                for server, name in zip(pair, "ab", strict=True)
            ]
        ended = [task.result() for task in both]
    finally:
        for server in pair:
            servers.put(server)
    codes = sorted(code for code, _, _ in ended)
    assert codes in ([0, 0], [0, 2])
    for code, _, said in ended:
        assert code == 0 or "Another process is working in" in said or "unfinished" in said
    assert results(out) == whole["results"]
    assert {p.name for p in tmp_path.iterdir()} == {"a", "b", "out"}
