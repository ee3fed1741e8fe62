"""The objective: ℓ(A(D(u)), y) + γ·R(u), frozen, with or without its data."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple, Self, cast

import torch
from torch import Tensor

from priorkit.interfaces.answers import answer, answers
from priorkit.interfaces.component import Shape, Space
from priorkit.interfaces.noise import GaussianNoise, Noise, WeightedNoise
from priorkit.interfaces.operator import LinearOperator, MatrixOperator, Operator
from priorkit.interfaces.penalty import Penalty
from priorkit.interfaces.prior import (
    Decoder,
    Denoiser,
    Encoder,
    LinearDecoder,
    Pixels,
    Prior,
)
from priorkit.interfaces.squares import Map, Squares, squares
from priorkit.linear import column, dots, least_squares
from priorkit.streams import Streams

__all__ = ["Data", "Evaluation", "Problem"]


class Evaluation(NamedTuple):
    """The objective of a batch at one point: value (B,), gradient (B, n), misfit (B,)."""

    value: Tensor
    grad: Tensor
    misfit: Tensor


@dataclass(frozen=True)
class Data:
    """Measurements y (B, *y_shape), the true images where known, and per row the number of
    its image in the run, and which restart of it the row is."""

    y: Tensor
    truth: Tensor | None
    images: tuple[int, ...]
    restarts: tuple[int, ...]


@dataclass(frozen=True)
class Problem:
    """ℓ(A(D(u)), y) + γ·R(u) for a batch of measurements.

    In latent space u is a latent (B, k) and D the prior; in pixel space u is a flattened image
    and D is :class:`Pixels`. ``simulated`` says that y was made from known images. ``seed`` is
    part of the address of every random draw. :meth:`at` adds the data; without them, as in
    ``check``, everything but what needs y works. A changed copy is made by
    ``dataclasses.replace(problem, gamma=…)``.
    """

    operator: Operator
    prior: Prior
    noise: Noise
    penalty: Penalty
    gamma: float
    space: Space
    shape: Shape
    simulated: bool = False
    seed: int = 0
    data: Data | None = None
    heard: Callable[[float], None] | None = None  # told how many seconds a call of a denoiser took

    # --- the data ---------------------------------------------------------------

    def at(
        self,
        y: Tensor,
        truth: Tensor | None = None,
        images: Sequence[int] | None = None,
        restarts: Sequence[int] | None = None,
    ) -> Self:
        """This problem for measurements y; ``images`` are their numbers, by default 0, 1, …"""
        numbers = range(len(y)) if images is None else images
        first = [0] * len(y) if restarts is None else restarts
        return replace(self, data=Data(y, truth, tuple(numbers), tuple(first)))

    def rows(self, index: Tensor) -> Self:
        """This problem for some images of the batch, in the order of ``index`` (b,)."""
        data, picked = self._data, index.tolist()
        truth = None if data.truth is None else data.truth[index]
        images = [data.images[i] for i in picked]
        found = self.at(data.y[index], truth, images, [data.restarts[i] for i in picked])
        if "scale" in vars(self):  # which needn't be copied to the device once more
            vars(found)["scale"] = self.scale
        return found

    @property
    def _data(self) -> Data:
        if self.data is None:
            raise RuntimeError("This problem has no data yet: use problem.at(y)")
        return self.data

    @property
    def y(self) -> Tensor:
        """The measurements, (B, *y_shape)."""
        return self._data.y

    @property
    def truth(self) -> Tensor | None:
        """The images that were measured, where they are known."""
        return self._data.truth

    @property
    def images(self) -> tuple[int, ...]:
        """The number of each image in the run, whatever batch it is solved in."""
        return self._data.images

    @property
    def restarts(self) -> tuple[int, ...]:
        """Which restart of its image each row is."""
        return self._data.restarts

    def streams(self, purpose: str, step: int | Sequence[int] = 0) -> Streams:
        """Draws for these images that nobody else has: a row per image, ``step`` one for all or
        one for each."""
        return Streams(self.seed, purpose, self.images, self._data.restarts, step)

    # --- sizes ------------------------------------------------------------------

    @property
    def size(self) -> int:
        """n, the length of u."""
        return self.decoder.latent_size

    @cached_property
    def scale(self) -> Tensor | None:
        """In which scale each entry of u is measured, (n,), where the prior says so."""
        scale = self.decoder.scale
        return None if scale is None else scale.to(self.y.real)

    @property
    def parts(self) -> int:
        """How many real numbers an entry of y is: 2 where y is complex, else 1."""
        return 2 if self.y.is_complex() else 1

    @property
    def variance(self) -> float:
        """s², the variance of a real number of y, with which ℓ/2s² is −log p(y | A x) of Gaussian
        noise up to a constant: σ², and of complex y, whose parts have half of it each, σ²/2."""
        return self.noise.std**2 / self.parts

    # --- between u and images ---------------------------------------------------

    @cached_property
    def decoder(self) -> Decoder:
        """D: the prior in latent space, the identity in pixel space."""
        # What isn't a decoder is refused by name before any compute, in run.fit.
        return cast(Decoder, self.prior) if self.space == "latent" else Pixels(self.shape)

    @property
    def latent_decoder(self) -> Decoder:
        """Whose latents :meth:`to_u` takes: the prior's where it decodes, in pixel space too."""
        return self.prior if isinstance(self.prior, Decoder) else self.decoder

    def image(self, u: Tensor) -> Tensor:
        """D(u), (B, n) → (B, *shape)."""
        return answer(self.decoder, "decode", self.decoder.decode(u), (len(u), *self.shape))

    def to_u(self, *, image: Tensor | None = None, latent: Tensor | None = None) -> Tensor:
        """The u of images (B, *shape), or of latents (B, k) of :attr:`latent_decoder`, whichever
        space u is in. Images need a D that encodes."""
        if latent is not None:
            if self.latent_decoder is self.decoder:
                return latent
            x = self.latent_decoder.decode(latent)
        else:
            assert image is not None, "give an image or a latent"
            x = image
        assert isinstance(self.decoder, Encoder)
        return self.decoder.encode(x).detach()

    # --- the objective ----------------------------------------------------------

    def value_grad(self, u: Tensor, *, weigh: Map | None = None) -> Evaluation:
        """The objective, its gradient and the misfit, one per row of u.

        Sums over measurements run in float64. A value can be non-finite where u is far out;
        nothing is raised. ``weigh`` is a symmetric P, (B, *y_shape) → the same: value and gradient
        are then those of rᵀP r with r = A(D(u)) − y, for Gaussian noise, and the misfit is rᵀr.
        """
        return self._evaluate(u, self.gamma, weigh)

    def smooth(self, u: Tensor) -> Evaluation:
        """The misfit alone and its gradient, for solvers that treat the penalty by its prox."""
        return self._evaluate(u, 0.0)

    def _evaluate(self, u: Tensor, gamma: float, weigh: Map | None = None) -> Evaluation:
        b = len(u)
        x, pullback = self.decoder.decode_vjp(u)
        answer(self.decoder, "decode", x, (b, *self.shape))
        Ax = answer(self.operator, "A", self.operator.A(x), self.y.shape, real=False)
        found = self.noise.misfit(Ax, self.y)
        misfit, slope = answers(self.noise, "misfit", found, (b,), Ax.shape)
        value = misfit
        if weigh is not None:  # of a sum of squares the slope is 2r
            plain, slope = slope, weigh(slope)
            value = 0.25 * dots(plain, slope)
        pulled = "A_adjoint" if isinstance(self.operator, LinearOperator) else "vjp"
        slope = answer(self.operator, pulled, self.operator.vjp(x, slope), x.shape)
        penalty, in_u, in_x = self.penalty.over(u, x) if gamma else (None, None, None)
        slope = slope if in_x is None else slope + gamma * in_x
        gradient = answer(self.decoder, "decode_vjp: its pullback", pullback(slope), u.shape)
        if penalty is None:
            return Evaluation(value, gradient, misfit)
        gradient = gradient if in_u is None else gradient + gamma * in_u
        return Evaluation(value + gamma * penalty.double(), gradient, misfit)

    def enough(self, u: Tensor) -> Tensor:
        """E ℓ of noise alone at D(u), (B,) in float64: a misfit below it fits noise. 0 where that
        isn't known, or where γ > 0. For noise that isn't Gaussian it takes a product with A."""
        if self.gamma or not self.noise.known:
            return torch.zeros(len(u), dtype=torch.float64, device=u.device)
        if isinstance(self.noise, GaussianNoise):  # the same at any A x
            return self.noise.expected_misfit(u)
        with torch.no_grad():
            return self.noise.expected_misfit(self.operator.A(self.image(u)))

    def blame(self, u: Tensor) -> str:
        """What stops being finite at the u (1, n) of one image, for the reason of a status."""
        with torch.no_grad():
            if not bool(torch.isfinite(u).all()):
                return "u is not finite"
            x = self.image(u)
            if not bool(torch.isfinite(x).all()):
                return self.decoder.blame(u)
            Ax = self.operator.A(x)
            if not bool(torch.isfinite(Ax).all()):
                return "A(x) is not finite"
            if not bool(torch.isfinite(self.noise.misfit(Ax, self.y)[0]).all()):
                return "the misfit is not finite"
            if not self.gamma and self.space == "pixel":  # so that nothing else has a gradient
                return "the slope of A is not finite"
        if self.gamma and not bool(torch.isfinite(self.penalty.over(u, x)[0]).all()):
            return "the penalty is not finite"
        return "the gradient is not finite"

    # --- for priors that denoise ------------------------------------------------

    def denoise(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """The prior's clean estimate of x = clean + N(0, σ²), (B, *shape); σ a number or (B,).

        σ beyond the levels in which the prior holds is brought to the nearest of them; of what the
        least one removes, less noise has the part (σ/least)², since D(x; σ) − x is σ² times a slope
        that hardly changes there (Efron, "Tweedie's formula and selection bias", J. Am. Stat.
        Assoc. 2011).
        """
        prior = self.prior
        assert isinstance(prior, Denoiser)
        low, high = prior.levels
        part: float | Tensor
        if isinstance(sigma, Tensor):
            sigma = sigma.to(x)
            part = column((sigma / low).square().clamp_max(1.0), x) if low else 1.0
            sigma = sigma.clamp(low, high)
        else:
            part = min((sigma / low) ** 2, 1.0) if low else 1.0
            sigma = min(max(sigma, low), high)
        started = time.perf_counter()
        with torch.no_grad():
            clean = answer(prior, "denoise", prior.denoise(x, sigma), x.shape)
        if self.heard is not None:
            self.heard(time.perf_counter() - started)
        return torch.lerp(x, clean.to(x.dtype), part)  # where the part is 1, exactly what is clean

    # --- for linear A and D -----------------------------------------------------

    def offset(self) -> Tensor:
        """A(D(0)), (1, *y_shape): what is measured at u = 0."""
        zero = torch.zeros(1, self.size, dtype=self.y.real.dtype, device=self.y.device)
        return self.operator.A(self.image(zero))

    def prox_data(
        self,
        x: Tensor,
        rho: float | Tensor,
        *,
        start: Tensor | None = None,
        steps: int = 50,
        near: Tensor | None = None,
    ) -> Tensor:
        """argmin over v of ‖A v − y‖² + ρ‖v − x‖², in :meth:`squares` ``near`` an estimate of v.

        ρ is a number or one per image, (B,); ``start`` is the first v.
        """
        A, adjoint, y = self.squares(near)
        first = x if start is None else start
        return least_squares(A, adjoint, y, first, rho=rho, centre=x, steps=steps)

    def squares(self, near: Tensor | None = None) -> Squares:
        """A, its adjoint and y of the squares ‖A x − y‖² that ℓ is, or is ``near`` images
        (B, *shape), see :func:`.squares`."""
        assert isinstance(self.noise, WeightedNoise)
        return squares(self.operator, self.noise, self.y, near)

    def matrix_bytes(self) -> int:
        """Size of :meth:`matrix` in float64, where every entry of y is real."""
        return 8 * math.prod(self.operator.y_shape) * self.size

    def matrix(self) -> Tensor:
        """AΦ as a real matrix (m, n), where A has rows and D(u) = Φu + D(0).

        The real parts of complex rows come first, then the imaginary parts, as in
        :meth:`stacked`.
        """
        operator, D = self.operator, self.decoder
        assert isinstance(operator, MatrixOperator)
        assert isinstance(D, LinearDecoder)
        m = math.prod(operator.y_shape)
        blocks: list[list[Tensor]] = [[], []]
        for first in range(0, m, 512):
            rows = operator.rows(first, min(first + 512, m))
            parts = [rows.real, rows.imag] if rows.is_complex() else [rows]
            for block, part in zip(blocks, parts, strict=False):
                block.append(D.decode_adjoint(part.to(self.y.real).view(-1, *self.shape)))
        return torch.cat([*blocks[0], *blocks[1]])

    def stacked(self, y: Tensor) -> Tensor:
        """A measurement (B, …) as real numbers (B, m), as the rows of :meth:`matrix`."""
        flat = y.flatten(1)
        return torch.cat([flat.real, flat.imag], 1) if flat.is_complex() else flat
