"""On a device no product of a Glow is rounded to TF32."""

import pytest
import torch
from priorkit_glow import convolution, folded, fused_step
from priorkit_glow.folded import FoldedGlow
from priorkit_glow.fused import FusedGlow
from priorkit_glow.network import Glow, GlowConfig

from priorkit import float32
from priorkit.linear import pixelwise


@pytest.fixture
def everywhere(monkeypatch):
    """As on a CUDA device, where PyTorch would round."""
    monkeypatch.setattr(float32, "_rounds", lambda x: True)
    for module in (folded, fused_step):
        monkeypatch.setattr(module, "mixed", lambda x, M, c=None: convolution._convolved(x, M, c))


def draws(*shapes):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(*shape, generator=generator) for shape in shapes]


def test_a_product_at_every_pixel(everywhere):
    x, M, c = draws((2, 7, 4), (4, 5), (5,))
    for given in (c, None):
        found = convolution._convolved(x, M, given)
        torch.testing.assert_close(found, pixelwise(x, M, given))
        assert found.is_contiguous()


def test_no_call_allows_tf32(everywhere, monkeypatch):
    """In x = G(z), its pullback, the density and its gradient."""
    calls, plain = [], torch.ops.aten._convolution

    def spied(*args, allow_tf32):
        calls.append(allow_tf32)
        return plain(*args, allow_tf32)

    monkeypatch.setattr(torch.ops.aten, "_convolution", spied)
    config = GlowConfig((3, 8, 8), (1, 1), (5, 6), (0.0, 0.5))
    exact, device = FoldedGlow.of(Glow(config).double()), torch.device("cpu")
    z, r = draws((1, config.n), (1, *config.shape))
    FusedGlow(exact, device, torch.float32, batch=1).decode_vjp(z, torch.float32)[1](r)
    whole, x = exact.to(device, torch.float32), r.clone().requires_grad_(True)
    torch.autograd.grad(whole.log_prob(x).sum(), x)
    both_ways, steps = 2, 2  # of three convolutions each, and in the density one of 1×1
    assert calls == [False] * (both_ways * steps * (3 + 4))
