"""A denoiser on a device: recorded, asked one thing at most, and what the processor finds."""

from dataclasses import replace
from pathlib import Path

import priorkit_diffusion
import pytest
import torch
from priorkit_diffusion import network as one
from priorkit_diffusion import networks as several
from priorkit_diffusion.prior import DiffusionPrior

from priorkit.recordings import SEEN, Recordings
from tests.cuda_host.tape import Tape
from tests.far import far

WEIGHTS = Path(priorkit_diffusion.__file__).parent / "weights"
LOW, HIGH = 0.02, 0.4  # σ between which both networks of the prior for faces are used
SIGMAS = {
    "coarse": [0.4, 0.7, 3.0, 9.0],
    "fine": [0.02, 0.01, 0.004, 0.003],
    "both": [0.03, 0.1, 0.3, 0.39],
    "of each": [5.0, 0.1, 0.01, 0.4],
}


@pytest.fixture(scope="module")
def faces():
    return DiffusionPrior(weights=WEIGHTS / "diffusion-celeba.safetensors").networks


@pytest.fixture
def device(monkeypatch):
    """The processor as a device that is waited for and records."""
    monkeypatch.setattr(several, "on_processor", lambda x: False)
    monkeypatch.setattr(several, "RECORDED", ("cpu",))


def recording(networks, **options):
    """A copy of networks with recordings of its own, on the processor."""
    own = networks.varied(alone=False, mirrored=False)
    vars(own).update(options, _recordings=Recordings(record=Tape().record))
    return own


