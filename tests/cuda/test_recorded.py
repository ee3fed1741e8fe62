"""Recordings by size of batch give what the kernels give one by one."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from priorkit_glow import device
from priorkit_glow.device import recorded as module
from priorkit_glow.device.glow import KernelGlow
from priorkit_glow.device.recorded import DeviceGlow

from priorkit.recordings import SEEN, Recordings, record_graph
from tests.cuda.test_glow import draws, network
from tests.cuda_host.tape import Tape

F32, BF16 = torch.float32, torch.bfloat16


@pytest.fixture
def record(place):
    """The kernels one by one, and what records them."""
    launch, device = place
    tape = Tape(launch)
    own = KernelGlow(network("small"), device, tape)
    return own, record_graph if device.type == "cuda" else tape.record


@pytest.fixture
def pair(record):
    """The kernels one by one, and recorded."""
    own, works = record
    return own, DeviceGlow(own, Recordings(record=works))


def refuses(function, device):
    raise RuntimeError("operation not permitted when stream is capturing")


def draws_on(own, batch):
    return [t.to(own.device) for t in draws(own.config, batch)]


def value_and_gradient(recorded, z, r, back=F32):
    x, pullback = recorded.decode_vjp(z, back)
    return x, pullback(r)


def exactly(own, z, r, back=F32):
    """The same of the kernels one by one."""
    x, kept = own.decode(z, keep=True)
    return x, own.pull(kept, r, back)


def again_and_again(pair, batch, back=F32):
    """As often as a batch of that size must come to be recorded."""
    for _ in range(SEEN):
        value_and_gradient(pair[1], *draws_on(pair[0], batch), back)


def same(found, exact):
    return all(map(torch.equal, found, exact))


def held(recorded):
    """What has a recording, the last used at the end: which way, and of how many images."""
    return [(key, shape[0]) for key, *_, (_, _, shape) in recorded.recordings._held]


@pytest.mark.parametrize("batch", [1, 3])
def test_recordings_give_the_same_bits(pair, batch):
    own, recorded = pair
    z, r = draws_on(own, batch)
    for _ in range(SEEN + 2):
        for back in (F32, BF16):
            assert same(value_and_gradient(recorded, z, r, back), exactly(own, z, r, back))
        assert torch.equal(recorded.decode(z), own.decode(z, keep=False)[0])
        z, r = z + 0.1, r - 0.1
    ways = {("decode", True), ("decode", False), ("pull", F32), ("pull", BF16)}
    assert set(held(recorded)) == {(way, batch) for way in ways}


def test_a_batch_that_becomes_smaller_shares_recordings(pair):
    """Beside images that are zero, whose results are left out."""
    own, recorded = pair
    again_and_again(pair, 10)
    z, r = draws_on(own, 9)
    exact = exactly(own, *(torch.cat([t, 0 * t[:1]]) for t in (z, r)))
    assert same(value_and_gradient(recorded, z, r), (t[:9] for t in exact))
    assert held(recorded) == [(("decode", True), 10), (("pull", F32), 10)]


def test_a_pullback_is_of_its_own_z(pair):
    """Also after another batch of that size has gone through, both ways."""
    own, recorded = pair
    z, r = draws_on(own, 3)
    again_and_again(pair, 3)
    _, pullback = recorded.decode_vjp(z, F32)
    value_and_gradient(recorded, z + 1, r)
    assert torch.equal(pullback(r), exactly(own, z, r)[1])


def test_an_earlier_gradient_right_after_another_dtype_was_recorded(pair):
    """As in a run in mixed precision that goes back to float32 on the way."""
    own, recorded = pair
    z, r = draws_on(own, 3)
    again_and_again(pair, 3, BF16)
    again_and_again(pair, 3)
    _, exact = recorded.decode_vjp(z, F32)
    _, rough = recorded.decode_vjp(z, BF16)
    first = exact(r)
    value_and_gradient(recorded, z + 1, r)
    other = rough(2 * r)  # which records it
    assert torch.equal(exact(r), first)
    assert torch.equal(rough(2 * r), other)
    assert torch.equal(first, exactly(own, z, r)[1])
    assert torch.equal(other, exactly(own, z, 2 * r, BF16)[1])


@pytest.mark.parametrize("refused", ["both", "back"])
def test_without_recordings_kernels_go_one_by_one(record, refused):
    own, works = record
    recorders = [refuses] if refused == "both" else [works, refuses]
    recordings = Recordings(record=lambda *given: recorders.pop(0)(*given))
    recorded = DeviceGlow(own, recordings)
    z, r = draws_on(own, 3)
    again_and_again((own, recorded), 3)
    with pytest.warns(UserWarning, match="not permitted.*Launches go one by one"):
        found = value_and_gradient(recorded, z, r)
    assert same(found, exactly(own, z, r))
    assert same(found, value_and_gradient(recorded, z, r))
    assert not recorders


def test_what_was_used_last_stays(record):
    """Both ways of three images have all the room; those of six, none, take nobody's place."""
    own, works = record
    room = 2 * 4 * (own.kept_words(3) + 2 * 3 * own.config.n)
    recorded = DeviceGlow(own, Recordings(room=room, record=works))
    for batch in (2, 1, 3, 1, 6):
        again_and_again((own, recorded), batch)
        z, r = draws_on(own, batch)
        assert same(value_and_gradient(recorded, z, r), exactly(own, z, r))
    left = [(("pull", F32), 3), (("decode", True), 1), (("pull", F32), 1)]
    assert held(recorded) == left  # of three images one way is given up for one image


def test_a_large_batch_goes_one_by_one(pair, monkeypatch):
    own, recorded = pair
    monkeypatch.setattr(module, "LARGEST", 3)
    for batch in (3, 4):
        again_and_again(pair, batch)
        z, r = draws_on(own, batch)
        assert same(value_and_gradient(recorded, z, r), exactly(own, z, r))
    assert {batch for _, batch in held(recorded)} == {3}


def test_threads_share_recordings(pair):
    own, recorded = pair
    for batch in (3, 4):
        again_and_again(pair, batch)
    inputs = [draws_on(own, batch) for batch in (3, 4)] * 4
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda given: value_and_gradient(recorded, *given), inputs))
    for (z, r), results in zip(inputs, found, strict=True):
        assert same(results, exactly(own, z, r))


def test_what_a_prior_is_given(host, monkeypatch):
    """Our kernels where they run and have room, else nothing."""
    folded, here = network("small"), torch.device("cpu")
    monkeypatch.setattr(device, "kernels", lambda place: host)
    z, r = draws(folded.config, 2)
    own = KernelGlow(folded, here, host)
    assert same(value_and_gradient(device.generator(folded, here), z, r), exactly(own, z, r))
    monkeypatch.setattr(device, "fits", lambda config: False)
    assert device.generator(folded, here) is None
    monkeypatch.undo()
    monkeypatch.setattr(device, "kernels", lambda place: None)
    assert device.generator(folded, here) is None
