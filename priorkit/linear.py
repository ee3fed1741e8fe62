"""Linear algebra for a batch: least squares by A and its adjoint, and products with matrices."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache, partial

import torch
from torch import Tensor

__all__ = [
    "CACHE",
    "column",
    "directional",
    "dots",
    "each_matvec",
    "energy",
    "in_blocks",
    "in_company",
    "in_pieces",
    "least_squares",
    "matvec",
    "mean_gain",
    "norms",
    "on_processor",
    "pixelwise",
    "rmatvec",
    "some",
    "sums",
]

CACHE = 1 << 16  # numbers that fit into it, with what is made of them
ASK = 4  # after so many steps of least squares a device is asked whether any image still runs
IMAGES = 8  # how many a matrix is multiplied with at once


def on_processor(x: Tensor) -> bool:
    """Whether a tensor is where Python runs, and its numbers can be read without waiting."""
    return x.device.type == "cpu"


def some(which: Tensor) -> bool:
    """Whether any of ``which`` holds, so that what nobody needs can be left out.

    On a device True without asking: to ask would wait for all that was begun there, and every
    step would take another course. So what follows must be right where none holds, too.
    """
    return not on_processor(which) or bool(which.any())


def least_squares(
    A: Callable[[Tensor], Tensor],
    adjoint: Callable[[Tensor], Tensor],
    y: Tensor,
    start: Tensor,
    *,
    rho: float | Tensor = 0.0,
    centre: Tensor | None = None,
    steps: int = 50,
    enough: float = 0.0,
) -> Tensor:
    """argmin over x of ‖A x − y‖² + ρ‖x − centre‖², per image, by CGLS.

    Conjugate gradients on the normal equations, which never form AᴴA and converge whether or
    not y is in the range of A. An image stops when its residual is orthogonal to the range of A up
    to rounding, or, where ρ = 0, when ‖A x − y‖² is at most ``enough``, the energy of the noise in
    y: further steps would fit the noise.

    Parameters
    ----------
    y : (B, …), may be complex
    start : the first x, (B, …); from 0 and with ρ = 0 the limit is A⁺y
    rho, centre : weight, a number or one per image (B,), and centre of the quadratic penalty
    steps : at most; each is one product with A and one with its adjoint

    Reference: Paige & Saunders, "LSQR: an algorithm for sparse linear equations and sparse
    least squares", ACM TOMS 1982, section 7.1 (CGLS).
    """
    x = start.clone()
    centre = torch.zeros_like(x) if centre is None else centre
    each, rho = column(rho, x), torch.as_tensor(rho, dtype=torch.float64, device=x.device)
    r = y - A(x)
    s = adjoint(r) - each * (x - centre)
    p, size = s.clone(), energy(s)
    rounding = (10 * torch.finfo(x.dtype).eps) ** 2 * energy(adjoint(y) + each * centre)
    for k in range(steps):
        running = size > rounding
        running &= (rho > 0) | (energy(r) > enough)
        # A device is asked now and then: to wait for it costs more than a step that does nothing.
        if (on_processor(x) or not k % ASK) and not bool(running.any()):
            break
        q = A(p)
        curvature = energy(q) + rho * energy(p)
        step = torch.where(running, size / curvature.clamp_min(1e-300), 0.0)
        x, r = x + column(step, x) * p, r - column(step, r) * q
        s = adjoint(r) - each * (x - centre)
        after = energy(s)
        p = s + column(torch.where(running, after / size.clamp_min(1e-300), 0.0), p) * p
        size = torch.where(running, after, size)
    return x


def directional(
    f: Callable[[Tensor], Tensor], x: Tensor, fx: Tensor, u: Tensor, reach: float | Tensor
) -> Tensor:
    """J u, J the Jacobian of f at x and ``fx`` = f(x): (f(x + hu) − f(x))/h, per image, for the h
    by which the root mean square of hu is ``reach``, a number or one per image (B,).

    It takes one call of f, which needn't be differentiable by torch, twice or forwards.
    """
    h = reach / (energy(u) / u[0].numel()).sqrt().clamp_min(1e-30)
    return (f(x + column(h, x) * u) - fx) / column(h, fx)


def mean_gain(
    A: Callable[[Tensor], Tensor], shape: Sequence[int], device: torch.device | str = "cpu"
) -> float:
    """‖A‖_F/√n of a linear map of images of a ``shape``, of n numbers, estimated by four products
    with random numbers: E‖A v‖² = ‖A‖_F² for v ~ N(0, 1)."""
    fixed = torch.Generator().manual_seed(0)
    draws = [torch.randn(1, *shape, generator=fixed).to(device) for _ in range(4)]
    return math.sqrt(sum(float(energy(A(v))) / v.numel() for v in draws) / len(draws))


def energy(a: Tensor) -> Tensor:
    """‖a‖² per image in float64."""
    return in_pieces(lambda p: sums(p.double().square()), a.abs() if a.is_complex() else a)


def norms(x: Tensor) -> Tensor:
    """‖x‖ per image, (B, …) → (B,) float64."""
    return energy(x).sqrt()


def in_pieces(function: Callable[..., Tensor], *images: Tensor) -> Tensor:
    """The sum of ``function(*pieces)``, a number per image, over pieces of the images' numbers.

    Pieces that fit into the cache make it several times faster for large pictures, on a processor.
    """
    if not on_processor(images[0]):
        return function(*(x.flatten(1) for x in images))
    pieces = zip(*(x.flatten(1).split(CACHE, 1) for x in images), strict=True)
    parts = [function(*each) for each in pieces]
    return torch.stack(parts).sum(0) if len(parts) > 1 else parts[0]


def dots(a: Tensor, b: Tensor) -> Tensor:
    """aᵀb per image, (B, …) twice → (B,), added up in float64."""
    return sums(a.double() * b.double())


def sums(x: Tensor) -> Tensor:
    """The sum of an image's numbers, (B, …) → (B,), with the same bits in every batch."""
    return in_company(lambda rows: rows.sum(-1), x.flatten(1))


