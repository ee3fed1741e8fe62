"""A stranger's package of a solver, a noise, coils and a microscope, written from docs/plugins.md.

It is installed beside priorkit, keeps every promise of its interfaces, recovers an image with each
of its components, and its options are swept and typed as priorkit's own.
"""

import ast
import json
import re

import numpy as np
import pytest
import torch
from priorkit_noises.gaussian import Gaussian
from priorkit_solvers.data_step import noise_floor

from priorkit.errors import BadInputError
from priorkit.interfaces import kind_of
from priorkit.interfaces.adapt import bound_operator
from priorkit.testing import check_noise, check_operator, check_solver
from tests.helpers import a_problem
from tests.test_typing import LARGE
from tests.third_party.installed import HERE, install, known

ROOT = HERE.parents[1]
PACKAGE = HERE / "scope"
SHAPE = (2, 24, 24)


@pytest.fixture(scope="module")
def scope(tmp_path_factory):
    """The package's modules, from its sources; meanwhile its names are known."""
    with known(PACKAGE, tmp_path_factory.mktemp("site")):
        from priorkit_scope import coils, noise, solver, volume

        yield {"coils": coils, "noise": noise, "solver": solver, "volume": volume}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A folder with a complex picture and a volume."""
    root = tmp_path_factory.mktemp("scope")
    wave = torch.linspace(-1, 1, 24)
    bump = torch.exp(-3 * (wave[:, None] ** 2 + wave**2))
    np.save(root / "complex.npy", torch.stack([bump * wave.cos(), bump * wave.sin()]).numpy())
    deep, wide = wave[::3], wave[::2]
    off = 24 * deep[:, None, None] ** 2 + 6 * (wide[:, None] ** 2 + wide**2)
    np.save(root / "volume.npy", torch.exp(-off)[None].numpy())
    return root


@pytest.fixture(scope="module")
def installed(root):
    """Runs priorkit in that folder, by an environment that the package is installed in."""
    return install("scope", root)


@pytest.fixture
def recovered(scope, root, command_line, monkeypatch):
    """``recovered(words, out)``: the record of a recovery by the command line in that folder, and
    the arrays of its results."""
    monkeypatch.chdir(root)

    def run(words, out):
        done = command_line("recover", *words.split(), "--out", out, "--json")
        assert done.code == 0, done.err
        arrays = [np.load(root / out / f"{name}.npy")[0] for name in ("x", "truth", "y")]
        return json.loads(done.out), arrays

    return run


# --- written from the documentation alone -----------------------------------------


def test_it_imports_what_the_documentation_names():
    """Of priorkit no module, and of a module no name, that docs/plugins.md doesn't have."""
    page = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
    public = set(re.findall(r"`(priorkit(?:\.\w+)*)`", page[page.index("## What is public") :]))
    used = set()
    for path in (PACKAGE / "priorkit_scope").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module.partition(".")[0] == "priorkit":
                used.add(node.module)
    assert used, "it imports nothing of priorkit"
    assert used <= public


# --- the promises of its interfaces -----------------------------------------------


@pytest.mark.parametrize(("spacing", "zeta"), [("quadratic", 0.3), ("uniform", 1.0)])
def test_its_solver_keeps_its_promises(scope, spacing, zeta):
    check_solver(scope["solver"].PublishedDiffPIR(spacing=spacing, zeta=zeta), budget=30)


@pytest.mark.parametrize("gain", [0.002, 0.02])
def test_its_noise_keeps_its_promises(scope, gain):
    """With the log of a variance that depends on what is measured."""
    check_noise(scope["noise"].Camera(gain=gain, sigma=0.03))


def test_its_operators_keep_their_promises(scope):
    check_operator(scope["coils"].CoilArray(coils=3, every=3), shape=(2, 12, 9))
    check_operator(scope["volume"].Widefield(axial=0.8), shape=(2, 5, 6, 7))


def test_plug_and_play_knows_the_noise_of_its_squares(scope):
    """Σ w·|A x − y|² is ``energy`` on average, and so its entries have that variance, whatever a
    typical standard deviation of y is; of Gaussian noise both are one."""
    camera = scope["noise"].Camera(gain=0.02, sigma=0.03)
    operator = scope["volume"].Widefield().bind((1, 2, 4, 4))
    squares = (0.02 + 0.03**2) ** 0.5
    found = noise_floor(a_problem(operator, torch.ones(1, 1, 2, 4, 4), noise=camera), 1e-4)
    assert found == pytest.approx(squares)
    assert camera.std != pytest.approx(squares, rel=0.1)
    plain = noise_floor(
        a_problem(operator, torch.ones(1, 1, 2, 4, 4), noise=Gaussian(sigma=0.3)), 1e-4
    )
    assert plain == 0.3


# --- a recovery with each ---------------------------------------------------------


