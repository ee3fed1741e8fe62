"""What a sampler drew: in a line, of several runs, of one draw."""

import pytest
import torch

from priorkit.errors import BadInputError
from priorkit.interfaces import Draws
from priorkit.interfaces.draws import Average, pooled, stacked


def drawn(*count):
    x = torch.zeros(len(count), 3, 64, 64)
    return Draws(torch.tensor(count), x, x, x.expand(4, *x.shape))


def test_draws_in_a_line():
    assert repr(drawn(8, 8)) == "<Draws: 8 of 2 images of 3×64×64>"
    assert str(drawn(1)) == "<Draws: 1 of 1 image of 3×64×64>"
    assert repr(drawn(8, 3)) == "<Draws: 3 to 8 of 2 images of 3×64×64>"


def averaged(x, count=None):
    """The draws x (n, *shape) of one image."""
    found = Average(1, x[:1])
    for one in x[:count]:
        found.add([0], one[None])
    return found.of(0)


def test_draws_of_several_runs_are_one_sample():
    x = torch.randn(13, 1, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    whole = averaged(x)
    parts = [averaged(part) for part in x.split([5, 1, 7])]
    found = pooled(parts)
    assert found.count.tolist() == [13]
    assert torch.allclose(found.mean, whole.mean)
    assert torch.allclose(found.spread, whole.spread)
    assert torch.allclose(found.spread[0], x.std(0))
    assert torch.equal(found.samples[:, 0], x[[0, 2, 3, 5, 7, 8, 10, 12]])
    assert torch.equal(pooled(parts[:2]).samples[:, 0], x[:6])


def test_one_draw_has_no_spread():
    """A zero would say that it is certain."""
    x = torch.rand(2, 1, 4, 4)
    one, two = averaged(x, 1), averaged(x)
    assert one.spread is None
    with pytest.raises(BadInputError, match=r"of two draws and more.*Got <Draws: 1 of 1 image"):
        one.interval()
    both = stacked([one, two], x)
    assert both.spread[0].isnan().all()
    assert both.spread[1].isfinite().all()
    assert torch.stack(both.interval())[:, 0].isnan().all()
    assert both.rows([0]).spread is None
    assert stacked([one, None], x).spread is None
    assert pooled([one, one]).spread is not None


def test_which_draws_are_kept_depends_on_no_other_image():
    """The first image misses every third draw of the second."""
    x = torch.arange(200.0)[:, None]
    alone, among = Average(1, x[:1]), Average(2, x[:1])
    for i, one in enumerate(x):
        rows = [1] if i % 3 == 0 else [0, 1]
        among.add(rows, one.expand(len(rows), 1))
        if 0 in rows:
            alone.add([0], one[None])
        for row, first in ((0, alone.of(0)), (1, averaged(x[: i + 1]))):
            other = among.of(row)
            if first is None:
                assert other is None
                continue
            assert torch.equal(other.samples, first.samples)
            assert torch.equal(other.mean, first.mean)
            assert 1 <= len(other.samples) <= 8
    assert among.of(1).samples.flatten().tolist() == list(range(79, 200, 16))
