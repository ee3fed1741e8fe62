"""What is installed is what is in the tree: the wheel carries plugins, weights and names."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def test_the_wheel_is_complete(tmp_path):
    tree = tmp_path / "tree"  # a copy: building leaves files behind, which a later build takes in
    leave = shutil.ignore_patterns(".*", "build", "*.egg-info", "priorkit-out", "__pycache__")
    shutil.copytree(ROOT, tree, ignore=leave)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    command += ["--no-build-isolation", "--wheel-dir", str(tmp_path), str(tree)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("priorkit-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        meta = next(n for n in names if n.endswith("entry_points.txt"))
        points = archive.read(meta).decode()
    for weights in ("celeba", "birds", "flowers"):
        assert f"priorkit_glow/weights/glow-{weights}.safetensors" in names
        assert f"priorkit_glow/weights/glow-{weights}.json" in names
    assert {"priorkit/assets/astronaut.png", "priorkit/py.typed"} <= set(names)
    for folder in sorted(p.parent.name for p in (ROOT / "plugins").glob("*/plugin.py")):
        assert f"{folder}/plugin.py" in names, f"{folder} isn't in the wheel"
        assert f"{folder}.plugin" in points, f"{folder} has no entry point"


@pytest.mark.parametrize(
    "recipe", ["priorkit_glow.train", "priorkit_dcgan.train", "priorkit_diffusion.train"]
)
def test_a_recipe_needs_little(recipe):
    """Network and recipe import only torch, numpy, pillow and safetensors."""
    code = f"""
import sys
sys.path[:0] = [".", "plugins"]
before = set(sys.modules)
import {recipe}
new = {{name.partition(".")[0] for name in set(sys.modules) - before}}
bad = new & {{"pydantic", "pluggy", "typer", "rich", "scipy"}}
assert not bad, bad
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


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
bad = {{"torch", "numpy", "scipy", "matplotlib", "PIL", "joblib", "sklearn"}} & set(sys.modules)
assert not bad, bad
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True)
