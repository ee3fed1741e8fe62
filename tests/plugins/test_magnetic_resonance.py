"""Spectra as a scanner gives them: its own mask, coils, layout and field of view."""

import math

import numpy as np
import pytest
import torch
from priorkit_operators.blur import Blur
from priorkit_operators.coils import around, espirit, low_resolution
from priorkit_operators.fourier import Fourier
from priorkit_operators.gaussian import Gaussian
from priorkit_operators.pointwise import Identity, Mask
from priorkit_operators.sampling import read_mask
from scipy.io import savemat

import priorkit
from examples.scanner import head, lines, scanned
from priorkit.errors import BadInputError
from priorkit.interfaces import stack
from priorkit.interfaces.kinds import COMPLEX
from priorkit.io.pictures import astronaut, load
from priorkit.testing import check_operator

RNG = np.random.default_rng(0)
SIDE = 48
COLUMNS = RNG.random(12) > 0.4


def centred(x):
    """The orthonormal spectrum of numpy, with both origins in the middle."""
    axes = (-2, -1)
    return np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(x, axes), norm="ortho"), axes)


def complex_numbers(*shape):
    return RNG.normal(size=shape) + 1j * RNG.normal(size=shape)


CASES = {
    "a mask of columns": (Fourier(mask=COLUMNS), (1, 9, 12)),
    "a whole mask": (Fourier(mask=RNG.random((9, 12)) > 0.5), (3, 9, 12)),
    "a larger field": (Fourier(acceleration=2, field=(16, 13)), (1, 9, 12)),
    "the origin in the middle": (Fourier(acceleration=2, origin="centre"), (1, 9, 12)),
    "of a volume": (Fourier(acceleration=2, field=(4, 8, 12), origin="centre"), (1, 3, 8, 6)),
    "complex": (Fourier(acceleration=2).for_complex(), (2, 9, 12)),
    "complex, coils": (
        Fourier(mask=COLUMNS, maps=complex_numbers(3, 9, 12)).for_complex(),
        (2, 9, 12),
    ),
    "complex, coils of the field": (
        Fourier(acceleration=2, maps=complex_numbers(3, 16, 13), field=(16, 13)).for_complex(),
        (2, 9, 12),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_adjoint_is_exact(case):
    operator, shape = CASES[case]
    check_operator(operator, shape=shape)


def test_a_complex_picture_is_measured_as_numpy_measures_it():
    """In coils, in the middle of a larger field of view, at the columns of the mask."""
    x, maps = complex_numbers(9, 12), complex_numbers(2, 9, 12)
    mask = np.arange(16) % 3 > 0
    whole = np.zeros((2, 14, 16), complex)
    whole[:, 3:12, 2:14] = maps * x  # pixel 4 of 9 on pixel 7 of 14, 6 of 12 on 8 of 16
    bound = Fourier(mask=mask, maps=maps, field=(14, 16)).for_complex().bind((2, 9, 12))
    parts = torch.from_numpy(np.stack([x.real, x.imag]))[None]
    np.testing.assert_allclose(bound.A(parts)[0, 0].numpy(), centred(whole) * mask, atol=1e-12)


def test_the_origin_of_a_complex_picture_is_said():
    x = torch.from_numpy(RNG.normal(size=(1, 2, 8, 9)))
    bound = Fourier(acceleration=1, origin="corner").for_complex().bind((2, 8, 9))
    expected = torch.fft.fftshift(torch.fft.fft2(torch.complex(x[:, 0], x[:, 1]), norm="ortho"))
    torch.testing.assert_close(bound.A(x)[0], expected)


# --- what y tells -----------------------------------------------------------------------


def spectra(coils, sides=(10, 12)):
    return complex_numbers(*((coils, *sides) if coils else sides)) * (np.arange(sides[1]) % 2)


@pytest.mark.parametrize("mask", [None, "auto"])
@pytest.mark.parametrize("layout", [(10, 12), (1, 10, 12), (1, 1, 10, 12), (3, 10, 12)])
def test_what_is_0_was_not_measured(layout, mask):
    """Whatever the layout; three spectra of one coil are three pictures."""
    y = complex_numbers(*layout) * (np.arange(12) % 2)
    found = priorkit.recover(y=y, op="fourier", mask=mask, kind="complex", prior="none", budget=5)
    assert found.x.shape == (len(y) if len(layout) == 3 else 1, 2, 10, 12)
    assert torch.equal(found.operator.mask[0], (torch.arange(12) % 2).float().expand(10, 12))
    x = torch.complex(*found.x.unbind(1)).numpy()
    expected = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(y, (-2, -1)), norm="ortho"), (-2, -1))
    np.testing.assert_allclose(x, expected.reshape(x.shape), atol=1e-5)


