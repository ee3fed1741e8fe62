"""Weights that were read once are read again only where their file has changed."""

import shutil
from pathlib import Path

import pytest
import torch
from priorkit_dcgan.prior import DCGANPrior
from priorkit_diffusion.prior import DiffusionPrior
from priorkit_glow.prior import GlowPrior
from priorkit_realnvp.patches import PatchFlow
from priorkit_realnvp.prior import RealNVPPrior

from priorkit.errors import WeightsError
from priorkit.io import weights


def denoised(prior, x):
    """One call of the network, where ``encode`` is many."""
    return prior.denoise(x, 0.1)


PRIORS = [
    (GlowPrior, "priorkit_glow/weights/glow-celeba", GlowPrior.encode, (3, 64, 64)),
    (DiffusionPrior, "priorkit_diffusion/weights/diffusion-celeba", denoised, (3, 64, 64)),
    (RealNVPPrior, "priorkit_realnvp/weights/realnvp-2d", RealNVPPrior.log_prob, (2,)),
    (PatchFlow, "priorkit_realnvp/weights/patches/patch-photos", PatchFlow.log_prob, (3, 8, 9)),
    (DCGANPrior, "priorkit_dcgan/weights/dcgan-celeba", DCGANPrior.decode, (100,)),
]


@pytest.mark.parametrize(("prior", "place", "of", "shape"), PRIORS)
def test_a_second_prior_reads_nothing_and_notices_damage(
    prior, place, of, shape, tmp_path, monkeypatch
):
    shipped = Path(__file__).parents[2] / "plugins" / place
    for file in shipped.parent.glob("*.*"):
        shutil.copy(file, tmp_path)
    path = tmp_path / f"{shipped.name}.safetensors"
    x = torch.rand(2, *shape)
    first = of(prior(weights=path), x)
    with monkeypatch.context() as patch:
        patch.setattr(weights.Weights, "load", lambda self: pytest.fail("read again"))
        assert torch.equal(of(prior(weights=path), x), first)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(WeightsError, match="damaged"):
        prior(weights=path)
