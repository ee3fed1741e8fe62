"""What is fuzzed: each target takes draws and a folder, does one case, and checks its answer.

Inputs are written to the folder first; then, in ``guarded``, only ``out`` in it may be written to.
"""

import importlib
import io
import json
import os
import struct
import sys
import textwrap
import warnings
import zipfile
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import scipy.sparse
import torch
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from priorkit_glow.export import write_weights
from priorkit_glow.network import Glow, GlowConfig
from priorkit_operators.matrix import Matrix

import priorkit
from priorkit.cli import application
from priorkit.discovery import installed
from priorkit.engine.components import resolve
from priorkit.errors import PriorkitError
from priorkit.io import pictures
from priorkit.io.files import json_sha256
from priorkit.registry import KINDS, Registry
from priorkit.training.run import run_trainer
from tests.fuzz.draws import NUMBERS, TEXTS, altered, mutated
from tests.fuzz.guard import guarded

__all__ = ["TARGETS", "Case"]

SHAPE = (3, 8, 8)


@dataclass
class Case:
    """One case: draws, its folder, and what it came to."""

    draw: object
    folder: Path
    answer: str = "refused"
    seconds: float = 0.0
    bytes: int = 0

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def write(self, name, data):
        path = self.folder / name
        path.write_bytes(data)
        return path

    def attempt(self, action, *errors):
        """Run ``action``; an error of priorkit's own is fine, any other goes through."""
        warm()
        with guarded(self.out) as cost, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                action()
                self.answer = "right"
            except (PriorkitError, *errors) as error:
                str(error).encode("utf-8", "replace")
        self.seconds, self.bytes = cost["seconds"], cost["bytes"]


# --- bases: made once -----------------------------------------------------------------


@cache
def a_glow():
    """Weights and card of a small Glow."""
    from tempfile import mkdtemp

    config = GlowConfig(shape=SHAPE, steps=(1, 1), width=(4, 4), scale_offset=(0.0, 0.0))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Glow(config)
    path = Path(mkdtemp()) / "tiny.safetensors"
    write_weights(path, dict(network.state_dict()), config, {"data": "none"})
    return path.read_bytes(), json.loads(path.with_suffix(".json").read_text())


@cache
def a_picture(kind):
    ramp = np.linspace(0, 255, 8 * 8 * 3).reshape(8, 8, 3).astype(np.uint8)
    image = Image.fromarray(ramp)
    image = image.convert("P") if kind == "GIF" else image
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


@cache
def a_run():
    """The files of a saved run, by name."""
    from tempfile import mkdtemp

    folder = Path(mkdtemp()) / "run"
    x = torch.linspace(0, 1, 192).view(1, *SHAPE)
    priorkit.recover(x, prior="none", op="mask", budget=2, out=folder)
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@cache
def warm():
    """Whatever libraries do once: what they import, and the folders that they make."""
    from tempfile import TemporaryDirectory

    data, card = a_glow()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "tiny.safetensors"
        path.write_bytes(data)
        path.with_suffix(".json").write_text(json.dumps(card))
        x = torch.zeros(1, *SHAPE)
        priorkit.recover(x, prior=str(path), op="mask", budget=1, out=Path(folder) / "out")
        priorkit.compare(x, priors=["dct", "none"], m=9, budget=1, out=Path(folder) / "both")


def stop(*_):
    """A progress that ends a run at its first step."""
    raise KeyboardInterrupt


# --- the targets ------------------------------------------------------------------------


def weights(case):
    """A weights file whose bytes were changed; often the card agrees with it."""
    data, card = a_glow()
    data = case.draw(mutated(data))
    if case.draw(st.booleans()):
        import hashlib

        card = card | {"sha256": hashlib.sha256(data).hexdigest()}
    path = case.write("tiny.safetensors", data)
    case.write("tiny.json", json.dumps(card).encode())

    def action():
        prior = resolve("prior", str(path)).build(0)
        assert prior.decode(torch.zeros(1, prior.latent_size)).shape == (1, *prior.shape)

    case.attempt(action)


