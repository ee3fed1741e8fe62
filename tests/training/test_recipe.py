"""The one training loop, with a model of two numbers."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import nn

from priorkit.training.options import check_options, option
from priorkit.training.recipe import MaximumLikelihood


@dataclass
class Options:
    data: Path = option(Path("numbers"), "unused")
    out: Path = option(Path(), "folder")
    name: str = option("line", "name")
    box: list[float] = option([], "unused")
    validation: int = option(10, "kept")
    batch: int = option(8, "per step")
    iterations: int = option(60, "steps")
    rate: float = option(0.05, "of Adam")
    warmup: int = option(2, "steps")
    decay: float = option(0.5, "of the run")
    ema: float = option(0.5, "of the average")
    every: int = option(20, "steps")
    minutes: float = option(0.0, "time")
    seed: int = option(0, "seed")
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
        ({"box": [1.0]}, "box is left top right bottom"),
        ({"rate": 0.0}, "rate > 0"),
        ({"ema": 1.0}, "rate > 0"),
    ],
)
def test_options_are_checked(change, said):
    with pytest.raises(ValueError, match=said):
        check_options(Options(**change), {"batch": 1})


def test_less_than_a_batch_is_refused(tmp_path):
    with pytest.raises(ValueError, match="100 examples less 95 for validation leave fewer"):
        Fit(Options(out=tmp_path, validation=95), quiet)
