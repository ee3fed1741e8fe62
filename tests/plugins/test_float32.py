"""Products in float32 proper are those of PyTorch, with their derivatives."""

import pytest
import torch
from priorkit_glow import float32
from priorkit_glow.folded import FoldedGlow
from priorkit_glow.fused import FusedGlow
from priorkit_glow.network import Glow, GlowConfig
from torch.nn import functional as F

from priorkit.linear import pixelwise


@pytest.fixture
def everywhere(monkeypatch):
    """As on a CUDA device, where PyTorch would round."""
    monkeypatch.setattr(float32, "_rounds", lambda x: True)


def draws(*shapes):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(*shape, generator=generator) for shape in shapes]


@pytest.mark.parametrize("side", [1, 3])
def test_a_convolution_and_its_derivatives(everywhere, side):
    x, weight, bias = (t.double() for t in draws((2, 3, 5, 4), (6, 3, side, side), (6,)))
    found = float32.convolution(x, weight, bias)
    torch.testing.assert_close(found, F.conv2d(x, weight, bias, padding=side // 2))
    x.requires_grad_(True)
    assert torch.autograd.gradcheck(lambda x: float32.convolution(x, weight, bias), x)
    assert torch.autograd.gradgradcheck(lambda x: float32.convolution(x, weight, bias) ** 2, x)


def test_a_product_at_every_pixel(everywhere):
    x, M, c = draws((2, 7, 4), (4, 5), (5,))
    for given in (c, None):
        found = float32.mixed(x, M, given)
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
    folded, device = FoldedGlow.of(Glow(config).double()), torch.device("cpu")
    z, r = draws((1, config.n), (1, *config.shape))
    FusedGlow(folded, device, torch.float32, batch=1).decode_vjp(z, torch.float32)[1](r)
    whole, x = folded.to(device, torch.float32), r.clone().requires_grad_(True)
    torch.autograd.grad(whole.log_prob(x).sum(), x)
    both_ways, steps = 2, 2  # of three convolutions each, and in the density one of 1×1
    assert calls == [False] * (both_ways * steps * (3 + 4))
