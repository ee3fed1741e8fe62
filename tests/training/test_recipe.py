"""The one training loop, with a model of two numbers."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import nn

from priorkit.errors import PriorkitError
from priorkit.training.descent import DescentOptions, MaximumLikelihood
from priorkit.training.options import option
from priorkit.training.parallel import Team
from priorkit.training.process import searching
from priorkit.training.run import run_trainer
from priorkit.training.tape import Tape


@dataclass
class Options(DescentOptions):
    data: Path = option(Path("numbers"), "unused")
    name: str = option("line", "name")
    validation: int | None = option(10, "kept", least=0)
    batch: int = option(8, "per step", least=1)
    iterations: int = option(60, "steps", least=1)
    rate: float = option(0.05, "of Adam")
    warmup: int = option(2, "steps", least=0)
    ema: float = option(0.5, "of the average")
    every: int = option(20, "steps", least=1)
    licence: str = option("none", "terms")
    device: str = option("cpu", "device")


class Normal(nn.Module):
    """N(mean, exp(log_std)²), which has a maximum likelihood of its own."""

    def __init__(self):
        super().__init__()
        self.mean, self.log_std = nn.Parameter(torch.zeros(())), nn.Parameter(torch.zeros(()))


class Fit(MaximumLikelihood):
    family = "normal"
    unit = "nats"

    def __init__(self, options, progress=None):
        self.data = 1.5 + 0.5 * torch.randn(100, generator=torch.Generator().manual_seed(0))
        super().__init__(options, progress, len(self.data))
        self.adopt(Normal(), Normal())

    @property
    def architecture(self):
        return {"kind": "normal"}

    def batch(self):
        return self.data[self.indices()]

    def loss(self, net, x):
        return 0.5 * ((x - net.mean) / net.log_std.exp()) ** 2 + net.log_std

    @torch.no_grad()
    def validation_loss(self):
        return float(self.loss(self.ema, self.data[self.train_size :]).mean())

    def result(self):
        return self.ema.state_dict(), {"nats": self.validation_loss()}


def quiet(*_):
    pass


def test_it_learns_logs_and_ships(tmp_path):
    path = Fit(Options(out=tmp_path), quiet).run()
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in log] == [20, 40, 60]
    assert log[-1]["validation"] < log[0]["validation"]
    card = json.loads(path.with_suffix(".json").read_text())
    assert (card["family"], card["licence"], card["training"]["batch"]) == ("normal", "none", 8)


def test_it_begins_with_weights(tmp_path):
    """Those of a run that ended are what the next one begins with, and its card says which."""
    first = Fit(Options(out=tmp_path / "first"), quiet).run()
    begun = Fit(Options(out=tmp_path / "second", init=str(first)), quiet)
    begun.begin()
    assert begun.ema.state_dict() == begun.net.state_dict() == load_file(first)
    card = json.loads(begun.run().with_suffix(".json").read_text())
    digest = json.loads(first.with_suffix(".json").read_text())["sha256"]
    assert card["training"]["init"] == f"line, sha256 {digest}"
    assert str(tmp_path) not in json.dumps(card)
    with pytest.raises(ValueError, match=r"another init: line, sha256.*, not None"):
        Fit(Options(out=tmp_path / "second", iterations=90), quiet).run()


def test_it_begins_with_no_other_weights(tmp_path, monkeypatch):
    path = Fit(Options(out=tmp_path / "first"), quiet).run()
    options = Options(out=tmp_path / "second", init=str(path))
    monkeypatch.setattr(Fit, "architecture", {"kind": "wide"})
    with pytest.raises(ValueError, match=r"init has another kind: normal, not wide.*line.json"):
        Fit(options, quiet)
    monkeypatch.setattr(Fit, "family", "cauchy")
    with pytest.raises(ValueError, match="another family: normal, not cauchy"):
        Fit(options, quiet)


@pytest.mark.parametrize(
    ("init", "said"),
    [
        ("dct", "init is weights to begin with. Got dct"),
        ("glow-celeb", "Did you mean 'glow-celeba'"),
        ("nowhere/x.safetensors", "no weights file"),
        ("glow-celeba", "another shape: [3, 64, 64], not [3, 16, 16]"),
    ],
)
def test_weights_to_begin_with_are_named(init, said, tmp_path):
    for i in range(40):
        Image.new("RGB", (16, 16), (6 * i, 99, 7)).save(tmp_path / f"{i}.png")
    given = {"data": str(tmp_path), "out": str(tmp_path.parent / "out"), "init": init, "size": 16}
    with pytest.raises(PriorkitError) as caught:
        run_trainer("glow", given | {"validation": 2})
    assert said in str(caught.value)


def test_an_epoch_has_every_example_once(tmp_path):
    run = Fit(Options(out=tmp_path), quiet)
    seen = []
    for run.step in range(11):  # 88 of 90 examples
        seen += run.indices()
    assert len(set(seen)) == 88
    assert max(seen) < 90
    run.step = 11
    assert run.indices() != seen[:8]


def test_it_continues_as_if_it_had_not_stopped(tmp_path):
    whole = Fit(Options(out=tmp_path / "whole"), quiet).run()

    def stop(step, total, message):
        if step == 40 and message.endswith("\n"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Fit(Options(out=tmp_path / "pieces"), stop).run()
    resumed = Fit(Options(out=tmp_path / "pieces"), quiet).run()
    assert resumed.read_bytes() == whole.read_bytes()


def test_a_loss_that_never_is_finite_stops_it(tmp_path):
    class Lost(Fit):
        def loss(self, net, x):
            return super().loss(net, x) * torch.nan

    with pytest.raises(ValueError, match="100 steps in a row had no finite gradient"):
        Lost(Options(out=tmp_path, iterations=200, every=1000), quiet).run()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"batch": 0}, "batch must be at least 1"),
        ({"name": "a/b"}, "name is letters"),
        ({"rate": 0.0}, "rate must be above 0, got 0.0. Try: rate=0.05"),
        ({"ema": 1.0}, "ema must be at least 0 and below 1, got 1.0. Try: ema=0.5"),
        ({"decay": 1.5}, "decay must be at least 0 and at most 1, got 1.5. Try: decay=0.5"),
    ],
)
def test_options_are_checked(change, said):
    with pytest.raises(ValueError, match=said):
        Options(**change)


def test_less_than_a_batch_is_refused(tmp_path):
    with pytest.raises(ValueError, match="100 examples less 95 for validation leave fewer"):
        Fit(Options(out=tmp_path, validation=95), quiet)


def test_losses_are_read_when_something_is_said(tmp_path, monkeypatch):
    """At messages and validations only: a device would be waited for at each."""
    steps, read = [], Tape.read

    def noted(self):
        steps.append(run.step)
        read(self)

    monkeypatch.setattr(Tape, "read", noted)
    run = Fit(Options(out=tmp_path, every=30), quiet)
    run.run()
    assert sorted(set(steps)) == [20, 30, 40, 60]


def test_the_pace_is_that_of_training():
    """Counted from the end of the first step, and again after each validation."""
    tape = Tape(Team(), 8)
    assert not tape.counting
    assert tape.pace(1, 50.0) == ""
    assert tape.pace(20, 51.0) == ", 152 examples/s"
    assert tape.pace(40, 51.0) == ""
    tape.clear()
    assert tape.pace(41, 300.0) == ""
    assert tape.pace(60, 300.1) == ", 1,520 examples/s"


@pytest.mark.parametrize("before", [False, True])
def test_cudnn_searches_on_a_device_alone(before, monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", before)
    for device, during in (("cuda", True), ("cpu", before)):
        with searching(torch.device(device)):
            assert torch.backends.cudnn.benchmark is during
        assert torch.backends.cudnn.benchmark is before


# --- killed, continued, refused --------------------------------------------------------


class Stopped(Fit):
    """Ctrl-C in the middle of the update of step ``at``."""

    at = 33

    def train_step(self):
        if self.step + 1 == self.at:
            self.net.mean.data.fill_(float("nan"))  # half-done
            raise KeyboardInterrupt
        return super().train_step()


def test_ctrl_c_inside_an_update_leaves_exactly_the_last_checkpoint(tmp_path):
    """The run then goes on to the weights of one that was never cut, byte for byte."""
    whole = Fit(Options(out=tmp_path / "whole"), quiet).run()
    with pytest.raises(KeyboardInterrupt):
        Stopped(Options(out=tmp_path / "cut"), quiet).run()
    state = torch.load(tmp_path / "cut" / "checkpoint.pt", weights_only=True)
    assert state["step"] == 20
    assert torch.isfinite(state["net"]["mean"])
    again = Fit(Options(out=tmp_path / "cut"), quiet).run()
    assert again.read_bytes() == whole.read_bytes()
    logs = [tmp_path / name / "log.jsonl" for name in ("whole", "cut")]
    steps = [[json.loads(line)["step"] for line in log.read_text().splitlines()] for log in logs]
    assert steps == [[20, 40, 60]] * 2


def test_what_was_logged_after_the_checkpoint_goes(tmp_path):
    """Lines of steps that are done again, and one that was cut off, don't stay."""
    with pytest.raises(KeyboardInterrupt):
        Stopped(Options(out=tmp_path), quiet).run()
    with open(tmp_path / "log.jsonl", "a") as log:
        log.write('{"step": 40, "train": 1}\n{"step": 4')
    Fit(Options(out=tmp_path), quiet).run()
    lines = (tmp_path / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [20, 40, 60]


@pytest.mark.parametrize(
    ("changes", "named"),
    [({"seed": 1}, "seed: 0, not 1"), ({"batch": 9}, "batch: 8, not 9"), ({"rate": 0.1}, "rate")],
)
def test_a_run_goes_on_with_its_own_settings(changes, named, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        Stopped(Options(out=tmp_path), quiet).run()
    with pytest.raises(ValueError, match=f"another {named}"):
        Fit(Options(out=tmp_path, **changes), quiet).run()
    Fit(Options(out=tmp_path, minutes=1.0, every=7, licence="other"), quiet).run()


def test_a_run_goes_on_with_its_own_data(tmp_path):
    class Other(Stopped):
        def __init__(self, options, progress=None):
            super().__init__(options, progress)
            self.digest = "other"

    with pytest.raises(KeyboardInterrupt):
        Other(Options(out=tmp_path), quiet).run()
    with pytest.raises(ValueError, match="another data: other, not "):
        Fit(Options(out=tmp_path), quiet).run()


def test_folders_of_others_are_refused(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"files, such as mine.txt, and no checkpoint"):
        Fit(Options(out=tmp_path), quiet)
    data = tmp_path / "new" / "faces.zip"
    with pytest.raises(ValueError, match="holds the training data"):
        Fit(Options(out=tmp_path / "new", data=data), quiet)
    Fit(Options(out=tmp_path / "out"), quiet)
    (tmp_path / "out" / ".x.partial").write_text("cut off")
    Fit(Options(out=tmp_path / "out"), quiet).run()


def test_a_damaged_checkpoint_is_refused(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        Stopped(Options(out=tmp_path), quiet).run()
    path = tmp_path / "checkpoint.pt"
    state = torch.load(path, weights_only=True)
    torch.save({k: v for k, v in state.items() if k != "adam"}, path)
    with pytest.raises(ValueError, match="lacks something"):
        Fit(Options(out=tmp_path), quiet).run()
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="can't be read"):
        Fit(Options(out=tmp_path), quiet).run()


def test_training_leaves_the_process_as_it_was(tmp_path):
    Fit(Options(out=tmp_path), quiet).run()
    assert float(torch.tensor([5e-324], dtype=torch.float64).mul(1)) > 0


@pytest.mark.parametrize(("iterations", "highest"), [(1000, 99), (300, 30)])
def test_a_short_run_warms_up_in_its_first_tenth(iterations, highest, tmp_path):
    """So that it has the rate that was asked for at all; a longer one takes the steps of warmup."""
    run = Fit(Options(out=tmp_path, iterations=iterations, warmup=100, decay=0.5), quiet)
    paces = []
    for run.step in range(iterations):
        paces.append(run.pace())
    assert paces.index(1) == highest
    assert sorted(paces[: highest + 1]) == paces[: highest + 1]
    assert paces[iterations // 2] == 1
    assert paces[-1] == pytest.approx(2 / iterations)