def test_a_pattern_that_is_said_is_taken_of_a_whole_y():
    """As of a fully measured spectrum, of which only part is to be used."""
    y = complex_numbers(16, 16)
    settings = {"op": "fourier", "kind": "complex", "prior": "none", "budget": 1}
    part = priorkit.recover(y=y, acceleration=2, **settings)
    assert float(part.operator.mask.mean()) == 0.5
    assert bool(priorkit.recover(y=y, **settings).operator.mask.all())


@pytest.mark.parametrize("layout", [(3, 10, 12), (1, 3, 10, 12), (2, 3, 10, 12), (2, 1, 3, 10, 12)])
def test_coils_are_told_by_their_maps(layout):
    """fastMRI's (slices, coils, H, W) among them."""
    y = complex_numbers(*layout)
    maps = complex_numbers(3, 10, 12)
    settings = {"op": "fourier", "kind": "complex", "prior": "none", "budget": 2}
    found = priorkit.recover(y=y, maps=maps, **settings)
    assert found.x.shape == (2 if layout[0] == 2 else 1, 2, 10, 12)
    assert found.y.shape[1:] == (1, 3, 10, 12)


def test_several_spectra_of_one_coil_are_questioned(caplog):
    settings = {"op": "fourier", "kind": "complex", "prior": "none", "budget": 1}
    priorkit.recover(y=complex_numbers(4, 8, 8), **settings)
    assert "taken for 4 measurements of one coil each. Try: maps='estimate'" in caplog.text


NUMPYS = {
    "a picture": ({"shape": (1, 48, 48)}, (1, 48, 48), (-2, -1)),
    "sampled": ({"shape": (1, 48, 48)}, (1, 48, 48), (-2, -1)),
    "a mask": ({"shape": (1, 48, 48), "mask": np.arange(48) % 3 > 0}, (1, 48, 48), (-2, -1)),
    "complex": ({"kind": "complex"}, (48, 48), (-2, -1)),
    "coils": ({"kind": "complex", "maps": complex_numbers(2, 48, 48)}, (2, 48, 48), (-2, -1)),
    "one axis": ({"kind": "complex"}, (48, 48), (-1,)),
    "a volume": ({"shape": (1, 8, 48, 48)}, (1, 8, 48, 48), (-3, -2, -1)),
    "a signal": ({"shape": (1, 48)}, (1, 48), (-1,)),
}


@pytest.mark.parametrize("case", NUMPYS)
def test_a_spectrum_in_the_layout_of_numpy_is_questioned(case, caplog):
    """And of what is tried instead nothing is said."""
    said, shape, axes = NUMPYS[case]
    x = load(astronaut(), (1, 48, 48)).x[0, 0].double().numpy()
    x = x[20] if case == "a signal" else x
    ramp = 1 + np.arange(8)[:, None, None] / 8
    x = ramp * x if case == "a volume" else x
    over = tuple(range(-x.ndim, 0))
    y = np.fft.fftshift(np.fft.fftn(x, norm="ortho"), axes=over)
    y = y * lines(48, 4) if case == "sampled" else y
    y = y * said.get("mask", 1)
    y = np.broadcast_to(y, shape).copy()
    settings = {"op": "fourier", "prior": "none", "budget": 1, **said}
    own = dict(settings)
    if "mask" in own:
        own["mask"] = np.fft.ifftshift(own["mask"])
    priorkit.recover(y=np.fft.ifftshift(y, axes=axes), **own)
    text = f"numpy.fft.fftshift(y, axes={axes})"
    assert text + (", and the mask likewise" if "mask" in said else "") in caplog.text
    caplog.clear()
    priorkit.recover(y=y, **settings)
    assert "fftshift" not in caplog.text


