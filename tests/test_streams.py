"""Random numbers with an address."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from priorkit.streams import Streams, normal, permutation
from tests.far import far


@given(
    seed=st.integers(0, 2**63 - 1),
    start=st.integers(0, 50),
    rows=st.integers(1, 5),
    columns=st.integers(1, 40),
)
@settings(max_examples=50)
def test_an_entry_has_an_address(seed, start, rows, columns):
    """Any block of rows, and any shorter row, is a part of the same matrix."""
    whole = normal(seed, "matrix", range(60), 41)
    block = normal(seed, "matrix", range(start, start + rows), columns)
    assert torch.equal(block, whole[start : start + rows, :columns])


def test_streams_are_normal_and_independent():
    a, b = normal(0, "operator", range(500), 400), normal(0, "noise", range(500), 400)
    for draws in (a, b):
        assert abs(float(draws.mean())) < 5 / 447
        assert abs(float(draws.var()) - 1) < 0.02
        assert abs(float((draws**4).mean()) - 3) < 0.1
    assert abs(float((a * b).mean())) < 5 / 447
    assert abs(float((a[:, 0::2] * a[:, 1::2]).mean())) < 5 / 316  # the two of one pair
    assert not torch.equal(normal(1, "operator", range(2), 4), a[:2, :4])


def test_permutation():
    order = permutation(3, "mask", 100)
    assert sorted(order.tolist()) == list(range(100))
    assert torch.equal(order, permutation(3, "mask", 100))
    assert not torch.equal(order, permutation(4, "mask", 100))


@given(
    seed=st.integers(0, 2**32),
    image=st.integers(0, 2**20),
    restart=st.integers(0, 5),
    step=st.integers(0, 10**6),
)
@settings(max_examples=40)
def test_every_part_of_an_address_counts(seed, image, restart, step):
    """The same address gives the same draws in any batch; another in any part, other ones."""

    def draws(seed=seed, purpose="noise", images=(image,), restart=restart, step=step):
        streams = Streams(seed, purpose, images, [restart], step)
        return [streams.normal(6), streams.uniform(6), streams.poisson(torch.full((1, 6), 40.0))]

    for i, here in enumerate(draws()):
        beside = Streams(seed, "noise", [image + 1, image], [0, restart], step)
        again = [beside.normal(6), beside.uniform(6), beside.poisson(torch.full((2, 6), 40.0))][i]
        assert torch.equal(again[1:], here)
        others = (
            draws(seed=seed + 1),
            draws(purpose="start"),
            draws(images=(image + 1,)),
            draws(restart=restart + 1),
            draws(step=step + 1),
        )
        assert not any(torch.equal(here, other[i]) for other in others)


def test_uniform_and_poisson_are_what_they_say():
    streams = Streams(0, "test", range(200))
    u = streams.uniform(500)
    assert 0 < float(u.min()) < float(u.max()) < 1
    assert abs(float(u.mean()) - 0.5) < 0.005
    assert abs(float(u.var()) - 1 / 12) < 0.002
    counts = streams.poisson(torch.full((200, 500), 3.0))
    assert abs(float(counts.mean()) - 3) < 0.03
    assert abs(float(counts.var()) - 3) < 0.06


def test_signs_are_fair_and_belong_to_their_image():
    found = Streams(0, "probe", [3, 5]).signs(10_001)
    assert found.abs().eq(1).all()
    assert float(found.mean(1).abs().max()) < 0.05
    assert torch.equal(found[1:], Streams(0, "probe", [5]).signs(10_001))
    assert not torch.equal(found[0], found[1])


def test_a_sign_is_a_bit():
    of = Streams(0, "probe", [3, 5])
    bits = np.unpackbits(of.words(2).view(np.uint8), axis=1, count=100)
    assert torch.equal(of.signs(100), 2 * torch.from_numpy(bits).float() - 1)


def test_a_device_makes_its_own_of_bits_that_are_moved_there_without_waiting():
    """To the same numbers but for rounding."""
    of = Streams(0, "test", range(3), step=[2, 0, 1])
    with far() as transfers:
        device = torch.device("far")
        normal, signs = of.normal(101, device), of.signs(101, device)
    assert not transfers.up
    assert not transfers.down
    torch.testing.assert_close(normal.near, of.normal(101))
    assert torch.equal(signs.near, of.signs(101))
