"""The covariance of a normal distribution that fits a posterior at its mode, per image."""

from __future__ import annotations

import torch
from torch import Tensor

from priorkit.interfaces import Problem

__all__ = ["Curvature"]


class Curvature:
    """The Hessian of misfit/(2s²) at a point u, in the directions where it is large.

    Lanczos' method, with every vector orthogonal to all before: q₁ is drawn, and q_{k+1} is what
    is new in the product with q_k, for which two gradients are subtracted. With Q of the q as
    rows and T = Q Hess Qᵀ, the covariance of the posterior of z ~ N(0, τ²·1) is

        H = τ²(1 − QᵀQ) + Qᵀ(T + 1/τ²)⁻¹Q,

    exact where the misfit is a quadratic of no higher rank than there are vectors.

    Every image has arrays of its own: a product of the whole batch would round an image's numbers
    differently in another batch.

    Reference: Golub & Van Loan, "Matrix computations", 4th ed. 2013, section 10.1.
    """

    def __init__(self, problem: Problem, u: Tensor, gradient: Tensor, vectors: int) -> None:
        """At u, with ``gradient`` that of the misfit there, both (b, n)."""
        first = problem.streams("curvature").normal(problem.size).to(u)
        first /= first.norm(dim=1, keepdim=True)
        self.count, self._u, self._gradient = 0, u, gradient
        self._Q = [row.new_zeros(min(vectors, problem.size), problem.size) for row in u]
        self._T = [torch.zeros(len(Q), len(Q), dtype=torch.float64).to(u.device) for Q in self._Q]
        for Q, row in zip(self._Q, first, strict=True):
            Q[0] = row
        self._inverse: list[tuple[Tensor, Tensor]] = []
        self._variance = 0.0

    @property
    def complete(self) -> bool:
        """Whether there is a product with every vector."""
        return self.count == len(self._Q[0])

    def rows(self, index: Tensor) -> Curvature:
        """That of these images."""
        kept = Curvature.__new__(Curvature)
        kept.count, taken = self.count, index.tolist()
        kept._u, kept._gradient = self._u[index], self._gradient[index]
        kept._Q = [self._Q[i] for i in taken]
        kept._T = [self._T[i] for i in taken] if self._T else []
        kept._inverse = [self._inverse[i] for i in taken] if self._inverse else []
        kept._variance = self._variance
        return kept

    def kept(self) -> dict[str, Tensor]:
        """What :meth:`again` needs of one that is closed."""
        values, vectors = zip(*self._inverse, strict=True)
        return {
            "Q": torch.stack(self._Q),
            "values": torch.stack(values),
            "vectors": torch.stack(vectors),
        }

    @classmethod
    def again(cls, kept: dict[str, Tensor], temperature: float) -> Curvature:
        """The closed one that was kept, each image with arrays of its own as before."""
        made = cls.__new__(cls)
        Q, values, vectors = ([row.clone() for row in kept[k]] for k in ("Q", "values", "vectors"))
        made._Q, made._T, made._inverse = Q, [], list(zip(values, vectors, strict=True))
        made._u = made._gradient = kept["Q"][:, 0]  # of no use any more
        made.count, made._variance = len(Q[0]), temperature**2
        return made

    def extend(self, problem: Problem) -> None:
        """The product with one more vector, which takes an evaluation."""
        k = self.count
        apart = torch.finfo(self._u.dtype).eps ** 0.25  # between rounding and curvature's change
        probes = torch.stack([Q[k] for Q in self._Q])
        change = problem.smooth(self._u + apart * probes).grad - self._gradient
        for Q, T, row in zip(self._Q, self._T, change.nan_to_num(0.0), strict=True):
            product = row / (apart * 2 * problem.noise.std**2)
            used = Q[: k + 1]
            T[k, : k + 1] = T[: k + 1, k] = torch.mv(used, product).double()
            if k + 1 == len(Q):
                continue
            size = product.norm()
            for _ in range(2):  # once leaves what rounding has spoilt
                product = product - torch.mv(used.T, torch.mv(used, product))
            rest = product.norm()
            Q[k + 1] = torch.where(rest > 1e-6 * size, product / rest, 0.0)  # 0: nothing is left
        self.count += 1

    def close(self, temperature: float) -> None:
        """Ready for :meth:`times` and :meth:`spread`; ``temperature`` is τ."""
        self._variance = temperature**2
        self._inverse = []
        for T in self._T:
            known = T[: self.count, : self.count]
            values, vectors = torch.linalg.eigh(known)
            self._inverse.append((1 / (values.clamp_min(0) + 1 / self._variance), vectors))

    def times(self, g: Tensor) -> Tensor:
        """H g, (b, n) → the same."""
        return self._apply(g, power=1.0)

    def spread(self, normals: Tensor) -> Tensor:
        """H^½ ξ, draws of N(0, H) from standard normals (b, n)."""
        return self._apply(normals, power=0.5)

    def _apply(self, g: Tensor, power: float) -> Tensor:
        plain, found = self._variance**power, []
        for Q, (values, vectors), row in zip(self._Q, self._inverse, g, strict=True):
            used = Q[: self.count]
            parts = torch.mv(used, row).double()
            gains = torch.mv(vectors, values**power * torch.mv(vectors.T, parts)) - plain * parts
            found.append(plain * row + torch.mv(used.T, gains.to(row)))
        return torch.stack(found)
