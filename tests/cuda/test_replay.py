"""Recordings by size of batch give what the kernels give one by one."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from priorkit_glow.device import replay
from priorkit_glow.device.glow import KernelGlow
from priorkit_glow.device.ops import generate, pull_back, registered
from priorkit_glow.device.replay import SEEN, ReplayedGlow, record_graph

from tests.cuda.test_glow import draws, network
from tests.cuda_host.tape import Tape


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
    return record[0], ReplayedGlow(*record)


def refuses(function, device):
    raise RuntimeError("operation not permitted when stream is capturing")


def draws_on(own, batch):
    place = own if isinstance(own, KernelGlow) else own._network
    return [t.to(place.device) for t in draws(own.config, batch)]


def value_and_gradient(own, z, r):
    x, kept = own.decode(z, keep=True)
    return x, own.pull(kept, r)


def again_and_again(recorded, batch):
    """As often as a batch of that size must come to be recorded."""
    for _ in range(SEEN):
        recorded.decode(*draws_on(recorded, batch)[:1], keep=False)


@pytest.mark.parametrize("batch", [1, 3])
def test_recordings_give_the_same_bits(pair, batch):
    own, recorded = pair
    z, r = draws_on(own, batch)
    number = registered(recorded)
    for _ in range(SEEN + 2):
        x, kept = own.decode(z, keep=True)
        found, recorded_kept = generate(z, number, True)
        assert len(recorded_kept) == recorded.kept_words(batch)
        assert torch.equal(found, x)
        assert torch.equal(recorded.decode(z, keep=False)[0], x)
        for mixed, dtype in ((False, torch.float32), (True, torch.bfloat16)):
            g = pull_back(recorded_kept, r, number, mixed)
            assert torch.equal(g, own.pull(kept, r, dtype))
        z, r = z + 0.1, r - 0.1
    assert list(recorded._slots) == [batch]


def test_a_pullback_is_of_its_own_z(pair):
    """Also after another batch of that size has gone through."""
    own, recorded = pair
    z, r = draws_on(own, 3)
    again_and_again(recorded, 3)
    _, kept = recorded.decode(z, keep=True)
    recorded.decode(z + 1, keep=True)
    assert torch.equal(recorded.pull(kept, r), own.pull(own.decode(z, keep=True)[1], r))


def test_a_dtype_that_is_recorded_later_has_results_of_its_own(pair):
    """As in a run in mixed precision that goes back to float32 on the way."""
    own, recorded = pair
    z, r = draws_on(own, 3)
    again_and_again(recorded, 3)
    _, kept = recorded.decode(z, keep=True)
    first = recorded.pull(kept, r)
    rough = recorded.pull(kept, 2 * r, torch.bfloat16)
    assert torch.equal(recorded.pull(kept, r), first)
    assert torch.equal(recorded.pull(kept, 2 * r, torch.bfloat16), rough)


@pytest.mark.parametrize("refused", ["both", "back"])
def test_without_recordings_kernels_go_one_by_one(record, refused):
    own, works = record
    recorders = [refuses] if refused == "both" else [works, refuses]
    recorded = ReplayedGlow(own, lambda function, device: recorders.pop(0)(function, device))
    z, r = draws_on(own, 3)
    again_and_again(recorded, 3)
    with pytest.warns(UserWarning, match="not permitted.*They go one by one"):
        found, g = value_and_gradient(recorded, z, r)
    x, whole = own.decode(z, keep=True)
    assert torch.equal(found, x)
    assert torch.equal(g, own.pull(whole, r))
    assert all(map(torch.equal, (found, g), value_and_gradient(recorded, z, r)))


def test_what_was_used_last_stays(pair, monkeypatch):
    own, recorded = pair
    monkeypatch.setattr(replay, "ROOM", 4 * own.kept_words(5))
    for batch in (2, 3, 2, 1, 6):  # six have no room at all, and one takes that of three
        again_and_again(recorded, batch)
        z, r = draws_on(own, batch)
        found, exact = (value_and_gradient(network, z, r) for network in (recorded, own))
        assert all(map(torch.equal, found, exact))
    assert list(recorded._slots) == [2, 1]


def test_threads_share_recordings(pair):
    own, recorded = pair
    again_and_again(recorded, 3)
    again_and_again(recorded, 4)
    inputs = [draws_on(own, batch) for batch in (3, 4)] * 4
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda given: value_and_gradient(recorded, *given), inputs))
    for (z, r), (x, g) in zip(inputs, found, strict=True):
        assert all(map(torch.equal, (x, g), value_and_gradient(own, z, r)))