def cards(case):
    """A card whose values were changed; often its checksum was made anew."""
    data, card = a_glow()
    card = case.draw(altered(card))
    if case.draw(st.booleans()) and isinstance(card.get("architecture"), dict):
        card["architecture"] = case.draw(altered(card["architecture"] or {"steps": [1]}))
    if case.draw(st.integers(0, 3)):
        card["architecture_sha256"] = json_sha256([card.get("family"), card.get("architecture")])
    text = json.dumps(card).encode()
    path = case.write("tiny.safetensors", data)
    case.write("tiny.json", case.draw(mutated(text)) if case.draw(st.booleans()) else text)

    def action():
        prior = resolve("prior", str(path)).build(0)
        assert prior.decode(torch.zeros(1, prior.latent_size)).shape == (1, *prior.shape)

    case.attempt(action)


def npy(case):
    """A .npy file whose bytes were changed, as a picture, a measurement and a start."""
    buffer = io.BytesIO()
    dtype = case.draw(st.sampled_from(["<f4", ">f8", "u1", "<u2", "?", "<c8", "<i8"]))
    shape = case.draw(st.sampled_from([(8, 8), SHAPE, (2, *SHAPE), (1, 192), (8, 8, 4), (0, 3)]))
    np.save(buffer, np.zeros(shape, dtype))
    path = case.write("x.npy", case.draw(mutated(buffer.getvalue())))
    where = case.draw(st.sampled_from(["x", "y", "start"]))
    given = {} if where == "x" else {"y": str(path)} if where == "y" else {"start": str(path)}
    x = str(path) if where == "x" else None if where == "y" else torch.zeros(1, *SHAPE)

    def action():
        found = priorkit.recover(x, prior="none", op="identity", budget=1, progress=stop, **given)
        assert torch.isfinite(found.x).all()

    case.attempt(action)


def arrays(case):
    """An array of any type, shape and values, as a picture."""
    usual = st.sampled_from([np.dtype(t) for t in ("f4", "u1", "f8", "u2", "?")])
    odd = st.one_of(hnp.scalar_dtypes(), st.sampled_from([np.dtype("O"), np.dtype("<U2")]))
    dtype = case.draw(st.one_of(usual, odd))
    likely = st.sampled_from([SHAPE, (8, 8), (2, 8, 8, 3), (1, 4, 4), (5,), (4, 2, 7)])
    shape = case.draw(st.one_of(likely, hnp.array_shapes(min_dims=0, max_dims=5, min_side=0)))
    if dtype == np.dtype("O"):
        array = np.full(shape, None, dtype=object)
    elif case.draw(st.booleans()):
        array = np.full(shape, case.draw(st.sampled_from([0, 1])), dtype)
    else:
        array = case.draw(hnp.arrays(dtype, shape))
    wanted = case.draw(st.sampled_from([None, SHAPE, (1, 4, 4), (5,), (2, 7)]))
    resize = case.draw(st.booleans())

    def action():
        found = pictures.load(array, wanted, resize=resize)
        assert torch.isfinite(found.x).all()
        assert len(found.names) == len(found.x)
        if found.x.ndim == 4:
            assert float(found.x.min()) > -1e-2 and float(found.x.max()) < 1.01  # noqa: PT018

    case.attempt(action)


def pictures_(case):
    """A picture file whose bytes were changed, or whose header promises an immense size."""
    kind = case.draw(st.sampled_from(["PNG", "JPEG", "BMP", "WEBP", "TIFF", "GIF"]))
    data = case.draw(mutated(a_picture(kind)))
    if kind == "PNG" and case.draw(st.booleans()):
        sides = case.draw(st.tuples(st.integers(0, 20000), st.integers(0, 20000)))
        head = b"IHDR" + struct.pack(">IIBBBBB", *sides, 8, 2, 0, 0, 0)
        sealed = struct.pack(">I", 13) + head + struct.pack(">I", zipfile.crc32(head))
        data = data[:8] + sealed + data[33:]
    path = case.write(f"x.{kind.lower()}", data)
    wanted = case.draw(st.sampled_from([None, SHAPE, (1, 5, 9)]))

    def action():
        found = pictures.load(path, wanted)
        assert torch.isfinite(found.x).all()
        assert wanted is None or tuple(found.x.shape) == (1, *wanted)

    case.attempt(action)


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
        import hashlib

        listed = {"../victim.txt": hashlib.sha256(b"mine").hexdigest()}
        listed |= {str(victim): hashlib.sha256(b"mine").hexdigest()}
        manifest = json.dumps({"made_by": "priorkit", "files": listed}).encode()
        files[Path("manifest.json")] = manifest
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)

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


