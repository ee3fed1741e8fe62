"""The registry: what plugins may get wrong."""

import importlib
import json
import os
import subprocess
import sys
import textwrap
from importlib.metadata import EntryPoint, distributions
from inspect import signature
from pathlib import Path

import pytest
import typer

import priorkit
from priorkit.cli import recover as command
from priorkit.errors import PluginError, UnknownNameError
from priorkit.registry import KINDS, Registry, registry
from priorkit.settings.config import of_runs

ROOT = Path(__file__).parents[1]
PLUGINS = sorted(p.name for p in (ROOT / "plugins").iterdir() if (p / "__init__.py").exists())

GOOD = """
    @hookimpl
    def register_priors(register):
        register("good", "good_target:Good", aliases=("fine",), size=3)
"""


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """``plugin(name, source)`` writes an importable module and gives its entry point."""
    monkeypatch.syspath_prepend(tmp_path)
    written = []

    def write(name, source, *, module=None):
        module = module or f"{name}_plugin"
        head = "from priorkit import hookimpl\n"
        (tmp_path / f"{module}.py").write_text(head + textwrap.dedent(source))
        importlib.invalidate_caches()
        written.append(module)
        return EntryPoint(name, module, "priorkit")

    yield write
    for module in written:
        sys.modules.pop(module, None)


def status(found, name):
    """The status of the first plugin of that name."""
    return next(p for p in found.plugins if p.name == name)


def test_a_distribution_is_read_once_for_all_its_plugins(monkeypatch, tmp_path):
    """Its metadata takes a millisecond to parse."""
    info = tmp_path / "many-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: many\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[priorkit]\none = nowhere\ntwo = nowhere\n")
    (single,) = distributions(path=[str(tmp_path)])
    read, whole = [], type(single).read_text
    monkeypatch.setattr(type(single), "read_text", lambda d, n: read.append(n) or whole(d, n))
    counts = []
    for points in (list(single.entry_points)[:1], list(single.entry_points)):
        read.clear()
        found = Registry(points)
        counts.append(read.count("METADATA"))
        assert {(p.distribution, p.version) for p in found.plugins} == {("many", "1.0")}
    assert counts == [1, 1]


# --- names and targets ---------------------------------------------------------


def test_targets_are_imported_when_first_used(plugin):
    """Loading plugins and listing names import no target; getting one does."""
    plugin("target", "class Good: pass", module="good_target")
    found = Registry([plugin("good", GOOD)])
    (entry,) = found.entries("prior")
    assert (entry.name, entry.plugin, entry.preset) == ("good", "good", {"size": 3})
    assert found.get("prior", "good") == entry
    assert "good_target" not in sys.modules
    assert entry.load().__name__ == "Good"
    assert "good_target" in sys.modules


def test_listing_on_the_command_line_imports_no_target(plugin, command_line, monkeypatch):
    """``priorkit list`` and ``priorkit plugins`` leave targets alone too."""
    found = Registry([plugin("good", GOOD)])  # its target module doesn't even exist
    monkeypatch.setattr("priorkit.cli.inspect.registry", lambda: found)
    listed = command_line("list", "--json")
    assert json.loads(listed.out)["prior"] == [
        {"name": "good", "aliases": ["fine"], "plugin": "good"}
    ]
    shown = command_line("plugins")
    assert (listed.code, shown.code) == (0, 0)
    assert "prior good" in shown.out


def test_an_alias_stands_for_its_name(plugin):
    """Both words find the same entry, and only the name is listed."""
    found = Registry([plugin("good", GOOD)])
    assert found.get("prior", "fine") is found.get("prior", "good")
    assert [entry.name for entry in found.entries("prior")] == ["good"]


def test_names_of_different_kinds_do_not_meet(plugin):
    """A prior and an operator may share a name."""
    source = GOOD + GOOD.replace("priors", "operators").replace("good_target", "other_target")
    found = Registry([plugin("good", source)])
    assert found.get("prior", "good").target == "good_target:Good"
    assert found.get("operator", "good").target == "other_target:Good"
    assert status(found, "good").failures == []


