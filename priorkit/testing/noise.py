"""What a noise promises."""

from __future__ import annotations

import math

import torch

from priorkit.errors import BadInputError
from priorkit.interfaces import GaussianNoise, Noise, Shape, WeightedNoise
from priorkit.streams import Streams
from priorkit.testing.compare import close, draws, inner, slope, untouched
from priorkit.testing.promises import promise

__all__ = ["check_noise"]


def check_noise(noise: Noise, *, shape: Shape = (1, 64, 64)) -> None:
    """The gradient and scale of a misfit, its energy, and what the draws depend on.

    The misfit is 0 where y is as expected, agrees with ‖A x − a‖² to second order at a = 1, where
    y is what is expected of a, and its mean over samples of the noise is ``energy``.
    """
    n = math.prod(shape)
    noise = noise.bind(n)
    Ax, y = (torch.sigmoid(draws((3, *shape), i)) for i in (0, 1))
    with promise(
        "misfit gives a number per image in float64, alike in every batch",
        "sum over the entries of one image, in .double()",
    ):
        untouched(lambda a: noise.misfit(a, y), Ax, "misfit")
        value, gradient = noise.misfit(Ax, y)
        assert tuple(value.shape) == (3,), f"the misfit has shape {tuple(value.shape)}"
        assert value.dtype == torch.float64, f"the misfit is {value.dtype}, not float64"
        assert gradient.shape == Ax.shape, f"its gradient has shape {tuple(gradient.shape)}"
        close(noise.misfit(Ax[1:2], y[1:2])[0], value[1:2], 1e-9, "the misfit depends on the batch")
    with promise("its gradient is that of the misfit", "with respect to A x"):
        direction = draws((3, *shape), 2)
        change = slope(lambda a: noise.misfit(a, y)[0], Ax, direction, 1e-6)
        close(change, inner(gradient, direction), 1e-4, "the gradient isn't that of the misfit")
    with promise("measured is the inverse of expected", "both return what they get of y = A x + η"):
        untouched(noise.expected, y, "expected")
        close(noise.measured(noise.expected(y)), y, 1e-9, "measured isn't the inverse of expected")
    with promise(
        "the misfit is 0 where y is as expected, and near A x = 1 the sum of squares",
        "−2σ² log p(y | A x), less its minimum",
    ):
        least = noise.misfit(y, noise.expected(y))[0].abs()
        assert bool((least < 1e-9).all()), "the misfit isn't 0 at A x = y"
        one, h = torch.ones_like(y), 1e-4
        squares = torch.full((3,), n * h**2, dtype=torch.float64)
        near = noise.misfit(one + h, noise.expected(one))[0]
        close(near, squares, 1e-2, "the misfit isn't ‖A x − y‖² to second order at y = 1")
    if isinstance(noise, WeightedNoise):
        with promise("with its weights, squares agree with the misfit near A x = a", "w(y), real"):
            expected = noise.expected(y)
            squares = (noise.weights(expected).double() * h**2).flatten(1).sum(1)
            near = noise.misfit(y + h, expected)[0]
            close(near, squares, 1e-2, "with its weights, the squares aren't the misfit")
    if isinstance(noise, GaussianNoise):
        with promise("the misfit is ‖A x − y‖² exactly", "derive from Noise where it isn't"):
            squares = (Ax - y).square().flatten(1).sum(1)
            close(value, squares, 1e-9, "the misfit isn't ‖A x − y‖²")
    with promise(
        "rescaled(scale, offset) is the same noise of other numbers",
        "nothing, but for a GaussianNoise whose level isn't all that it knows",
    ):
        offset = torch.sigmoid(draws((1, *shape), 3))
        said = noise.rescaled(2.0, offset)
        inside = [(values - offset) / 2 for values in (Ax, y)]
        inside[1] = inside[1] if noise.same_units else y
        own = said.misfit(*inside)
        close(own[0], value / 4, 1e-6, "the misfit isn't that of the same numbers, over scale²")
        close(own[1], gradient / 2, 1e-6, "its gradient isn't that of the same numbers")
        assert math.isclose(said.std, noise.std / 2), "std isn't that of the same numbers"
        assert math.isclose(said.energy, noise.energy / 4), "energy isn't that of the same numbers"
    _check_samples(noise, shape)


def _check_samples(noise: Noise, shape: Shape) -> None:
    Ax = torch.sigmoid(draws((4, *shape), 0))
    whole = Streams(0, "noise", range(4))
    with promise(
        "the noise of an image follows its stream, in every batch",
        "streams.normal(columns): row i is of image i",
    ):
        y = noise.sample(Ax, whole)
        assert y.shape == Ax.shape, f"sample gives shape {tuple(y.shape)}"
        assert torch.equal(y, noise.sample(Ax, whole)), "sample doesn't follow its streams"
        alone = noise.sample(Ax[2:3], Streams(0, "noise", [2]))
        close(alone, y[2:3], 1e-9, "the noise of an image depends on the batch")
    if not (noise.known and noise.energy):
        return
    with promise("two images have noise of their own"):
        same = noise.sample(Ax[:1].expand_as(Ax), whole)
        assert not torch.equal(same[0], same[1]), "two images have the same noise"
    # At A x = 1, where every misfit has the scale of its variance.
    with promise("energy is the mean misfit of samples", "E ℓ(A x, y) at the true x"):
        flat, many = torch.ones(64, *shape, dtype=torch.float64), Streams(0, "noise", range(64))
        found = noise.sample(flat, many)
        mean = float(noise.misfit(flat, found)[0].mean())
        assert abs(mean / noise.energy - 1) < 0.05, (
            f"the misfit of samples is {mean:.3g} on average, energy says {noise.energy:.3g}"
        )
    with promise("complex noise has half of its variance in either part, or is refused"):
        zero = torch.zeros_like(flat, dtype=torch.complex128)
        try:
            complex_y = noise.sample(zero, many)
        except BadInputError:
            return
        parts = [float(part.square().mean()) for part in (complex_y.real, complex_y.imag)]
        each = float((found - flat).square().mean()) / 2
        assert all(abs(part / each - 1) < 0.05 for part in parts), (
            f"complex noise has variances {parts[0]:.3g} and {parts[1]:.3g} in its two parts, "
            f"not {each:.3g} in each"
        )
