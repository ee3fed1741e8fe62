"""How a training run ends: with the best weights it had, never with numbers that aren't finite, and
by a signal after a step."""

import errno
import json
import signal

import pytest
import torch
from priorkit_dcgan.train import DCGANTraining
from priorkit_dcgan.train import _Run as DCGANRun
from safetensors.torch import load_file

from priorkit.errors import BadInputError
from priorkit.training import output, recipe
from priorkit.training.options import PictureOptions, held_back
from priorkit.training.run import run_trainer
from tests.helpers import smooth_pictures
from tests.training.test_recipe import Fit, Options, quiet


class Overfitting(Fit):
    """Validation is best at step 40, and worse later."""

    def validation_loss(self):
        return abs(self.step - 40.0)


def log_of(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


# --- the best weights ------------------------------------------------------------------


def test_what_validates_best_is_exported(tmp_path):
    said = []
    path = Overfitting(Options(out=tmp_path / "whole"), lambda *told: said.append(told[2])).run()
    card = json.loads(path.with_suffix(".json").read_text())
    assert card["step"] == 40
    assert "validation was best at step 40, whose weights are written\n" in said
    shorter = Overfitting(Options(out=tmp_path / "cut"), quiet)
    shorter.begin()
    while shorter.step < 40:
        shorter.train_step()
    assert load_file(path) == {k: v for k, v in shorter.ema.state_dict().items()}


def test_it_is_remembered_when_a_run_goes_on(tmp_path):
    """To the same weights; those of the last step are what it goes on from."""
    whole = Overfitting(Options(out=tmp_path / "whole"), quiet).run()

    class Stopped(Overfitting):
        def train_step(self):
            if self.step == 50:
                raise KeyboardInterrupt
            return super().train_step()

    with pytest.raises(KeyboardInterrupt):
        Stopped(Options(out=tmp_path / "cut", every=10), quiet).run()
    assert (
        Overfitting(Options(out=tmp_path / "cut"), quiet).run().read_bytes() == whole.read_bytes()
    )
    last = [torch.load(tmp_path / name / "checkpoint.pt") for name in ("whole", "cut")]
    assert last[0]["ema"] == last[1]["ema"] != last[0]["best"]["ema"]


def test_without_validation_the_last_are_exported(tmp_path):
    path = Fit(Options(out=tmp_path, validation=0), quiet)
    path.result = lambda: (path.ema.state_dict(), {})
    card = json.loads(path.run().with_suffix(".json").read_text())
    assert card["step"] == 60
    assert [set(line) for line in log_of(tmp_path)] == [{"step", "train", "seconds"}] * 3


@pytest.mark.parametrize(
    ("asked", "examples", "kept"),
    [(None, 500, 50), (None, 9836, 336), (None, 5, 0), (8, 40, 8), (0, 500, 0)],
)
def test_a_tenth_is_kept_for_validation(asked, examples, kept):
    assert held_back(asked, examples) == kept


def test_the_card_says_of_which_data(tmp_path):
    run = Fit(Options(out=tmp_path, validation=None), quiet)
    run.digest = "3f"
    card = json.loads(run.run().with_suffix(".json").read_text())
    assert (card["data_sha256"], card["examples"], card["training"]["validation"]) == ("3f", 90, 10)


RUNS = {
    "glow": {"size": 8, "steps_per_level": [1, 1], "width": [4, 4], "shift": 1.0},
    "dcgan": {"size": 8, "width": 2, "latent": 4},
    "realnvp": {"size": 8, "levels": 1, "steps": 1, "width": 4},
    "diffusion": {"size": 8, "channels": [8, 8], "blocks": [1, 1], "compile": False},
}


@pytest.mark.parametrize("trainer", RUNS)
def test_the_card_says_how_to_train_the_same_weights(trainer, tmp_path):
    """To the bit, by all that it says of the run, and the data."""
    (tmp_path / "in").mkdir()
    pictures = smooth_pictures(tmp_path / "in", 30, 11)
    common = {"data": str(pictures), "batch": 4, "iterations": 4, "every": 2, "device": "cpu"}
    first = run_trainer(trainer, common | RUNS[trainer] | {"out": tmp_path / "first"}, quiet)
    card = json.loads(first.with_suffix(".json").read_text())
    said = {name: value for name, value in card["training"].items() if value is not None}
    again = run_trainer(trainer, said | {"data": pictures, "out": tmp_path / "again"}, quiet)
    assert again.read_bytes() == first.read_bytes()
    assert json.loads(again.with_suffix(".json").read_text()) == card
    assert (card["examples"], card["training"]["validation"]) == (27, 3)


# --- numbers that aren't finite ----------------------------------------------------------


def test_weights_that_are_not_finite_are_never_saved(tmp_path):
    """The checkpoint before them stays, and gives the best weights until then."""

    class Diverging(Overfitting):
        def train_step(self):
            found = super().train_step()
            if self.step == 55:
                self.net.mean.data.fill_(float("nan"))
            return found

    said = r"weights \(net\) are no longer finite at step 60: .*smaller rate.* iterations 40 "
    with pytest.raises(ValueError, match=said):
        Diverging(Options(out=tmp_path), quiet).run()
    state = torch.load(tmp_path / "checkpoint.pt")
    assert state["step"] == 40
    assert not output.not_finite(state["net"])
    path = Diverging(Options(out=tmp_path, iterations=40), quiet).run()
    assert load_file(path) == state["best"]["ema"]


def test_a_validation_that_is_not_finite_ends_it(tmp_path):
    class Diverging(Fit):
        def validation_loss(self):
            return float("nan")

    with pytest.raises(ValueError, match=r"validation is no longer finite at step 20: [^;]*$"):
        Diverging(Options(out=tmp_path), quiet).run()
    assert log_of(tmp_path)[0]["validation"] is None
    assert torch.load(tmp_path / "checkpoint.pt")["step"] == 0


def test_a_gan_saves_no_nan_either(tmp_path):
    pictures = smooth_pictures(tmp_path, 12, 10)
    small = {"size": 8, "width": 4, "latent": 4, "batch": 4, "validation": 2, "device": "cpu"}
    options = DCGANTraining(data=pictures, out=tmp_path.parent / "gan", every=1, **small)
    run = DCGANRun(options, quiet)
    step = run.train_step

    def broken():
        run.generator[0].weight.data.fill_(float("nan"))
        return step()

    run.train_step = broken
    with pytest.raises(ValueError, match="no longer finite at step 1"):
        run.run()
    assert torch.load(tmp_path.parent / "gan" / "checkpoint.pt")["step"] == 0


def test_weights_too_large_for_their_type_are_not_written(tmp_path):
    state = {"a": torch.ones(3), "b": torch.tensor([1e6]).half()}
    with pytest.raises(ValueError, match="no weights are written, since b isn't finite"):
        output.write_weights(
            tmp_path / "x.safetensors", state, family="x", architecture={}, about={}
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rate": float("inf")}, "rate must be finite"),
        ({"minutes": float("nan")}, "minutes must be finite"),
        ({"minutes": -1.0}, "minutes must be at least 0"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"box": [1.0]}, "box is left top right bottom"),
        ({"box": [5.0, 1.0, 5.0, 9.0]}, "left < right"),
        ({"box": [float("nan"), 1.0, 5.0, 9.0]}, "box must be finite"),
        ({"size": 1}, "size must be at least 2"),
        ({"rate": -1.0}, "rate must be above 0, got -1.0. Try: rate=0.001"),
        ({"ema": 1.0}, "ema must be at least 0 and below 1, got 1.0. Try: ema=0.999"),
    ],
)
def test_numbers_that_no_run_can_have(change, said):
    with pytest.raises(ValueError, match=said):
        PictureOptions(**{"name": "any"} | change)


