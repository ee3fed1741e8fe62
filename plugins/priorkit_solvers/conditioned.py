"""p(x | v) and p(x | v, y) of an image x with noise, v = x + σn, by the Jacobian of a denoiser."""

from __future__ import annotations

import torch
from torch import Tensor

from priorkit.interfaces import Problem
from priorkit.linear import column, directional, dots, energy, least_squares
from priorkit_solvers.data_step import expected_error

__all__ = ["STEPS", "conditioned", "jacobian", "unconditioned"]

STEPS = 2  # towards y, a call of the denoiser each
INNER = 15  # of least squares for each of them, a product with A and its adjoint each
NUDGE = 0.1  # of σ: root mean square of the step by which a product with the Jacobian is found
SPANNED = 1e-6  # of the energy of a direction: least that earlier steps leave of a new one
MOST = 3.0  # times σ: no draw is further from the mean


def jacobian(problem: Problem, v: Tensor, clean: Tensor, sigma: Tensor, u: Tensor) -> Tensor:
    """J u, J the Jacobian of D at v and ``clean`` = D(v), by one call."""
    return directional(lambda x: problem.denoise(x, sigma), v, clean, u, NUDGE * sigma)


def unconditioned(
    problem: Problem, v: Tensor, clean: Tensor, sigma: Tensor, noise: Tensor
) -> Tensor:
    """An image of p(x | v), for ``noise`` ε ~ N(0, 1), by one call of the denoiser.

    The mean is D(v) = ``clean``, the covariance σ²J. That of σJε is σ²J², which is as much where J
    keeps what it doesn't remove; a makes up for the rest, a² = εᵀJε/‖Jε‖²:

        x = D(v) + aσJε.

    Reference: Efron, "Tweedie's formula and selection bias", J. Am. Stat. Assoc. 2011 (mean and
    covariance).
    """
    back = jacobian(problem, v, clean, sigma, noise)
    a = (dots(noise, back).clamp_min(0) / energy(back).clamp_min(1e-300)).sqrt().clamp(max=MOST)
    return clean + column(a * sigma, v) * back


def conditioned(
    problem: Problem,
    v: Tensor,
    clean: Tensor,
    drawn: Tensor,
    sigma: Tensor,
    *,
    s: float,
    number: int,
) -> Tensor:
    """An image of p(x | v, y) from ``drawn``, one of p(x | v), v = x + σn.

    With p(x | v) = N(D(v), σ²J), D(v) = ``clean``, and y = A x + s·n′, where noise isn't Gaussian
    in the squares that are near its misfit at D(v), and where A isn't linear by its tangent there,
    that is

        x + σ²J Aᴴ w,   (s² + σ²A J Aᴴ) w = y + s·n − A x,

    w by ``STEPS`` steps of generalized conjugate residuals, with a call of the denoiser each. They
    leave the least that any w of their span does, also where the Jacobian of a learned D isn't
    symmetric or positive. Their directions are the w that would be right if J were r²/σ²·1, r² the
    :func:`.expected_error` of D, which least squares find without D; where it is that, the first
    is all there is to do. ``number`` is the address of n.

    References: Boys et al., "Tweedie moment projected diffusions for inverse problems", TMLR 2024,
    and Rozet et al., "Learning diffusion priors from observations by expectation maximization",
    NeurIPS 2024 (mean and covariance); Journel & Huijbregts, "Mining Geostatistics", 1978, section
    VII.A (a draw conditioned by the residual that it leaves); Eisenstat, Elman & Schultz,
    "Variational iterative methods for nonsymmetric systems of linear equations", SIAM J. Numer.
    Anal. 1983 (the steps).
    """
    A, adjoint, y = problem.squares(near=clean)
    variance, error, mask = sigma.square(), expected_error(sigma), problem.operator.mask
    r = y + s * _normals(problem, number) - A(drawn)
    r = r if mask is None else r * mask.to(r)
    found, nothing, taken = drawn, torch.zeros_like(drawn), list[tuple[Tensor, Tensor]]()
    for _ in range(STEPS):
        plain = least_squares(A, adjoint, r, nothing, rho=s**2 / error, steps=INNER)
        change = jacobian(problem, v, clean, sigma, plain) * column(variance / error, v)
        q = r - A(plain) + A(change)
        q = q if mask is None else q * mask.to(q)
        whole = energy(q)
        for earlier, its_change in taken:
            part = _part(q, earlier)
            q, change = q - column(part, q) * earlier, change - column(part, v) * its_change
        # What earlier steps leave of a direction that they span is rounding.
        part = torch.where(energy(q) > SPANNED * whole, _part(r, q), 0.0)
        found, r = found + column(part, v) * change, r - column(part, r) * q
        taken.append((q, change))
    return found


def _normals(problem: Problem, number: int) -> Tensor:
    """Noise of variance 1 in every real number of y, a function of each image."""
    y, parts = problem.y, problem.parts
    columns = parts * y[0].numel()
    draws = problem.streams("ancestral y", number).normal(columns, y.device).to(y.real.dtype)
    whole = draws if parts == 1 else torch.complex(*draws.chunk(2, 1))
    return whole.view_as(y)


def _part(r: Tensor, q: Tensor) -> Tensor:
    """⟨r, q⟩/‖q‖², how much of q is in r; complex numbers are pairs."""
    return dots(_real(r), _real(q)) / energy(q).clamp_min(1e-300)


def _real(y: Tensor) -> Tensor:
    """Complex numbers as pairs, whose product is the real one."""
    return torch.view_as_real(y) if y.is_complex() else y
