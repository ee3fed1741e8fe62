"""An image's numbers don't depend on who is solved beside it: with the instructions of this
machine, and with those of older ones, whose libraries round the ends of a product otherwise."""

import os
import subprocess
import sys
from pathlib import Path

import priorkit_diffusion
import pytest
import torch
from priorkit_diffusion.prior import DiffusionPrior
from priorkit_glow.prior import GlowPrior
from priorkit_operators.blur import Blur
from priorkit_operators.phase import Phase
from priorkit_operators.resampling import Downsample
from priorkit_penalties.norms import L1, L2, L2Squared
from priorkit_penalties.variation import TotalVariation
from priorkit_realnvp.patches import PatchFlow
from priorkit_solvers.divergence import divergence

from priorkit.interfaces.kinds import PICTURE
from priorkit.linear import dots, matvec, pixelwise, rmatvec, sums
from priorkit.metrics import reconstruction_error
from tests.helpers import PATIENCE, random_glow, small_denoiser

LESS = {
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
}
FACES = Path(priorkit_diffusion.__file__).parent / "weights" / "diffusion-celeba.safetensors"


def pulled(prior, z):
    x, pullback = prior.decode_vjp(z)
    return torch.cat([x.flatten(1), pullback(x)], 1)


def density(prior, x):
    value, gradient = prior.log_prob_grad(x)
    return torch.cat([value[:, None], gradient.flatten(1)], 1)


def changed():
    """How many functions were looked at, and what of them differs for some of the images alone."""
    torch.manual_seed(0)
    glow = GlowPrior.from_network(random_glow(shape=(3, 16, 16)))
    flow = PatchFlow().bind((3, 13, 13))
    diffusion = DiffusionPrior.from_network(small_denoiser(shape=(3, 16, 16)), steps=2)
    faces, sigmas = DiffusionPrior(weights=FACES), torch.linspace(0.5, 0.02, 8)
    M, N = torch.randn(24, 24), torch.randn(30, 500)
    phase, small = Phase(seed=0).bind((1, 7)), Downsample(factor=2).bind((1, 4, 4))
    line = Downsample(factor=4).bind((12,))
    functions = {
        "pixelwise": (lambda x: pixelwise(x, M, M[0]), torch.randn(8, 13, 24)),
        "matvec": (lambda x: matvec(N, x), torch.randn(8, 500)),
        "rmatvec": (lambda x: rmatvec(N, x), torch.randn(8, 30)),
        "phase": (lambda x: phase.vjp(x, phase.A(x)), torch.rand(8, 1, 7)),
        "downsample": (small.A, torch.rand(8, 1, 4, 4)),
        "downsample of lines": (line.A, torch.rand(8, 12)),
        "glow": (lambda z: pulled(glow, z), torch.randn(8, 768)),
        "glow's latents": (glow.encode, torch.rand(8, 3, 16, 16)),
        "denoiser": (lambda x: diffusion.denoise(x, sigmas[: len(x)]), torch.rand(8, 3, 16, 16)),
        "two denoisers": (lambda x: faces.denoise(x, sigmas[: len(x)]), torch.rand(8, 3, 16, 16)),
        "diffusion": (lambda z: pulled(diffusion, z), torch.randn(8, 768)),
        "diffusion's latents": (diffusion.encode, torch.rand(8, 3, 16, 16)),
        "diffusion's density": (lambda x: density(diffusion, x), torch.rand(3, 3, 16, 16)),
        "patches": (lambda x: flow.log_prob_grad(x)[1], torch.rand(8, 3, 13, 13)),
    }
    found = []
    for name, (f, x) in functions.items():
        whole = f(x)
        for count in (2, 7) if len(x) > 7 else (2,):
            if not torch.equal(f(x[:count]), whole[:count]):
                found.append((name, count))
    return len(functions), found


def test_a_batch_changes_no_bit_of_an_image():
    assert changed() == (14, [])


@pytest.mark.slow
def test_nor_with_the_instructions_of_older_machines():
    """In a process that begins with them."""
    code = f"from {__name__} import changed; print(changed())"
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **LESS},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert ended.stdout == "(14, [])\n"


@pytest.mark.parametrize(
    ("operator", "shape"),
    [
        (Blur(width=0.3), (1, 32, 32)),
        (Blur(kernel=torch.ones(3) / 3, boundary="valid"), (20,)),
        (Downsample(factor=4), (12,)),
        (Phase(seed=0), (1, 33, 65)),
    ],
)
def test_nor_one_that_is_alone(operator, shape):
    bound = operator.bind(shape)
    x = torch.rand(5, *shape, generator=torch.Generator().manual_seed(0))
    y = bound.A(x)
    back = bound.vjp(x, y)
    for i in range(5):
        assert torch.equal(bound.A(x[i : i + 1])[0], y[i])
        assert torch.equal(bound.vjp(x[i : i + 1], y[i : i + 1])[0], back[i])


ADDED = {
    "error": lambda x, r: reconstruction_error(x, r),
    "ssim": lambda x, r: PICTURE.ssim(x, r),
    "dots": dots,
    "sums": lambda x, r: sums(r),
    "divergence": lambda x, r: divergence(x, x + r.abs(), r),
    "l1": lambda x, r: L1().value_grad(r),
    "l2": lambda x, r: L2().value_grad(r),
    "l2's prox": lambda x, r: L2().prox(r, 0.3),
    "l2-squared": lambda x, r: L2Squared().value_grad(r),
    "tv": lambda x, r: TotalVariation().value_grad(r),
}


@pytest.fixture(params=[2, 3])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("added", ADDED.values(), ids=list(ADDED))
def test_nor_do_threads_that_share_the_sum_of_one_that_is_alone(threads, added):
    """Of so many numbers: several images that are alone, since a sum is the same by chance too."""
    x = torch.rand(6, 3, 200, 200, generator=torch.Generator().manual_seed(0))
    r = torch.randn(x.shape, generator=torch.Generator().manual_seed(1))
    together = added(x, r)
    together = together if isinstance(together, tuple) else (together,)
    for i in range(6):
        alone = added(x[i : i + 1], r[i : i + 1])
        alone = alone if isinstance(alone, tuple) else (alone,)
        for one, whole in zip(alone, together, strict=True):
            assert torch.equal(one[0], whole[i])
