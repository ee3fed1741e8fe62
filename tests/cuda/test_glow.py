"""x = G(z) and its pullback in our own kernels, executed, beside float64."""

import pytest
import torch
from priorkit_glow.device.couplings import Way
from priorkit_glow.device.glow import KernelGlow, fits
from priorkit_glow.folded import FoldedGlow
from priorkit_glow.fused import FusedGlow
from priorkit_glow.network import Glow, GlowConfig

CPU = torch.device("cpu")
F32, BF16 = torch.float32, torch.bfloat16
CONFIGS = {
    # Together they cross every border: of 8 pixels, and of 8 and 32 hidden channels.
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
    "whole bytes": GlowConfig(
        shape=(6, 16, 16), steps=(1, 2), width=(96, 64), scale_offset=(0.0, 0.0), coupling="affine"
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


QUICK = {"few pixels": 6, "whole bytes": 1}  # so many pictures


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


@pytest.mark.parametrize("name", ["few pixels", slow("whole bytes"), slow("affine")])
@pytest.mark.parametrize("dtype", [F32, BF16])
def test_no_order_of_threads_changes_a_bit(host, name, dtype, monkeypatch):
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


@pytest.mark.parametrize("dtype", [F32, BF16])
@pytest.mark.parametrize("hidden", [1, 8, 31, 40, 96])
def test_hidden_layers(place, hidden, dtype):
    """Bias, ReLU and its bits; the bits as a factor; in float32 and in bfloat16 exactly."""
    launch, device = place
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, 5, hidden, generator=generator).to(dtype)
    x[0, 0, 0, 0] = float("nan")
    bias = torch.randn(hidden, generator=generator)
    weights = [torch.zeros(1, 1, 1, 1)] * 2  # no product is asked for
    forward, back = (Way(launch, weights, b, device, dtype) for b in ([bias], None))
    bits = torch.full((30 * ((hidden + 31) // 32),), -1, dtype=torch.int32, device=device)
    y = x.to(device, copy=True)
    forward._between(y, 0, bits)
    exact = x.float() + bias
    found = y.cpu().float()
    torch.testing.assert_close(
        found, exact.clamp(min=0).to(dtype).float(), rtol=0, atol=0, equal_nan=True
    )
    packed = torch.stack([bits.cpu() >> i & 1 for i in range(32)], 1).view(2, 3, 5, -1)
    assert torch.equal(packed[..., :hidden].bool(), exact > 0)
    assert not packed[..., hidden:].any()
    g = torch.randn(x.shape, generator=generator).to(dtype)
    masked = g.to(device, copy=True)
    back._between(masked, 0, bits)
    assert torch.equal(masked.cpu(), g.where(exact > 0, 0))


def test_a_network_that_is_too_wide_is_refused(host):
    config = GlowConfig(
        shape=(256, 4, 4), steps=(1,), width=(2,), scale_offset=(0.0,), coupling="affine"
    )
    with pytest.raises(ValueError, match="1024 channels"):
        KernelGlow(FoldedGlow.of(Glow(config)), CPU, host)
    assert not fits(config)  # and PyTorch's operations do it instead
    assert all(map(fits, CONFIGS.values()))
