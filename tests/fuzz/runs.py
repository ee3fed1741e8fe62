"""Settings, saved runs, plugins and command lines of strangers."""

import hashlib
import importlib
import io
import json
import os
import sys
import textwrap
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import torch
import typer
from hypothesis import strategies as st

import priorkit
from priorkit.cli import application
from priorkit.discovery import installed
from priorkit.errors import PriorkitError
from priorkit.registry import COMPONENTS, KINDS, Registry
from priorkit.settings.options import option_fields
from priorkit.settings.select import class_of
from tests.fuzz.case import SHAPE, a_run, stop, write_run
from tests.fuzz.draws import NUMBERS, TEXTS, altered, mutated

__all__ = ["commands", "config", "plugins", "records"]


def config(case):
    """Settings of any name and value, in TOML and JSON files that may be broken."""
    base = {"prior": "none", "op": {"name": "mask"}, "shape": [3, 8, 8], "seed": 1, "gamma": 0.0}
    base |= {"solver": "lbfgs", "start": "zero", "sigma": 0.1, "device": "cpu", "penalty": "none"}
    table = case.draw(altered(base))
    data = json.dumps(table).encode()
    data = case.draw(mutated(data)) if case.draw(st.integers(0, 3)) == 0 else data
    path = case.write(case.draw(st.sampled_from(["c.json", "c.json", "c.toml"])), data)

    def action():
        found = priorkit.recover(config=path, budget=1, progress=stop, out=case.out)
        assert torch.isfinite(found.x).all()

    case.attempt(action)


def records(case):
    """A saved run whose record, manifest, arrays or config were changed: replayed, saved over."""
    folder = case.folder / "out"
    files = dict(a_run())
    names = ["record.json", "manifest.json", "config.toml", "y.npy", "x.npy", "truth.npy"]
    for name in case.draw(st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True)):
        data = files[Path(name)]
        if name.endswith(".json") and case.draw(st.booleans()):
            files[Path(name)] = json.dumps(case.draw(altered(json.loads(data)))).encode()
        else:
            files[Path(name)] = case.draw(mutated(data))
    manifest = files[Path("manifest.json")]
    if case.draw(st.booleans()):  # one that lists what isn't its own
        victim = case.write("victim.txt", b"mine")
        listed = {"../victim.txt": hashlib.sha256(b"mine").hexdigest()}
        listed |= {str(victim): hashlib.sha256(b"mine").hexdigest()}
        manifest = json.dumps({"made_by": "priorkit", "files": listed}).encode()
        files[Path("manifest.json")] = manifest
    elif case.draw(st.booleans()):  # nothing says what the files were
        del files[Path("manifest.json")]
    write_run(folder, files)

    def replay():
        found = priorkit.replay(folder, progress=stop)
        assert torch.isfinite(found.x).all()

    case.attempt(replay)
    answer = case.answer
    x = torch.zeros(1, *SHAPE)
    case.attempt(lambda: priorkit.recover(x, prior="none", op="mask", budget=1, out=folder))
    case.answer = answer
    victim = case.folder / "victim.txt"
    assert not victim.exists() or victim.read_bytes() == b"mine"


SOURCES = [
    "raise BaseException('no')",
    "raise SystemExit(0)",
    "print('hello')",
    "import torch; torch.set_default_device('meta')",
    "import torch; torch.set_default_dtype(torch.float64); torch.set_grad_enabled(False)",
    "class Odd(Exception):\n    def __str__(self): raise RuntimeError\nraise Odd",
    "1 / 0",
    "x = [",
]
CALLS = [
    "register('odd', 'a:b')",
    "register(5, 'a:b')",
    "register(None, None)",
    "register('[red]', 'a:b')",
    "register('../../x', 'a:b')",
    "register('odd', 42)",
    "register('odd', 'nowhere')",
    "register('odd', 'builtins:print')",
    "register('odd', 'builtins:int')",
    "register('odd', int, aliases='abc')",
    "register('odd', int, aliases=(1,), size=3)",
    "register.weights('nowhere', int)",
    "register('glow', 'a:b'); register('glow', 'a:b')",
    "raise KeyError('x')",
    "raise GeneratorExit",
    "print('noise')",
    "return 3",
]


