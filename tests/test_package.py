"""What is installed is what is in the tree: the wheel carries plugins, weights and names."""

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import priorkit
from priorkit.io.weights import read

ROOT = Path(__file__).parent.parent
LEFT_OUT = ("glow-birds", "glow-flowers")  # of the wheel, see pyproject.toml


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The folder that a wheel installs."""
    root = tmp_path_factory.mktemp("wheel")
    tree = root / "tree"  # a copy: building leaves files behind, which a later build takes in
    leave = shutil.ignore_patterns(".*", "build", "*.egg-info", "priorkit-out", "__pycache__")
    shutil.copytree(ROOT, tree, ignore=leave)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    command += ["--no-build-isolation", "--wheel-dir", str(root), str(tree)]
    subprocess.run(command, check=True, capture_output=True)
    (made,) = root.glob("priorkit-*.whl")
    assert made.stat().st_size < 40e6, "more than is asked of anybody to download"
    with zipfile.ZipFile(made) as archive:
        archive.extractall(root / "installed")
    return root / "installed"


def test_the_wheel_is_complete(wheel):
    names = {path.relative_to(wheel).as_posix() for path in wheel.rglob("*") if path.is_file()}
    (points,) = [path.read_text() for path in wheel.glob("*.dist-info/entry_points.txt")]
    for weights in ROOT.glob("plugins/*/weights/**/*.*"):
        kept = weights.name not in {f"{name}.safetensors" for name in LEFT_OUT}
        assert (weights.relative_to(ROOT / "plugins").as_posix() in names) == kept, weights
    assert {"priorkit/assets/astronaut.png", "priorkit/py.typed"} <= names
    for folder in sorted(p.parent.name for p in (ROOT / "plugins").glob("*/plugin.py")):
        assert f"{folder}/plugin.py" in names, f"{folder} isn't in the wheel"
        assert f"{folder}.plugin" in points, f"{folder} has no entry point"


@pytest.mark.slow
@pytest.mark.parametrize("name", LEFT_OUT)
def test_what_the_wheel_leaves_out_says_where_it_is(wheel, tmp_path, name):
    """Its name isn't listed; asking for it says where the weights are, and how they are made."""

    def run(*words):
        return subprocess.run(
            [sys.executable, "-m", "priorkit.cli", *words],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(wheel), "PRIORKIT_CACHE_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )

    listed = run("list", "--json")
    priors = {entry["name"] for entry in json.loads(listed.stdout)["prior"]}
    assert name not in priors
    assert "glow-celeba" in priors
    asked = [("show", name)]  # and by what waits for torch, of the others
    for words in asked if name == LEFT_OUT[0] else [*asked, ("recover", "--prior", name)]:
        done = run(*words)
        said = " ".join(done.stderr.split())
        assert done.returncode == 2
        assert f"The weights '{name}' don't come with what is installed" in said
        assert "they are in plugins/priorkit_glow/weights of priorkit's repository" in said
        assert f"{name}.safetensors from there and this card, both in {tmp_path}/weights" in said
        assert f"priorkit train glow --data FOLDER --out FOLDER --name {name}" in said
    shutil.copytree(ROOT / "plugins/priorkit_glow/weights", tmp_path / "weights")
    done = run("show", name)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("plugins/*/weights/**/*.safetensors")), ids=lambda path: path.stem
)
def test_weights_say_where_they_come_from(path):
    """Data, terms and training are on the card, and both files are what their checksums say."""
    found = read(path)
    found.load()  # verifies the sha256
    card = found.card
    assert card.name == path.stem
    assert min(len(card.data), len(card.licence)) > 10
    training = json.loads(path.with_suffix(".json").read_text())["training"]
    assert {"batch", "rate"} <= set(training), "nobody could train it again"
    assert path.stem not in LEFT_OUT or card.where


def test_a_recipe_needs_little():
    """Network and recipe import only torch, numpy, pillow and safetensors; of the flow that is
    normflows' normflows too, which may look for more, and does without."""
    code = """
import importlib, sys
sys.path[:0] = [".", "plugins"]
names = {"pydantic", "pluggy", "typer", "rich", "scipy"}
before = set(sys.modules)
for name in ("glow", "dcgan", "diffusion"):
    importlib.import_module(f"priorkit_{name}.train")
    new = {module.partition(".")[0] for module in set(sys.modules) - before}
    assert not new & names, (name, new & names)
sys.modules |= dict.fromkeys(names)  # to import one of them is an error now
import priorkit_realnvp.train
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_priorkit_is_imported_at_once():
    """Without typing and importlib, let alone torch: names are looked up when they are used."""
    code = """