# --- pictures to look at -----------------------------------------------------------------


def test_samples_that_fail_cost_no_weights(tmp_path):
    """As those of a flow whose weights are finite and can't be inverted: said in one line."""

    class Singular(Fit):
        def samples(self):
            torch.linalg.inv(torch.zeros(2, 2))

    said = []
    path = Singular(Options(out=tmp_path / "a"), lambda *told: said.append(told[2])).run()
    whole = Fit(Options(out=tmp_path / "b"), quiet).run()
    assert path.read_bytes() == whole.read_bytes()
    told = [words for words in said if "no samples" in words]
    assert len(told) == 3  # one of each validation
    assert told[-1].startswith("no samples at step 60: _LinAlgError: ")
    assert told[-1].index("\n") == len(told[-1]) - 1


# --- from outside ------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_for_the_end_of_a_step(number, tmp_path):
    """One Ctrl-C, or the SIGTERM of a batch system, loses nothing."""

    class Signalled(Fit):
        def train_step(self):
            found = super().train_step()
            if self.step == 33:
                signal.raise_signal(number)
            return found

    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt):
        Signalled(Options(out=tmp_path), quiet).run()
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 33
    assert signal.getsignal(number) is before


def test_a_killed_run_loses_minutes_at_most(tmp_path, monkeypatch):
    """However far apart validations are."""

    class Killed(Fit):
        def train_step(self):
            if self.step == 50:
                raise SystemExit
            return super().train_step()

    monkeypatch.setattr(recipe, "STALE", -1)
    with pytest.raises(SystemExit):
        Killed(Options(out=tmp_path, every=1000), quiet).run()
    assert torch.load(tmp_path / "checkpoint.pt")["step"] == 40


def test_a_run_killed_before_its_first_step_begins_again(tmp_path):
    """Where nothing but the list of files left out could have been written."""

    class Killed(Fit):
        def begin(self):
            raise KeyboardInterrupt

    run = Killed(Options(out=tmp_path), quiet)
    run.skipped = {"a.png": "not a picture"}
    with pytest.raises(KeyboardInterrupt):
        run.run()
    Fit(Options(out=tmp_path), quiet).run()


def test_a_full_disk_is_said(tmp_path, monkeypatch):
    """By the log too; what was saved before stays."""

    def full(*given, **named):
        raise OSError(errno.ENOSPC, "No space left on device")

    run = Fit(Options(out=tmp_path), quiet)
    monkeypatch.setattr(output, "open", full, raising=False)
    with pytest.raises(BadInputError, match=r"log.jsonl can't be written. Got No space left"):
        run.run()
    assert torch.load(tmp_path / "checkpoint.pt")["step"] == 0