def pictures(count=4, channels=3, side=16, dtype=torch.float32, beyond=0.0):
    generator = torch.Generator().manual_seed(count)
    x = torch.rand(count, channels, side, side, generator=generator, dtype=dtype)
    x[:, :, : side // 2] += beyond
    return x


@torch.no_grad()
def compared(networks, x, sigma, **options):
    """What the processor finds, and what it finds as a device, before and after recording."""
    with pytest.MonkeyPatch.context() as undone:
        undone.setattr(several, "on_processor", lambda x: True)
        exact = networks.denoised(x, sigma, **options)
    return exact, [networks.denoised(x, sigma, **options) for _ in range(SEEN + 2)]


@pytest.mark.parametrize("rough", [False, True])
@pytest.mark.parametrize("name", SIGMAS)
def test_a_recorded_network_is_that_of_the_processor(device, faces, name, rough):
    """At each σ, also where pictures are beyond white, where other ones were recorded."""
    networks, sigma = recording(faces), torch.tensor(SIGMAS[name])
    exact, found = compared(networks, pictures(), sigma, rough=rough)
    assert all(torch.equal(each, exact) for each in found)
    assert len(networks._recordings._held) == 1
    exact, found = compared(networks, pictures(beyond=2.0), sigma.flip(0), rough=rough)
    assert all(torch.equal(each, exact) for each in found)
    assert len(networks._recordings._held) == 1


def test_networks_that_no_picture_needs_are_left_out(device, faces, monkeypatch):
    """Of which there is a recording each: one number for σ or many say which."""
    networks, used, at_once = recording(faces), [], several.at_once
    monkeypatch.setattr(several, "at_once", lambda *told: used.append(told[-1]) or at_once(*told))
    with torch.no_grad():
        for sigma in (0.5, 0.4, 0.1, 0.02, 0.01):
            networks.denoised(pictures(), sigma)
            networks.denoised(pictures(), torch.full((4,), sigma))
    coarse, both, fine = (True, False), (True, True), (False, True)
    assert used[::2] == used[1::2] == [coarse, coarse, both, fine, fine]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("mirrored", [False, True])
def test_every_way_of_a_call_has_its_recording(device, faces, mirrored, channels):
    """Gray pictures, those averaged with their mirror images, and the denoiser alone."""
    networks = recording(faces, mirrored=mirrored)
    x = pictures(channels=channels, side=13, beyond=2.0)
    sigma = torch.tensor(SIGMAS["of each"])
    exact, found = compared(networks, x, sigma)
    assert all(torch.equal(each, exact) for each in found)
    with torch.no_grad():
        clean = [networks.clean(x, sigma) for _ in range(SEEN + 1)]
    assert torch.equal(clean[0], clean[-1])
    assert not torch.equal(clean[-1], found[-1])
    assert len(networks._recordings._held) == 2


def test_variants_of_networks_share_recordings_and_none_is_taken_for_another(device, faces):
    networks = recording(faces)
    x, found = pictures(), []
    for alone in (False, True):
        for mirrored in (False, True):
            own = networks.varied(alone=alone, mirrored=mirrored)
            exact, results = compared(own, x, 0.05)
            assert all(torch.equal(each, exact) for each in results)
            found.append(results[-1])
    assert all(not torch.equal(a, b) for i, a in enumerate(found) for b in found[:i])
    assert len(networks._recordings._held) == 4


def sizes(networks):
    """Of the batches that have a recording, the last used at the end."""
    return [kind[1][2][0] for kind in networks._recordings._held]


def test_many_pictures_are_recorded_some_at_a_time(device, faces, monkeypatch):
    networks = recording(faces)
    monkeypatch.setattr(several, "LAUNCHED", 4 * 16**2 + 7)
    exact, found = compared(networks, pictures(10), 0.1)
    assert all(torch.equal(each, exact) for each in found)
    assert sizes(networks) == [4, 2]


def test_batches_that_become_smaller_share_recordings(device, faces):
    """As they do while images end, one after the other."""
    networks = recording(faces)
    for count in (12, 11, 10, 9, 7, 6):
        exact, found = compared(networks, pictures(count, side=8), 0.1)
        assert all(torch.equal(each, exact) for each in found)
    assert sizes(networks) == [12, 10, 7, 6]


def test_large_pictures_and_gradients_go_one_by_one(device, faces, monkeypatch):
    networks = recording(faces)
    x = pictures(3, dtype=torch.float64).requires_grad_(True)
    for _ in range(SEEN + 2):
        (slope,) = torch.autograd.grad(networks.denoised(x, 0.1).sum(), x)
    assert bool(slope.any())
    monkeypatch.setattr(several, "LAUNCHED", 16**2 - 1)
    with torch.no_grad():
        for _ in range(SEEN + 2):
            networks.denoised(x, 0.1)
    assert not networks._recordings._held


def test_tiles_go_one_by_one(device):
    config = one.DenoiserConfig((4, 4), (1, 1), attention=False, shape=None, sigma=(0.1, 4.0))
    cut = recording(several.Networks([one.DenoisingNetwork(config)]))
    cut.tiles = replace(cut.tiles, side=4 * cut.tiles.margin)
    held = []
    for side in (cut.tiles.side, cut.tiles.side + 8):
        exact, found = compared(cut, pictures(2, side=side), 0.1)
        assert all(torch.equal(each, exact) for each in found)
        held.append(len(cut._recordings._held))
    assert held == [1, 1]


def test_a_flow_is_recorded_and_its_pullback_is_not(device, faces):
    """The steps of the ODE have a number for σ each, and one recording."""
    prior = DiffusionPrior(weights=WEIGHTS / "diffusion-celeba.safetensors", steps=4)
    prior = prior.bind((3, 8, 8))
    z = torch.randn(2, 192, generator=torch.Generator().manual_seed(0))
    with pytest.MonkeyPatch.context() as undone:
        undone.setattr(several, "on_processor", lambda x: True)
        x, pullback = prior.decode_vjp(z)
        exact = x, pullback(x)
    prior.networks = recording(prior.networks)
    for _ in range(2):
        found, pullback = prior.decode_vjp(z)
        pulled = pullback(found)
    assert torch.equal(found, exact[0])
    assert torch.equal(pulled, exact[1])
    variants = {kind[0][2] for kind in prior.networks._recordings._held}
    assert variants == {(True, False), (True, True)}


@pytest.mark.parametrize("rough", [False, True])
def test_a_device_is_asked_for_two_numbers_at_most(faces, rough):
    """Which σ is the least and which the greatest; for a number not even that."""
    x = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), far() as device:
        there, many = x.to("far"), torch.full((4,), 0.2).to("far")
        faces.denoised(there, 0.1, rough=rough)  # which moves the weights there
        device.clear()
        faces.denoised(there, 0.1, rough=rough)
        assert not device.down
        assert 100 < device.launched.total() < 600
        faces.denoised(there, many, rough=rough)
        assert device.down.total() == 1
        assert not device.up


def test_pictures_are_modulated_alike_in_rows_and_whole(faces, monkeypatch):
    h = torch.randn(2, 6, 5, 7, generator=torch.Generator().manual_seed(0))
    scale, shift = torch.linspace(0.5, 2, 12).view(2, 6), torch.linspace(-1, 1, 12).view(2, 6)
    rows = one._modulated(h.clone(), scale, shift)
    monkeypatch.setattr(one, "on_processor", lambda x: False)
    for memory in (torch.contiguous_format, torch.channels_last):
        whole = one._modulated(h.clone(memory_format=memory), scale, shift)
        assert torch.allclose(whole, rows, atol=1e-6)
        graph = one._modulated(h.clone(memory_format=memory).requires_grad_(), scale, shift)
        assert torch.allclose(graph, rows, atol=1e-6)
