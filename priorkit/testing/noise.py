"""What a noise promises."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.interfaces import GaussianNoise, Noise, Shape, StabilizedNoise, WeightedNoise, rescale
from priorkit.streams import Streams
from priorkit.testing.chance import addressed
from priorkit.testing.compare import Precision, close, draws, finite, inner, slope, untouched
from priorkit.testing.promises import promise
from priorkit.testing.steady import steady

__all__ = ["check_noise"]

STEP = 1e-4  # in A x, for second differences
NEAR, DARK, ROUGHLY = 0.05, 0.1, 0.2  # of a mean misfit: as it is said to be, and of dark images,
# where few are counted, and as one number for all may be
BESIDE = 0.1  # of the energy, and of the curvature: what a log-variance may add
ORDINARY = (0.1, 1.0)  # A x of which samples are drawn: at 1 every misfit has its scale
FAR = (-1e3, -1.0, 0.0, 1e3)  # of A x
BIAS = 0.01  # of a slope's size, which its mean may be: five times its error


@addressed
def check_noise(noise: Noise, *, shape: Shape = (1, 64, 64)) -> None:
    """The gradient and scale of a misfit, its energy, and what the draws depend on.

    The misfit is 0 where y is as expected, agrees with ‖A x − a‖² to second order at a = 1, where
    y is what is expected of a, and its mean over samples of the noise is ``expected_misfit``, near
    a = 1 about ``energy``; that of its gradient is 0. Of one that isn't ``centred`` the first is so
    up to ``BESIDE`` of the energy, and it curves as ‖A x − a‖² does.
    """
    n = math.prod(shape)
    noise = noise.bind(n)
    Ax, y = (torch.sigmoid(draws((3, *shape), i)) for i in (0, 1))
    with promise(
        "misfit gives a number per image in float64, alike in every batch",
        "sum over the entries of one image, in .double()",
    ):
        value, gradient = untouched("misfit", noise.misfit, Ax, y)
        assert tuple(value.shape) == (3,), f"the misfit has shape {tuple(value.shape)}"
        assert value.dtype == torch.float64, f"the misfit is {value.dtype}, not float64"
        assert gradient.shape == Ax.shape, f"its gradient has shape {tuple(gradient.shape)}"
        Precision.of(lambda a: noise.misfit(a, y.to(a.dtype))[1], Ax, "the gradient of misfit")
        steady("misfit", noise.misfit, Ax, y)
        close(noise.misfit(Ax[1:2], y[1:2])[0], value[1:2], 1e-9, "the misfit depends on the batch")
    with promise("its gradient is that of the misfit", "with respect to A x"):
        direction = draws((3, *shape), 2)
        change = slope(lambda a: noise.misfit(a, y)[0], Ax, direction, 1e-6)
        close(change, inner(gradient, direction), 1e-4, "the gradient isn't that of the misfit")
    with promise("measured is the inverse of expected", "both return what they get of y = A x + η"):
        expected = untouched("expected", noise.expected, y)
        close(
            untouched("measured", noise.measured, expected),
            y,
            1e-9,
            "measured isn't the inverse of expected",
        )
    _check_scale(noise, y)
    if isinstance(noise, GaussianNoise):
        with promise("the misfit is ‖A x − y‖² exactly", "derive from Noise where it isn't"):
            squares = (Ax - y).square().flatten(1).sum(1)
            close(value, squares, 1e-9, "the misfit isn't ‖A x − y‖²")
    _check_samples(noise, shape)
    _check_rescaled(noise, Ax, y)
    with promise(
        "misfit and gradient are finite for every A x, as solvers pass through any",
        "go on with a parabola beyond where the likelihood ends, as at A x = 0",
    ):
        for far in FAR:
            some, its_gradient = noise.misfit(torch.full_like(y, far), noise.expected(y))
            finite(f"the misfit at A x = {far:g}", some)
            finite(f"its gradient at A x = {far:g}", its_gradient)


def _check_scale(noise: Noise, y: Tensor) -> None:
    """Where the misfit is least, and how it curves there."""
    with promise(
        "the misfit is 0 where y is as expected, and near A x = 1 the sum of squares",
        "−2σ² log p(y | A x), less its minimum; centred = False where that has a log-variance",
    ):
        least, expected = noise.misfit(y, noise.expected(y))[0], noise.expected(y)
        if noise.centred:
            assert bool((least.abs() < 1e-9).all()), "the misfit isn't 0 at A x = y"
        else:
            assert bool((least <= BESIDE * noise.energy).all()), (
                "the misfit isn't near 0 at A x = y"
            )
        for step in (-1e-2, -1e-3, 1e-3, 1e-2):
            beside = noise.misfit(y + step, expected)[0]
            assert bool((beside > -1e-9).all()), "the misfit is below 0"
        one = torch.ones_like(y)
        _require_rise(noise, one, one, "the misfit isn't ‖A x − y‖² to second order at y = 1")
    if isinstance(noise, WeightedNoise):
        with promise("with its weights, squares agree with the misfit near A x", "w(A x), real"):
            what = "with its weights, the squares aren't the misfit"
            _require_rise(noise, y, noise.weights(y), what)


def _require_rise(noise: Noise, at: Tensor, weights: Tensor, what: str) -> None:
    """Raise AssertionError unless the misfit of what is expected of ``at`` rises beside it as
    squares with these weights; of one that isn't centred in the mean of both sides."""
    expected = noise.expected(at)
    rise, near = noise.misfit(at + STEP, expected)[0], 1e-2
    if not noise.centred:
        rise = (rise + noise.misfit(at - STEP, expected)[0]) / 2 - noise.misfit(at, expected)[0]
        near = BESIDE
    close(rise, (weights.double() * STEP**2).flatten(1).sum(1), near, what)