QUIET = {
    "noise": complex_numbers(48, 48),
    "no mean": centred(head(48) - head(48).mean()),
    "no centre": centred(head(48)) * (np.abs(np.arange(48) - 24) > 3),
    "edges": centred(np.diff(head(49), axis=0)[:, :48]),
    "half": centred(head(48)) * (np.arange(48)[:, None] < 28),
    "a ramp of phase": centred(head(48) * np.exp(1j * np.arange(48))),
    "noisy": centred(head(48)) + head(48).std() * complex_numbers(48, 48),
    "one pixel": centred(np.eye(48)[:1].T @ np.eye(48)[:1]),
    "nothing but the mean": centred(np.ones((48, 48))),
}


@pytest.mark.parametrize("case", QUIET)
def test_other_spectra_are_not_questioned(case, caplog):
    priorkit.recover(y=QUIET[case], op="fourier", kind="complex", prior="none", budget=1)
    assert "fftshift" not in caplog.text


def test_a_spectrum_behind_other_operators_is_questioned(caplog):
    """Of a product whose y is a spectrum with holes, of a transform of a blurred picture and of one
    of several parts; not of what isn't a spectrum any more."""
    x = load(astronaut(), (1, 48, 48)).x
    some = np.broadcast_to(lines(48, 2), (48, 48))
    fourier = Fourier(acceleration=1, centre=0)
    own = {"prior": "none", "budget": 1, "shape": (1, 48, 48)}
    for operator in (
        Mask(mask=some) @ fourier,
        fourier @ Blur(width=1.0),
        stack(fourier, Identity()),
        Mask(mask=some) @ (fourier @ Blur(width=1.0)),
    ):
        bound = operator.bind((1, 48, 48))
        y = bound.A(x)
        caplog.clear()
        priorkit.recover(y=y, op=operator, **own)
        assert "spectrum" not in caplog.text
        spectrum, rest = y.flatten()[:2304].view(48, 48), y.flatten()[2304:]
        turned = torch.cat([torch.fft.ifftshift(spectrum).flatten(), rest])
        priorkit.recover(y=turned.view(y.shape), op=operator, **own)
        assert "numpy.fft.fftshift(y, axes=(-2, -1))" in caplog.text
    caplog.clear()
    random = priorkit.recover(x, op=Gaussian(m=50) @ Blur(width=1.0), prior="none", budget=1)
    priorkit.recover(y=random.y, op=Gaussian(m=50) @ Blur(width=1.0), **own)
    assert "spectrum" not in caplog.text


@pytest.mark.parametrize("composed", [False, True])
def test_a_spectrum_without_its_middle_is_questioned(composed, caplog):
    """As by a mask in the layout of numpy, which is what to try; not of what has a wave of it."""
    y = centred(head(48)).astype(np.complex64)
    middle = np.hypot(*np.mgrid[-24:24, -24:24]) < 6
    own = {"prior": "none", "budget": 1, "kind": "complex"}

    def said(mask):
        caplog.clear()
        mask = np.broadcast_to(mask, (48, 48))
        whole = Fourier(acceleration=1, centre=0)
        op = Mask(mask=mask) @ whole if composed else {"name": "fourier", "mask": mask}
        priorkit.recover(y=y, op=op, **own, **({"shape": (2, 48, 48)} if composed else {}))
        return caplog.text

    text = "Nothing is measured in the middle of the spectrum"  # and of how bright x is nothing
    assert "y suggests" not in said(~middle)
    assert f"{text}, where the slowest waves are: how bright x" in said(~middle)
    assert "Try: numpy.fft.fftshift(mask)" in said(np.fft.fftshift(middle))
    assert text not in said(middle)
    assert text not in said(np.arange(48) % 3 > 0)