@pytest.mark.parametrize("kind", KINDS)
def test_an_unknown_name_gets_the_nearest(plugin, kind):
    """The error quotes what was asked for, offers names and aliases, and says how to list."""
    found = Registry([plugin("good", GOOD.replace("register_priors", KINDS[kind]))])
    with pytest.raises(UnknownNameError, match=f"Unknown {kind} 'godo'. Did you mean 'good'?"):
        found.get(kind, "godo")
    with pytest.raises(UnknownNameError, match="Did you mean 'fine'"):
        found.get(kind, "finer")
    with pytest.raises(UnknownNameError, match=r"^Unknown \w+ 'xyz'. Run: priorkit list$"):
        found.get(kind, "xyz")
    assert found.find(kind, "xyz") is None


@pytest.mark.parametrize(
    ("target", "got"),
    [
        ("no_such_module:Good", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("broken_target:Good", "ZeroDivisionError: division by zero"),
        ("good_target:Bad", "AttributeError: module 'good_target' has no attribute 'Bad'"),
    ],
)
def test_a_target_that_fails_to_import(plugin, target, got):
    """The error comes at first use, and names the component, its plugin and the cause."""
    plugin("target", "class Good: pass", module="good_target")
    plugin("broken", "1 / 0", module="broken_target")
    found = Registry([plugin("good", GOOD.replace("good_target:Good", target))])
    with pytest.raises(PluginError) as caught:
        found.get("prior", "good").load()
    message = str(caught.value)
    assert "The prior 'good' of plugin 'good' can't be imported" in message
    assert f"Got {got}." in message
    assert "\n" not in message


def test_a_target_may_be_the_class_itself(plugin):
    """A string is better, an object works."""
    source = """
        class Good: pass

        @hookimpl
        def register_priors(register):
            register("good", Good)
    """
    found = Registry([plugin("good", source)])
    assert found.get("prior", "good").load().__name__ == "Good"


# --- plugins that fail ---------------------------------------------------------


FAULTS = {
    "import": ("1 / 0", "ZeroDivisionError: division by zero"),
    "exit": ("import sys\nsys.exit(3)", "SystemExit: 3"),
    "missing dependency": ("import no_such_module", "No module named 'no_such_module'"),
    "syntax": ("def :", "SyntaxError"),
    "signature": (
        "@hookimpl\ndef register_priors(register, extra): register('bad', 'a:b')",
        "{'extra'} are declared in the hookimpl but can not be found in the hookspec",
    ),
    "hook raises": (
        "@hookimpl\ndef register_operators(register): raise RuntimeError('two\\nlines')",
        "register_operators: RuntimeError: two lines",
    ),
    "unknown hook": (
        "@hookimpl\ndef register_prior(register): register('bad', 'a:b')",
        "unknown hook 'register_prior'. Did you mean 'register_priors'",
    ),
    "hook that is gone": (
        "@hookimpl\ndef register_kernels(register): register('bad', 'a:b')",
        "unknown hook 'register_kernels'. It is gone: the component itself is a "
        "priorkit.cuda.Accelerated",
    ),
    "bad call": (
        "@hookimpl\ndef register_priors(register): register('bad')",
        "missing 1 required positional argument: 'target'",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_plugin_that_fails_is_recorded_and_the_rest_work(plugin, fault):
    """What went wrong is said in one line; plugins before and after it keep their names."""
    source, said = FAULTS[fault]
    after = GOOD.replace("good", "after").replace("fine", "late")
    found = Registry([plugin("good", GOOD), plugin("bad", source), plugin("after", after)])
    (failure,) = status(found, "bad").failures
    assert said in failure
    assert "\n" not in failure
    assert status(found, "bad").names == []
    assert [entry.name for entry in found.entries("prior")] == ["after", "good"]
    assert status(found, "good").failures == status(found, "after").failures == []


def test_a_bad_signature_leaves_nothing_behind(plugin):
    """pluggy keeps a plugin that it refused half-way; none of its hooks may be called later."""
    source = (
        FAULTS["signature"][0] + "\n@hookimpl\ndef register_commands(app): app.append('called')"
    )
    found = Registry([plugin("bad", source)])
    assert [called for _, called in found.commands(list)] == []


def test_what_a_hook_registered_before_it_raised_stays(plugin):
    """A later failure doesn't take back names that were registered already."""
    found = Registry([plugin("good", GOOD + "        raise RuntimeError('late')\n")])
    assert found.get("prior", "good").plugin == "good"
    assert status(found, "good").failures == ["register_priors: RuntimeError: late"]


@pytest.mark.parametrize(("name", "aliases"), [("good", ()), ("fine", ()), ("new", ("good",))])
def test_duplicates_are_refused(plugin, name, aliases):
    """The first plugin keeps a name or alias; the second one's status says who has it."""
    source = f"""
        @hookimpl
        def register_priors(register):
            register({name!r}, "a:b", aliases={aliases!r})
            register("another", "a:b")
    """
    found = Registry([plugin("good", GOOD), plugin("second", source)])
    assert found.get("prior", "good").plugin == found.get("prior", "fine").plugin == "good"
    second = status(found, "second")
    taken = aliases[0] if aliases else name
    assert second.failures == [f"prior {taken!r} is already registered by plugin 'good'"]
    assert second.names == ["prior another"]
    assert found.find("prior", "new") is None


def test_what_is_taken_for_any_size(plugin):
    """One prior, the first that says so; the second claim is refused and its name is there."""
    source = """
        @hookimpl
        def register_priors(register):
            register({name!r}, "a:b", any_size=True)
    """
    first, second = (plugin(name, source.format(name=name)) for name in ("first", "second"))
    assert Registry([plugin("good", GOOD)]).any_size("prior") is None
    found = Registry([first, second])
    assert found.any_size("prior").name == "first"
    assert found.find("prior", "second") is not None
    said = "the fallback prior for any size is 'first' already"
    assert status(found, "second").failures == [said]
    with pytest.raises(UnknownNameError, match="No plugin says which prior"):
        found.fallback("prior")


def test_two_plugins_of_one_name(plugin):
    """Both are there, and the name of the second says whose it is."""
    commands = "\n@hookimpl\ndef register_commands(app): app.append('first')"
    first = plugin("same", textwrap.dedent(GOOD) + commands, module="first_plugin")
    other = GOOD.replace("good", "second").replace("fine", "finer")
    second = plugin("same", other, module="second_plugin")
    found = Registry([first, second])
    said = [(entry.name, entry.plugin) for entry in found.entries("prior")]
    assert said == [("good", "same"), ("second", "same of unknown")]
    assert [p.failures for p in found.plugins] == [[], []]
    assert [called for _, called in found.commands(list)] == [["first"], []]
    assert found.plugin("same of unknown").names == ["prior second"]


def test_a_command_that_fails_is_isolated(plugin):
    """The commands of other plugins are there, and the failure is in the plugin's status."""
    works = """
        @hookimpl
        def register_commands(app):
            @app.command()
            def works(): pass
    """
    fails = "@hookimpl\ndef register_commands(app): raise RuntimeError('no')"
    found = Registry([plugin("fails", fails), plugin("works", works)])
    apps = [app for _, app in found.commands(typer.Typer)]
    names = [command.callback.__name__ for app in apps for command in app.registered_commands]
    assert names == ["works"]
    assert status(found, "fails").failures == ["register_commands: RuntimeError: no"]


def test_failures_are_shown(plugin, command_line, monkeypatch):
    """``priorkit plugins`` tells of them and exits with 1; ``priorkit list`` points there."""
    found = Registry([plugin("bad", "1 / 0"), plugin("good", GOOD)])
    monkeypatch.setattr("priorkit.cli.inspect.registry", lambda: found)
    shown = command_line("plugins")
    assert shown.code == 1
    assert "failed ZeroDivisionError: division by zero" in shown.out
    listed = command_line("list")
    assert listed.code == 0
    assert "good" in listed.out
    assert "Plugins with problems: bad. Run: priorkit plugins" in listed.err


# --- which plugins are found ---------------------------------------------------


@pytest.fixture
def stranger(plugin, tmp_path, monkeypatch):
    """An installed distribution ``stranger`` 1.2 beside the first-party ones."""
    plugin("odd", GOOD)
    info = tmp_path / "stranger-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[priorkit]\nodd = odd_plugin\n")
    (dist,) = distributions(path=[str(tmp_path)])
    assert [point.name for point in dist.entry_points] == ["odd"]
    registry.cache_clear()
    yield dist
    registry.cache_clear()


FIRST_PARTY = {"glow", "operators", "penalties", "pixels", "solvers"}


@pytest.mark.parametrize(
    ("selection", "there"),
    [(None, True), ("", False), ("odd", True), ("other, odd", True), ("other", False)],
)
def test_selection_by_environment(stranger, monkeypatch, selection, there):
    """PRIORKIT_PLUGINS: unset means all, empty first-party only; those are always there."""
    monkeypatch.delenv("PRIORKIT_PLUGINS", raising=False)
    if selection is not None:
        monkeypatch.setenv("PRIORKIT_PLUGINS", selection)
    found = {p.name: p for p in registry().plugins}
    assert set(found) >= FIRST_PARTY
    assert ("odd" in found) == there
    assert (registry().find("prior", "good") is not None) == there
    if there:
        assert (found["odd"].distribution, found["odd"].version) == ("stranger", "1.2")


def test_first_party_plugins_come_first(stranger):
    """So that nothing installed later can take one of their names."""
    distributions_in_order = [p.distribution for p in registry().plugins]
    assert distributions_in_order == sorted(distributions_in_order, key=lambda d: d != "priorkit")


def test_the_first_party_plugins_are_sound():
    """None has a failure, and every target that they register can be imported."""
    ours = [p for p in registry().plugins if p.distribution == "priorkit"]
    assert {p.name for p in ours} >= FIRST_PARTY
    assert [p.failures for p in ours] == [[]] * len(ours)
    names = {p.name for p in ours}
    for kind in KINDS:
        for entry in registry().entries(kind):
            assert entry.plugin not in names or callable(entry.load())


# --- plugins that mean harm, or do it --------------------------------------------


HOSTILE = {
    "base exception": ("raise BaseException('no')", "BaseException: no"),
    "generator exit": (
        "@hookimpl\ndef register_priors(register): raise GeneratorExit",
        "register_priors: GeneratorExit",
    ),
    "an error without words": (
        "class Odd(Exception):\n    def __str__(self): raise RuntimeError\nraise Odd",
        "Odd",
    ),
    "a number for a name": (
        "@hookimpl\ndef register_priors(register): register(5, 'a:b')",
        "a name is letters, digits, '.', '_', '+' and '-', got 5",
    ),
    "markup in a name": (
        "@hookimpl\ndef register_priors(register): register('[red]x', 'a:b')",
        "got '[red]x'",
    ),
    "a path for a name": (
        "@hookimpl\ndef register_priors(register): register('../../x', 'a:b')",
        "got '../../x'",
    ),
    "a number for an alias": (
        "@hookimpl\ndef register_priors(register): register('x', 'a:b', aliases=(1,))",
        "got 1",
    ),
    "a solver for any size": (
        "@hookimpl\ndef register_solvers(register): register('x', 'a:b', any_size=True)",
        "any_size is an option of priors and operators, and 'x' is neither",
    ),
    "a number for a target": (
        "@hookimpl\ndef register_priors(register): register('x', 42)",
        "the target of 'x' is a class or 'module:class', got 42",
    ),
    "the default device": (
        "import torch\ntorch.set_default_device('meta')",
        "changed the defaults of torch for everyone: they were set back",
    ),
    "the default dtype, late": (
        "@hookimpl\ndef register_priors(register):\n"
        "    import torch\n    torch.set_default_dtype(torch.float64)",
        "changed the defaults of torch for everyone: they were set back",
    ),
}


@pytest.mark.parametrize("fault", HOSTILE)
def test_hostile_plugins_are_isolated(plugin, fault, capsys):
    """Each is in its status, the others work, and the process is as it was."""
    import torch

    source, said = HOSTILE[fault]
    found = Registry([plugin("bad", source), plugin("good", GOOD)])
    (failure,) = status(found, "bad").failures
    assert said in failure
    assert [entry.name for entry in found.entries("prior")] == ["good"]
    assert torch.get_default_device().type == "cpu"
    assert torch.get_default_dtype() == torch.float32
    assert capsys.readouterr().out == ""


def test_what_a_plugin_prints_is_no_result(plugin, command_line, monkeypatch):
    """--json stays JSON, whether it prints when imported, when called, or when first used."""
    source = "print('imported')\n" + textwrap.dedent(GOOD) + "    print('called')\n"
    plugin("target", "print('used')\nclass Good: pass", module="good_target")
    made = plugin("good", source)
    monkeypatch.setattr("priorkit.cli.inspect.registry", lambda: Registry([made]))
    done = command_line("list", "--json")
    assert json.loads(done.out)["prior"][0]["name"] == "good"
    assert "imported" in done.err
    assert "called" in done.err
    Registry([made]).get("prior", "good").load()


def test_a_broken_entry_points_file_is_shown(stranger, tmp_path, monkeypatch, command_line):
    """Also one that Python itself can't read, which would take all plugins down."""
    for text in (b"[priorkit]\nodd\n", b"[priorkit]\nodd = \xff\xfe\n"):
        (tmp_path / "stranger-1.2.dist-info" / "entry_points.txt").write_bytes(text)
        registry.cache_clear()
        found = registry()
        assert {p.name for p in found.plugins} >= FIRST_PARTY
        (broken,) = [p for p in found.plugins if p.distribution == "stranger"]
        assert "its entry_points.txt can't be read" in broken.failures[0]
        shown = command_line("plugins")
        assert shown.code == 1
        assert "can't be read" in shown.out


COMMANDS = """
    @hookimpl
    def register_commands(app):
        @app.command(name="recover")
        def mine(): print("stolen")

        @app.command()
        def odd(x: int | str): pass

        @app.command()
        def new(): "Help with [/b]bad markup, and [grid]."; print("new")

        app.callback()(lambda: print("everything"))
"""


def test_commands_of_others_stay(plugin, command_line, monkeypatch):
    """A plugin adds commands; it replaces none, and one that makes no sense costs no other."""
    found = Registry([plugin("bad", COMMANDS)])
    monkeypatch.setattr("priorkit.cli.application.registry", lambda: found)
    monkeypatch.setattr("priorkit.cli.inspect.registry", lambda: found)
    helped = command_line("recover", "--help")
    assert (helped.code, "Recover pictures" in helped.out) == (0, True)
    assert command_line("new").out == "new\n"
    for words in (("--help",), ("new", "--help")):  # as it is written
        helped = command_line(*words)
        assert (helped.code, "Help with [/b]bad markup, and [grid]." in helped.out) == (0, True)
    shown = command_line("plugins")
    assert "the command 'recover' is already there" in shown.out
    assert "Union types" in shown.out
    assert shown.code == 1


def test_a_target_of_another_kind_is_refused(plugin, monkeypatch):
    """A class that is no prior, or whose options can't be read, is named at first use."""
    from priorkit.settings.select import resolve

    monkeypatch.setattr(
        "priorkit.settings.select.registry",
        lambda: Registry([plugin("good", GOOD), plugin("target", "", module="unused")]),
    )
    plugin("target", "class Good: pass", module="good_target")
    with pytest.raises(PluginError, match=r"isn't a class derived from priorkit.interfaces.Prior"):
        resolve("prior", "good")
    source = """
        from __future__ import annotations
        from priorkit.interfaces import Prior
        class Good(Prior):
            def __init__(self, *, size: Nowhere = 3): raise ValueError("no")
    """
    sys.modules.pop("good_target")
    (Path(sys.path[0]) / "good_target.py").write_text(textwrap.dedent(source))
    importlib.invalidate_caches()
    with pytest.raises(PluginError, match=r"The options of good_target.Good can't be read"):
        resolve("prior", "good").build(0)


@pytest.fixture
def shown(plugin, command_line, monkeypatch):
    """``shown(source)`` registers its ``Good`` as a solver, and shows it."""

    def show(source):
        sys.modules.pop("good_target", None)
        plugin("target", source, module="good_target")
        found = Registry([plugin("good", GOOD.replace("priors", "solvers").replace("size=3", ""))])
        monkeypatch.setattr("priorkit.cli.inspect.registry", lambda: found)
        return command_line("show", "good")

    return show


SOLVER = """
    from priorkit.interfaces import Solver
    class Good(Solver):
        def __init__(self, *, {options}): pass
"""


def test_show_refuses_what_recover_does(shown):
    """What isn't of its kind has no options to explain."""
    for source in (
        "def Good(rate: float = 1.0): pass",
        "from priorkit.interfaces import Start as Good",
    ):
        found = shown(source)
        assert found.code == 2
        assert "isn't a class derived from priorkit.interfaces.Solver" in found.err


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("rate: float = float('nan')", "rate: no option is NaN or infinite, got nan"),
        ("rate: callable = len", "rate: callable is a function, and no type"),
    ],
)
def test_options_that_no_run_could_check(shown, option, said, recwarn):
    found = shown(SOLVER.format(options=option))
    assert found.code == 2
    assert said in found.err
    assert not recwarn


