"""Operators beyond their contract: random matrices, and files that lie."""

import math

import numpy as np
import pytest
import scipy.ndimage
import scipy.sparse
import scipy.sparse.linalg
import torch
from PIL import Image
from priorkit_operators import random_matrix
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

import priorkit
from priorkit.errors import BadInputError
from priorkit.interfaces import LinearOperator, stack
from priorkit.settings.select import resolve
from priorkit.testing import check_operator
from tests.helpers import SHAPE


def npz(path, kind, **changes):
    """A sparse matrix in scipy's own format, some of its arrays replaced."""
    whole = scipy.sparse.random(6, 12, 0.4, format=kind, random_state=0)
    scipy.sparse.save_npz(path, whole)
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    for name, change in changes.items():
        arrays[name] = change(arrays[name])
    np.savez(path, **arrays)
    return path


def outside(values):
    values = values.copy()
    values[-1] = 10**6
    return values


def without_end(values):
    """Row ends whose last is 0: scipy then takes the matrix for empty, and checks nothing."""
    values = values.copy()
    values[-1] = 0
    return values


LIES = {
    "no end": ("csr", {"indptr": without_end}),
    "no end of columns": ("csc", {"indptr": without_end}),
    "no end of blocks": ("bsr", {"indptr": without_end}),
    "a diagonal outside": ("dia", {"offsets": lambda v: v + 100}),
    "a column outside": ("csr", {"indices": outside}),
    "a negative column": ("csr", {"indices": lambda v: v - 5}),
    "row ends beyond the data": ("csr", {"indptr": outside}),
    "row ends that fall": ("csr", {"indptr": lambda v: np.concatenate([v[:1], v[:0:-1]])}),
    "a row outside": ("csc", {"indices": outside}),
    "a block outside": ("bsr", {"indices": outside}),
    "a coordinate outside": ("coo", {"row": outside}),
    "a negative coordinate": ("coo", {"col": lambda v: v - 20}),
    "less data than indices": ("csr", {"data": lambda v: v[:3]}),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_sparse_file_that_points_outside_is_refused(lie, tmp_path):
    """Before any product, which would read or write past the arrays."""
    kind, changes = LIES[lie]
    path = npz(tmp_path / "A.npz", kind, **changes)
    with pytest.raises(BadInputError, match=r"sparse matrix is damaged|can't be read|not a matrix"):
        Matrix(path=path)


@pytest.mark.parametrize("kind", ["csr", "csc", "bsr", "coo", "dia"])
def test_sound_files_of_every_format_are_taken(kind, tmp_path):
    assert Matrix(path=npz(tmp_path / "A.npz", kind)).matrix.shape == (6, 12)


@pytest.mark.parametrize("kind", [Gaussian, Rademacher])
def test_made_anew_is_stored_to_the_last_bit(kind, monkeypatch):
    """In blocks of three rows, for one image and for five."""
    monkeypatch.setattr(random_matrix, "_BLOCK", 3 * 4 * 192)
    stored, anew = (kind(m=20, seed=4, store=s).bind((3, 8, 8)) for s in (None, 0))
    x = torch.rand(5, 3, 8, 8)
    y = stored.A(x)
    assert torch.equal(anew.A(x), y)
    assert torch.equal(anew.A_adjoint(y), stored.A_adjoint(y))
    assert torch.equal(anew.A(x[2:3]), y[2:3])
    assert not stored.rows(0, 20).equal(kind(m=20, seed=5).bind((3, 8, 8)).rows(0, 20))


@pytest.mark.parametrize(
    "operator",
    [
        Gaussian(m=9),
        Rademacher(m=9),
        SRHT(m=9),
        Matrix(matrix=np.eye(4, 192)),
        "identity",
        "mask",
        Blur(width=0.8),
        "downsample",
        "gray",
        "radon",
        Mask() @ Blur(width=0.8),
        stack(Gaussian(m=9), Mask()),
    ],
)
def test_autograd_goes_through_every_operator(operator):
    """For who writes a loss of their own: the gradient of ½‖A x‖² is Aᵀ A x."""
    bound = resolve("operator", operator).build(0).bind((3, 8, 8))
    x = torch.rand(3, 3, 8, 8, requires_grad=True)
    y = bound.A(x)
    (gradient,) = torch.autograd.grad(0.5 * y.square().sum(), x)
    torch.testing.assert_close(gradient, bound.A_adjoint(bound.A(x.detach())))


def test_a_random_matrix_is_not_made_at_once(tmp_path):
    """A matrix of 77 GB, of which one row is looked at."""
    big = Gaussian(m=98_304, store=0).bind((3, 256, 256))
    assert big.memory < 1 << 27
    assert abs(float(big.rows(70_000, 70_001).square().sum()) - 2) < 0.05  # n / m


@pytest.mark.parametrize("kind", [Rademacher, SRHT])
def test_signs_have_unit_columns(kind):
    """Every entry is ±m^{−½}, and about half of them are negative."""
    rows = kind(m=64, seed=1).bind((1, 128)).rows(0, 64)
    torch.testing.assert_close(rows.abs(), torch.full_like(rows, 1 / 8))
    assert 0.45 < float((rows < 0).float().mean()) < 0.55


def test_the_excess_of_signs_and_of_normals_is_exact():
    """‖AᵀA − 1‖²/n has no part on the diagonal of signs; of normals it has 2/m there."""
    for m in (1, 2, 3):
        bound = [kind(m=m).bind((3,)) for kind in (Rademacher, Gaussian)]
        assert [3 * m * one.excess for one in bound] == pytest.approx([6, 12])
    for kind in (Rademacher, Gaussian):
        found = []
        for seed in range(1000):
            row = kind(m=1, seed=seed).bind((3,)).rows(0, 1).double()
            found.append(float((row.mT @ row - torch.eye(3)).square().sum()) / 3)
        error = np.std(found) / len(found) ** 0.5
        assert abs(np.mean(found) - kind(m=1).bind((3,)).excess) <= 4 * error + 1e-6


@pytest.mark.parametrize("shape", [(1, 64), (3, 8, 8), (15, 4)])
def test_srht_with_every_row_keeps_lengths(shape):
    """With m = n = N the transform is orthogonal; colour pictures need no zeros."""
    whole = SRHT(m=math.prod(shape), seed=2).bind(shape)
    assert whole.excess == 0
    x = torch.rand(2, *shape, dtype=torch.float64)
    torch.testing.assert_close(whole.A_adjoint(whole.A(x)), x)


@pytest.mark.parametrize("kind", [Gaussian, Rademacher, SRHT])
def test_more_measurements_than_numbers(kind):
    with pytest.raises(BadInputError, match="at most n = 192"):
        kind(m=193).bind((3, 8, 8))


# --- operators beside the libraries that have them ------------------------------------


@pytest.fixture(scope="module")
def astronaut():
    """A photograph, (1, 1, 60, 64) float64."""
    skimage_data = pytest.importorskip("skimage.data")
    picture = Image.fromarray(skimage_data.astronaut()).convert("L").resize((64, 60))
    return torch.from_numpy(np.asarray(picture, dtype=np.float64) / 255)[None, None]


@pytest.mark.parametrize("angle", [0, 45, 90, 30])
def test_a_shake_is_a_line_of_its_length_and_angle(angle):
    """Its spread along the line is that of a segment, across it little."""
    bound = Blur(kernel="motion", length=15, angle=angle).bind((1, 32, 32))
    (kernel,) = (kernel.flip(0, 1) for kernel in bound.kernels)
    rows, columns = (torch.arange(n) - (n - 1) / 2 for n in kernel.shape)
    along = columns * np.cos(np.radians(angle)) - rows[:, None] * np.sin(np.radians(angle))
    across = columns * np.sin(np.radians(angle)) + rows[:, None] * np.cos(np.radians(angle))
    assert abs(float((kernel * along**2).sum()) ** 0.5 - 14 / 12**0.5) < 0.2
    assert float((kernel * across**2).sum()) ** 0.5 < 0.5


def test_downsampling_is_that_of_pillow(astronaut):
    """Away from the edges; Pillow's weights are rounded to 8 bits, so floats are compared."""
    small = Downsample(factor=4).bind((1, 60, 64)).A(astronaut)[0, 0].numpy()
    picture = Image.fromarray(astronaut[0, 0].numpy().astype(np.float32), mode="F")
    np.testing.assert_allclose(small, picture.resize((16, 15), Image.Resampling.BICUBIC), atol=1e-6)


def test_every_coefficient_of_the_spectrum_gives_the_picture_back(astronaut):
    whole = Fourier(acceleration=1, coils=4).bind((1, 60, 64))
    assert whole.mask.all()
    torch.testing.assert_close(whole.A_adjoint(whole.A(astronaut)), astronaut)


@pytest.mark.parametrize("pattern", ["lines", "random", "radial"])
def test_as_much_of_the_spectrum_is_measured_as_asked(pattern):
    bound = Fourier(pattern=pattern, acceleration=4, seed=3).bind((1, 64, 64))
    assert abs(float(bound.mask.mean()) - 0.25) < 0.02
    assert bound.mask[0, 32, 32] == 1
    other = Fourier(pattern=pattern, acceleration=4, seed=4).bind((1, 64, 64))
    assert (pattern == "radial") == torch.equal(bound.mask, other.mask)


def test_projections_are_those_of_scikit_image(astronaut):
    """They turn the picture and add up, here each pixel is shared by two detectors: a blur of
    less than a pixel apart. 57 pixels and 81 detectors have one middle."""
    radon = pytest.importorskip("skimage.transform").radon
    picture = astronaut[..., :57, :57]
    angles = [0.0, 30.0, 60.0, 135.0]
    ours = Radon(angles=angles, detectors=81).bind((1, 57, 57)).A(picture)[0, 0].numpy()
    theirs = radon(picture[0, 0].numpy(), theta=angles, circle=False).T / 57
    assert theirs.shape == (4, 81)
    np.testing.assert_allclose(ours[0], theirs[0], atol=1e-6)  # columns, in either
    smooth = [scipy.ndimage.gaussian_filter1d(rays, 2) for rays in (ours, theirs)]
    assert np.abs(smooth[0] - smooth[1]).max() < 0.01 * theirs.max()


@pytest.mark.parametrize("pattern", ["lines", "random", "radial"])
def test_the_middle_of_the_spectrum_is_measured_in_any_case(pattern):
    """Every coefficient within a tenth of the side from zero frequency, whatever is left out."""
    mask = Fourier(pattern=pattern, acceleration=4, centre=0.2).bind((1, 40, 50)).mask[0]
    rows, columns = (
        np.abs(np.fft.fftshift(np.fft.fftfreq(side))) <= 0.1 + 1e-9 for side in (40, 50)
    )
    middle = (
        columns[None] | np.zeros((40, 1), bool) if pattern == "lines" else (rows[:, None] & columns)
    )
    assert mask.numpy()[middle].all()
    assert float(mask.mean()) == pytest.approx(0.25, abs=0.02)


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("lines", r"leaves 4 of 64 columns, fewer than the 7 in the middle. Got centre=0.1. "),
        ("random", r"leaves 256 of 4096 coefficients, fewer than the 841 in .* Got centre=0.45. "),
        ("radial", r"leaves 256 of 4096 coefficients, fewer than the 841 in .* Got centre=0.45. "),
    ],
)
def test_less_than_the_middle_is_refused(pattern, words):
    """7 columns are within 3.2 of the middle one, and 29 × 29 coefficients within 14.4."""
    centre = 0.1 if pattern == "lines" else 0.45
    settings = {"pattern": pattern, "acceleration": 16, "centre": centre}
    with pytest.raises(BadInputError, match=words + "Try: ") as refused:
        Fourier(**settings).bind((1, 64, 64))
    hints = refused.value.try_.split(", or ")
    assert len(hints) == 2
    for hint in hints:  # what is tried works
        name, value = hint.split("=")
        Fourier(**settings | {name: float(value)}).bind((1, 64, 64))


