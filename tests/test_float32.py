"""Convolutions in float32 proper are those of PyTorch, with their derivatives."""

import pytest
import torch
from priorkit_diffusion.prior import DiffusionPrior
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from priorkit import float32
from tests.helpers import small_denoiser


@pytest.fixture
def everywhere(monkeypatch):
    """As on a CUDA device, where PyTorch would round."""
    monkeypatch.setattr(float32, "_rounds", lambda x: True)


def draws(*shapes):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(*shape, generator=generator).double() for shape in shapes]


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize(("side", "stride", "padding"), [(1, 1, 0), (3, 1, 1), (2, 2, 0)])
def test_a_convolution_and_its_derivatives(everywhere, side, stride, padding, transposed):
    x, weight, bias = draws((2, 3, 4, 6), (3, 3, side, side), (3,))
    told = {"stride": (stride, stride), "padding": (padding, padding)}

    def found(x):
        return float32.convolution(x, weight, bias, **told, transposed=transposed)

    exact = F.conv_transpose2d if transposed else F.conv2d
    torch.testing.assert_close(found(x), exact(x, weight, bias, **told))
    x.requires_grad_(True)
    assert torch.autograd.gradcheck(found, x)
    assert torch.autograd.gradgradcheck(lambda x: found(x) ** 2, x)


class Rounded(TorchDispatchMode):
    """Whether each convolution, of a backward pass too, may be rounded."""

    def __init__(self):
        super().__init__()
        self.allowed = []

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        if "convolution" in str(operation):
            said = str(operation) == "aten._convolution.default"
            self.allowed.append(args[12] if said else "as the process says")
        return operation(*args, **(kwargs or {}))


def test_no_call_of_a_denoiser_allows_tf32(everywhere):
    """Nor any of its gradients, nor of those of its density."""
    prior = DiffusionPrior.from_network(small_denoiser(), steps=2)
    x = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    with Rounded() as each:
        prior.denoise(x, 0.2)
    assert each.allowed == [False] * 13
    with Rounded() as each:
        prior.decode_vjp(x.flatten(1))[1](x)
        prior.log_prob_grad(x)
    assert set(each.allowed) == {False}


def test_training_takes_the_settings_of_the_process(everywhere):
    network = small_denoiser()
    with Rounded() as each:
        network(torch.rand(2, 3, 4, 4), torch.ones(2)).sum().backward()
    assert set(each.allowed) == {"as the process says"}