def in_company(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """A function of (B, …), which on a processor gets an image that is alone twice.

    For one, libraries take another algorithm than for several, as threads that share the sum of a
    single row, and round it otherwise.
    """
    alone = len(x) == 1 and on_processor(x)
    return function(x.expand(2, *x.shape[1:]))[:1] if alone else function(x)


def matvec(M: Tensor, x: Tensor) -> Tensor:
    """M x per image, (B, n) → (B, m), with the same bits in every batch."""
    return in_blocks(partial(_times, M), x)


def rmatvec(M: Tensor, y: Tensor) -> Tensor:
    """Mᵀ y per image, (B, m) → (B, n), with the same bits in every batch."""
    return in_blocks(partial(torch.matmul, other=M), y)


def each_matvec(M: Tensor, x: Tensor) -> Tensor:
    """M x per image with a matrix of its own, (B, m, n) and (B, n) → (B, m).

    A processor makes one product after the other: one of all would round an image's numbers
    otherwise in another batch.
    """
    if not on_processor(x):
        return torch.bmm(M, x[..., None])[..., 0]
    return torch.stack([torch.mv(*own) for own in zip(M, x, strict=True)])


def pixelwise(x: Tensor, M: Tensor, c: Tensor | None = None) -> Tensor:
    """x M + c at every pixel, (B, pixels, i) → (B, pixels, o), with the same bits in every batch.

    One product per image: with AVX2, libraries round the last rows of a product differently. In one
    product of all images, it would depend on their number which rows are the last.
    """
    each = M.expand(len(x), -1, -1)
    return torch.bmm(x, each) if c is None else torch.baddbmm(c, x, each)


def in_blocks(product: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """A matrix product in which the bits of an image don't depend on its batch.

    A library chooses its order of summation by the size of the product. Here every product has
    ``IMAGES`` images, some of them zero, so that an image's bits are the same alone and among 500.
    The zeros cost little: most of the time goes into reading the matrix. A device gets the whole
    batch at once.
    """
    if not on_processor(x):
        return product(x)
    b = len(x)
    lacking = -b % IMAGES
    if lacking:
        x = torch.cat([x, x.new_zeros(lacking, x.shape[1])])
    return torch.cat([product(block) for block in x.split(IMAGES)])[:b]


def _times(M: Tensor, x: Tensor) -> Tensor:
    recorded = x.requires_grad and torch.is_grad_enabled()  # oneDNN's product has no derivative
    fast = on_processor(x) and x.dtype == torch.float32 and not recorded
    linear = _onednn() if fast else None
    return x @ M.T if linear is None else linear(x, M, None, "none", [], "")


@cache
def _onednn() -> Callable[..., Tensor] | None:
    """oneDNN's x Mᵀ, twice as fast as MKL's for few x; None where this torch hasn't got it."""
    try:
        linear: Callable[..., Tensor] = torch.ops.mkldnn._linear_pointwise
        linear(torch.zeros(1, 2), torch.zeros(3, 2), None, "none", [], "")
    except (AttributeError, RuntimeError, TypeError):
        return None
    return linear


def column(values: float | Tensor, like: Tensor) -> float | Tensor:
    """Numbers per image (B,), shaped and cast to multiply a batch ``like`` (B, …).

    A number for all images is returned as it is.
    """
    if not isinstance(values, Tensor) or not values.ndim:
        return values
    return values.view(-1, *[1] * (like.ndim - 1)).to(like.real.dtype)
