"""Weights that were read once are read again only where their file has changed."""

import shutil
from pathlib import Path

import pytest
import torch
from priorkit_diffusion.prior import DiffusionPrior
from priorkit_glow.prior import GlowPrior

from priorkit.errors import WeightsError
from priorkit.io import weights

PRIORS = [
    (GlowPrior, "priorkit_glow/weights", "glow-celeba"),
    (DiffusionPrior, "priorkit_diffusion/weights", "diffusion-celeba"),
]


@pytest.mark.parametrize(("prior", "place", "name"), PRIORS)
def test_a_second_prior_reads_nothing_and_notices_damage(prior, place, name, tmp_path, monkeypatch):
    place = Path(__file__).parents[2] / "plugins" / place
    for file in place.iterdir():
        shutil.copy(file, tmp_path)
    path = tmp_path / f"{name}.safetensors"
    x = torch.rand(2, 3, 64, 64)
    first = prior(weights=path).encode(x)
    with monkeypatch.context() as patch:
        patch.setattr(weights.Weights, "load", lambda self: pytest.fail("read again"))
        assert torch.equal(prior(weights=path).encode(x), first)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(WeightsError, match="damaged"):
        prior(weights=path)
