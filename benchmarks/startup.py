"""How long it takes to import priorkit, to list its components, to find plugins, and until the
first picture of ``make demo`` is there.

    python benchmarks/startup.py

Medians of ten fresh processes, of the picture of three. Limits: 50 ms for the import, 300 ms for
the list, 1 s for ``priorkit plugins`` with 50 more plugins, 5 of them broken, each in another way,
and 5 s for the picture.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PRIORKIT = [sys.executable, "-m", "priorkit.cli"]
HEAD = "from priorkit import hookimpl\n"
SOUND = '\n\n@hookimpl\ndef register_priors(register):\n    register("{name}", "nowhere:Prior")\n'
BROKEN = {
    "syntax": "def broken(:\n",
    "import": "import a_package_that_is_not_there\n",
    "raises": HEAD + '\n\n@hookimpl\ndef register_priors(register):\n    raise ValueError("no")\n',
    "hook": HEAD + "\n\n@hookimpl\ndef register_prior(register):\n    pass\n",
    "name": HEAD + SOUND.format(name="crowd-00"),
}


def crowd(folder: Path, count: int = 50) -> Path:
    """Write so many installed plugins, the last five broken; the folder for PYTHONPATH."""
    sources = [HEAD + SOUND.format(name=f"crowd-{i:02d}") for i in range(count - len(BROKEN))]
    for i, source in enumerate([*sources, *BROKEN.values()]):
        name = f"crowd_{i:02d}"
        (folder / f"{name}.py").write_text(source)
        info = folder / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[priorkit]\n{name} = {name}\n")
    return folder


def median_ms(command: list[str], path: str = "") -> float:
    """Of ten runs; a command may exit with any code."""
    times = []
    environment = {**os.environ, "PYTHONPATH": path}
    for _ in range(10):
        started = time.perf_counter()
        subprocess.run(
            command, check=False, env=environment, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        times.append(1000 * (time.perf_counter() - started))
    return statistics.median(times)


def first_picture_ms() -> float:
    """From the command of ``make demo`` until the first picture is finished, and kept."""
    times = []
    for _ in range(3):
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "out"
            command = [*PRIORKIT, "compare", "--priors", "diffusion-celeba,glow-celeba"]
            command += ["--ms", "500", "--out", str(out)]
            started = time.perf_counter()
            demo = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            kept = out.with_name("out.unfinished")
            while demo.poll() is None and not any(kept.rglob("*.safetensors")):
                time.sleep(0.005)
            times.append(1000 * (time.perf_counter() - started))
            demo.kill()
            demo.wait()
    return statistics.median(times)


def main() -> int:
    """Print the medians; exit 1 where one is over its limit."""
    slow = 0
    with tempfile.TemporaryDirectory() as folder:
        many = str(crowd(Path(folder)))
        rows = [
            ("import priorkit", 50, [sys.executable, "-c", "import priorkit"], ""),
            ("priorkit list", 300, [*PRIORKIT, "list"], ""),
            ("priorkit plugins, 50 more", 1000, [*PRIORKIT, "plugins"], many),
            ("python -c pass", None, [sys.executable, "-c", "pass"], ""),
        ]
        for name, limit, command, path in rows:
            median = median_ms(command, path)
            slow += limit is not None and median > limit
            print(f"{name:26} {median:6.0f} ms" + (f"   limit {limit} ms" if limit else ""))
    picture = first_picture_ms()
    slow += picture > 5000
    print(f"{'first picture of the demo':26} {picture:6.0f} ms   limit 5000 ms")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
