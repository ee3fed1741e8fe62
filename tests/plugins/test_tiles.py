"""Large pictures in tiles: the same picture, its gradient, and the memory that is said."""

from dataclasses import replace
from pathlib import Path

import priorkit_diffusion
import pytest
import torch
from priorkit_diffusion import tiles
from priorkit_diffusion.network import DenoiserConfig, DenoisingNetwork
from priorkit_diffusion.prior import DiffusionPrior
from priorkit_diffusion.tiles import Tiles

from priorkit.run.memory import plan
from priorkit.settings.config import split
from priorkit.verbs.recover import prepare
from tests.helpers import small_denoiser

PHOTOS = Path(priorkit_diffusion.__file__).parent / "weights" / "denoiser-photos.safetensors"


def config(channels=(6, 8), blocks=(1, 1), attention=False):
    return DenoiserConfig(channels, blocks, attention, shape=None, sigma=(0.004, 4.0))


def random(config):
    """A network all of whose weights are random, so that it looks as far as it can."""
    torch.manual_seed(0)
    network = DenoisingNetwork(config)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn_like(parameter) / parameter[0].numel() ** 0.5)
    return network


def tiled(side, **options):
    """A prior whose tiles are so large, and the same without any."""
    network = random(config())
    cut, whole = (DiffusionPrior.from_network(network) for _ in range(2))
    cut.networks.tiles = replace(cut.networks.tiles, side=side)
    whole.networks.tiles = None
    for prior in (cut, whole):
        vars(prior.networks).update(options)
    return cut, whole


def picture(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(shape, dtype=torch.float64, generator=generator)


@pytest.mark.parametrize("blocks", [(1, 1), (2, 1), (1, 1, 1)])
def test_networks_look_as_far_as_the_margin(blocks):
    """What changes beyond it changes nothing, at every place of a tile's edge; and what changes
    less than the coarsest pixel nearer does."""
    own = config(channels=(6, 8, 8)[: len(blocks)], blocks=blocks)
    network, margin = random(own).double(), Tiles.of([own]).margin
    x = picture(1, 3, 8, 2 * margin + 24) - 0.5
    x = x.requires_grad_(True)
    place = margin + 8 // own.multiple * own.multiple
    seen = [
        torch.autograd.grad(network(x, torch.ones(1).double())[..., at].square().sum(), x)[0]
        for at in range(place, place + own.multiple)
    ]
    far = [int((slope.abs().amax((0, 1, 2)) > 0).nonzero()[0]) for slope in seen]
    assert min(far) >= place - margin
    assert min(at - first for at, first in enumerate(far, place)) > margin - 3 * own.multiple


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("sides", [(70, 141), (9, 300), (300, 1), (64, 65)])
@pytest.mark.parametrize("channels", [1, 3])
def test_tiles_are_the_whole(sides, channels, mirrored):
    cut, whole = tiled(64, mirrored=mirrored)
    x, sigma = picture(2, channels, *sides), torch.tensor([0.1, 1.0]).double()
    assert cut.networks.tiles.needed(*sides) == (sides != (9, 300) and sides != (300, 1))
    assert torch.allclose(cut.denoise(x, sigma), whole.denoise(x, sigma), atol=1e-10)


def test_what_is_cut_is_cut():
    """Every tile is within its size, and a network sees no more of a picture."""
    cut, _ = tiled(64)
    sizes = []
    network = cut.networks._copies.like(picture(1))[0]
    network.register_forward_pre_hook(lambda _, given: sizes.append(tuple(given[0].shape[-2:])))
    for sides in ((200, 136), (65, 600)):
        sizes.clear()
        cut.denoise(picture(1, 3, *sides), 0.1)
        assert len(sizes) > 3
        assert (
            max(tall * wide for tall, wide in sizes) == cut.networks.tiles.pixels(*sides) <= 64**2
        )


def test_too_narrow_a_margin_shows():
    """So that the tests above can fail."""
    cut, whole = tiled(64)
    cut.networks.tiles = replace(cut.networks.tiles, margin=8)
    x = picture(1, 3, 70, 141)
    assert not torch.allclose(cut.denoise(x, 1.0), whole.denoise(x, 1.0), atol=1e-6)


def test_gradients_through_tiles():
    found = []
    for prior in tiled(64):
        x = picture(1, 3, 72, 81).requires_grad_(True)
        prior.denoise(x, 0.5).square().sum().backward()
        found.append(x.grad)
    assert torch.allclose(*found, atol=1e-9)


def test_attention_is_never_cut():
    assert Tiles.of([config(channels=(8, 8)), config(channels=(8, 8), attention=True)]) is None
    assert DiffusionPrior.from_network(small_denoiser(shape=None)).networks.tiles is None


def test_the_shipped_network_in_tiles(monkeypatch):
    """With little noise and with much; the whole to 1e-4."""
    monkeypatch.setattr(Tiles, "needed", lambda *_: True)  # of a narrow picture, which is soon done
    cut, whole = (DiffusionPrior(weights=PHOTOS) for _ in range(2))
    cut.networks.tiles, whole.networks.tiles = replace(cut.networks.tiles, side=320), None
    assert cut.networks.tiles.margin == 112
    x = picture(1, 3, 16, 480).float()
    with torch.no_grad():
        for sigma in (0.05, 0.5, 2.0):
            gap = cut.denoise(x, sigma) - whole.denoise(x, sigma)
            assert float(gap.abs().max()) < 1e-4


def test_the_memory_of_a_large_picture_is_bounded():
    """Said before a run: no more for the network, but for the pictures themselves."""
    prior = DiffusionPrior(weights=PHOTOS)
    small, edge, large = (prior.bind((3, s, s)).denoising_memory for s in (640, 1280, 12800))
    assert edge == 4 * small
    beside = 4 * 4 * 3 * 12800**2
    assert tiles.MOST < large - beside <= 2 * tiles.MOST
    x = torch.rand(1, 3, 64, 64)
    told = {"prior": "denoiser-photos", "op": "identity", "sigma": 0.1}
    setup, _ = prepare(x, None, *split(told))
    assert plan(setup, 1).per_image > prior.bind((3, 64, 64)).denoising_memory
