"""The recipe of the denoiser: what it learns from, what it leaves, and how it goes on."""

import itertools
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from priorkit_diffusion import train as recipe
from priorkit_diffusion.data import Crops
from priorkit_diffusion.network import DenoisingNetwork
from priorkit_diffusion.noise import WHOLE, Levels, Noisy, grayed
from priorkit_diffusion.prior import DiffusionPrior
from priorkit_diffusion.train import DiffusionTraining, train
from safetensors.torch import load_file

import priorkit
from priorkit.errors import BadInputError
from priorkit.training.run import run_trainer
from tests.helpers import smooth_pictures


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return smooth_pictures(tmp_path_factory.mktemp("pictures"), 40, 12)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """Larger ones of two shapes, and one that is too small."""
    folder = smooth_pictures(tmp_path_factory.mktemp("photographs"), 12, 30)
    for i in range(6):
        with Image.open(folder / f"{i}.png") as image:
            image.resize((40, 20)).save(folder / f"{i}.png")
    Image.new("RGB", (7, 30)).save(folder / "small.png")
    return folder


def options(data, out, **changes):
    values = {
        "data": data, "out": out, "size": 8, "channels": [8, 16], "blocks": [1, 1],
        "validation": 8, "batch": 8, "iterations": 12, "every": 6, "warmup": 2, "device": "cpu",
    }  # fmt: skip
    return DiffusionTraining(**(values | changes))


def quiet(*_):
    pass


