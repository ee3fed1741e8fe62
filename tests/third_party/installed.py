"""A stranger's package, installed beside priorkit into an environment of its own."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

HERE = Path(__file__).parent


def install(package, root):
    """Install the package of a folder here, offline, and return what runs ``python -m`` with it.

    The new environment sees the packages of the present one through a .pth file of plain paths,
    which mypy follows too.
    """
    source = shutil.copytree(
        HERE / package, root / "source", ignore=shutil.ignore_patterns("__pycache__")
    )
    venv.create(root / "env", symlinks=os.name != "nt")
    variables = {"base": str(root / "env"), "platbase": str(root / "env")}
    packages = Path(sysconfig.get_path("purelib", scheme="venv", vars=variables))
    scripts = Path(sysconfig.get_path("scripts", scheme="venv", vars=variables))
    tree = HERE.parents[1]
    present = [str(tree), str(tree / "plugins"), *(p for p in sys.path if p.endswith("-packages"))]
    (packages / "present.pth").write_text("\n".join(present) + "\n")
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PRIORKIT_", "PYTHON"))}
    env |= {"OMP_NUM_THREADS": "1"}

    def run(*words, **variables):
        return subprocess.run(
            [scripts / "python", "-m", *map(str, words)],
            cwd=root,
            env=env | variables,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    offline = ("--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check")
    done = run("pip", "install", *offline, source)
    assert done.returncode == 0, done.stdout + done.stderr
    return run
