"""Glow: the network against its folded form, the reference layout, and the recipe."""

import json
import subprocess
import sys
from pathlib import Path

import priorkit_glow
import pytest
import torch
from priorkit_glow import device
from priorkit_glow.convolution import Convolution
from priorkit_glow.export import rounded, write_weights
from priorkit_glow.folded import FoldedGlow
from priorkit_glow.fused import FusedGlow
from priorkit_glow.importer import import_checkpoint
from priorkit_glow.network import Glow, GlowConfig, squeeze, unsqueeze
from priorkit_glow.prior import GlowPrior
from priorkit_glow.train import GlowTraining, train
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F

import priorkit
from priorkit.errors import BadInputError, WeightsError
from tests.helpers import SHAPE, random_glow

WEIGHTS = Path(priorkit_glow.__file__).parent / "weights" / "glow-celeba.safetensors"


def test_squeeze_order():
    """Entry (c, 2i+dy, 2j+dx) goes to channel 4c + 2dy + dx, as in the published networks."""
    x = torch.arange(2 * 4 * 6.0).view(1, 2, 4, 6)
    y = squeeze(x)
    for c in range(2):
        for dy in range(2):
            for dx in range(2):
                assert torch.equal(y[0, 4 * c + 2 * dy + dx], x[0, c, dy::2, dx::2])
    assert torch.equal(unsqueeze(y), x)


@pytest.mark.parametrize("coupling", ["affine", "additive"])
def test_folding_changes_nothing(coupling):
    network = random_glow(coupling=coupling)
    folded = FoldedGlow.of(network).to(torch.device("cpu"), torch.float64)
    x = torch.rand(2, *SHAPE, dtype=torch.float64)
    z, logdet = network.encode(x)
    z2, logdet2 = folded.encode(x)
    torch.testing.assert_close(z2, z)
    torch.testing.assert_close(logdet2, logdet)
    cpu = torch.device("cpu")
    for batch in (1, 6):
        fused = FusedGlow(FoldedGlow.of(network), cpu, torch.float64, batch=batch)
        torch.testing.assert_close(fused.decode(z), network.decode(z))


def test_float32_round_trip():
    prior = GlowPrior.from_network(random_glow(offset=0.1).float())
    x = torch.rand(3, *SHAPE)
    assert float((prior.decode(prior.encode(x)) - x).abs().max()) < 1e-4


