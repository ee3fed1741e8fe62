"""The covariance of a normal distribution that fits a posterior at its mode, per image."""

from __future__ import annotations

import torch
from torch import Tensor

from priorkit.interfaces import Problem
from priorkit.linear import dots, each_matvec

__all__ = ["Curvature"]


class Curvature:
    """The Hessian of misfit/(2s²) at a point u, in the directions where it is large.

    Lanczos' method, with every vector orthogonal to all before: q₁ is drawn, and q_{k+1} is what
    is new in the product with q_k, for which two gradients are subtracted. With Q of the q as
    rows and T = Q Hess Qᵀ, the covariance of the posterior of z ~ N(0, τ²·1) is

        H = τ²(1 − QᵀQ) + Qᵀ(T + 1/τ²)⁻¹Q,

    exact where the misfit is a quadratic of no higher rank than there are vectors.

    Reference: Golub & Van Loan, "Matrix computations", 4th ed. 2013, section 10.1.
    """

    def __init__(self, problem: Problem, u: Tensor, gradient: Tensor, vectors: int) -> None:
        """At u, with ``gradient`` that of the misfit there, both (b, n)."""
        first = problem.streams("curvature").normal(problem.size).to(u)
        first /= _norm(first)
        self.count, self._u, self._gradient = 0, u, gradient
        self._Q = u.new_zeros(len(u), min(vectors, problem.size), problem.size)
        self._Q[:, 0] = first
        most = self._Q.shape[1]
        self._T = u.new_zeros(len(u), most, most, dtype=torch.float64)
        self._values = self._vectors = self._T[:, :0]  # of (T + 1/τ²)⁻¹
        self._variance = 0.0

    @property
    def complete(self) -> bool:
        """Whether there is a product with every vector."""
        return self.count == self._Q.shape[1]

    def rows(self, index: Tensor) -> Curvature:
        """That of these images."""
        kept = Curvature.__new__(Curvature)
        kept.count, kept._variance = self.count, self._variance
        for name in ("_u", "_gradient", "_Q", "_T", "_values", "_vectors"):
            setattr(kept, name, getattr(self, name)[index])
        return kept

    def kept(self) -> dict[str, Tensor]:
        """What :meth:`again` needs of one that is closed."""
        return {"Q": self._Q, "values": self._values, "vectors": self._vectors}

    @classmethod
    def again(cls, kept: dict[str, Tensor], temperature: float) -> Curvature:
        """The closed one that was kept."""
        made = cls.__new__(cls)
        made._Q, made._values, made._vectors = kept["Q"], kept["values"], kept["vectors"]
        made._T = made._Q[:, :0]  # of no use any more, as these
        made._u = made._gradient = made._Q[:, 0]
        made.count, made._variance = made._Q.shape[1], temperature**2
        return made

    def extend(self, problem: Problem) -> None:
        """The product with one more vector, which takes an evaluation."""
        k = self.count
        apart = torch.finfo(self._u.dtype).eps ** 0.25  # between rounding and curvature's change
        change = problem.smooth(self._u + apart * self._Q[:, k]).grad - self._gradient
        product = change.nan_to_num(0.0) / (apart * 2 * problem.variance)
        used = self._Q[:, : k + 1]
        along = each_matvec(used, product).double()
        self._T[:, k, : k + 1] = self._T[:, : k + 1, k] = along
        self.count += 1
        if self.complete:
            return
        size = _norm(product)
        for _ in range(2):  # once leaves what rounding has spoilt
            product = product - each_matvec(used.mT, each_matvec(used, product))
        rest = _norm(product)
        self._Q[:, k + 1] = torch.where(rest > 1e-6 * size, product / rest, 0.0)  # 0: nothing left

    def close(self, temperature: float) -> None:
        """Ready for :meth:`times` and :meth:`spread`; ``temperature`` is τ."""
        self._variance = temperature**2
        found = [torch.linalg.eigh(T) for T in self._T[:, : self.count, : self.count]]
        values = torch.stack([each.eigenvalues for each in found])
        self._values = 1 / (values.clamp_min(0) + 1 / self._variance)
        self._vectors = torch.stack([each.eigenvectors for each in found])

    def times(self, g: Tensor) -> Tensor:
        """H g, (b, n) → the same."""
        return self._apply(g, power=1.0)

    def spread(self, normals: Tensor) -> Tensor:
        """H^½ ξ, draws of N(0, H) from standard normals (b, n)."""
        return self._apply(normals, power=0.5)

    def _apply(self, g: Tensor, power: float) -> Tensor:
        plain, used = self._variance**power, self._Q[:, : self.count]
        parts = each_matvec(used, g).double()
        gains = self._values**power * each_matvec(self._vectors.mT, parts)
        gains = each_matvec(self._vectors, gains) - plain * parts
        return plain * g + each_matvec(used.mT, gains.to(g))


def _norm(x: Tensor) -> Tensor:
    """‖x‖ per image, (B, n) → (B, 1)."""
    return dots(x, x).sqrt().to(x)[:, None]
