"""What a device must hold beyond single kernels: many inputs, its own error, a recovery."""

import pytest
import torch
from priorkit_glow.fused import FusedGlow
from priorkit_glow.kernels import KernelGlow

import priorkit
from priorkit import cuda
from tests.cuda.test_glow import CPU, draws, network

F32, F64 = torch.float32, torch.float64


def worst(value, exact):
    """The largest relative error of an image."""
    return ((value.cpu() - exact).flatten(1).norm(dim=1) / exact.flatten(1).norm(dim=1)).max()


def test_many_random_inputs(place):
    """A thousand on a device, a hundred on the processor."""
    launch, device = place
    folded = network("small")
    ours, exact = KernelGlow(folded, device, launch), FusedGlow(folded, CPU, F64)
    z, r = draws(folded.config, 1000 if device.type == "cuda" else 100)
    x, pullback = exact.decode_vjp(z.double(), F64)
    found, kept = ours.decode(z.to(device), keep=True)
    assert worst(found, x) < 1e-5
    assert worst(ours.pull(kept, r.to(device)), pullback(r.double())) < 1e-4


def test_no_worse_than_twice_the_error_of_pytorch(place):
    launch, device = place
    folded = network("few pixels")
    z, r = draws(folded.config, 3)
    x, pullback = FusedGlow(folded, CPU, F64).decode_vjp(z.double(), F64)
    g = pullback(r.double())
    theirs, back = FusedGlow(folded, device, F32).decode_vjp(z.to(device), F32)
    ours = KernelGlow(folded, device, launch)
    found, kept = ours.decode(z.to(device), keep=True)
    assert worst(found, x) <= 2 * worst(theirs, x)
    assert worst(ours.pull(kept, r.to(device)), g) <= 2 * worst(back(r.to(device)), g)


@pytest.mark.gpu
@pytest.mark.skipif(cuda.obstacle() is not None, reason=str(cuda.obstacle()))
def test_a_recovery_is_that_of_the_processor():
    settings = {"prior": "glow-celeba", "op": "gaussian", "m": 500, "budget": 100}
    there, here = (priorkit.recover(device=d, **settings) for d in ("cuda", "cpu"))
    assert "in use" in cuda.state()["glow"]
    assert abs(float(there.psnr.mean() - here.psnr.mean())) < 0.05