def _check_rescaled(noise: Noise, Ax: Tensor, y: Tensor) -> None:
    """That with the range of a user it is the noise of the same problem in [0, 1]: the same misfit
    in another unit, in which it is the sum of squares where A x is 1 there too."""
    offset = torch.sigmoid(draws((1, *y.shape[1:]), 3))
    (value, gradient), said = noise.misfit(Ax, y), rescale(noise, 2.0, offset)
    inside = [(values - offset) / 2 for values in (Ax, y)]
    inside[1] = inside[1] if noise.same_units else y
    with promise(
        "rescaled(scale, offset) is the same noise of other numbers",
        "nothing, but for a GaussianNoise whose level isn't all that it knows",
    ):
        own = said.misfit(*inside)
        unit = float(value.sum() / own[0].sum()) if noise.same_units else 4.0
        close(own[0] * unit, value, 1e-6, "the misfit isn't that of the same numbers")
        close(own[1] * unit / 2, gradient, 1e-6, "its gradient isn't that of the same numbers")
        energy = math.isclose(said.energy * unit, noise.energy, rel_tol=1e-6)
        assert energy, "energy isn't that of the same numbers"
        alone = unit * said.expected_misfit(inside[0])
        wanted = noise.expected_misfit(Ax)
        close(alone, wanted, 1e-6, "expected_misfit isn't that of the same numbers")
    if not noise.same_units:
        return
    with promise(
        "of a user's range too the misfit is the sum of squares near A x = 1",
        "derive from WeightedNoise where the variance depends on A x: its weights tell the unit",
    ):
        one = torch.ones_like(y)
        _require_rise(said, one, one, "rescaled, the misfit isn't ‖A x − y‖² at y = 1")


