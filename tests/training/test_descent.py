"""A step of the trainers: what it leaves out, what it never waits for, and compiling it."""

import copy
import re
import warnings
from types import SimpleNamespace

import priorkit_dcgan.train
import priorkit_diffusion.train
import priorkit_glow.train
import priorkit_realnvp.train
import pytest
import torch
from priorkit_diffusion.data import Crops
from torch.utils._python_dispatch import TorchDispatchMode

from priorkit.training import descent, options
from tests.helpers import smooth_pictures

aten = torch.ops.aten


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return smooth_pictures(tmp_path_factory.mktemp("pictures"), 40, 18)


COMMON = {"validation": 8, "batch": 8, "iterations": 12, "every": 6, "device": "cpu"}
SMALL = COMMON | {"size": 8, "channels": [8, 16], "blocks": [1, 1], "warmup": 2}
FLOW = COMMON | {"size": 8, "steps_per_level": [1, 1], "width": [8, 8], "shift": 1.0}
RUNS = {
    "diffusion": (priorkit_diffusion.train, "DiffusionTraining", SMALL | {"shift": 1.0}),
    "crops": (priorkit_diffusion.train, "DiffusionTraining", SMALL | {"crop": 8}),
    "both": (priorkit_diffusion.train, "DiffusionTraining", SMALL | {"also": True}),
    "bf16": (priorkit_diffusion.train, "DiffusionTraining", SMALL | {"precision": "bf16"}),
    "glow": (priorkit_glow.train, "GlowTraining", FLOW),
    "dcgan": (priorkit_dcgan.train, "DCGANTraining", COMMON | {"size": 8, "width": 4}),
    "realnvp": (
        priorkit_realnvp.train, "RealNVPTraining",
        COMMON | {"size": 8, "levels": 1, "steps": 1, "width": 4},
    ),
}  # fmt: skip


def a_run(kind, pictures, folder, **changes):
    """A run that has begun."""
    module, name, given = RUNS[kind]
    given = given | {"data": pictures, "out": folder} | changes
    if given.get("also"):
        given["also"] = str(pictures)
    run = module._Run(getattr(module, name)(**given), lambda *_: None)
    run.begin()
    run.ready()
    return run


def state_of(run):
    """All numbers that a step may change, in order."""
    tensors = [*run.net.state_dict().values(), *run.ema.state_dict().values()]
    for state in run.adam.state_dict()["state"].values():
        tensors += [state[name] for name in sorted(state)]
    return [tensor.clone() for tensor in tensors]


# --- without a finite gradient ---------------------------------------------------------


@pytest.mark.parametrize("kind", ["diffusion", "glow", "realnvp"])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_step_without_a_finite_gradient_changes_nothing(kind, bad, pictures, tmp_path):
    """Neither weights, nor the average, nor moments or their count of steps; the next one does."""
    run = a_run(kind, pictures, tmp_path)
    factor, loss = torch.ones(()), run.loss
    run.loss = lambda *given: factor * loss(*given)
    run.train_step()
    before = state_of(run)
    factor.fill_(bad)
    assert not torch.isfinite(run.train_step()).any()
    assert float(run.barren) == 1
    for ours, theirs in zip(state_of(run), before, strict=True):
        assert torch.equal(ours, theirs)
    factor.fill_(1)
    assert torch.isfinite(run.train_step()).all()
    assert float(run.barren) == 0
    assert run.step == 3
    assert not all(map(torch.equal, state_of(run), before))


def test_it_ends_when_that_is_read(pictures, tmp_path):
    run = a_run("diffusion", pictures, tmp_path)
    run.barren += descent.BARREN - 1
    run.judge()
    run.barren += 1
    with pytest.raises(ValueError, match="100 steps in a row had no finite gradient"):
        run.judge()


# --- without waiting for the device ------------------------------------------------------

READING = {aten._local_scalar_dense, aten.nonzero, aten.masked_select, aten.equal, aten.is_nonzero}


class Unread(TorchDispatchMode):
    """Refuses what a device's work has to be done for: numbers, or shapes that depend on them."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function.overloadpacket in READING:
            raise AssertionError(f"{function} waits for the device")
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("kind", [kind for kind in RUNS if kind != "realnvp"])
def test_a_step_reads_nothing(kind, pictures, tmp_path):
    run = a_run(kind, pictures, tmp_path)
    with Unread():
        losses = run.train_step()
        run.train_step()
    assert losses.ndim == 1
    assert run.step == 2


META = torch.device("meta")  # shapes and no numbers: a device in all but that


class Unsent(Unread):
    """Also refuses copies from the processor to a device that wait for it."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        found = super().__torch_dispatch__(function, types, args, kwargs)
        if function.overloadpacket in (aten._to_copy, aten.copy_) and found.device == META:
            here = any(isinstance(a, torch.Tensor) and a.device.type == "cpu" for a in args)
            flags = [*args, *(kwargs or {}).values()]
            if here and not any(flag is True for flag in flags):  # the only one is non_blocking
                raise AssertionError("a copy from ordinary memory waits for the device")
        return found


@pytest.mark.parametrize("kind", ["diffusion", "crops", "both"])
def test_nothing_that_a_device_waits_for_is_sent(kind, pictures, tmp_path, monkeypatch):
    """Batch, loss and gradient elsewhere than on the processor."""
    run = a_run(kind, pictures, tmp_path)
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: self)
    for source in (run.source, run.also):
        if source:
            album = source.album if isinstance(source, Crops) else source.framings.album
            album.device, album.pixels = META, album.pixels.to(META)
    run.device, run._generator = META, SimpleNamespace(manual_seed=lambda seed: None)
    net = copy.deepcopy(run.net).to(META)
    with Unsent():
        batch = run.batch()
        run.device = torch.device("cpu")  # autocast knows no other
        loss = run.loss(net, batch)
        loss.sum().backward()
    assert {part.device for part in (*batch, loss)} == {META}
    assert batch.clean.shape == batch.noise.shape == (8, 3, 8, 8)
    for part in batch.clean, batch.noise:
        assert part.is_contiguous(memory_format=torch.channels_last)