@pytest.mark.parametrize("sides", [(8, 9), (9, 9), (9, 8), (8, 8), (57, 57), (64, 64)])
def test_at_0_degrees_a_column_is_one_detector(sides):
    """Sums along the columns, whatever the parity of the sides."""
    x = torch.rand(1, 1, *sides, generator=torch.Generator().manual_seed(1))
    y = Radon(angles=[0.0]).bind((1, *sides)).A(x)[0, 0, 0]
    assert len(y) >= math.hypot(*sides)
    sums, before = x[0, 0].sum(0) / sides[1], (len(y) - sides[1]) // 2
    torch.testing.assert_close(y[before : before + sides[1]], sums)
    assert float(y.abs().sum()) == pytest.approx(float(sums.sum()), rel=1e-5)


def test_detectors_between_the_columns_are_said(caplog):
    for detectors, angles in ((11, 4), (10, [30.0])):
        Radon(angles=angles, detectors=detectors).bind((1, 9, 9))
    assert not caplog.messages
    Radon(angles=4, detectors=10).bind((1, 9, 9))
    (said,) = caplog.messages
    assert "10 detectors and 9 columns are half a pixel apart" in said
    assert said.endswith("Try: detectors=11")


def test_phases_are_lost_and_found():
    """A picture and one shifted have one |F x|; four masks tell them apart, and give it back."""
    x = torch.rand(1, 1, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    plain, coded = (Phase(masks=k).bind((1, 8, 8)) for k in (0, 4))
    shifted = x.roll(3, -1)
    torch.testing.assert_close(plain.A(x), plain.A(shifted))
    assert (coded.A(x) - coded.A(shifted)).norm() > 0.1
    result = priorkit.recover(x, prior="none", op=coded, sigma=0.0, start="normal", budget=400)
    assert result.psnr > 30


# --- algebra ----------------------------------------------------------------------------

COMBINED = {
    "blurred, with holes": Mask() @ Blur(width=0.8),
    "small and gray": Gray() @ Downsample(factor=2),
    "coefficients of what is blurred": Fourier(acceleration=2) @ Blur(width=0.8),
    "holes in holes": Mask(mask="left") @ Mask(),
    "not linear": Phase(masks=2) @ Blur(width=0.8),
    "two": stack(Gaussian(m=9), Mask()),
    "real and complex": stack(Gray(), Fourier(acceleration=2)),
    "one that isn't linear": stack(Gaussian(m=9), Phase(masks=1)),
}


@pytest.mark.parametrize("name", COMBINED)
def test_combined_operators_keep_the_contract(name):
    check_operator(COMBINED[name], shape=SHAPE)
    assert isinstance(COMBINED[name], LinearOperator) == ("linear" not in name)


def test_a_product_measures_one_after_the_other():
    x = torch.rand(2, *SHAPE)
    blur, mask = Blur(width=0.8).bind(SHAPE), Mask().bind(SHAPE)
    product = (mask @ blur).bind(SHAPE)
    assert torch.equal(product.A(x), mask.A(blur.A(x)))
    assert not product.sees_image
    assert torch.equal(product.mask, mask.mask)
    holes = (Mask(mask="left") @ mask).bind(SHAPE)
    assert holes.sees_image
    assert torch.equal(holes.mask, Mask(mask="left").bind(SHAPE).mask * mask.mask)
    assert (Identity() @ Mask()).bind(SHAPE).mask is not None


def test_a_stack_measures_all():
    x = torch.rand(2, *SHAPE)
    parts = [Gaussian(m=9).bind(SHAPE), Mask().bind(SHAPE)]
    whole = stack(*parts).bind(SHAPE)
    assert torch.equal(whole.A(x), torch.cat([part.A(x).flatten(1) for part in parts], 1))
    assert whole.entries == 9 + int(parts[1].mask.sum())
    with pytest.raises(ValueError, match="at least one"):
        stack()


@pytest.mark.parametrize("name", ["blur", "downsample", "fourier", "gray", "phase", "radon"])
def test_an_image_is_measured_alike_in_every_batch(name):
    """To the last bit, in float32."""
    operator = resolve("operator", name).build(0).bind((3, 64, 64))
    x = torch.rand(5, 3, 64, 64)
    y = operator.A(x)
    pulled = operator.vjp(x, y)
    for rows in (slice(0, 2), slice(2, 5)):
        assert torch.equal(operator.A(x[rows]), y[rows])
        assert torch.equal(operator.vjp(x[rows], y[rows]), pulled[rows])


@pytest.mark.parametrize(
    "name", ["blur", "downsample", "fourier", "gray", "phase", "radon", "srht"]
)
def test_numbers_are_the_same_wherever_they_lie(name):
    """Of images whose numbers aren't next to each other in memory, as of a transposed array."""
    told = {"name": name, "m": 90} if name == "srht" else name
    operator = resolve("operator", told).build(0).bind((3, 12, 12))
    x = torch.rand(4, 3, 12, 12, dtype=torch.float64)
    y = operator.A(x)
    pulled = operator.vjp(x, y)
    apart = [t.movedim(0, -1).contiguous().movedim(-1, 0) for t in (x, y)]
    assert not apart[0].is_contiguous()
    torch.testing.assert_close(operator.A(apart[0]), y)
    torch.testing.assert_close(operator.vjp(*apart), pulled)


# --- what others make ---------------------------------------------------------------------


def test_a_matrix_is_an_operator_as_it_is():
    """Of numpy, torch, scipy, and of PyLops: the same y, without glue."""
    pylops = pytest.importorskip("pylops")
    M = np.random.default_rng(0).normal(size=(40, 192)) / 40**0.5
    x = torch.rand(2, *SHAPE, generator=torch.Generator().manual_seed(0))
    given = [
        M,
        torch.from_numpy(M),
        scipy.sparse.csr_array(M),
        scipy.sparse.linalg.aslinearoperator(M),
        pylops.MatrixMult(M),
    ]
    found = [priorkit.recover(x, prior="none", op=op, sigma=0.01, budget=20) for op in given]
    for other in found[1:]:
        torch.testing.assert_close(other.y, found[0].y)
        torch.testing.assert_close(other.x, found[0].x, atol=1e-4, rtol=0)


def test_operators_of_pylops_keep_the_contract():
    pylops = pytest.importorskip("pylops")
    for operator in (
        pylops.FirstDerivative((12, 10), axis=0),
        pylops.signalprocessing.FFT2D((12, 10), norm="ortho"),
        pylops.VStack([pylops.Identity(120), pylops.Diagonal(np.arange(120.0))]),
    ):
        adopted = resolve("operator", operator).build(0)
        check_operator(adopted, shape=(1, 12, 10))


def test_what_nobody_knows_is_refused():
    with pytest.raises(BadInputError, match="The operator is a name, a table"):
        priorkit.recover(op=object())
