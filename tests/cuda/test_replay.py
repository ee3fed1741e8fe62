"""Recordings by size of batch give what the kernels give one by one."""

import pytest
import torch
from priorkit_glow.kernels import KernelGlow
from priorkit_glow.ops import generate, pull_back, registered
from priorkit_glow.replay import LARGEST, ReplayedGlow, record_graph

from tests.cuda.test_glow import draws, network


def record(place):
    """How a function is recorded there: the processor just runs it again."""

    def run_again(function):
        function()
        return function

    return record_graph if place[1].type == "cuda" else run_again


@pytest.fixture
def pair(place):
    """The kernels one by one, and recorded."""
    launch, device = place
    own = KernelGlow(network("small"), device, launch)
    return own, ReplayedGlow(own, record(place))


@pytest.mark.parametrize("batch", [1, 2, 3, LARGEST, LARGEST + 1])
def test_recordings_give_the_same_bits(pair, batch):
    own, recorded = pair
    z, r = (t.to(own.device) for t in draws(own.config, batch))
    for _ in range(2):
        x, kept = own.decode(z, keep=True)
        number = registered(recorded)
        found, recorded_kept = generate(z, number, True)
        assert len(recorded_kept) == recorded.kept_words(batch)
        assert torch.equal(found, x)
        assert torch.equal(recorded.decode(z, keep=False)[0], x)
        for mixed, dtype in ((False, torch.float32), (True, torch.bfloat16)):
            g = pull_back(recorded_kept, r, number, mixed)
            assert torch.equal(g, own.pull(kept, r, dtype))


def test_a_pullback_is_of_its_own_z(pair):
    """Also after another batch of that size has gone through."""
    own, recorded = pair
    z, r = (t.to(own.device) for t in draws(own.config, 3))
    _, kept = recorded.decode(z, keep=True)
    recorded.decode(z + 1, keep=True)
    assert torch.equal(recorded.pull(kept, r), own.pull(own.decode(z, keep=True)[1], r))


def test_without_recordings_kernels_go_one_by_one(pair):
    own, _ = pair

    def fails(function):
        raise RuntimeError("operation not permitted when stream is capturing")

    recorded = ReplayedGlow(own, fails)
    z, r = (t.to(own.device) for t in draws(own.config, 3))
    with pytest.warns(UserWarning, match="not permitted.*They go one by one"):
        found, kept = recorded.decode(z, keep=True)
    x, whole = own.decode(z, keep=True)
    assert torch.equal(found, x)
    assert torch.equal(recorded.pull(kept, r), own.pull(whole, r))
