"""x = G(z) and its pullback in our own kernels, executed, beside float64."""

import pytest
import torch
from priorkit_glow.couplings import Pixels, Way
from priorkit_glow.folded import FoldedGlow
from priorkit_glow.fused import FusedGlow
from priorkit_glow.kernels import KernelGlow
from priorkit_glow.levels import levels_of
from priorkit_glow.network import Glow, GlowConfig
from priorkit_glow.ops import generate, pull_back, registered

from tests.cuda.test_build import rows

CPU = torch.device("cpu")
F32, BF16 = torch.float32, torch.bfloat16
CONFIGS = {
    # Together they cross every border: of 64 pixels, 64 hidden and 16 output channels, 32 addends,
    # the width that float32 has on the chip, pictures in a block, 8×8 tiles, and their sums.
    "few pixels": GlowConfig(
        shape=(5, 4, 12), steps=(1, 1), width=(70, 98), scale_offset=(0.0, 1.0), coupling="affine"
    ),
    "many pixels": GlowConfig(
        shape=(5, 18, 18), steps=(1,), width=(70,), scale_offset=(0.5,), coupling="affine"
    ),
    "affine": GlowConfig(
        shape=(3, 8, 8), steps=(2, 2), width=(6, 5), scale_offset=(0.0, 1.0), coupling="affine"
    ),
    "additive": GlowConfig(
        shape=(1, 4, 12), steps=(1, 2), width=(33, 3), scale_offset=(0.0, 0.0), coupling="additive"
    ),
    "wider than a tile": GlowConfig(
        shape=(3, 6, 10), steps=(2,), width=(70,), scale_offset=(0.5,), coupling="affine"
    ),
    "fills the chip": GlowConfig(
        shape=(6, 16, 16), steps=(1, 1), width=(96, 130), scale_offset=(0.0, 0.0), coupling="affine"
    ),
    "tiles": GlowConfig(
        shape=(3, 20, 36), steps=(2,), width=(70,), scale_offset=(0.5,), coupling="affine"
    ),
    "wide tiles": GlowConfig(
        shape=(6, 18, 20), steps=(1,), width=(40,), scale_offset=(0.0,), coupling="affine"
    ),
    "small": GlowConfig(
        shape=(1, 4, 4), steps=(1, 1), width=(2, 2), scale_offset=(0.0, 0.0), coupling="affine"
    ),
    "many channels": GlowConfig(
        shape=(20, 8, 4), steps=(1, 1), width=(4, 40), scale_offset=(0.0, 0.0), coupling="affine"
    ),
}


def network(name):
    """A folded Glow whose every parameter is random."""
    torch.manual_seed(0)
    whole = Glow(CONFIGS[name]).double()
    with torch.no_grad():
        for parameter in whole.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
    return FoldedGlow.of(whole)


def draws(config, batch):
    generator = torch.Generator().manual_seed(batch)
    z = 0.7 * torch.randn(batch, config.n, generator=generator)
    return z, torch.randn(batch, *config.shape, generator=generator)


def error(value, exact):
    return float((value - exact).norm() / exact.norm())


def slow(*values):
    return pytest.param(*values, marks=pytest.mark.slow)


QUICK = {"few pixels": 6, "many pixels": 1}  # so many pictures; six are more than a block's


@pytest.mark.parametrize(
    ("name", "batch"),
    [*QUICK.items(), *(slow(n, b) for n in CONFIGS for b in (1, 3) if QUICK.get(n) != b)],
)
@pytest.mark.parametrize(
    ("forward", "back", "of_x", "of_g"),
    [(F32, F32, 1e-5, 1e-5), (F32, BF16, 1e-5, 1e-2), (BF16, BF16, 1e-2, 4e-2)],
    ids=["float32", "mixed", "bfloat16"],
)
def test_kernels_agree_with_float64(place, name, batch, forward, back, of_x, of_g):
    launch, device = place
    folded = network(name)
    z, r = draws(folded.config, batch)
    x, pullback = FusedGlow(folded, CPU, torch.float64).decode_vjp(z.double(), torch.float64)
    ours = KernelGlow(folded, device, launch, forward=forward)
    found, kept = ours.decode(z.to(device), keep=True)
    assert error(found.cpu(), x) < of_x
    assert error(ours.pull(kept, r.to(device), back).cpu(), pullback(r.double())) < of_g
    assert torch.equal(ours.decode(z.to(device), keep=False)[0], found)


@pytest.mark.parametrize("name", ["few pixels", slow("many pixels"), slow("affine")])
@pytest.mark.parametrize("dtype", [F32, BF16])
def test_no_order_of_threads_and_no_batch_changes_a_bit(host, name, dtype, monkeypatch):
    folded = network(name)
    z, r = draws(folded.config, 3)
    ours = KernelGlow(folded, CPU, host, forward=dtype)
    results = []
    for seed in range(4):
        monkeypatch.setattr(host, "seed", seed)
        x, kept = ours.decode(z, keep=True)
        results.append((x, kept, ours.pull(kept, r, dtype)))
    for other in results[1:]:
        assert all(map(torch.equal, results[0], other))
    alone, kept = ours.decode(z[1:2], keep=True)
    assert torch.equal(alone, results[0][0][1:2])
    assert torch.equal(ours.pull(kept, r[1:2], dtype), results[0][2][1:2])


