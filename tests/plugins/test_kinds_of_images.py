"""Vectors, signals, spectra and volumes in operators, bases, total variation and starts."""

import math

import numpy as np
import pytest
import scipy.fft
import scipy.ndimage
import torch
from PIL import Image
from priorkit_operators.blur import Blur
from priorkit_operators.fourier import Fourier
from priorkit_operators.gaussian import Gaussian
from priorkit_operators.matrix import Matrix
from priorkit_operators.phase import Phase
from priorkit_operators.pointwise import Gray, Identity, Mask
from priorkit_operators.rademacher import Rademacher
from priorkit_operators.radon import Radon
from priorkit_operators.resampling import Downsample
from priorkit_operators.srht import SRHT
from priorkit_penalties.variation import TotalVariation
from priorkit_pixels.deep_decoder import DeepDecoder
from priorkit_pixels.prior import NoPrior
from priorkit_solvers.lbfgs import LBFGS
from priorkit_sparsity.bases import DCT, Wavelet
from priorkit_starts.holes import Filled

from priorkit.errors import PriorkitError
from priorkit.interfaces import Prior
from priorkit.settings.select import resolve
from priorkit.testing import check_operator, check_penalty
from tests.helpers import a_problem, check_basis, run

SHAPES = [(12,), (2, 16), (31, 8, 8), (1, 6, 8, 10)]
VOLUME = (2, 9, 10, 12)
RNG = np.random.default_rng(0)


def volume(shape=VOLUME, images=2):
    generator = torch.Generator().manual_seed(0)
    return torch.rand(images, *shape, generator=generator, dtype=torch.float64)


def kernel(shape):
    """One of random numbers, 2 × 3 × 4 or the last of these."""
    return np.random.default_rng(1).random((2, 3, 4)[-len(shape[1:] or shape) :])


# --- operators --------------------------------------------------------------------------