def _check_stabilized(noise: StabilizedNoise, at: float, y: Tensor) -> None:
    """Of samples y where A x is ``at``."""
    with promise(
        "stabilize gives what has the standard deviation stabilized_std, wherever A x is",
        "of a variance v(A x) the integral of 1/√v; its own std where it is one for all",
    ):
        v = untouched("stabilize", noise.stabilize, y)
        close(noise.stabilize(y[:1]), v[:1], 1e-9, "stabilize depends on the batch")
        close(noise.restore(v[:1]), noise.restore(v)[:1], 1e-9, "restore depends on the batch")
        found, said = float(v.std()), noise.stabilized_std
        assert math.isclose(found, said, rel_tol=ROUGHLY), (
            f"at A x = {at:g} it has {found:.4g}, where stabilized_std is {said:.4g}"
        )
    with promise("restore gives the A x of the mean of what stabilize gives", "near A x itself"):
        mean = v.flatten(1).mean(1)
        back = float(untouched("restore", noise.restore, mean).mean())
        near = math.isclose(back, at, rel_tol=NEAR, abs_tol=NEAR * said)
        assert near, f"of samples at A x = {at:g} it gives {back:.4g}"


def _check_samples(noise: Noise, shape: Shape) -> None:
    Ax = torch.sigmoid(draws((4, *shape), 0))
    whole = Streams(0, "noise", range(4))
    with promise(
        "the noise of an image follows its stream, in every batch",
        "streams.normal(columns): row i is of image i",
    ):
        y = untouched("sample", lambda a: noise.sample(a, whole), Ax)
        Precision.of(lambda a: noise.sample(a, whole), Ax, "sample")
        steady("sample", lambda a: noise.sample(a, whole), Ax)
        assert y.shape == Ax.shape, f"sample gives shape {tuple(y.shape)}"
        assert torch.equal(y, noise.sample(Ax, whole)), "sample doesn't follow its streams"
        alone = noise.sample(Ax[2:3], Streams(0, "noise", [2]))
        close(alone, y[2:3], 1e-9, "the noise of an image depends on the batch")
    if not (noise.known and noise.energy):
        return
    with promise("two images have noise of their own"):
        same = noise.sample(Ax[:1].expand_as(Ax), whole)
        assert not torch.equal(same[0], same[1]), "two images have the same noise"
    many = Streams(0, "noise", range(64))
    for at in ORDINARY:
        flat = torch.full((64, *shape), at, dtype=torch.float64)
        found = noise.sample(flat, many)
        value, slope = noise.misfit(flat, found)
        _check_expected(noise, flat, float(value.mean()))
        if isinstance(noise, StabilizedNoise):
            _check_stabilized(noise, at, found)
    # Below flat, found and slope are those of A x = 1, the last.
    with promise(
        "the misfit of samples has no slope on average at the true A x",
        "a variance that depends on A x needs its log-variance, or weights of y alone",
    ):
        bias = float(slope.mean().abs() / slope.square().mean().sqrt())
        assert bias < BIAS, f"the mean slope is {bias:.2g} of its size: estimates are biased"
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


def _check_expected(noise: Noise, flat: Tensor, mean: float) -> None:
    """That ``mean``, the misfit of samples at an even A x, is what the noise says of it."""
    at = float(flat[0].max())
    near = ROUGHLY if not noise.centred else NEAR if at == 1 else DARK
    with promise(
        "expected_misfit is the mean misfit of samples, and energy that near A x = 1",
        "E ℓ(A x, y) at the true A x; override expected_misfit where that isn't energy at any",
    ):
        alone = noise.expected_misfit(flat)
        assert tuple(alone.shape) == (len(flat),), f"expected_misfit has shape {tuple(alone.shape)}"
        assert alone.dtype == torch.float64, f"expected_misfit is {alone.dtype}, not float64"
        close(noise.expected_misfit(flat[:1]), alone[:1], 1e-9, "it depends on the batch")
        told = [("expected_misfit", float(alone[0]), near)]
        told += [("energy", noise.energy, ROUGHLY)] if at == 1 else []
        for name, value, within in told:
            assert abs(mean / value - 1) < within, (
                f"the misfit of samples of A x = {at:g} is {mean:.3g} on average, {name} says "
                f"{value:.3g}"
            )
