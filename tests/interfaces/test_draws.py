"""What people see of draws where they print them."""

import torch

from priorkit.interfaces import Draws


def drawn(*count):
    x = torch.zeros(len(count), 3, 64, 64)
    return Draws(torch.tensor(count), x, x, x.expand(4, *x.shape))


def test_draws_in_a_line():
    assert repr(drawn(8, 8)) == "<Draws: 8 of 2 images of 3×64×64>"
    assert str(drawn(1)) == "<Draws: 1 of 1 image of 3×64×64>"
    assert repr(drawn(8, 3)) == "<Draws: 3 to 8 of 2 images of 3×64×64>"