OPERATORS = {
    "identity": lambda shape: Identity(),
    "gaussian": lambda shape: Gaussian(m=9, seed=1),
    "gaussian, made anew": lambda shape: Gaussian(m=9, seed=1, store=0),
    "rademacher": lambda shape: Rademacher(m=9, seed=1),
    "srht": lambda shape: SRHT(m=9, seed=1),
    "mask": lambda shape: Mask(),
    "mask at random": lambda shape: Mask(mask="random", seed=2),
    "mask from the left": lambda shape: Mask(mask="left"),
    "mask of all channels": lambda shape: Mask(mask=RNG.random(shape[1:] or shape)),
    "mask of each channel": lambda shape: Mask(mask=RNG.random(shape)),
    "matrix": lambda shape: Matrix(matrix=RNG.normal(size=(7, math.prod(shape)))),
    "complex matrix": lambda shape: Matrix(matrix=RNG.normal(size=(7, math.prod(shape))) * 1j),
    "blur by an array": lambda shape: Blur(kernel=kernel(shape)),
    **{
        f"blur, {edge}": lambda shape, edge=edge: Blur(width=0.6, boundary=edge)
        for edge in ("valid", "reflect", "edge", "wrap", "zero")
    },
    "downsample": lambda shape: Downsample(factor=2),
    "fourier, lines": lambda shape: Fourier(acceleration=2),
    "fourier, random": lambda shape: Fourier(pattern="random", acceleration=2),
    "fourier, maps": lambda shape: Fourier(
        maps=RNG.normal(size=(3, *(shape[1:] or shape))) * (1 - 2j)
    ),
    "phase": lambda shape: Phase(masks=2),
    "phase, squared": lambda shape: Phase(masks=0, squared=True),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator_takes_images_of_every_kind(name, shape):
    operator = OPERATORS[name](shape)
    check_operator(operator, shape=shape)
    bound = operator.bind(shape)
    assert bound.shape_from(bound.y_shape) in (None, shape)


@pytest.mark.parametrize("name", ["blur", "downsample", "fourier", "mask", "phase"])
def test_a_volume_is_measured_alike_in_every_batch(name):
    """To the last bit, in float32."""
    options = {"blur": {"width": 0.8}, "downsample": {"factor": 2}}
    operator = resolve("operator", {"name": name} | options.get(name, {})).build(0)
    operator = operator.bind((1, 8, 16, 12))
    x = volume((1, 8, 16, 12), 5).float()
    y = operator.A(x)
    pulled = operator.vjp(x, y)
    for rows in (slice(0, 2), slice(2, 5)):
        assert torch.equal(operator.A(x[rows]), y[rows])
        assert torch.equal(operator.vjp(x[rows], y[rows]), pulled[rows])


@pytest.mark.parametrize(
    ("boundary", "mode"),
    [("reflect", "reflect"), ("edge", "nearest"), ("wrap", "wrap"), ("zero", "constant")],
)
@pytest.mark.parametrize("shape", [VOLUME, (3, 20, 24), (2, 40), (12,)])
def test_blur_is_the_convolution_of_scipy(shape, boundary, mode):
    x = volume(shape)
    k = kernel(shape)
    channels = x.reshape(-1, *(shape[1:] or shape)).numpy()
    found = Blur(kernel=k, boundary=boundary).bind(shape).A(x).reshape(channels.shape)
    for one, own in zip(found.numpy(), channels, strict=True):
        expected = scipy.ndimage.convolve(own, k / k.sum(), mode=mode)
        np.testing.assert_allclose(one, expected, atol=1e-12)
    soft = Blur(width=0.9, boundary=boundary).bind(shape).A(x).reshape(channels.shape)
    for one, own in zip(soft.numpy(), channels, strict=True):
        expected = scipy.ndimage.gaussian_filter(own, 0.9, truncate=3 / 0.9, mode=mode)
        np.testing.assert_allclose(one, expected, atol=1e-12)


def test_a_valid_blur_of_a_volume_is_the_middle_of_a_larger_one():
    x = volume()
    small, large = (Blur(width=0.6, boundary=edge).bind(VOLUME) for edge in ("valid", "zero"))
    assert small.y_shape == (2, 5, 6, 8)
    torch.testing.assert_close(small.A(x), large.A(x)[..., 2:-2, 2:-2, 2:-2])


def test_the_spectrum_of_a_volume_is_that_of_numpy():
    x = volume()
    whole = Fourier(acceleration=1).bind(VOLUME)
    expected = np.fft.fftshift(np.fft.fftn(x.numpy(), axes=(2, 3, 4), norm="ortho"), (2, 3, 4))
    np.testing.assert_allclose(whole.A(x).numpy(), expected, atol=1e-12)
    torch.testing.assert_close(whole.A_adjoint(whole.A(x)), x)


@pytest.mark.parametrize("shape", [(64,), (2, 64), (1, 6, 16, 20)])
@pytest.mark.parametrize("pattern", ["lines", "random"])
def test_part_of_the_spectrum_is_measured(pattern, shape):
    """A quarter, the middle with it, and in volumes whole lines along the first axis."""
    bound = Fourier(pattern=pattern, acceleration=4, centre=0.2, seed=1).bind(shape)
    sides = shape[1:] or shape
    mask = bound.mask.reshape(-1, *sides)[0].numpy()
    assert mask.mean() == pytest.approx(0.25, abs=0.01)
    near = [np.abs(np.fft.fftshift(np.fft.fftfreq(side))) <= 0.1 for side in sides]
    if pattern == "lines" and len(sides) == 3:
        assert (mask == mask[:1]).all()
        near[0] = np.ones(sides[0], bool)
    middle = np.ix_(*map(np.flatnonzero, near))
    assert mask[middle].all()
    assert mask.sum() > mask[middle].size  # others at random


def test_masks_of_a_volume_are_boxes_and_halves():
    shape = (2, 10, 20, 30)
    box = Mask(fraction=0.5).bind(shape).mask
    assert int((1 - box).sum()) == 2 * 5 * 10 * 15
    assert not box[:, 2:7, 5:15, 7:22].any()
    bottom = Mask(mask="bottom", fraction=0.25).bind(shape).mask
    assert bottom[:, :, :15].all()
    assert not bottom[:, :, 15:].any()
    left = Mask(mask="left").bind(shape).mask
    assert not left[..., :15].any()
    assert left[..., 15:].all()
    random = Mask(mask="random", fraction=0.3, seed=1).bind(shape).mask
    assert int((1 - random).sum()) == 2 * 1800
    assert torch.equal(random[0], random[1])
    gap = Mask().bind((1, 100)).mask[0]
    assert (~gap.bool()).nonzero().flatten().tolist() == list(range(35, 65))


def test_a_volume_is_downsampled_along_every_axis():
    """One axis after the other, each as the rows of a picture are."""
    x = volume((1, 4, 8, 12))
    expected = x.numpy()
    for axis in (2, 3, 4):
        side = expected.shape[axis]
        picture = np.moveaxis(expected, axis, 0).reshape(1, 1, side, -1)
        rows = Downsample(factor=2).bind((1, side, 2))._weights[-2].like(x).numpy()
        rest = np.delete(expected.shape, axis)
        expected = np.moveaxis((rows @ picture).reshape(side // 2, *rest), 0, axis)
    np.testing.assert_allclose(Downsample(factor=2).bind((1, 4, 8, 12)).A(x), expected, atol=1e-12)


def test_whose_sign_is_lost():
    assert Phase().bind((2, 8)).signless == "channel"
    assert Phase().bind((8,)).signless == "image"


# --- priors and penalties ---------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:Level value")
@pytest.mark.parametrize("shape", [*SHAPES, (2, 4, 8, 12)])
@pytest.mark.parametrize("basis", [DCT(), Wavelet(), Wavelet(wavelet="sym4", levels=1)])
def test_a_basis_takes_images_of_every_kind(basis, shape):
    check_basis(basis, shape)


def test_the_cosines_of_a_volume_are_those_of_scipy():
    x = volume()
    expected = scipy.fft.dctn(x.numpy() - 0.5, axes=(2, 3, 4), norm="ortho")
    np.testing.assert_allclose(
        DCT().bind(VOLUME).encode(x).view(x.shape).numpy(), expected, atol=1e-12
    )


def test_an_even_volume_has_one_wavelet_a_channel():
    z = Wavelet().bind((2, 8, 8, 8)).encode(torch.full((1, 2, 8, 8, 8), 0.75).double())
    (places,) = (z[0].abs() > 1e-12).nonzero(as_tuple=True)
    assert places.tolist() == [0, 512]
    assert z[0, places].tolist() == pytest.approx([0.25 * 512**0.5] * 2)


@pytest.mark.parametrize("shape", [(2, 16), (31, 8, 8), (1, 6, 8, 10)])
def test_total_variation_takes_all_that_have_neighbours(shape):
    check_penalty(TotalVariation(), shape=shape)


def test_total_variation_denoises_a_volume():
    """A cube in noise: better than through slices, of which each knows less."""
    shape = (1, 10, 10, 10)
    x = torch.full((1, *shape), 0.3, dtype=torch.float64)
    x[..., 3:7, 3:7, 3:7] = 0.7
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = x + 0.1 * noise

    def error(y, shape):
        operator, tv = Identity().bind(shape), TotalVariation(depth=False).bind(Prior(), shape)
        problem = a_problem(operator, y, penalty=tv, gamma=0.1)
        return float((run(LBFGS(), problem, y.flatten(1), 200).u - x.flatten(1)).norm())

    whole, slices = error(y, shape), error(y[0], (10, 10, 10))
    assert whole < 0.85 * slices < 0.6 * float((y - x).norm())


# --- starts -----------------------------------------------------------------------------


def waves(sides):
    """A slow wave along each axis, their mean."""
    axes = [torch.sin(2.5 * torch.linspace(0, 1, side).double() + 0.4) for side in sides]
    return torch.stack(torch.meshgrid(axes, indexing="ij")).mean(0)


@pytest.mark.parametrize("shape", [(60,), (2, 60), (1, 12, 14, 16)])
def test_what_is_missing_is_filled_smoothly(shape):
    """By ``none`` itself: least squares has nothing to say in a hole, so it stays as it begins."""
    sides = shape[1:] or shape
    x = waves(sides).expand(3, *shape).clone()
    operator = Mask().bind(shape)
    start = NoPrior().defaults(operator, resolve("noise", "gaussian").build(0)).start
    assert start == "shown"
    problem = a_problem(operator, operator.A(x), prior=NoPrior())
    smooth = Filled(fill="smooth").image(problem)
    assert torch.equal(smooth[:, operator.mask > 0], x[:, operator.mask > 0])
    assert float((smooth - x).abs().max()) < 3e-3
    nearest = Filled(fill="neighbours").image(problem)
    assert float((nearest - x).abs().max()) > 3e-2
    mean = Filled(fill="mean").image(problem).reshape(3, -1, *sides)
    seen = operator.mask.reshape(-1, *sides)[0] > 0
    expected = x.reshape(3, -1, *sides)[0, 0][seen].mean()
    torch.testing.assert_close(mean[0, 0][~seen], expected.expand(int((~seen).sum())))
    assert Filled(fill="noise").image(problem.at(problem.y)).shape == x.shape


@pytest.mark.parametrize("seen", [[4], [0, 8], range(8)])
def test_few_numbers_of_a_signal_are_enough(seen):
    mask = np.zeros(9)
    mask[list(seen)] = 1
    operator = Mask(mask=mask).bind((1, 9))
    x = torch.full((2, 1, 9), 0.6, dtype=torch.float64)
    filled = Filled(fill="smooth").image(a_problem(operator, operator.A(x)))
    torch.testing.assert_close(filled, x)


# --- what is refused --------------------------------------------------------------------

PICTURE = Image.new("L", (8, 8), 255)
REFUSED = {
    "radon": (Radon(), (1, 16), r"'radon' is for pictures \(C, H, W\)\. Got shape \(1, 16\)"),
    "radon of a volume": (Radon(), (1, 8, 8, 8), r"'radon' is for pictures"),
    "gray": (Gray(), (3, 8, 8, 8), "Only colour pictures"),
    "coils": (Fourier(coils=4), (1, 8, 8, 8), r"coils=4 is for pictures.*Try: .*maps="),
    "other maps": (
        Fourier(maps=np.ones((2, 8, 8))),
        (1, 4, 8, 8),
        r"maps must be \(coils, 4, 8, 8\)\. Got \(2, 8, 8\)",
    ),
    "spokes": (Fourier(pattern="radial"), (2, 16), r"pattern='radial' is for pictures.*'random'"),
    "too little of a signal": (
        Fourier(acceleration=8, centre=0.5),
        (2, 64),
        "leaves 8 of 64 coefficients, fewer than the 33 in the middle",
    ),
    "too little of a volume": (
        Fourier(acceleration=8, centre=0.8),
        (1, 4, 8, 8),
        "leaves 8 of 64 columns, fewer than the 49 in the middle",
    ),
    "the bottom of a signal": (Mask(mask="bottom"), (2, 16), "bottom' is for pictures .*'left'"),
    "a picture for a volume": (Mask(mask=PICTURE), (1, 8, 8, 8), "A picture as a mask is for pict"),
    "a mask of a slice": (Mask(mask=np.eye(8)), (1, 3, 4, 8), r"must be 3×4×8\. Got 8×8"),
    "a mask of two vectors": (Mask(mask=np.ones((2, 9))), (9,), r"must have 1 channel\. Got 2×9"),
    "a shaken volume": (Blur(kernel="motion"), (1, 30, 30, 30), "channels, here 3.*'gaussian'"),
    "a kernel of a picture": (Blur(kernel=np.eye(3) / 3), (12,), r"here 1\. Got shape \(3, 3\)"),
    "a wide kernel": (Blur(width=2.0), (1, 6, 20, 20), "fit into the image, 6×20×20. Got 13×13×13"),
    "odd sides": (Downsample(factor=2), (1, 3, 4, 6), r"factor = 2\. Got 3×4×6\. .*\(1, 2, 4, 6\)"),
    "wavelets of odd sides": (Wavelet(), (1, 5, 8, 8), "halves every side 1 time. Got 5×8×8"),
    "deep decoder": (DeepDecoder(), (1, 8, 8, 8), "deep-decoder is for pictures"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_component_is_not_for_is_refused(name):
    component, shape, words = REFUSED[name]
    with pytest.raises(PriorkitError, match=words):
        component.bind(shape)


@pytest.mark.parametrize(
    ("depth", "shape", "words"),
    [
        (None, (12,), r"volumes \(C, D, H, W\).*Try: .*shape=\(1, 100\)"),
        (True, (1, 4, 5, 6), "of many channels.*no depth"),
    ],
)
def test_what_has_no_variation_is_refused(depth, shape, words):
    with pytest.raises(PriorkitError, match=words):
        TotalVariation(depth=depth).bind(Prior(), shape)


def test_a_kernel_of_four_dimensions_is_of_no_image():
    with pytest.raises(PriorkitError, match=r"for volumes three\. Got \(1, 2, 2, 2\)"):
        Blur(kernel=np.ones((1, 2, 2, 2)))
    with pytest.raises(PriorkitError, match=r"\(coils, …\) for other images\. Got \(3,\)"):
        Fourier(maps=np.ones(3))