import sys
before = set(sys.modules)
import priorkit
new = set(sys.modules) - before
assert new == {"__future__", "priorkit"}, new
assert priorkit.PriorkitError.__module__ == "priorkit.errors"
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.mark.parametrize("words", ["list", "plugins", "show gaussian --help"])
def test_listing_needs_nothing_heavy(words):
    """Neither what computes nor what draws: it would take seconds."""
    code = f"""
import sys
from priorkit.cli import main
sys.argv = ["priorkit", *{words.split()!r}]
try:
    main()
except SystemExit as ended:
    assert not ended.code, ended.code
bad = {{"torch", "numpy", "scipy", "matplotlib", "PIL", "joblib", "sklearn"}}
bad |= {{"rich.progress", "priorkit.io.weights"}}
bad &= set(sys.modules)
assert not bad, bad
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True)


def test_looking_at_all_components_needs_nothing_slow():
    """Who has an option that a run doesn't is found by importing every component: what takes half
    a second to import, or is optional, is imported where it is used."""
    code = """
import sys
from priorkit.registry import COMPONENTS, registry
for kind in (*COMPONENTS, "trainer"):
    for entry in registry().entries(kind):
        entry.load()
slow = {"sklearn", "joblib", "bm3d", "deepinv", "skimage", "matplotlib", "pandas", "dask"}
slow |= {f"scipy.{part}" for part in ("stats", "optimize", "interpolate", "ndimage", "signal")}
slow |= {"torch._dynamo", "torch._inductor"}
slow &= set(sys.modules)
assert not slow, slow
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_bill_of_materials_has_the_weights(tmp_path, monkeypatch):
    """Each once, however often they are added, beside what was there."""
    monkeypatch.syspath_prepend(ROOT / "docs")
    bom = importlib.import_module("bom")
    path = tmp_path / "priorkit.cdx.json"
    path.write_text(json.dumps({"specVersion": "1.6", "components": [{"name": "torch"}]}))
    for _ in range(2):
        bom.main(path)
    found = json.loads(path.read_text())["components"]
    names = [component["name"] for component in found]
    weights = sorted(path.stem for path in ROOT.glob("plugins/*/weights/**/*.safetensors"))
    assert names == ["torch", *weights]
    (birds,) = [component for component in found if component["name"] == "glow-birds"]
    assert birds["hashes"][0]["content"].startswith("b27a14be")
    assert "Birds" in birds["licenses"][0]["license"]["name"]
    assert {"name": "priorkit:in-wheel", "value": "false"} in birds["properties"]


MOVED = {
    "priorkit.interfaces.Objective": "priorkit.interfaces.Problem",
    "priorkit.io.weights.find": "priorkit.io.hub.find",
    "priorkit.io.weights.cache_dir": "priorkit.io.hub.cache_dir",
}


@pytest.mark.parametrize(("old", "new"), MOVED.items())
def test_names_that_moved_work_where_they_were(old, new):
    """With a warning that says where they are."""
    (before, name), (after, now) = (path.rsplit(".", 1) for path in (old, new))
    with pytest.warns(DeprecationWarning, match=f"{old} is {new} now, and goes with priorkit 2.0"):
        found = getattr(importlib.import_module(before), name)
    assert found is getattr(importlib.import_module(after), now)
    with pytest.raises(AttributeError, match=f"module '{before}' has no attribute 'nothing'"):
        importlib.import_module(before).nothing  # noqa: B018


def test_versions_agree():
    """Of the package, its metadata, the citation and the changelog's latest entry."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    cited = re.search(r"^version: (.+)$", (ROOT / "docs/CITATION.cff").read_text(), re.M)
    headings = re.findall(r"^## (.+)$", (ROOT / "docs/CHANGELOG.md").read_text(), re.M)
    released = [heading for heading in headings if heading != "Unreleased"]
    assert {project["version"], cited[1], released[0]} == {priorkit.__version__}
