"""The layers that nothing may cross, beside what import-linter holds in ``make lint``."""

import ast
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

from priorkit.registry import KINDS, registry

ROOT = Path(__file__).parents[1]
PLUGINS = sorted(p.name for p in (ROOT / "plugins").iterdir() if (p / "__init__.py").exists())
CORE = ("priorkit.settings", "priorkit.run", "priorkit.verbs", "priorkit.loop")
LIGHT = ["priorkit", "priorkit.hookspecs", "priorkit.registry", "priorkit.errors"]
LIGHT += ["priorkit.settings.config", "priorkit.cli"]


def test_light_modules_import_no_torch():
    """Listing, help and bad names must not wait for torch; nor may ``import priorkit``."""
    code = (
        "import sys, importlib\n"
        f"for name in {LIGHT}:\n"
        "    importlib.import_module(name)\n"
        "    assert 'torch' not in sys.modules, name\n"
        "from priorkit.registry import registry\n"
        "registry()\n"
        "assert 'torch' not in sys.modules, 'a plugin'\n"
        "import priorkit\n"
        "assert priorkit.recover and 'torch' in sys.modules\n"
        "assert 'matplotlib' not in sys.modules, 'which only a page needs'\n"
        "import priorkit_operators.pointwise, priorkit_starts.images\n"
        "only = {'scipy.ndimage', 'scipy.interpolate'}\n"
        "assert not only & set(sys.modules), 'which only holes need'\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def modules():
    """Name → file of every module of the core and of the plugins."""
    found = {}
    folders = {"priorkit": ROOT / "priorkit"} | {p: ROOT / "plugins" / p for p in PLUGINS}
    for top, folder in folders.items():
        for path in folder.rglob("*.py"):
            parts = path.relative_to(folder).with_suffix("").parts
            parts = parts[:-1] if parts[-1] == "__init__" else parts
            found[".".join([top, *parts])] = path
    return found


MODULES = modules()


def test_files_are_one_idea():
    """No file of code is longer than 400 lines."""
    long = {n: len(p.read_text().splitlines()) for n, p in MODULES.items()}
    assert {name: count for name, count in long.items() if count > 400} == {}


def test_the_core_holds_no_name_of_a_component():
    """What is taken where nobody chooses comes from the plugins, by ``fallback``."""
    names = {e.name for kind in KINDS for e in registry().entries(kind)} - {"none", "identity"}
    for name, path in MODULES.items():
        if not name.startswith(CORE):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        docs = {
            ast.get_docstring(node, clean=False)
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        }
        words = {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant)} - docs
        assert not words & names, f"{name} names {words & names}"


def test_no_plugin_registers_the_component_of_another():
    """A target is in the package of the plugin that names it."""
    points = entry_points(group="priorkit")
    package = {p.name: p.module.partition(".")[0] for p in points}
    for entry in (entry for kind in KINDS for entry in registry().entries(kind)):
        assert entry.target.partition(".")[0] == package[entry.plugin], entry.name