def test_a_processor_needs_nothing_of_a_device():
    """Neither for a value and gradient nor for the density is its room so much as imported."""
    code = (
        "import sys, torch\n"
        "from priorkit_glow.prior import GlowPrior\n"
        "from tests.helpers import random_glow\n"
        "prior = GlowPrior.from_network(random_glow().float())\n"
        "x, pullback = prior.decode_vjp(torch.zeros(1, prior.latent_size))\n"
        "prior.encode(x), prior.log_prob(x), pullback(x)\n"
        "assert not [name for name in sys.modules if name.startswith('priorkit_glow.device')]\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_door_to_a_device(monkeypatch):
    """Float32 on a CUDA device gets kernels of our own where they run; all else PyTorch's way."""
    asked = []
    monkeypatch.setattr(device, "generator", lambda network, place: asked.append(place))
    prior = GlowPrior.from_network(random_glow().float())
    with FakeTensorMode():
        z = torch.empty(2, prior.latent_size, device="cuda")
        own = prior._made._on_device
        assert own(z.cpu(), reversible=False) is own(z.double(), reversible=False) is None
        assert own(z, reversible=True) is None
        assert asked == []
        assert own(z, reversible=False) is None  # where they don't run
        assert asked == [z.device]


def test_initialisation_normalises():
    """After data-dependent initialisation the latents of that batch are about standard."""
    torch.manual_seed(0)
    network = Glow(GlowConfig(shape=(3, 16, 16), steps=(3, 3), width=(8, 8), scale_offset=(0, 0)))
    x = torch.rand(64, 3, 16, 16)
    network.initialize(x)
    z = network.encode(x)[0].detach()
    assert abs(float(z.mean())) < 0.05
    assert 0.8 < float(z.std()) < 1.2


def reference_layout(channels=(12, 24), steps=(2, 1), width=5, seed=0):
    """A random state dict as the reference project writes it: squeeze, steps, split, …"""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape, std=0.2):
        return std * torch.randn(*shape, generator=generator)

    state, number = {}, 0
    for c, k in zip(channels, steps, strict=True):
        number += 1  # the squeeze
        for _ in range(k):
            p = f"glow_modules.{number}."
            state[p + "actnorm.logs"] = normal(1, c, 1, 1)
            state[p + "actnorm.b"] = normal(1, c, 1, 1)
            state[p + "invconv.W"] = torch.linalg.qr(normal(c, c))[0][:, :, None, None]
            net = p + "coupling.net."
            state[net + "conv1.weight"] = normal(width, c // 2, 3, 3)
            state[net + "conv2.weight"] = normal(width, width, 1, 1)
            state[net + "conv3.weight"] = normal(c, width, 3, 3)
            for i, size in ((1, width), (2, width), (3, c)):
                state[net + f"conv{i}.bias"] = normal(size)
                if i < 3:
                    state[net + f"actnorm{i}.logs"] = normal(1, size, 1, 1)
                    state[net + f"actnorm{i}.b"] = normal(1, size, 1, 1)
            state[net + "logs"] = normal(c, 1, 1)
            number += 1
        number += 1  # the split
    return state


def reference_encode(state, x, last_offset):
    """x → z in the plainest form of DESIGN's facts about the reference, straight from the dict."""
    numbers = sorted({int(key.split(".")[1]) for key in state})
    h, z = x - 0.5, []
    for i, number in enumerate(numbers):
        p = f"glow_modules.{number}."
        if i == 0 or numbers[i - 1] != number - 1:
            if i:
                h, out = h.chunk(2, 1)
                z.append(out.flatten(1))
            b, c, height, w = h.shape
            h = h.view(b, c, height // 2, 2, w // 2, 2).permute(0, 1, 3, 5, 2, 4)
            h = h.reshape(b, 4 * c, height // 2, w // 2)
        last = number == numbers[-1]
        h = (h + state[p + "actnorm.b"]) * state[p + "actnorm.logs"].exp()
        h = F.conv2d(h, state[p + "invconv.W"])
        xa, xb = h.chunk(2, 1)
        net, n = p + "coupling.net.", xb
        for j in (1, 2):
            n = F.conv2d(
                n, state[net + f"conv{j}.weight"], state[net + f"conv{j}.bias"], padding=2 - j
            )
            n = (n + state[net + f"actnorm{j}.b"]) * state[net + f"actnorm{j}.logs"].exp()
            n = n.relu()
        n = F.conv2d(n, state[net + "conv3.weight"], state[net + "conv3.bias"], padding=1)
        n = n * (3 * state[net + "logs"]).exp()
        s = torch.sigmoid(n[:, 0::2] + 2) + (last_offset if last else 0)
        h = torch.cat([s * xa + n[:, 1::2], xb], 1)
    z.append(h.flatten(1))
    return torch.cat(z, 1)


@pytest.mark.parametrize("last_zeros", [True, False])
def test_reference_checkpoint(tmp_path, last_zeros):
    """The importer reproduces the reference's computation from a file in its layout."""
    state = reference_layout()
    torch.save(state, tmp_path / "glowmodel.pt")
    network = import_checkpoint(tmp_path / "glowmodel.pt", size=8, last_zeros=last_zeros)
    assert network.config.steps == (2, 1)
    assert network.config.scale_offset == (0.0, 1.0 if last_zeros else 0.0)
    x = torch.rand(2, 3, 8, 8)
    expected = reference_encode(state, x, 1.0 if last_zeros else 0.0)
    torch.testing.assert_close(network.encode(x)[0], expected, rtol=1e-4, atol=1e-5)


def test_import_refuses_other_files(tmp_path):
    (tmp_path / "junk.pt").write_bytes(b"not a checkpoint")
    torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pt")
    for name in ("junk.pt", "other.pt", "missing.pt"):
        with pytest.raises(WeightsError, match="not a checkpoint of the reference Glow"):
            import_checkpoint(tmp_path / name)


def test_import_never_runs_a_pickle(tmp_path):
    """A checkpoint that would execute code is refused before it does."""
    import pickle

    marker = tmp_path / "ran"

    class Evil:
        def __reduce__(self):
            return (open, (str(marker), "w"))

    (tmp_path / "evil.pt").write_bytes(pickle.dumps({"glow_modules.1.actnorm.b": Evil()}))
    with pytest.raises(WeightsError):
        import_checkpoint(tmp_path / "evil.pt")
    assert not marker.exists()


def test_weights_file_round_trip(tmp_path):
    network = random_glow(offset=0.1).float()
    state = rounded(network.state_dict())
    path = write_weights(tmp_path / "glow-toy.safetensors", state, network.config, {})
    network.load_state_dict({k: v.float() for k, v in state.items()})
    x = torch.rand(1, *SHAPE)
    torch.testing.assert_close(GlowPrior(weights=path).encode(x), network.encode(x)[0])
    assert json.loads(path.with_suffix(".json").read_text())["family"] == "glow"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Forty smooth pictures of 20×24 pixels in a folder."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("pictures")
    generator = torch.Generator().manual_seed(0)
    for i in range(40):
        small = torch.rand(3, 4, 4, generator=generator)
        big = F.interpolate(small[None], size=(24, 20), mode="bicubic")[0].clamp(0, 1)
        array = (255 * big).byte().permute(1, 2, 0).numpy()
        Image.fromarray(array).save(folder / f"{i:03d}.png")
    return folder


def options(pictures, out, **changes):
    values = {
        "data": pictures,
        "out": out,
        "size": 8,
        "steps_per_level": [1, 1],
        "width": [4, 4],
        "validation": 8,
        "batch": 8,
        "iterations": 12,
        "warmup": 2,
        "every": 6,
        "name": "glow-toy",
        "shift": 1.0,
    }
    return GlowTraining(**(values | changes))


def test_training_learns_and_writes_everything(pictures, tmp_path):
    seen = []
    path = train(options(pictures, tmp_path, iterations=60), lambda *line: seen.append(line))
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert log[-1]["validation"] < log[0]["validation"] - 0.05
    assert (tmp_path / "samples-000060.png").exists()
    card = json.loads(path.with_suffix(".json").read_text())
    assert card["bits_per_dim"] == pytest.approx(log[-1]["validation"], abs=0.02)
    assert seen[-1][:2] == (60, 60)
    assert GlowPrior(weights=path).sample(2).shape == (2, 3, 8, 8)


def test_training_resumes_exactly(pictures, tmp_path):
    """Stopped halfway and given again, a run ends with the weights of one that never stopped."""
    whole = train(options(pictures, tmp_path / "whole"), lambda *_: None)
    halves = options(pictures, tmp_path / "halves")

    def interrupt(step, total, message):
        if step == 6 and message.endswith("\n"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(halves, interrupt)
    resumed = train(halves, lambda *_: None)
    assert resumed.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize(
    "change",
    [
        {"precision": "bf6"},
        {"batch": 0},
        {"name": "a/b"},
        {"box": [0.0, 0.0, 99.0, 99.0]},
        {"device": "nowhere"},
        {"validation": 39},
    ],
)
def test_training_options_are_checked_first(pictures, tmp_path, change):
    with pytest.raises((ValueError, BadInputError), match=r"\w"):
        train(options(pictures, tmp_path, **change))
    assert not (tmp_path / "checkpoint.pt").exists()


def test_training_stops_on_time_and_refuses_another_architecture(pictures, tmp_path):
    assert train(options(pictures, tmp_path, iterations=10**6, minutes=1e-4)) is None
    assert (tmp_path / "checkpoint.pt").exists()
    with pytest.raises(ValueError, match="another architecture"):
        train(options(pictures, tmp_path, width=[5, 5]))


def test_a_latent_that_explodes_says_where():
    """An infinite bias in one step: the status of the image names level and step."""
    network = random_glow(offset=0.1)
    with torch.no_grad():
        network.levels[1][0].net.conv3.bias += torch.inf
    prior = GlowPrior.from_network(network)
    z = torch.randn(1, prior.latent_size, dtype=torch.float64)
    assert prior.blame(z) == "not finite in level 2, step 1"
    result = priorkit.recover(
        torch.rand(1, *SHAPE), prior=prior, op="mask", start=z, precision="float64"
    )
    assert result.status == ["diverged"]
    assert result.reason == ["not finite in level 2, step 1"]


@pytest.mark.parametrize("coupling", ["affine", "additive"])
@pytest.mark.parametrize("offset", [0.0, 0.1])
@pytest.mark.parametrize("reversible", [False, True])
def test_the_pullback_is_that_of_autograd(coupling, offset, reversible):
    """The product that is written out by hand against a graph of the network as trained."""
    network = random_glow(coupling=coupling, offset=offset)
    fused = FusedGlow(FoldedGlow.of(network), torch.device("cpu"), torch.float64)
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(3, network.config.n, dtype=torch.float64, generator=generator)
    r = torch.randn(3, *SHAPE, dtype=torch.float64, generator=generator)
    z.requires_grad_(True)
    x = network.decode(z)
    (expected,) = torch.autograd.grad(x, z, r)
    ours, pullback = fused.decode_vjp(z.detach(), torch.float64)
    torch.testing.assert_close(ours, x.detach())
    torch.testing.assert_close(pullback(r), expected)
    torch.testing.assert_close(pullback(2 * r), 2 * expected)


def test_decode_has_a_gradient():
    prior = GlowPrior.from_network(random_glow())
    z = 0.5 * torch.randn(1, prior.latent_size, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda v: prior.decode(v)[:, :, :2, :2], z.requires_grad_(True))


def test_mixed_precision_is_near():
    """x is exact, and the gradient to within the rounding of eight bits; images stay apart."""
    prior = GlowPrior(weights=WEIGHTS)
    generator = torch.Generator().manual_seed(0)
    z = 0.7 * torch.randn(4, prior.latent_size, generator=generator)
    r = torch.randn(4, *prior.shape, generator=generator)
    mixed = prior.mixed("latent")
    (x, pullback), (same, rough) = prior.decode_vjp(z), mixed.decode_vjp(z)
    g, rough_g = pullback(r), rough(r)
    assert torch.equal(x, same)
    assert 0 < float((rough_g - g).norm() / g.norm()) < 5e-3
    few = mixed.decode_vjp(z[:2])[1](r[:2])
    assert float((few - rough_g[:2]).norm() / g.norm()) < 5e-3


def test_convolutions_without_packed_weights(monkeypatch):
    """Another build of torch, without oneDNN's packed form, computes the same."""
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(6, 4, 3, 3, dtype=torch.float64, generator=generator)
    bias = torch.randn(6, dtype=torch.float64, generator=generator)
    x = torch.randn(5, 4, 8, 8, generator=generator).contiguous(memory_format=torch.channels_last)

    def result():
        cpu = torch.device("cpu")
        return Convolution(weight, bias, cpu, torch.float32, relu=True, batch=5, side=8)(x)

    packed = result()
    monkeypatch.setattr(Convolution, "_pack", lambda self, shape: None)
    torch.testing.assert_close(packed, result(), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(packed, F.conv2d(x, weight.float(), bias.float(), padding=1).relu())


def test_reversible_takes_less_memory():
    kept, undone = (GlowPrior(weights=WEIGHTS, reversible=r) for r in (False, True))
    assert undone.memory < kept.memory / 4


def test_tilt_is_by_level():
    """Every level is measured in a scale 2^tilt times that of the next finer one."""
    prior = GlowPrior(weights=WEIGHTS, tilt=1.0)
    scale = prior.scale
    assert scale is not None
    assert scale.unique().tolist() == [0.125, 0.25, 0.5, 1.0]
    assert float(scale[0]) == 0.125
    assert GlowPrior(weights=WEIGHTS, tilt=0).scale is None