def test_its_solver_recovers(recovered):
    """A blurred photograph by the shipped denoiser, nearer than the blurred one itself, and so of
    a camera's noise, of which the solver sees the weighted squares."""
    words = "--op blur --prior denoiser-photos --shape 3 32 32 --solver published-diffpir"
    words += " --lam 1 --zeta 1 --budget 12"
    for noise in ("--sigma 0.05", "--noise camera --gain 0.005 --sigma 0.01"):
        out = f"solver-{noise.split()[1]}"
        record, (_, truth, y) = recovered(f"{words} {noise}", out)
        assert record["images"][0]["evaluations"] == 12
        assert record["config"]["solver"]["name"] == "published-diffpir"
        blurred = -10 * np.log10(np.mean((y - truth) ** 2))
        assert record["images"][0]["psnr"] > blurred + 2


def test_its_noise_is_met(recovered):
    """Photons and a reading error are explained as far as they are noise, and denoised."""
    words = "--op identity --prior none --penalty tv --noise camera --gain 0.02 --sigma 0.03"
    record, (x, truth, y) = recovered(f"{words} --gamma discrepancy --shape 3 32 32", "camera")
    assert record["config"]["noise"] == {"name": "camera", "gain": 0.02}
    assert record["config"]["sigma"] == 0.03
    assert 0.5 < record["images"][0]["misfit"] / record["images"][0]["noise"] < 1.5
    assert np.mean((x - truth) ** 2) < 0.5 * np.mean((y - truth) ** 2)


@pytest.mark.parametrize("prior", ["none --penalty tv --gamma 0.001", "denoiser-photos"])
def test_its_coils_recover_a_complex_picture(recovered, prior):
    words = f"complex.npy --kind complex --op coil-array --every 3 --budget 60 --prior {prior}"
    record, (x, truth, y) = recovered(words, f"coils-{prior.split()[0]}")
    assert y.shape == (4, 24, 24)
    assert np.iscomplexobj(y)
    assert record["images"][0]["psnr"] > 30
    assert np.abs(x - truth).max() < 0.2


def test_its_microscope_recovers_a_volume(recovered):
    """Sharper than it was measured."""
    words = "volume.npy --kind volume --op widefield --prior none --penalty tv --gamma 0.001"
    _, (x, truth, y) = recovered(words, "widefield")
    assert np.mean((x - truth) ** 2) < 0.6 * np.mean((y - truth) ** 2)


# --- their options ----------------------------------------------------------------


STUDY = """
[settings]
image = "complex.npy"
kind = "complex"
op = "coil-array"
prior = "none"
penalty = "tv"
gamma = 0.001
budget = 20

[grid]
every = [2, 4]
coils = [2, 4]
"""


@pytest.mark.slow
def test_a_sweep_over_its_options(installed, root):
    """More coils and more rows recover better, in one table."""
    (root / "study.toml").write_text(STUDY)
    words = "sweep study.toml --out study.parquet --jobs 1"
    done = installed("priorkit.cli", *words.split())
    assert done.returncode == 0, done.stderr
    words = "sweep study.toml --out study.parquet --summary --across coils --by every --json"
    done = installed("priorkit.cli", *words.split())
    assert done.returncode == 0, done.stderr
    psnr = {(row["every"], row["coils"]): row["psnr"] for row in json.loads(done.stdout)}
    assert set(psnr) == {(every, coils) for every in (2, 4) for coils in (2, 4)}
    assert psnr[2, 4] > psnr[4, 4] > psnr[4, 2]


SCRIPT = """
import priorkit

priorkit.recover(solver="published-diffpir", lam=2.0, spacing="uniform")
priorkit.recover(op="coil-array", every=2, middle=8)
priorkit.recover(op="widefield", axial="wide")
priorkit.recover(solver="published-diffpir", spacing="cubic")
priorkit.recover(op="coil-array", evry=2)
"""


@pytest.mark.slow
def test_its_options_are_typed(installed, root):
    """Once priorkit has written their stub, mypy knows them, and what they can't be."""
    (root / "script.py").write_text(SCRIPT)
    (root / "mypy.ini").write_text(LARGE)
    done = installed("priorkit.cli", "stubs")
    assert done.returncode == 0, done.stderr
    done = installed("mypy", "--cache-dir", root / "cache", "script.py")
    lines = [line for line in done.stdout.splitlines() if ": error:" in line]
    assert [int(line.split(":")[1]) for line in lines] == [6, 7, 8], lines
    assert 'did you mean "every"' in lines[2]


# --- errors -----------------------------------------------------------------------


def test_one_of_complex_pictures_is_taken_as_it_is(scope):
    """It takes two channels and refuses one, so its y isn't A(a) + i·A(b)."""
    coils = scope["coils"].CoilArray()
    bound = bound_operator(coils, SHAPE, kind_of(SHAPE, "complex"))
    assert type(bound) is type(coils)
    x = torch.randn(1, *SHAPE, generator=torch.Generator().manual_seed(0))
    turned = torch.stack([-x[:, 1], x[:, 0]], 1)  # i·x
    torch.testing.assert_close(bound.A(turned), 1j * bound.A(x))
    with pytest.raises(BadInputError, match="of two channels"):
        coils.bind((3, 8, 8))
