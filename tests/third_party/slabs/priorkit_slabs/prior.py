"""A prior with a capability that priorkit has no word for, and a penalty that asks it."""

from abc import abstractmethod
from typing import cast

from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.interfaces import Choices, Noise, Operator, Penalty, Prior, Shape


class Smoother(Prior):
    """A prior that smooths by a symmetric matrix S with eigenvalues within [0, 1]."""

    @abstractmethod
    def smoothed(self, x: Tensor) -> Tensor:
        """S x, (B, *shape)."""


class Continuous(Smoother):
    """Volumes that change little from slice to slice: S is the mean with both neighbours."""

    def bind(self, shape: Shape) -> "Continuous":
        if len(shape) != 4:
            raise BadInputError("continuous is for volumes (C, D, H, W).", got=shape)
        return self

    def smoothed(self, x: Tensor) -> Tensor:
        up, down = x[:, :, 1:], x[:, :, :-1]
        sums = 2 * x
        sums[:, :, :-1] += up
        sums[:, :, 1:] += down
        sums[:, :, [0, -1]] += x[:, :, [0, -1]]
        return sums / 4

    def defaults(self, operator: Operator, noise: Noise) -> Choices:
        return Choices(space="pixel", penalty="uneven", gamma=0.1)


class Uneven(Penalty):
    """R(x) = ½⟨x, x − S x⟩, with the S of the prior."""

    acts_on = "x"
    requires = (Smoother,)

    def bind(self, prior: Prior, shape: Shape) -> "Uneven":
        bound = Uneven()
        bound.prior = cast(Smoother, prior)
        return bound

    def value_grad(self, u: Tensor) -> tuple[Tensor, Tensor]:
        rough = u - self.prior.smoothed(u)
        return 0.5 * (u * rough).flatten(1).double().sum(1), rough
