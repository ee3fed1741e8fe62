"""What an image can be: how each kind is told, limited, scored, shown and stored."""

import io

import pytest
import skimage.metrics as skimage
import torch
from PIL import Image
from priorkit_operators.blur import Blur
from priorkit_operators.fourier import Fourier
from priorkit_operators.phase import Phase
from priorkit_operators.pointwise import Mask

from priorkit import metrics
from priorkit.draw.tiles import png
from priorkit.errors import BadInputError, MismatchError
from priorkit.interfaces import LinearOperator, Mirror, Operator, adapt, kind_of, stack
from priorkit.interfaces.adapt import (
    Bands,
    ComplexDenoiser,
    ComplexLinear,
    Slices,
    bound_operator,
    bound_prior,
)
from priorkit.interfaces.kinds import COMPLEX, KINDS, PICTURE, SIGNAL, VECTOR, VOLUME, squared
from priorkit.io.pictures import to_pil
from priorkit.testing import check_operator
from priorkit.testing.samples import SampleDenoiser

SHAPES = {
    "vector": (6,),
    "signal": (2, 9),
    "picture": (5, 12, 13),
    "volume": (2, 4, 12, 13),
    "complex": (2, 12, 13),
}


def rand(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def test_a_shape_tells_the_kind():
    for kind in (VECTOR, SIGNAL, PICTURE, VOLUME):
        assert kind_of(SHAPES[kind.name]) is kind
    assert kind_of((2, 12, 13)) is PICTURE
    assert kind_of((2, 12, 13), "complex") is COMPLEX
    assert kind_of(None) is PICTURE
    assert kind_of(None, "volume") is VOLUME


@pytest.mark.parametrize(
    ("shape", "name", "words"),
    [
        ((3, 8, 8), "volume", r"x must be volumes \(C, D, H, W\)\. Got shape \(3, 8, 8\)"),
        ((3, 8, 8), "complex", r"x must be complex pictures \(2, H, W\)"),
        ((1,) * 5, None, r"vectors \(d,\) or signals \(C, N\) or pictures .* or volumes"),
        ((), None, "x must be"),
    ],
)
def test_a_shape_that_no_image_has(shape, name, words):
    with pytest.raises(BadInputError, match=words):
        kind_of(shape, name)


@pytest.mark.parametrize("name", SHAPES)
def test_only_brightness_is_limited(name):
    """Clipped where asked for, counted as outside; what isn't a number becomes one."""
    kind = KINDS[name]
    x = torch.full((2, *SHAPES[name]), 0.5)
    x[0].view(-1)[:3] = torch.tensor([-1.0, 2.0, torch.nan])
    found = kind.reported(x, clip=True)
    first = [0.0, 1.0, 0.5] if kind.bounded else [-1.0, 2.0, 0.0]
    assert found[0].flatten()[:3].tolist() == first
    assert kind.reported(x, clip=False)[0].flatten()[:2].tolist() == [-1.0, 2.0]
    assert kind.outside(x).tolist() == ([2, 0] if kind.bounded else [0, 0])


@pytest.mark.parametrize("name", ["vector", "signal"])
def test_without_pixels_there_is_no_score(name):
    x = rand(2, *SHAPES[name])
    assert KINDS[name].psnr(x, x) is None
    assert KINDS[name].ssim(x, x) is None


def test_a_picture_is_scored_as_it_is():
    x, truth = rand(2, 3, 12, 13), rand(2, 3, 12, 13, seed=1)
    assert torch.equal(PICTURE.psnr(x, truth), metrics.psnr(x, truth))
    assert torch.equal(PICTURE.ssim(x, truth), metrics.ssim(x, truth))


def test_a_volume_is_scored_whole_and_by_slice():
    """PSNR of all its values, SSIM the mean over slices."""
    x, truth = rand(2, 2, 4, 12, 13), rand(2, 2, 4, 12, 13, seed=1)
    torch.testing.assert_close(VOLUME.psnr(x, truth), metrics.psnr(x, truth))
    each = [metrics.ssim(x[:, :, k], truth[:, :, k]) for k in range(4)]
    torch.testing.assert_close(VOLUME.ssim(x, truth), torch.stack(each).mean(0))


def test_a_complex_picture_is_scored_by_size():
    """As scikit-image scores it by its defaults, which are fastMRI's: the range is the largest
    value of the truth, and a phase or a unit changes nothing."""
    size, angle = rand(2, 1, 24, 25), rand(2, 1, 24, 25, seed=1)
    x = torch.cat([size * angle.cos(), size * angle.sin()], 1)
    other = (size + 0.1 * rand(2, 1, 24, 25, seed=2)) * torch.tensor([1.0, 3.0])[
        :, None, None, None
    ]
    truth = torch.cat([other, torch.zeros_like(other)], 1)
    for i in range(2):
        a, b = (plane[i, 0].double().numpy() for plane in (size, other))
        psnr = skimage.peak_signal_noise_ratio(b, a, data_range=b.max())
        ssim = skimage.structural_similarity(b, a, data_range=b.max())
        for unit in (1, 1e-5):
            assert float(COMPLEX.psnr(unit * x, unit * truth)[i]) == pytest.approx(psnr, abs=1e-4)
            assert float(COMPLEX.ssim(unit * x, unit * truth)[i]) == pytest.approx(ssim, abs=1e-5)


@pytest.mark.filterwarnings("error")
def test_a_complex_picture_of_nothing_has_no_peak():
    truth = torch.cat([torch.zeros(1, 2, 24, 25), torch.ones(1, 2, 24, 25)])
    for score in (COMPLEX.psnr, COMPLEX.ssim):
        assert score(0.5 * torch.ones_like(truth), truth).isnan().tolist() == [True, False]


def test_bands_are_shown_in_three_colours():
    """Red, green and blue are the means of the last, middle and first third."""
    x = rand(6, 4, 5)
    shown = PICTURE.picture(x)
    torch.testing.assert_close(shown, torch.stack([x[4:].mean(0), x[2:4].mean(0), x[:2].mean(0)]))
    assert PICTURE.picture(x[:2]).isfinite().all()
    assert torch.equal(PICTURE.picture(x[:1]), x[:1])
    assert torch.equal(PICTURE.picture(x[:3]), x[:3])


@pytest.mark.parametrize(("depth", "rows", "columns"), [(1, 1, 1), (5, 2, 3), (40, 4, 4)])
def test_a_volume_is_shown_in_slices(depth, rows, columns):
    """From the first to the last, sixteen at most, each at its place."""
    x = rand(1, depth, 3, 4)
    shown = VOLUME.picture(x)
    assert shown.shape == (1, rows * 3, columns * 4)
    assert torch.equal(shown[:, :3, :4], x[:, 0])
    last = min(depth, 16) - 1
    top, left = 3 * (last // columns), 4 * (last % columns)
    assert torch.equal(shown[:, top : top + 3, left : left + 4], x[:, -1])


def test_a_complex_picture_is_shown_as_size_and_phase():
    x = torch.zeros(2, 1, 3)
    x[0, 0] = torch.tensor([0.5, 0.0, 0.0])
    x[1, 0] = torch.tensor([0.0, 0.25, -0.25])
    expected = torch.tensor([[[0.5, 0.25, 0.25, 0.5, 0.75, 0.25]]])
    torch.testing.assert_close(COMPLEX.picture(x), expected)


@pytest.mark.parametrize("name", SHAPES)
def test_everything_can_be_shown(name):
    """As gray, gray with its opacity, or colour; and where that isn't all of it, the pages are."""
    x = rand(*SHAPES[name])
    assert KINDS[name].picture(x).shape[0] in (1, 2, 3)
    pages = KINDS[name].pages(x)
    assert (pages is not None) == (name in ("picture", "volume"))
    assert pages is None or torch.equal(pages.flatten(), x.flatten())
    assert PICTURE.pages(rand(3, 4, 5)) is None


class Flat(SampleDenoiser):
    """A denoiser of gray pictures that is the more careful the larger the image's mean is."""

    def bind(self, shape):
        if len(shape) != 3 or shape[0] != 1:
            raise BadInputError("This prior is for gray pictures.", got=shape)
        bound = Flat()
        bound.shape = shape
        return bound

    def denoise(self, x, sigma):
        return super().denoise(x, sigma) + 0.1 * x.mean((1, 2, 3), keepdim=True)


def test_a_denoiser_of_pictures_goes_over_slices():
    bound = bound_prior(Flat(), (1, 4, 8, 9))
    assert isinstance(bound, Slices)
    x, sigma = rand(2, 1, 4, 8, 9), torch.tensor([0.1, 0.5])
    found = bound.denoise(x, sigma)
    for k in range(4):
        torch.testing.assert_close(found[:, :, k], Flat().denoise(x[:, :, k], sigma))
    assert not isinstance(bound_prior(Flat(), (1, 8, 9)), Slices)
    assert not isinstance(bound_prior(SampleDenoiser(), (1, 4, 8, 9)), Slices)


def test_slices_of_other_channels_are_refused():
    with pytest.raises(BadInputError, match=r"for gray pictures\. Got \(2, 8, 9\)"):
        bound_prior(Flat(), (2, 4, 8, 9))


def test_a_denoiser_that_is_told_no_shape_goes_over_slices():
    """What it gets is bound, and needn't say its shape."""

    class Shapeless(Flat):
        def bind(self, shape):
            super().bind(shape)
            return self

    assert bound_prior(Shapeless(), (1, 4, 8, 9)).denoise(rand(2, 1, 4, 8, 9), 0.1).shape[2] == 4


def test_as_many_parts_at_a_time_as_memory_allows(monkeypatch):
    seen = []

    class Large(Flat):
        denoising_memory = 1000

        def bind(self, shape):
            super().bind(shape)
            return self

        def denoise(self, x, sigma):
            seen.append(len(x))
            return super().denoise(x, sigma)

    bound = bound_prior(Large(), (1, 5, 8, 9))
    assert bound.denoising_memory == 5000
    x = rand(2, 1, 5, 8, 9)
    whole = bound.denoise(x, 0.1)
    monkeypatch.setattr(adapt, "MOST", 2500)
    assert bound.denoising_memory == 2000
    seen.clear()
    torch.testing.assert_close(bound.denoise(x, 0.1), whole)
    assert seen == [2, 2, 1, 2, 2, 1]


class Kept(Flat):
    """Takes all for clean, and remembers what it got."""

    levels = (0.01, 1.0)

    def bind(self, shape):
        super().bind(shape)
        return self

    def denoise(self, x, sigma):
        self.seen = x, sigma
        return x


def spectra(noise):
    """Two pictures of 6 bands that are mixtures of two, (2, 6, 30, 40), with noise."""
    mixtures = torch.linalg.qr(rand(6, 2).double())[0]
    clean = torch.einsum("cp,bphw->bchw", mixtures, rand(2, 2, 30, 40).double())
    return clean + noise * torch.randn(2, 6, 30, 40, dtype=torch.float64)


def test_a_denoiser_of_gray_pictures_goes_over_the_components_of_spectra():
    """Those of a singular value decomposition that hold more than noise, each from 0 to 1."""
    x = spectra(0.02)[:1]
    bound = bound_prior(Kept(), (6, 30, 40))
    assert isinstance(bound, Bands)
    assert bound.over == "bands"
    found = bound.denoise(x, 0.02)[0].flatten(1)
    pictures, sigma = bound.prior.seen
    count = len(pictures)
    assert count in (2, 3)  # a third only where the noise happens to be strong
    bands = x[0].flatten(1)
    mean = bands.mean(1, keepdim=True)
    U, S, V = torch.linalg.svd(bands - mean, full_matrices=False)
    torch.testing.assert_close(found, mean + U[:, :count] * S[:count] @ V[:count])
    assert bool((pictures.amin((1, 2, 3)) == 0).all())
    torch.testing.assert_close(pictures.amax((1, 2, 3)), torch.ones(count, dtype=torch.float64))
    span = S[:count] * (V[:count].amax(1) - V[:count].amin(1))
    torch.testing.assert_close(sigma.sort()[0], 0.02 / span)
    torch.testing.assert_close(bound.denoise(x, 0.0), x)


def test_spectra_are_alike_in_every_batch_and_never_without_a_component():
    x = spectra(0.1)
    bound = bound_prior(Kept(), (6, 30, 40))
    sigma = torch.tensor([0.05, 0.1], dtype=torch.float64)
    found = bound.denoise(x, sigma)
    assert torch.equal(bound.denoise(x[1:], sigma[1:]), found[1:])
    assert torch.equal(bound.denoise(x[1:], 0.1), found[1:])
    assert len(bound.denoise(x[:1], 9.0)) == len(bound.prior.seen[0]) == 1
    assert float(bound.prior.seen[1]) == 1.0  # a level in which it holds
    even = torch.full((1, 6, 30, 40), 0.25)
    assert bound.denoise(even, 0.1).isfinite().all()


def test_a_denoiser_of_colour_alone_says_so_of_spectra():
    class Colour(Flat):
        def bind(self, shape):
            raise BadInputError("This prior is for colour.", got=shape)

    with pytest.raises(BadInputError, match=r"for colour\. Got \(6, 8, 9\)"):
        bound_prior(Colour(), (6, 8, 9))


def test_a_denoiser_of_gray_pictures_goes_over_the_parts_of_complex_ones():
    """Of a picture whose phase is the same everywhere, the real part alone is left to denoise."""
    bound = bound_prior(Flat(), (2, 8, 9), COMPLEX)
    assert isinstance(bound, ComplexDenoiser)
    assert bound.shape == (2, 8, 9)
    size, turn = 0.2 + rand(2, 1, 8, 9), torch.tensor([0.5, 2.0])[:, None, None, None]
    sigma = torch.tensor([0.1, 0.5])
    found = bound.denoise(torch.cat([size * turn.cos(), size * turn.sin()], 1), sigma)
    real = Flat().denoise(size, sigma)
    zero = Flat().denoise(torch.full_like(size, 0.5), sigma) - 0.5
    expected = torch.complex(real, zero) * torch.polar(torch.ones_like(turn), turn)
    torch.testing.assert_close(torch.complex(found[:, :1], found[:, 1:]), expected)
    alone = bound.denoise(torch.cat([size * turn.cos(), size * turn.sin()], 1)[1:], 0.5)
    torch.testing.assert_close(alone[0], found[1])
    assert isinstance(bound_prior(Flat(), (2, 8, 9)), Bands)


class Waves(LinearOperator):
    """The Fourier transform of every channel."""

    def A(self, x):
        return torch.fft.fft2(x, norm="ortho")

    def A_adjoint(self, y):
        return torch.fft.ifft2(y, norm="ortho").real


def test_a_complex_picture_has_one_spectrum():
    """That of its complex values, not one for each part; the adjoint is exact."""
    bound = bound_operator(Waves(), (2, 6, 7), COMPLEX)
    x = rand(3, 2, 6, 7).double()
    expected = torch.fft.fft2(torch.complex(x[:, 0], x[:, 1]), norm="ortho")
    torch.testing.assert_close(bound.A(x)[:, 0], expected)
    torch.testing.assert_close(bound.A_adjoint(bound.A(x)), x)
    check_operator(ComplexLinear(Waves()), shape=(2, 6, 7))
    assert not isinstance(bound_operator(Waves(), (2, 6, 7), PICTURE), ComplexLinear)


class Intensity(Operator):
    """|F x|² of every channel: of a complex picture, of its parts."""

    def A(self, x):
        return torch.fft.fft2(x, norm="ortho").abs().square()


def test_one_that_is_not_linear_says_how_it_measures_complex_pictures():
    """|F(a + ib)|² isn't |F a|² and |F b|²: who doesn't say for_complex is refused."""
    with pytest.raises(MismatchError, match=r"for_complex.*Intensity and images of shape"):
        bound_operator(Intensity(), (2, 6, 7), COMPLEX)
    assert bound_operator(Intensity(), (2, 6, 7), PICTURE).y_shape == (2, 6, 7)
    bound = bound_operator(Phase(masks=0, squared=True), (2, 6, 7), COMPLEX)
    x = rand(3, 2, 6, 7).double()
    spectrum = torch.fft.fft2(torch.complex(x[:, 0], x[:, 1]), norm="ortho")
    torch.testing.assert_close(bound.A(x)[:, 0, 0], spectrum.abs().square())
    for measured in (False, True):
        check_operator(Phase(masks=2, squared=measured).for_complex(), shape=(2, 6, 7))
    assert bound.signless == "image"


BLUR = Blur(width=0.5)
TURNED = {
    "a phase of a blurred picture": (Phase(masks=2, seed=1), BLUR),
    "a phase of one in a mirror": (Phase(masks=2, seed=1), Mirror()),
    "a spectrum of a blurred picture": (Fourier(acceleration=2, seed=3), BLUR),
    "a spectrum of one in a mirror": (Fourier(acceleration=2, seed=3), Mirror()),
    "a mask of a phase": (Mask(mask="random", seed=2), Phase(masks=0, seed=1)),
    "a mask of a spectrum": (Mask(mask="random", seed=2), Fourier(acceleration=2, seed=3)),
    "three": (Phase(masks=2, seed=1) @ BLUR, Mask(mask="random", seed=2)),
}


@pytest.mark.parametrize(("outer", "inner"), TURNED.values(), ids=list(TURNED))
def test_a_composition_measures_a_complex_picture_as_its_parts_do(outer, inner):
    """A in the way of complex pictures, of what B makes of both parts or measures by its own."""
    x = rand(2, 2, 8, 10).double()
    first = bound_operator(inner, (2, 8, 10), COMPLEX)
    own = inner.for_complex() is not None
    second = outer.bind(first.y_shape) if own else bound_operator(outer, first.y_shape, COMPLEX)
    bound = bound_operator(outer @ inner, (2, 8, 10), COMPLEX)
    assert torch.equal(bound.A(x), second.A(first.A(x)))
    assert torch.equal(bound.bind((2, 8, 10)).A(x), bound.A(x))  # bound twice
    check_operator((outer @ inner).for_complex(), shape=(2, 8, 10))


def test_so_does_a_stack():
    x = rand(2, 2, 8, 10).double()
    parts = (Phase(masks=2, seed=1), Waves(), BLUR)
    bound = bound_operator(stack(*parts), (2, 8, 10), COMPLEX)
    each = [bound_operator(part, (2, 8, 10), COMPLEX).A(x).flatten(1) for part in parts]
    assert torch.equal(bound.A(x), torch.cat(each, 1))
    assert torch.equal(bound.bind((2, 8, 10)).A(x), bound.A(x))
    linear = stack(Fourier(acceleration=2), BLUR).for_complex()
    assert isinstance(linear, LinearOperator)
    check_operator(linear, shape=(2, 8, 10))
    check_operator(stack(*parts).for_complex(), shape=(2, 8, 10))


@pytest.mark.parametrize(
    ("operator", "said"),
    [
        (Intensity() @ BLUR, "for_complex.*Got _Product"),
        (BLUR @ Intensity(), "for_complex.*Got _Product"),
        (stack(BLUR, Intensity()), "for_complex.*Got Intensity"),
        (Phase() @ Waves(), "of two channels. Got Phase behind Waves"),
    ],
)
def test_a_part_that_does_not_know_how_is_named(operator, said):
    with pytest.raises(MismatchError, match=said):
        bound_operator(operator, (2, 8, 10), COMPLEX)


def test_what_takes_real_numbers_is_refused_behind_a_spectrum():
    """Its gradient there would be the real part alone."""
    with pytest.raises(MismatchError, match=r"complex numbers where B.* Got Phase behind Four"):
        (Phase() @ Fourier()).bind((1, 8, 8))
    with pytest.raises(MismatchError, match="Got Fourier behind Fourier"):
        (Fourier() @ Fourier()).bind((1, 8, 8))
    check_operator(BLUR @ Fourier(), shape=(1, 8, 8))


def test_what_no_number_fills_of_a_square_is_clear():
    assert squared(rand(16)).shape == (1, 4, 4)
    left = squared(rand(13))
    assert torch.equal(left[1].flatten(), (torch.arange(16) < 13).float())
    assert torch.equal(left[0].flatten()[:13], squared(rand(13))[0].flatten()[:13])
    assert to_pil(left).mode == "LA"
    assert Image.open(io.BytesIO(png(to_pil(left)))).mode == "LA"
