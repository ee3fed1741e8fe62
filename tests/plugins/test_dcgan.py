"""DCGAN: network, prior, and its recipe."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from priorkit_dcgan.network import DCGANConfig, Discriminator, Generator
from priorkit_dcgan.prior import DCGANPrior

import priorkit
from priorkit.errors import BadInputError, MismatchError, WeightsError
from priorkit.io.files import json_sha256
from priorkit.training.run import run_trainer


def random_generator(side=16):
    torch.manual_seed(0)
    generator = Generator(DCGANConfig(shape=(3, side, side), latent=7, width=4))
    generator(torch.randn(50, 7))  # gives the batch norms statistics of their own
    return generator.eval()


def test_folding_changes_nothing():
    generator = random_generator(32)
    z = torch.randn(3, 7)
    prior = DCGANPrior.from_network(generator)
    with torch.no_grad():
        assert torch.allclose(prior.decode(z), generator(z), atol=1e-5)


def test_sizes_of_the_paper():
    config = DCGANConfig()
    assert config.widths == [512, 256, 128, 64]
    assert Generator(config)(torch.zeros(2, 100)).shape == (2, 3, 64, 64)
    assert Discriminator(config)(torch.zeros(2, 3, 64, 64)).shape == (2,)


@pytest.mark.parametrize("shape", [(3, 20, 20), (3, 16, 32), (3, 4, 4)])
def test_other_sides_are_refused(shape):
    with pytest.raises(ValueError, match="8, 16, 32, 64"):
        DCGANConfig(shape=shape)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A tiny generator, trained for a few steps in two goes."""
    folder = tmp_path_factory.mktemp("dcgan")
    (folder / "data").mkdir()
    rng = np.random.default_rng(0)
    for i in range(24):
        pixels = rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((8, 8)).save(folder / "data" / f"{i:02d}.png")
    options = {"data": folder / "data", "out": folder / "out", "name": "dcgan-noise", "size": 8}
    options |= {"latent": 5, "width": 4, "batch": 8, "validation": 4, "every": 3, "device": "cpu"}
    assert run_trainer("dcgan", options | {"iterations": 6, "minutes": 1e-9}) is None
    return run_trainer("dcgan", options | {"iterations": 6})


def test_training_resumes_and_leaves_weights(trained):
    log = (trained.parent / "log.jsonl").read_text()
    steps = [json.loads(line)["step"] for line in log.splitlines()]
    assert steps == [3, 6]
    card = json.loads(trained.with_suffix(".json").read_text())
    assert card["family"] == "dcgan"
    assert card["training"]["latent"] == 5
    assert (trained.parent / "samples-000006.png").exists()


def test_trained_weights_recover(trained):
    x = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    result = priorkit.recover(x, prior=str(trained), op="gaussian", m=100, budget=30)
    config = result.record["config"]
    assert config["start"] == {"name": "normal", "std": 0.1}
    assert config["restarts"] == 3
    objectives = torch.tensor([row.value for row in result.rows]).view(3, -1)
    assert torch.equal(objectives.double().amin(0).float(), result.objective.float())
    assert torch.isfinite(result.mean_psnr).all()
    once = priorkit.recover(x, prior=str(trained), op="mask", start="zero", budget=3)
    assert len(once.rows) == len(once.x)


def test_what_a_gan_cannot_do(trained):
    x = torch.rand(3, 8, 8)
    with pytest.raises(MismatchError, match="start 'noisy' requires the prior to be an Encoder"):
        priorkit.recover(x, prior=str(trained), op="identity", start="noisy")
    with pytest.raises(MismatchError, match="requires the prior to be a Density"):
        priorkit.recover(x, prior=str(trained), op="identity", penalty="nll", gamma=1)


def test_wrong_weights(trained, tiny_weights, tmp_path):
    with pytest.raises(WeightsError, match="not a DCGAN"):
        DCGANPrior(weights=tiny_weights)
    card = json.loads(trained.with_suffix(".json").read_text())
    card["architecture"]["width"] = 8
    card["architecture_sha256"] = json_sha256(["dcgan", card["architecture"]])
    other = tmp_path / "other.safetensors"
    other.write_bytes(trained.read_bytes())
    other.with_suffix(".json").write_text(json.dumps(card))
    with pytest.raises(WeightsError, match="doesn't fit"):
        DCGANPrior(weights=other)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"size": 20}, "8, 16, 32, 64"),
        ({"batch": 1000}, "fewer than one batch"),
        ({"precision": "int8"}, "fp32 or bf16"),
        ({"rate": 0.0}, "rate must be above 0, got 0.0. Try: rate=0.0002"),
    ],
)
def test_options_that_cannot_be(trained, tmp_path, option, message):
    options = {"data": trained.parent.parent / "data", "out": tmp_path, "validation": 4, "size": 8}
    with pytest.raises(BadInputError, match=message):
        run_trainer("dcgan", options | option)
