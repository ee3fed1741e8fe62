"""R: what is asked of the solution besides agreeing with the measurement."""

import torch
from torch import Tensor

from priorkit.interfaces import Penalty
from priorkit.linear import energy


class Example(Penalty):
    """R(x) = ½ Σ (x[i + 1] − x[i])² along every row: pictures that change little."""

    acts_on = "x"

    def value_grad(self, u: Tensor) -> tuple[Tensor, Tensor]:
        step = u.diff(dim=-1)
        gradient = torch.zeros_like(u)
        gradient[..., :-1] -= step
        gradient[..., 1:] += step
        return 0.5 * energy(step), gradient