def test_a_glow_sends_nothing_either(pictures, tmp_path):
    run = a_run("glow", pictures, tmp_path)
    net = copy.deepcopy(run.net).to(META)
    with Unsent():
        run.loss(net, torch.empty(8, 3, 8, 8, device=META)).sum().backward()


def test_what_waits_is_seen():
    """The checks above find what they are for."""
    with Unsent():
        with pytest.raises(AssertionError, match="ordinary memory"):
            torch.ones(3).to(META)
        torch.ones(3).to(META, non_blocking=True)
    with Unread(), pytest.raises(AssertionError, match="waits for the device"):
        float(torch.ones(()))


# --- shares of a batch -------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["diffusion", "crops", "both"])
def test_processes_share_the_batch_of_one(kind, pictures, tmp_path):
    """Whatever the number of them, at whatever step it is asked for."""
    run = a_run(kind, pictures, tmp_path)
    run.step = 3
    whole = run.batch()
    for size in (2, 8):
        shares = []
        for start in range(0, 8, size):
            run.share = slice(start, start + size)
            shares.append(run.batch())
        for one, parts in zip(whole, zip(*shares, strict=True), strict=True):
            assert torch.equal(torch.cat(parts), one)
    run.step, run.share = 4, slice(0, 8)
    assert not torch.equal(run.batch().clean, whole.clean)


# --- compiled ------------------------------------------------------------------------------


def compiling(monkeypatch, backend):
    """As on a device that can compile; gives what was compiled."""
    compiled, compile = [], torch.compile

    def noted(module, **given):
        compiled.append(given)
        return compile(module, **given)

    monkeypatch.setattr(descent, "compiler_of", lambda device: backend)
    monkeypatch.setattr(torch, "compile", noted)
    torch._dynamo.reset()
    return compiled


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["diffusion", "crops"])
def test_compiled_it_is_the_same_run(kind, pictures, tmp_path, monkeypatch):
    """As one graph, which is compiled once: with breaks in it, or anew, it would be slow."""
    plain = a_run(kind, pictures, tmp_path / "plain", rate=1e-2)
    expected = [plain.train_step() for _ in range(4)]
    graphs = []

    def counted(graph, examples):
        graphs.append(graph)
        return torch._dynamo.lookup_backend("aot_eager")(graph, examples)

    compiled = compiling(monkeypatch, counted)
    run = a_run(kind, pictures, tmp_path / "compiled", rate=1e-2)
    found = [run.train_step() for _ in range(4)]
    assert compiled == [{"backend": counted, "dynamic": False}]
    assert len(graphs) == 1
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    for name, value in run.net.state_dict().items():
        torch.testing.assert_close(value, plain.net.state_dict()[name], rtol=0, atol=2e-3)
    assert not torch.equal(found[0], found[3])


def test_what_cannot_be_compiled_is_trained_all_the_same(pictures, tmp_path, monkeypatch):
    """With one warning, to the same bits."""
    expected = a_run("diffusion", pictures, tmp_path / "plain").train_step()

    def broken(graph, examples):
        raise RuntimeError("no compiler here")

    compiling(monkeypatch, broken)
    run = a_run("diffusion", pictures, tmp_path / "compiled")
    with pytest.warns(UserWarning, match=r"torch.compile failed.*slower: .*no compiler here"):
        found = run.train_step()
    assert torch.equal(found, expected)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run.train_step()


def test_compiling_is_for_those_who_want_it(pictures, tmp_path, monkeypatch):
    compiled = compiling(monkeypatch, "aot_eager")
    a_run("diffusion", pictures, tmp_path / "1", compile=False).train_step()
    a_run("glow", pictures, tmp_path / "2").train_step()
    assert not compiled


# --- by device -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("device", "able", "given", "half"),
    [
        ("cpu", True, "", False),
        ("cpu", True, "bf16", True),
        ("cuda", True, "", True),
        ("cuda", False, "", False),
        ("cuda", True, "fp32", False),
    ],
)
def test_convolutions_are_halved_where_the_device_can(device, able, given, half, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: able)
    assert options.halved(given, torch.device(device)) is half


def test_the_card_says_which_precision_it_was(pictures, tmp_path, monkeypatch):
    run = a_run("diffusion", pictures, tmp_path)
    assert run._settings()["precision"] == "fp32"
    run.half = True
    assert run._settings()["precision"] == "bf16"
    assert "compile" not in run._settings()


def test_only_a_device_with_triton_compiles(monkeypatch):
    monkeypatch.setattr(options, "find_spec", lambda name: name == "triton")
    assert options.compiler_of(torch.device("cuda")) == "inductor"
    assert options.compiler_of(torch.device("cpu")) == ""
    monkeypatch.setattr(options, "find_spec", lambda name: None)
    assert options.compiler_of(torch.device("cuda")) == ""


def test_messages_say_the_pace(pictures, tmp_path):
    """Of all steps but the first one after a start or a validation."""
    said = []
    module, name, given = RUNS["diffusion"]
    given = given | {"data": pictures, "out": tmp_path, "iterations": 40, "every": 1000}
    module.train(getattr(module, name)(**given), lambda *line: said.append(line[2]))
    paces = [re.search(r"loss \d\.\d+, ([\d,]+) examples/s$", line) for line in said[:2]]
    assert all(found and float(found[1].replace(",", "")) > 0 for found in paces)