def test_a_smaller_picture_is_the_middle_of_the_field(tmp_path):
    """An oversampled readout: beyond the picture there is nothing. A replay is the same."""
    x = complex_numbers(12, 10)
    whole = np.zeros((24, 10), complex)
    whole[6:18] = x
    settings = {"op": "fourier", "kind": "complex", "prior": "none", "sigma": 0.0}
    found = priorkit.recover(y=centred(whole), shape=(2, 12, 10), out=tmp_path / "run", **settings)
    np.testing.assert_allclose(torch.complex(*found.x[0]).numpy(), x, atol=1e-4)
    assert torch.equal(priorkit.replay(tmp_path / "run").x, found.x)


# --- coil maps --------------------------------------------------------------------------


def a_scan():
    """Of the head, noise and all, and the RSS that is its truth."""
    y, best = scanned(head(2 * SIDE), SIDE)
    columns = np.abs(np.arange(SIDE) - SIDE // 2) <= 9
    return y * (columns | (np.arange(SIDE) % 3 == 0)), best


@pytest.mark.parametrize("rule", [low_resolution, espirit])
def test_estimated_maps_are_those_of_the_coils(rule):
    """Up to a phase, of an object that they cover: |Σ S̄ S'| is 1 where two agree."""
    if rule is espirit:
        pytest.importorskip("sigpy")
    true = around(4, SIDE, SIDE).numpy()
    y = torch.from_numpy(centred(true * (0.5 + head(SIDE))))
    maps = rule(y, torch.ones(SIDE, SIDE)).numpy()
    inside = head(SIDE) > 0.1
    assert np.abs((np.abs(maps) ** 2).sum(0) - 1)[inside].max() < 1e-5
    alike = np.abs((maps.conj() * true).sum(0))[inside]
    assert np.median(alike) > 0.999
    assert np.quantile(alike, 0.05) > 0.98


@pytest.mark.parametrize("maps", ["estimate", "espirit"])
def test_maps_from_the_measurement_unfold_it(maps, tmp_path):
    """Much nearer to the truth than zero filling, also in the last bit when it is repeated."""
    if maps == "espirit":
        pytest.importorskip("sigpy")
    y, best = a_scan()
    settings = {"op": "fourier", "kind": "complex", "maps": maps, "sigma": 0.01}
    found = priorkit.recover(
        y=y, prior="none", penalty="tv", gamma=3e-3, budget=60, out=tmp_path / "run", **settings
    )
    truth = torch.from_numpy(np.stack([best, np.zeros_like(best)]))[None]
    plain = float(COMPLEX.psnr(found.operator.image(found.y), truth))
    assert float(COMPLEX.psnr(found.x, truth)) > plain + 2
    assert torch.equal(priorkit.replay(tmp_path / "run").x, found.x)
    given = priorkit.recover(
        y=y, prior="none", penalty="tv", gamma=3e-3, budget=60,
        **settings | {"maps": found.operator._given.numpy(), "mask": "auto"},
    )  # fmt: skip
    torch.testing.assert_close(given.x, found.x, atol=1e-4, rtol=0)


def test_maps_are_estimated_again_of_the_same_numbers(tmp_path):
    """Where a range moves them: they had been those of numbers that were rounded in [0, 1]."""
    y = (a_scan()[0] * 1.7e-4).astype(np.complex64)
    settings = {"op": "fourier", "kind": "complex", "maps": "estimate", "range": (0, 3e-4)}
    settings |= {"prior": "none", "penalty": "tv", "gamma": 3e-3, "budget": 5, "sigma": 2e-6}
    found = priorkit.recover(y=y, **settings, out=tmp_path / "run")
    assert np.array_equal(np.load(tmp_path / "run" / "y.npy").reshape(y.shape), y)
    assert torch.equal(priorkit.replay(tmp_path / "run").x, found.x)


def test_maps_of_the_corner_are_those_of_the_middle_moved():
    y, _ = a_scan()
    settings = {"op": "fourier", "kind": "complex", "maps": "estimate", "prior": "none"}
    middle, corner = (
        priorkit.recover(y=y, origin=origin, budget=3, **settings).x for origin in (None, "corner")
    )
    torch.testing.assert_close(corner, torch.fft.ifftshift(middle, (-2, -1)), atol=1e-5, rtol=0)


# --- denoisers of complex pictures ------------------------------------------------------


def test_wavelets_are_not_refused_and_better_than_least_squares():
    """Their refusal is about pictures whose y is a picture too."""
    y, best = a_scan()
    truth = torch.from_numpy(np.stack([best, np.zeros_like(best)]))[None]
    settings = {"op": "fourier", "kind": "complex", "maps": "estimate", "sigma": 0.01}
    wavelet = {"name": "wavelet", "wavelet": "db4", "levels": 2}
    found = priorkit.recover(y=y, prior=wavelet, budget=60, **settings)
    plain = priorkit.recover(y=y, prior="none", budget=10, **settings)
    assert float(COMPLEX.psnr(found.x, truth)) > float(COMPLEX.psnr(plain.x, truth)) + 1


@pytest.mark.parametrize("solver", ["pnp-admm", "diffpir"])
def test_a_denoiser_of_pictures_helps(solver, caplog):
    y, best = a_scan()
    found = priorkit.recover(
        y=y, op="fourier", kind="complex", maps="estimate", sigma=0.01,
        prior="denoiser-photos", solver=solver, budget=8,
    )  # fmt: skip
    truth = torch.from_numpy(np.stack([best, np.zeros_like(best)]))[None]
    plain = float(COMPLEX.psnr(found.operator.image(found.y), truth))
    assert float(COMPLEX.psnr(found.x, truth)) > plain + 2
    assert "it goes over real and imaginary parts" in caplog.text


@pytest.mark.parametrize(("kind", "shape"), [("complex", (2, 16, 16)), ("volume", (1, 2, 16, 16))])
def test_parts_are_denoised_in_mixed_precision(kind, shape):
    """Within parts in a hundred of what it takes away, and not the same numbers."""
    y = np.random.default_rng(1).uniform(0.2, 0.8, (1, *shape))
    settings = {"op": "identity", "kind": kind, "sigma": 0.1, "prior": "denoiser-photos"}
    rough, exact = (
        priorkit.recover(y=y, precision=precision, **settings).x
        for precision in ("mixed", "float32")
    )
    taken = (exact - torch.from_numpy(y)).norm()
    assert 0 < (rough - exact).norm() < 0.05 * taken


# --- what is refused --------------------------------------------------------------------

GOOD = complex_numbers(2, 16, 16)
REFUSED = {
    "a mask and a pattern": (
        {"mask": "auto", "acceleration": 4.0},
        r"mask says what was measured, and acceleration what would be\. Try: one of",
    ),
    "a mask of another size": (
        {"mask": np.ones((8, 9))},
        r"a spectrum of 16×16, or of its 16 columns\. Got 8×9",
    ),
    "a mask of nothing": ({"mask": np.zeros(16)}, "measures nothing"),
    "a mask with holes in it": ({"mask": np.full(16, np.nan)}, "NaN or infinite"),
    "a real y": ({"y": GOOD.real}, r"is real, and the operator's output is complex.*0j"),
    "nothing": ({"y": 0 * GOOD, "mask": "auto"}, "0 everywhere"),
    "not finite": ({"y": GOOD * np.nan}, "NaN or infinite"),
    "two masks": (
        {"y": GOOD * np.stack([np.eye(16), np.ones((16, 16))])},
        "zeros in several places. Try: a run for each",
    ),
    "other coils": (
        {"maps": np.ones((3, 16, 16))},
        r"must be \(3, 16, 16\), or a batch of these\. Got \(2, 16, 16\)",
    ),
    "no coils": (
        {"y": GOOD[0], "maps": "estimate"},
        r"must be \(coils, 16, 16\).*Got \(16, 16\)",
    ),
    "several estimates": (
        {"y": np.stack([GOOD, GOOD]), "maps": "estimate"},
        r"for one measurement at a time\. Got 2 of them. Try: slice=0 of a file or y=y\[0\]",
    ),
    "no middle": (
        {"y": GOOD * (np.arange(16) % 2), "maps": "estimate"},
        r"the middle of the spectrum.*Got 1×1 coefficients, 7 of each axis.*maps=…",
    ),
    "too little for neighbours": (
        {"maps": "espirit"},
        r"17 of each axis are needed\. Try: maps='estimate', or maps=…",
    ),
    "a larger picture": (
        {"shape": (2, 32, 32)},
        r"field of view holds the image, of 32×32.*Got 16×16",
    ),
    "a field without end": ({"x": GOOD, "field": (10**6, 16)}, "at most 8 times as wide"),
    "a mask of no y": ({"x": GOOD, "mask": "auto"}, "mask='auto' is found in a measurement"),
    "maps of no y": ({"x": GOOD, "maps": "espirit"}, "maps='espirit' is found in a measurement"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_can_not_be_is_refused(case, no_compute):
    settings, words = REFUSED[case]
    if "espirit" in map(str, settings.values()):
        pytest.importorskip("sigpy")
    given = {} if {"x", "y"} & set(settings) else {"y": GOOD}
    with pytest.raises(BadInputError, match=words):
        priorkit.recover(op="fourier", kind="complex", prior="none", **given, **settings)


def test_mask_and_maps_come_from_where_y_does(tmp_path):
    """Datasets of one HDF5 file, beside others, and of a MATLAB file."""
    h5py = pytest.importorskip("h5py")
    maps, y = complex_numbers(3, 10, 12), complex_numbers(1, 3, 10, 12) * COLUMNS
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file["kspace"], file["mask"], file["maps"] = y, COLUMNS.astype(np.float32), maps
    savemat(tmp_path / "mask.mat", {"mask": COLUMNS.astype(float)[None]})
    settings = {"op": "fourier", "kind": "complex", "prior": "none", "budget": 3}
    there = str(tmp_path / "scan.h5")
    expected = priorkit.recover(y=y, mask=COLUMNS, maps=maps, **settings).x
    for mask in (f"{there}::dataset=mask", str(tmp_path / "mask.mat")):
        found = priorkit.recover(
            y=f"{there}::dataset=kspace,slice=0",
            mask=mask,
            maps=f"{there}::dataset=maps",
            **settings,
        )
        torch.testing.assert_close(found.x, expected)
    with pytest.raises(BadInputError, match=r"holds 3 datasets.*dataset=kspace"):
        priorkit.recover(y=y, mask=there, **settings)


def test_a_mask_comes_from_a_file(tmp_path):
    np.save(tmp_path / "mask.npy", COLUMNS.astype(np.float32))
    assert read_mask(str(tmp_path / "mask.npy")).tolist() == COLUMNS.astype(float).tolist()


def test_the_columns_of_the_example_are_as_many_as_it_says():
    for fold in (4, 8):
        assert lines(96, fold).sum() == 96 // fold
        middle = lines(96, fold)[48 - 4 : 48 + 4]
        assert middle.all()


def test_noise_of_the_example_is_that_of_its_sigma():
    """In either part half of the variance, 1 being the brightest pixel."""
    quiet, loud = (scanned(head(48), 24, seed=seed)[0] for seed in (0, 1))
    spread = np.std(quiet - loud) / math.sqrt(2)
    assert spread == pytest.approx(0.01, rel=0.05)