def plugins(case):
    """An installed distribution whose metadata, module, hooks and commands are odd."""
    folder = case.folder / "site"
    info = folder / "odd-1.dist-info"
    info.mkdir(parents=True)
    module = "fuzzed_plugin"
    importlib.invalidate_caches()
    hook = case.draw(st.sampled_from([*KINDS.values(), "register_commands", "register_prior"]))
    call = case.draw(st.sampled_from(CALLS))
    if hook == "register_commands":
        name = case.draw(st.sampled_from(["recover", "list", "new", "[red]", "a b"]))
        kind = case.draw(st.sampled_from(["int", "object", "nothing"]))
        call = f"\n    @app.command(name={name!r})\n    def f(x: {kind}): '[/b]'\n"
    argument = "app" if hook == "register_commands" else "register"
    source = "from priorkit import hookimpl\n@hookimpl\n"
    source += f"def {hook}({argument}): {call}\n"
    if case.draw(st.booleans()):
        source = case.draw(st.sampled_from(SOURCES)) + "\n" + source
    (folder / f"{module}.py").write_text(textwrap.dedent(source))
    name = case.draw(st.one_of(st.just("odd"), TEXTS)).encode("utf-8", "replace")
    text = b"[priorkit]\n" + name + b" = " + module.encode() + b"\n"
    text = case.draw(mutated(text)) if case.draw(st.booleans()) else text
    (info / "entry_points.txt").write_bytes(text)
    metadata = b"Metadata-Version: 2.1\nName: odd\nVersion: 1\n"
    metadata = case.draw(mutated(metadata)) if case.draw(st.booleans()) else metadata
    (info / "METADATA").write_bytes(metadata)
    sys.path.insert(0, str(folder))

    def action():
        said = io.StringIO()
        with redirect_stdout(said), redirect_stderr(io.StringIO()):
            found = Registry(*installed([str(folder)]))
            for kind in KINDS:
                for entry in found.entries(kind):
                    if kind in COMPONENTS:
                        try:
                            resolve_entry(entry)
                        except PriorkitError:
                            continue
            for status in found.plugins:
                json.dumps([status.failures, status.names])
            list(found.commands(typer.Typer))
        assert said.getvalue() == ""
        assert torch.get_default_device().type == "cpu"
        assert torch.get_default_dtype() == torch.float32
        assert torch.is_grad_enabled()

    try:
        case.attempt(action)
    finally:
        sys.path.remove(str(folder))
        sys.modules.pop(module, None)


def resolve_entry(entry):
    """What is done with an entry when its name is used."""
    option_fields(class_of(entry))


WORDS = [
    *("recover", "compare", "replay", "list", "show", "plugins", "train", "import-glow"),
    *("--json", "--out", "--prior", "--op", "--m", "--seed", "--resume", "--shape", "--priors"),
    *("--ms", "--help", "--version", "--config", "--y", "--data", "--size", "dct", "none", "glow"),
    *("mask", "gaussian", "identity", "8", "-1", "[1,2]", "{}", "nan"),
]


def commands(case):
    """Any words, on a terminal that knows ASCII only."""
    words = case.draw(
        st.lists(st.one_of(st.sampled_from(WORDS), TEXTS, NUMBERS.map(str)), max_size=7)
    )
    if words and words[0] in ("recover", "compare"):
        words += ["--budget", "1", "--shape", "3", "8", "8", "--out", str(case.out)]
        words += ["--prior", "none"] if words[0] == "recover" else ["--priors", "dct"]
    if words and words[0] == "train":
        words += ["--iterations", "1", "--out", str(case.out)]
    before, here = sys.argv, os.getcwd()
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="ascii") for _ in range(2))
    sys.argv = ["priorkit", *words]
    inside = case.folder / "cwd"
    inside.mkdir()
    os.chdir(inside)

    def action():
        with redirect_stdout(out), redirect_stderr(err):
            code = None
            try:
                application.run()
            except SystemExit as ended:
                code = ended.code
        assert code in (0, 1, 2, 130), code
        err.flush()
        assert b"Traceback" not in err.buffer.getvalue()
        if "--json" in words and ended_well(out):
            json.loads(out.buffer.getvalue())

    try:
        case.attempt(action)
    finally:
        sys.argv = before
        os.chdir(here)


def ended_well(out):
    out.flush()
    return out.buffer.getvalue().lstrip()[:1] in (b"{", b"[")