def test_options_that_the_run_takes_are_not_offered(shown):
    """``budget=…`` is the run's, whichever component has an option of that name."""
    found = shown(SOLVER.format(options="budget: int = 3, rate: float = 1.0, help=None"))
    assert found.code == 0
    assert "--rate NUMBER" in found.out
    assert "--budget" not in found.out
    assert "--help" not in found.out
    assert "budget is a setting of the run: the solver gets it from a table alone" in found.out
    assert "help is a setting of the run" in found.out
    plain = shown(SOLVER.format(options="rate=1.0, most: int = 2"))
    assert "rate has no type: its values aren't checked" in plain.out
    assert "most has" not in plain.out


def test_all_that_recover_takes_is_known_to_be_of_runs():
    taken = {*signature(priorkit.recover).parameters, *signature(command.recover).parameters}
    unknown = {name for name in taken if not of_runs("solver", name)}
    assert unknown <= {"context", "save", "as_json"}  # which users write as --out and --json


def test_fifty_plugins_of_which_five_are_broken(tmp_path, monkeypatch):
    """In a process of its own, as installed: 45 work, and each of the others is explained."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    crowd = importlib.import_module("startup").crowd(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "priorkit.cli", "plugins", "--json"],
        env={**os.environ, "PYTHONPATH": str(crowd)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    found = [p for p in json.loads(done.stdout) if p["name"].startswith("crowd_")]
    assert len(found) == 50
    assert sum(p["names"] != [] and not p["failures"] for p in found) == 45
    said = " ".join(failure for p in found for failure in p["failures"])
    for explained in (
        "SyntaxError",
        "No module named 'a_package_that_is_not_there'",
        "register_priors: ValueError: no",
        "unknown hook 'register_prior'. Did you mean 'register_priors'",
        "prior 'crowd-00' is already registered by plugin 'crowd_00'",
    ):
        assert explained in said


def test_a_name_of_another_kind_says_so():
    with pytest.raises(UnknownNameError, match=r"Unknown operator 'poisson': it is a noise\."):
        registry().get("operator", "poisson")