def zips(case):
    """A zip of training pictures, damaged in its members or itself, or grown from nothing."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # names that come twice
        for i in range(case.draw(st.integers(0, 4))):
            kind = case.draw(st.sampled_from(["PNG", "JPEG"]))
            data = a_picture(kind)
            data = case.draw(mutated(data)) if case.draw(st.booleans()) else data
            name = case.draw(st.one_of(st.just(f"{i}.png"), TEXTS.map(lambda t: f"{t}.jpg")))
            bomb = case.draw(st.integers(0, 9)) == 0
            how = case.draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
            try:
                archive.writestr(name, bytes(3_000_000) if bomb else data, 8 if bomb else how)
            except (ValueError, IndexError):  # a name that zipfile itself refuses
                archive.writestr(f"{i}.png", data, how)
    data = buffer.getvalue()
    data = case.draw(mutated(data)) if case.draw(st.booleans()) else data
    path = case.write("x.zip", data)
    options = {"data": str(path), "out": str(case.out), "size": 8, "steps_per_level": [1]}
    options |= {"width": [2], "validation": 0, "batch": 1, "iterations": 1}

    def action():
        assert run_trainer("glow", options, lambda *_: None) is not None

    case.attempt(action)


def matrices(case):
    """A sparse .npz whose arrays were changed, or its bytes."""
    dense = np.arange(20.0).reshape(5, 4) % 3
    form = case.draw(st.sampled_from(["csr", "csc", "coo", "bsr", "dia"]))
    buffer = io.BytesIO()
    scipy.sparse.save_npz(buffer, scipy.sparse.csr_array(dense).asformat(form))
    data = buffer.getvalue()
    if case.draw(st.booleans()):
        data = case.draw(mutated(data))
    else:
        with np.load(io.BytesIO(data)) as held:
            parts = {name: held[name] for name in held.files}
        name = case.draw(st.sampled_from(sorted(parts)))
        part = parts[name]
        if part.dtype.kind in "iuf" and part.size:
            parts[name] = part.copy()
            value = case.draw(st.sampled_from([-1, 0, 3, 5, 99, 2**30, 2**31 - 1]))
            parts[name].flat[case.draw(st.integers(0, part.size - 1))] = value
            if case.draw(st.booleans()):
                parts[name] = parts[name].flatten()[: case.draw(st.integers(0, part.size))]
        buffer = io.BytesIO()
        np.savez(buffer, **parts)
        data = buffer.getvalue()
    path = case.write("a.npz", data)

    def action():
        operator = Matrix(path=path)
        operator = operator.bind((1, 1, operator.matrix.shape[1]))
        if max(operator.matrix.shape) > 10_000:
            return
        x, y = torch.ones(1, *operator.shape), torch.ones(1, *operator.y_shape)
        forward, back = operator.A(x).double(), operator.A_adjoint(y).double()
        assert torch.allclose(forward.sum(), back.sum(), rtol=1e-4, atol=1e-4)

    case.attempt(action)


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
                    if kind != "trainer":
                        try:
                            resolve_entry(entry)
                        except PriorkitError:
                            continue
            for status in found.plugins:
                json.dumps([status.failures, status.names])
            list(found.commands(application.typer.Typer))
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
    from priorkit.engine.components import class_of
    from priorkit.engine.options import option_fields

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


# Each with its share of the cases: those that build and solve take longest.
TARGETS = {
    "weights": (weights, 8),
    "cards": (cards, 12),
    "npy": (npy, 10),
    "arrays": (arrays, 15),
    "pictures": (pictures_, 15),
    "config": (config, 8),
    "records": (records, 4),
    "zips": (zips, 6),
    "matrices": (matrices, 10),
    "plugins": (plugins, 8),
    "commands": (commands, 4),
}