def log_of(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_it_learns_and_writes_everything(pictures, tmp_path):
    seen = []
    given = options(pictures, tmp_path, iterations=120, every=30, rate=1e-2, shift=1.0)
    path = train(given, lambda *line: seen.append(line))
    log = log_of(tmp_path)
    assert [line["step"] for line in log] == [30, 60, 90, 120]
    assert log[-1]["train"] < 0.9 * log[0]["train"]
    assert log[-1]["psnr_0.1"] > log[0]["psnr_0.1"] + 1
    assert log[-1]["psnr_0.1"] > 20 + 2  # than the noise
    assert seen[-1][:2] == (120, 120)
    with Image.open(tmp_path / "samples-000120.png") as samples:
        assert samples.size == (64, 32)
    card = json.loads(path.with_suffix(".json").read_text())
    best = min(log, key=lambda line: line["validation"])
    assert card["images_seen"] == best["step"] * 8 == card["step"] * 8
    assert card["validation_psnr"]["0.2"] == pytest.approx(best["psnr_0.2"], abs=0.02)
    assert card["architecture"]["sigma"] == [0.004, 80.0]
    assert all(tensor.dtype == torch.float16 for tensor in load_file(path).values())


def test_its_weights_are_a_prior(pictures, tmp_path):
    """That of the averaged network up to the rounding to fp16, which recovers a picture."""
    given = options(pictures, tmp_path, iterations=60, rate=1e-2)
    path = train(given, quiet)
    network = DenoisingNetwork(given.architecture())
    network.load_state_dict(torch.load(tmp_path / "checkpoint.pt", weights_only=True)["ema"])
    with Image.open(pictures / "39.png") as image:
        x = torch.from_numpy(np.array(image.resize((8, 8)))).permute(2, 0, 1)[None] / 255
    noisy = x + 0.2 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    found = DiffusionPrior(weights=path).denoise(noisy, 0.2)
    ours = DiffusionPrior.from_network(network).denoise(noisy, 0.2)
    torch.testing.assert_close(found, ours, atol=3e-3, rtol=0)
    assert float((ours - noisy).abs().max()) > 0.1
    recovery = priorkit.recover(x, prior=str(path), op="identity", sigma=0.2)
    assert float(recovery.psnr) > -20 * np.log10(0.2) + 2


KINDS = {
    "whole": {"shift": 1.0},
    "crops": {"crop": 8, "validation": 2},
    "both": {"also": True},
    "bf16": {"precision": "bf16"},
}


SLOW = {"crops", "bf16"}


@pytest.mark.parametrize(
    "kind", [pytest.param(k, marks=[pytest.mark.slow] if k in SLOW else []) for k in KINDS]
)
def test_it_goes_on_exactly(kind, pictures, photographs, tmp_path):
    """Stopped halfway and given again, a run ends with the weights of one that never stopped."""
    changes = dict(KINDS[kind])
    if "also" in changes:
        changes["also"] = str(photographs)
    data = photographs if "crop" in changes else pictures
    whole = train(options(data, tmp_path / "whole", **changes), quiet)
    halves = options(data, tmp_path / "halves", **changes)

    def interrupt(step, total, message):
        if step == 6 and message.endswith("\n"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(halves, interrupt)
    resumed = train(halves, quiet)
    assert resumed.read_bytes() == whole.read_bytes()
    assert DiffusionPrior(weights=resumed).shape == (None if "crop" in changes else (3, 8, 8))


def test_rounded_convolutions_are_another_run(pictures, tmp_path):
    exact = train(options(pictures, tmp_path / "32"), quiet)
    rough = train(options(pictures, tmp_path / "16", precision="bf16"), quiet)
    assert exact.read_bytes() != rough.read_bytes()
    last, same = log_of(tmp_path / "32")[-1], log_of(tmp_path / "16")[-1]
    assert last["train"] == pytest.approx(same["train"], rel=0.02)


def test_it_ends_when_the_time_is_over(pictures, tmp_path, monkeypatch):
    """After as many steps as there was time for, a second each, the rate falling with the time;
    with more time it goes on."""
    seconds = itertools.count()
    clock = SimpleNamespace(monotonic=lambda: float(next(seconds)))
    monkeypatch.setattr("priorkit.training.recipe.time", clock)
    told = []
    given = options(pictures, tmp_path, within=0.2, iterations=1, every=10**6, decay=0.5)
    path = train(given, lambda *line: told.append(line))
    assert told[-1][:2] == (12, 12)
    assert [(line["step"], line["seconds"]) for line in log_of(tmp_path)] == [(12, 12)]
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert state["adam"]["param_groups"][0]["lr"] == pytest.approx(1e-3 * (1 - 11 / 12) / 0.5)
    assert train(options(pictures, tmp_path, within=0.4, every=10**6, decay=0.5), quiet) == path
    assert log_of(tmp_path)[-1]["step"] == 24


def test_it_begins_with_weights(pictures, tmp_path):
    """Of the same network only; another range of σ is another one."""
    first = train(options(pictures, tmp_path / "first"), quiet)
    second = train(options(pictures, tmp_path / "second", init=str(first), rate=1e-9), quiet)
    ours, theirs = load_file(first), load_file(second)
    for name, tensor in ours.items():
        torch.testing.assert_close(theirs[name], tensor, msg=name)
    with pytest.raises(ValueError, match=r"init has another sigma: \[0.004, 80.0\]"):
        train(options(pictures, tmp_path / "third", init=str(first), far=[0.2, 20.0]), quiet)


def test_other_photographs_are_another_run(pictures, photographs, tmp_path):
    """They are compared by what is in them; the card says both names and no place."""
    path = train(options(pictures, tmp_path / "run", also=str(photographs)), quiet)
    card = path.with_suffix(".json").read_text()
    assert json.loads(card)["data"] == f"{pictures.name}, and with little noise {photographs.name}"
    assert str(photographs) not in card
    listed = json.loads((tmp_path / "run" / "skipped.json").read_text())
    assert list(listed) == ["small.png"]
    with pytest.raises(ValueError, match=r"another also: sha256 .*, not sha256 "):
        train(options(pictures, tmp_path / "run", also=str(pictures), iterations=20), quiet)


REFUSED = {
    "near": ({"near": [0.5]}, "near is the least and the greatest σ"),
    "far": ({"far": [2.0, 1.0]}, "far is the least and the greatest σ"),
    "share": ({"near_share": 1.5}, "near_share must be at least 0 and at most 1"),
    "gray": ({"gray": -0.1}, "gray must be at least 0 and at most 1"),
    "crop of a box": ({"crop": 8, "shift": 1.0}, "box, shift and also are for whole pictures"),
    "crop": ({"crop": 7}, "crop is a multiple of 2, got 7"),
    "size": ({"size": 9}, "sides that are multiples of 2"),
    "channels": ({"channels": [8, 15]}, "the last of channels is a multiple of 4"),
    "levels": ({"channels": [8, 8, 8]}, "one number per resolution"),
    "time": ({"within": -1.0}, "within must be at least 0"),
    "photographs": ({"also": "nowhere"}, "nowhere is neither a folder nor a zip"),
    "validation": ({"crop": 8, "validation": 40}, "40 pictures less 40 for validation leave none"),
    "batch": ({"validation": 39}, "40 examples less 39 for validation leave fewer"),
    "small": (
        {"crop": 16},
        "No pictures in .* that can be used: .*12×12 pixels, a side shorter than 16",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_it_refuses(case, pictures, tmp_path):
    """As the command line says it, with nothing written."""
    changes, said = REFUSED[case]
    given = {"size": 8, "channels": [8, 16], "blocks": [1, 1], "validation": 8, "batch": 8}
    given |= {"data": str(pictures), "out": str(tmp_path / "run")} | changes
    with pytest.raises(BadInputError, match=said):
        run_trainer("diffusion", given)
    assert not (tmp_path / "run").exists()


# --- what it learns from --------------------------------------------------------------


@pytest.fixture
def batches(monkeypatch):
    """What a run descends, step by step."""
    found, batch = [], recipe._Run.batch

    def noted(self):
        found.append(batch(self))
        return found[-1]

    monkeypatch.setattr(recipe._Run, "batch", noted)
    return found


def test_photographs_are_half_of_a_batch_and_have_little_noise(tmp_path, batches):
    for name, value in (("dark", 0), ("bright", 255)):
        (tmp_path / name).mkdir()
        for i in range(20):
            Image.new("RGB", (8, 8), (value,) * 3).save(tmp_path / name / f"{i}.png")
    given = options(tmp_path / "dark", tmp_path / "run", also=str(tmp_path / "bright"))
    train(given, quiet)
    clean, noise, sigma = (torch.stack(parts) for parts in zip(*batches, strict=True))
    assert clean.shape == (12, 8, 3, 8, 8)
    half = 1 / 255  # of a pixel value, in [-1, 1]
    assert 0.9 * half < (clean[:, :4] - 1).abs().amax() <= 1.01 * half
    assert 0.9 * half < (clean[:, 4:] + 1).abs().amax() <= 1.01 * half
    assert sigma[:, :4].min() >= 0.004 * (1 - 1e-6)
    assert sigma[:, :4].max() <= 1.3 < sigma[:, 4:].max()
    assert sigma[:, 4:].min() >= 0.08 * (1 - 1e-6)
    assert float(noise.std()) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_some_crops_are_gray(share, photographs, tmp_path, batches):
    train(options(photographs, tmp_path, crop=8, validation=2, gray=share), quiet)
    for part in (torch.cat([b.clean for b in batches]), torch.cat([b.noise for b in batches])):
        alike = (part[:, :1] == part).flatten(1).all(1)
        assert float(alike.float().mean()) == share


def test_crops_are_of_their_pictures(tmp_path):
    """Each example is of the picture that its number says, as often as its area; turned in all
    eight ways; at all scales; and the kept pictures are in none."""
    sides = {"a": (16, 24), "b": (32, 32), "c": (16, 16)}
    for number, (name, (height, width)) in enumerate(sides.items()):
        ramp = np.zeros((height, width, 3), dtype=np.uint8)
        ramp[..., 0] = 100 * number
        ramp[..., 1] = 4 * np.arange(height)[:, None]
        ramp[..., 2] = 4 * np.arange(width)
        Image.fromarray(ramp).save(tmp_path / f"{name}.png")
    crops = Crops(tmp_path, side=8, validation=1)
    assert crops.examples == 6 + 16
    crops.place(torch.device("cpu"))
    numbers = list(range(22)) * 20
    found = crops.batch(numbers, np.random.default_rng(0), slice(None)).int()
    assert found.shape == (440, 3, 8, 8)
    assert found[:, 0].flatten(1).unique().tolist() == [0, 100]
    assert (found[:, 0, 0, 0].view(20, 22) == torch.tensor([0] * 6 + [100] * 16)).all()
    slopes = found[:, 1:, 4, 4] - found[:, 1:, 3, 4], found[:, 1:, 4, 4] - found[:, 1:, 4, 3]
    ways = torch.stack(slopes, 1).sign().flatten(1)
    assert len(ways.unique(dim=0)) == 8
    steepest = torch.stack(slopes, 1).abs().flatten(1).amax(1)
    often = [
        int(((steepest >= low) & (steepest <= high)).sum())
        for low, high in ((4, 4), (5, 6), (7, 9))  # a pixel at full size, three quarters, half
    ]
    assert sum(often) == 440
    np.testing.assert_allclose(np.array(often) / 440, np.array([4, 3, 2]) / 9, atol=0.08)
    assert int(crops.plain(0)[0].min()) == 200
    part = crops.batch(numbers, np.random.default_rng(0), slice(100, 300))
    assert torch.equal(part.int(), found[100:300])


def test_no_crop_is_made_smaller_than_the_square(photographs):
    """Of pictures of 40×20 and 30×30 with squares of 18, whose halves would be."""
    crops = Crops(photographs, side=18, validation=2)
    crops.place(torch.device("cpu"))
    sizes = set(zip(crops.album.heights.tolist(), crops.album.widths.tolist(), strict=True))
    assert sizes == {(20, 40), (18, 36), (30, 30), (22, 22), (18, 18)}
    found = crops.batch(range(crops.examples), np.random.default_rng(0), slice(None))
    assert found.shape == (crops.examples, 3, 18, 18)


def test_noise_is_as_often_near_as_it_is_said():
    """ln σ is uniform in the near range for its share, and in the far one for the rest."""
    levels = Levels(near=(0.01, 0.1), far=(1.0, 100.0), share=0.7)
    sigma = levels.draw(20_000, np.random.default_rng(0))
    near = sigma <= 0.1
    assert near.mean() == pytest.approx(0.7, abs=0.02)
    assert np.log10(sigma[near]).mean() == pytest.approx(-1.5, abs=0.02)
    assert np.log10(sigma[~near]).mean() == pytest.approx(1.0, abs=0.03)
    assert sigma.min() >= 0.01
    assert sigma.max() <= 100
    assert levels.range == (0.01, 100.0)
    assert WHOLE.range == (0.002, 40.0)


def test_gray_pictures_have_gray_noise():
    x, noise = torch.randn(2, 2, 3, 4, 4).unbind()
    found = grayed(Noisy(x, noise, torch.ones(2)), torch.tensor([True, False]))
    luma = 0.299 * x[0, 0] + 0.587 * x[0, 1] + 0.114 * x[0, 2]
    torch.testing.assert_close(found.clean[0], luma.expand(3, 4, 4))
    assert torch.equal(found.noise[0], noise[0, 0].expand(3, 4, 4))
    assert torch.equal(found.clean[1], x[1])
    assert torch.equal(found.noise[1], noise[1])