@pytest.mark.parametrize(
    "name", ["few pixels", *map(slow, ["affine", "additive", "many channels", "fills the chip"])]
)
@pytest.mark.parametrize("dtype", [F32, BF16])
def test_a_coupling_on_the_chip_gives_the_same_bits(place, name, dtype):
    launch, device = place
    folded = network(name)
    z, r = (t.to(device) for t in draws(folded.config, 5))
    results = []
    for on_chip in (True, False):
        ours = KernelGlow(folded, device, launch, forward=dtype, on_chip=on_chip)
        x, kept = ours.decode(z, keep=True)
        results.append((x, kept, ours.pull(kept, r, dtype)))
    assert all(map(torch.equal, *results))


@pytest.mark.parametrize("back", [False, True])
@pytest.mark.parametrize("name", ["many pixels", slow("tiles"), slow("wide tiles")])
def test_a_coupling_in_tiles_is_that_of_its_layers(place, name, back):
    """Its bits are the same; of the last sum the order is another."""
    launch, device = place
    folded = network(name)
    found = []
    for on_chip in (True, False):
        (level,), step = levels_of(folded.config), folded.steps[0][0]
        generator = torch.Generator().manual_seed(0)
        h = torch.randn(2, level.height, level.width, level.channels, generator=generator)
        words = [2 * size for size in level.kept(True)[2:]]
        given = [torch.randint(-(2**31), 2**31, (k,), generator=generator).int() for k in words]
        bits = [(g if back else torch.zeros_like(g)).to(device) for g in given]
        y, half = torch.ones_like(h, device=device), level.channels // 2
        x = h.to(device)
        weights = step.turned if back else [step.w1, step.w2, step.w3]
        way = Way.of(weights, None if back else [step.b1, step.b2, step.b3], device, BF16)
        whole = [Pixels(t, level.channels, level.channels) for t in (x, y)]
        second = [Pixels(t[..., half:], half, level.channels) for t in (x, y)]
        pair = (whole[0], second[1]) if back else (second[0], whole[1])
        way.run(launch, *pair, bits, level, 2, on_chip=on_chip)
        found.append((y, bits))
    (tiled, bits), (layered, others) = found
    assert error(tiled, layered) < 1e-6
    assert not torch.equal(tiled, layered)
    assert all(map(torch.equal, bits, others))


def test_tiles_fit_into_every_device_that_has_tensor_cores_for_them():
    """99 KiB of shared memory per block (CUDA C++ Programming Guide, compute capability 8.6)."""
    config = GlowConfig((7, 24, 24), (1,), (512,), scale_offset=(0.0,))
    taken = []

    def launch(name, grid, threads, arguments, shared=0):
        taken.append(shared)

    ours = KernelGlow(FoldedGlow.of(Glow(config).double()), CPU, launch, forward=BF16)
    _, kept = ours.decode(torch.zeros(1, config.n), keep=True)
    ours.pull(kept, torch.zeros(1, *config.shape), BF16)
    declared = max(int(row["shared"]) for row in rows() if "tiles" in row["kernel"])
    assert 48 << 10 < max(taken) <= (99 << 10) - declared


def test_operators_of_pytorch(host):
    """Traced, batched and differentiated as PyTorch expects of an operator."""
    folded = network("small")
    ours = KernelGlow(folded, CPU, host)
    number = registered(ours)
    z, r = draws(folded.config, 2)
    z.requires_grad_(True)
    torch.library.opcheck(generate, (z, number, True))
    _, kept = generate(z.detach(), number, True)
    torch.library.opcheck(pull_back, (kept, r, number, False))

    def few(values):
        return generate(values, number, True)[0][:, :1, :2, :2]

    # Differences of float32: coarse steps, and the tolerance that they leave.
    assert torch.autograd.gradcheck(few, z, eps=1e-2, atol=2e-2, rtol=2e-2)


def test_a_gradient_needs_what_is_kept(host):
    folded = network("affine")
    ours = KernelGlow(folded, CPU, host)
    z = draws(folded.config, 1)[0].requires_grad_(True)
    x, _ = generate(z, registered(ours), False)
    with pytest.raises(RuntimeError, match="keep=True"):
        x.sum().backward()


def test_a_network_that_is_too_wide_is_refused(host):
    config = GlowConfig(
        shape=(256, 4, 4), steps=(1,), width=(2,), scale_offset=(0.0,), coupling="affine"
    )
    with pytest.raises(ValueError, match="1024 channels"):
        KernelGlow(FoldedGlow.of(Glow(config)), CPU, host)
