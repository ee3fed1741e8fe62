"""A stranger's package, installed beside priorkit into an environment of its own."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
from contextlib import contextmanager
from pathlib import Path

import pytest

from priorkit.registry import registry
from tests.helpers import PATIENCE

HERE = Path(__file__).parent


@contextmanager
def known(package, site):
    """The package of a folder as if it were installed into this process: its names are in the
    registry. Its metadata is written into the empty folder ``site``.

    It takes no environment and no second process, so it says nothing of those: :func:`install`.
    """
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    info = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    points = project["entry-points"]["priorkit"].items()
    lines = [f"{name} = {target}" for name, target in points]
    (info / "entry_points.txt").write_text("\n".join(["[priorkit]", *lines, ""]))
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PRIORKIT_PLUGINS", raising=False)
        patch.syspath_prepend(site)
        patch.syspath_prepend(package)
        registry.cache_clear()
        yield
    registry.cache_clear()


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
            timeout=PATIENCE,
            check=False,
        )

    offline = ("--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check")
    done = run("pip", "install", *offline, source)
    assert done.returncode == 0, done.stdout + done.stderr
    return run
