"""The example package, installed into an environment of its own, works with priorkit as it is."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from priorkit.testing import check_operator, check_prior
from tests.helpers import PATIENCE
from tests.third_party.installed import known

PACKAGE = Path(__file__).parents[1] / "examples" / "third_party_plugin"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A new environment with the example package in it.

    It sees the packages of the present environment through a .pth file, so that nothing has
    to be downloaded; the example is installed into the new one alone.
    """
    root = tmp_path_factory.mktemp("third-party")
    leftovers = shutil.ignore_patterns("build", "*.egg-info", "__pycache__")
    # A copy, because a build leaves files beside the sources.
    source = shutil.copytree(PACKAGE, root / "source", ignore=leftovers)
    venv.create(root / "env", symlinks=os.name != "nt")
    variables = {"base": str(root / "env"), "platbase": str(root / "env")}
    packages = Path(sysconfig.get_path("purelib", scheme="venv", vars=variables))
    scripts = Path(sysconfig.get_path("scripts", scheme="venv", vars=variables))
    present = [path for path in sys.path if path.endswith("-packages")]
    # addsitedir rather than a plain path: it follows the .pth files of editable installs.
    lines = [f"import site; site.addsitedir({path!r})" for path in present]
    (packages / "present.pth").write_text("\n".join(lines) + "\n")

    def run(*words, **variables):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("PRIORKIT_", "PYTHON"))}
        return subprocess.run(
            [scripts / "python", *map(str, words)],
            cwd=root,  # not the repository, whose folders would be importable
            env=env | {"OMP_NUM_THREADS": "1"} | variables,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    offline = ("--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check")
    done = run("-m", "pip", "install", *offline, source)
    assert done.returncode == 0, done.stdout + done.stderr
    return SimpleNamespace(run=run, source=source, root=root, packages=packages)


def names(done):
    """The names by kind that ``priorkit list --json`` printed, with the plugin of each."""
    assert done.returncode == 0, done.stderr
    listed = json.loads(done.stdout)
    return {kind: {e["name"]: e["plugin"] for e in entries} for kind, entries in listed.items()}


def test_it_is_listed(installed):
    """The new names stand beside the first-party ones, and nothing failed."""
    listed = names(installed.run("-m", "priorkit.cli", "list", "--json"))
    assert listed["prior"]["smooth"] == "toy"
    assert listed["operator"]["binning"] == "toy"
    assert {"gaussian", "identity", "mask"} <= set(listed["operator"])
    plugins = installed.run("-m", "priorkit.cli", "plugins", "--json")
    (toy,) = [p for p in json.loads(plugins.stdout) if p["name"] == "toy"]
    assert (toy["distribution"], toy["version"], toy["failures"]) == ("priorkit-toy", "0.1.0", [])


def test_an_empty_selection_hides_it(installed):
    """PRIORKIT_PLUGINS="" leaves the first-party plugins alone."""
    listed = names(installed.run("-m", "priorkit.cli", "list", "--json", PRIORKIT_PLUGINS=""))
    assert "smooth" not in listed["prior"]
    assert "binning" not in listed["operator"]
    assert "none" in listed["prior"]


def test_it_recovers_a_picture(installed):
    """Superresolution under the smooth prior beats showing every coarse pixel enlarged."""
    words = "recover --prior smooth --op binning --factor 2 --frequencies 16"
    words += " --shape 3 32 32 --out out --json"
    done = installed.run("-m", "priorkit.cli", *words.split())
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["config"]["prior"] == {"name": "smooth", "frequencies": 16}
    assert record["config"]["op"] == {"name": "binning", "factor": 2}
    truth, y = (np.load(installed.root / "out" / f"{name}.npy")[0] for name in ("truth", "y"))
    assert y.shape == (3, 16, 16)
    enlarged = y.repeat(2, axis=1).repeat(2, axis=2)
    baseline = -10 * np.log10(np.mean((enlarged - truth) ** 2))
    psnr = record["images"][0]["psnr"]
    assert psnr > 26
    assert psnr > baseline + 3


KINDS = {
    "--prior threshold --op spectrum --size 24": 13,
    "--prior smooth --op intensity --start normal --budget 100": 3,
    "--prior none --op spectrum --penalty roughness --gamma 0.01": 13,
    "--prior smooth --op binning --factor 2 --solver walker --sigma 0.01": 20,
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder, and the example's names known in this process."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "site").mkdir()
    with known(PACKAGE, tmp_path / "site"):
        yield tmp_path


# Its own tests hold each of them to the contract of its kind.
@pytest.mark.slow
@pytest.mark.parametrize(("words", "least"), KINDS.items())
def test_every_kind_recovers(here, command_line, words, least):
    """A denoiser, complex and nonlinear measurements, a penalty, and a sampler with its draws."""
    words = f"recover {words} --shape 3 32 32 --out out --json"
    done = command_line(*words.split())
    assert done.code == 0, done.err
    (image,) = json.loads(done.out)["images"]
    assert image["psnr"] > least
    assert ("draws" in image) == ("walker" in words)


def test_it_enlarges_a_small_picture(here, command_line):
    """A measurement that is a picture file, of 8 bits, tells the size of the recovery."""
    ramp = np.linspace(0, 255, 16, dtype=np.uint8)
    small = np.stack([np.add.outer(ramp // 2, ramp // 2)] * 3, axis=2)
    Image.fromarray(small).save(here / "small.png")
    words = "recover --y small.png --prior smooth --op binning --factor 2 --frequencies 16"
    done = command_line(*words.split(), "--out", "large")
    assert done.code == 0, done.err
    with Image.open(here / "large" / "images" / "small.png") as large:
        assert large.size == (32, 32)
        again = np.asarray(large.resize((16, 16), Image.Resampling.BOX), dtype=float)
    assert np.abs(again - small).max() <= 2  # grey levels


# tests/cli/test_plugin.py has what is written and what a check says, in one process.
@pytest.mark.slow
def test_a_new_plugin_is_installed_tested_and_checked(installed):
    """Every kind at once; then its adjoint is broken, and the check says so, with a hint."""
    kinds = ["prior", "operator", "noise", "penalty", "solver", "start"]
    done = installed.run("-m", "priorkit.cli", "new-plugin", "my-own", *kinds)
    assert done.returncode == 0, done.stderr
    folder = installed.root / "priorkit-my-own"
    offline = ("--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check")
    done = installed.run("-m", "pip", "install", *offline, "--editable", folder)
    assert done.returncode == 0, done.stdout + done.stderr
    done = installed.run("-m", "pytest", "-q", "-p", "no:cacheprovider", folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 passed" in done.stdout
    done = installed.run("-m", "priorkit.cli", "check", "my-own", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads(done.stdout)
    assert sorted(row["kind"] for row in rows) == sorted(kinds)
    assert all(row["promises"][-1]["promise"].startswith("it recovers") for row in rows)
    operator = folder / "priorkit_my_own" / "operator.py"
    operator.write_text(operator.read_text().replace("] = y", "] = 2 * y"))
    done = installed.run("-m", "priorkit.cli", "check", "my-own", "--kind", "operator")
    assert done.returncode == 1
    assert "broken     A_adjoint is the adjoint" in done.stdout
    assert "hint: of a convolution, the one with the kernel turned round" in done.stdout
    assert "not tried  it recovers the sample photograph" in done.stdout


def test_its_components_keep_their_promises(here):
    """The two that most of it is about; its own tests have all of them."""
    from priorkit_toy.operator import Binning
    from priorkit_toy.prior import Smooth

    check_operator(Binning(factor=2), shape=(3, 8, 12))
    check_prior(Smooth(frequencies=5), shape=(3, 8, 6))


@pytest.mark.slow
def test_its_own_tests_pass(installed):
    """Its contract tests, away from its sources, so that the installed package is tested."""
    assert (installed.packages / "priorkit_toy" / "prior.py").exists()
    tests = shutil.copytree(installed.source / "tests", installed.root / "tests")
    done = installed.run("-m", "pytest", "-q", "-p", "no:cacheprovider", tests)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
