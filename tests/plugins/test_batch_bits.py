"""An image's numbers don't depend on who is solved beside it: with the instructions of this
machine, and with those of older ones, whose libraries round the ends of a product otherwise."""

import os
import subprocess
import sys

import pytest

LESS = {
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
}
SCRIPT = """
import torch
import priorkit_diffusion
from pathlib import Path
from priorkit_diffusion.prior import DiffusionPrior
from priorkit_glow.prior import GlowPrior
from priorkit_realnvp.patches import PatchFlow
from priorkit.linear import matvec, pixelwise, rmatvec
from tests.helpers import random_glow, small_denoiser

torch.manual_seed(0)
glow = GlowPrior.from_network(random_glow(shape=(3, 16, 16)))
flow = PatchFlow().bind((3, 13, 13))
diffusion = DiffusionPrior.from_network(small_denoiser(shape=(3, 16, 16)), steps=4)
short = DiffusionPrior.from_network(small_denoiser(shape=(3, 16, 16)), steps=2)
shipped = Path(priorkit_diffusion.__file__).parent / "weights" / "diffusion-celeba.safetensors"
faces, sigmas = DiffusionPrior(weights=shipped), torch.linspace(0.5, 0.02, 8)
M, N = torch.randn(24, 24), torch.randn(30, 500)

def pulled(prior, z):
    x, pullback = prior.decode_vjp(z)
    return torch.cat([x.flatten(1), pullback(x)], 1)

def density(x):
    value, gradient = short.log_prob_grad(x)
    return torch.cat([value[:, None], gradient.flatten(1)], 1)

functions = {
    "pixelwise": (lambda x: pixelwise(x, M, M[0]), torch.randn(8, 13, 24)),
    "matvec": (lambda x: matvec(N, x), torch.randn(8, 500)),
    "rmatvec": (lambda x: rmatvec(N, x), torch.randn(8, 30)),
    "glow": (lambda z: pulled(glow, z), torch.randn(8, 768)),
    "glow's latents": (glow.encode, torch.rand(8, 3, 16, 16)),
    "denoiser": (lambda x: diffusion.denoise(x, sigmas[: len(x)]), torch.rand(8, 3, 16, 16)),
    "two denoisers": (lambda x: faces.denoise(x, sigmas[: len(x)]), torch.rand(8, 3, 16, 16)),
    "diffusion": (lambda z: pulled(diffusion, z), torch.randn(8, 768)),
    "diffusion's latents": (diffusion.encode, torch.rand(8, 3, 16, 16)),
    "diffusion's density": (density, torch.rand(3, 3, 16, 16)),
    "patches": (lambda x: flow.log_prob_grad(x)[1], torch.rand(8, 3, 13, 13)),
}
for name, (f, x) in functions.items():
    whole = f(x)
    for count in (2, 7) if len(x) > 7 else (2,):
        print(name, count, torch.equal(f(x[:count]), whole[:count]))
"""


@pytest.mark.parametrize("instructions", [{}, LESS], ids=["newest", "avx2"])
def test_a_batch_changes_no_bit_of_an_image(instructions):
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, **instructions},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    lines = ended.stdout.splitlines()
    assert len(lines) == 21
    assert [line for line in lines if not line.endswith("True")] == []
