"""The user's own units: values go in and come out in them, whatever they are inside."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch

import priorkit
from priorkit.errors import BadInputError, MismatchError
from priorkit.verbs.replay import replay

# lo, hi of: negative values, 12 bits, Hounsfield units, photon counts, kelvin
RANGES = {
    "negative": (-3.0, -1.0),
    "12 bits": (0.0, 4095.0),
    "hounsfield": (-1024.0, 3071.0),
    "photons": (0.0, 20000.0),
    "kelvin": (250.0, 320.0),
}
OPERATORS = {
    "identity": {},
    "gaussian": {"m": 60},
    "mask": {"mask": "random"},
    "blur": {},
    "fourier": {"acceleration": 2},
    "radon": {"angles": 8},
}
DULL = {"prior": "none", "penalty": "tv", "budget": 20, "gamma": 1e-3}


def waves() -> np.ndarray:
    rows, columns = np.mgrid[:12, :12]
    return (0.5 + 0.4 * np.sin(rows / 3) * np.cos(columns / 4))[None]


@pytest.fixture
def picture() -> np.ndarray:
    return waves()


SAID = {"precision": "float64", **DULL}
PAIRS = [
    pytest.param(
        op, unit, marks=[] if op == "identity" or unit == "hounsfield" else pytest.mark.slow
    )
    for op in OPERATORS
    for unit in RANGES
]


@functools.cache
def in_plain_units(op):
    """A run, and one of what it measured."""
    options = {"op": op, **OPERATORS[op], **SAID, "sigma": 0.02}
    found = priorkit.recover(waves(), **options)
    return found, priorkit.recover(y=found.y, shape=(1, 12, 12), **options)


@pytest.mark.parametrize(("op", "unit"), PAIRS)
def test_a_run_in_other_units_is_the_run_in_plain_ones(picture, op, unit):
    lo, hi = RANGES[unit]
    scale = hi - lo
    plain, repeated = in_plain_units(op)
    options = {"op": op, **OPERATORS[op], **SAID, "range": (lo, hi), "sigma": 0.02 * scale}
    own = priorkit.recover(lo + scale * picture, **options)
    assert torch.allclose(own.x, lo + scale * plain.x, rtol=0, atol=1e-9 * scale)
    assert torch.allclose(own.truth, torch.from_numpy(lo + scale * picture)[None])
    assert torch.allclose(own.psnr, plain.psnr, atol=1e-6)
    assert torch.allclose(own.error, scale**2 * plain.error, rtol=1e-6)
    again = priorkit.recover(y=own.y, shape=(1, 12, 12), **options)
    assert torch.allclose(again.x, repeated.x * scale + lo, atol=1e-6 * scale)


def test_y_is_what_the_operator_makes_of_the_user_s_x(picture):
    x = 250 + 70 * picture
    found = priorkit.recover(x, op="gaussian", m=40, sigma=0.0, range=(250, 320), **DULL)
    seen = found.operator.A(torch.from_numpy(x)[None].float())
    assert torch.allclose(found.y.float(), seen, rtol=1e-4)


def test_counts_are_those_of_the_user_s_x(picture):
    """Poisson noise whose mean is x itself, in photons."""
    said = {"op": "identity", "noise": "poisson", "gain": 1.0, "range": (0, 20000)}
    found = priorkit.recover(20000 * picture, **said, **DULL)
    counts = found.y.round()
    assert torch.allclose(found.y, counts, atol=1e-2)
    excess = ((counts - found.truth).square() / found.truth).mean()
    assert 0.6 < float(excess) < 1.4  # the variance of a count is its mean
    again = priorkit.recover(y=counts, **said, **DULL)
    assert torch.allclose(again.x, found.x, atol=20)


@pytest.mark.parametrize("dtype", ["f8", "f4", "i2"])
@pytest.mark.parametrize("op", ["identity", "mask"])
def test_the_y_that_is_saved_is_the_one_that_was_given(op, dtype, tmp_path):
    """To the last bit, where it was measured, and a replay begins with it; it had gone through
    float32 in [0, 1]. A comparison keeps it too."""
    rng = np.random.default_rng(3)
    y = (rng.random((2, 1, 12, 12)) * 4095 - 1024).astype(dtype)
    said = {"op": op, "range": (-1024, 3071), "sigma": 40, **DULL, "budget": 2}
    mask = rng.random((12, 12)) > 0.3
    said |= {"mask": mask.tolist()} if op == "mask" else {}
    found = priorkit.recover(y=y, **said, out=tmp_path / "run")
    kept = np.load(tmp_path / "run" / "y.npy")
    seen = mask | (op != "mask")
    assert np.array_equal(kept[..., seen], y[..., seen])
    again = replay(tmp_path / "run")
    assert torch.equal(again.x, found.x)
    assert torch.equal(again.y, found.y)
    if op == "identity":
        beside = priorkit.compare(
            y=y, priors=["none"], **{n: v for n, v in said.items() if n != "prior"}
        )
        assert np.array_equal(beside.rows[0].recovery.y.numpy(), y)


def test_what_is_saved_is_in_the_user_s_units_and_replays(picture, tmp_path):
    x = -1024 + 4095 * picture
    said = {"op": "gaussian", "m": 60, "range": (-1024, 3071)}
    found = priorkit.recover(x, out=tmp_path / "a", **said, **DULL)
    saved = np.load(tmp_path / "a" / "x.npy")
    assert np.array_equal(saved, found.x.numpy())
    assert saved.min() < -500 < 500 < saved.max()
    assert np.allclose(np.load(tmp_path / "a" / "truth.npy"), x, atol=1e-2)
    again = replay(tmp_path / "a")
    assert torch.allclose(again.x, found.x, atol=0.05)
    assert again.record["config"]["range"] == found.record["config"]["range"]
    repeated = priorkit.recover(config=tmp_path / "a" / "config.toml")
    assert torch.allclose(repeated.x, found.x, atol=0.5)


def test_a_float_tiff_has_the_values(picture, tmp_path):
    from PIL import Image

    priorkit.recover(
        250 + 70 * picture, op="identity", range=(250, 320), out=tmp_path / "a", **DULL
    )
    (tiff,) = (tmp_path / "a" / "images").glob("*.tiff")
    values = np.asarray(Image.open(tiff))
    assert values.dtype == np.float32
    assert np.array_equal(values, np.load(tmp_path / "a" / "x.npy")[0, 0])


def test_the_range_of_y_itself(picture):
    x = torch.from_numpy(250 + 70 * picture)[None]
    for op in ("identity", "blur", "radon"):
        made = priorkit.recover(x, op=op, range=(250, 320), sigma=0.1, **DULL)
        found = priorkit.recover(
            y=made.y, op=op, range="auto", sigma=0.1, shape=(1, 12, 12), **DULL
        )
        lo, hi = found.record["config"]["range"]
        assert lo < float(x.min()) + 5
        assert hi > float(x.max()) - 5
        assert hi - lo < 90
        assert float((found.x - x).abs().mean()) < 15


def test_complex_pictures_are_scaled(picture):
    """Such as those of a scanner whose numbers are of 1e-5."""
    x = 1e-5 * np.concatenate([picture, 0.3 - picture])
    options = {"kind": "complex", "op": "fourier", "acceleration": 2, "gamma": 1e-4}
    options |= {"prior": "none", "penalty": "tv", "budget": 50}
    found = priorkit.recover(x, range="auto", sigma=1e-7, **options)
    plain = priorkit.recover(x * 1e5, sigma=1e-2, **options)
    assert found.record["config"]["range"][0] == 0
    assert float(found.psnr) > 25
    assert float((found.x * 1e5 - plain.x).abs().mean()) < 0.05
    again = priorkit.recover(y=found.y, range="auto", sigma=1e-7, shape=(2, 12, 12), **options)
    assert float((again.x - found.x).abs().mean()) < 0.05e-5


def test_all_contestants_see_one_range(picture):
    found = priorkit.compare(
        250 + 70 * picture,
        priors=["none", {"prior": "dct", "gamma": 1e-3}],
        op="blur",
        sigma=0.5,
        range="auto",
    )
    for row in found.rows:
        assert row.recovery is not None, row.reason
        assert (
            row.recovery.record["config"]["range"]
            == found.rows[0].recovery.record["config"]["range"]
        )
        assert 240 < float(row.recovery.x.mean()) < 330


def test_averaging_in_the_user_s_units(picture):
    x = 250 + 70 * picture
    said = {"op": "blur", "range": (250, 320), "sigma": 0.5, **DULL}
    one, two = (priorkit.recover(x, averaging=n, **said) for n in (1, 2))
    assert float((one.x - two.x).abs().max()) < 10


def test_a_start_is_in_the_user_s_units(picture):
    x = 250 + 70 * picture
    said = {"op": "identity", "prior": "none", "range": (250, 320), "sigma": 1.0, "budget": 1}
    found = priorkit.recover(x, start=x, solver="adam", **said)
    assert float((found.x - torch.from_numpy(x)).abs().max()) < 2


def test_what_a_range_refuses(picture):
    with pytest.raises(BadInputError, match="two finite numbers"):
        priorkit.recover(picture, op="identity", range=(1, 0), **DULL)
    with pytest.raises(BadInputError, match=r"\(lo, hi\), two numbers, or 'auto'. Got"):
        priorkit.recover(picture, op="identity", range="wide", **DULL)
    with pytest.raises(BadInputError, match="clip brings values"):
        priorkit.recover(picture, op="identity", clip=True, **DULL)
    with pytest.raises(MismatchError, match="linear operator"):
        priorkit.recover(picture, op="phase", range=(0, 2))
    two = np.concatenate([picture, picture])
    with pytest.raises(BadInputError, match="begins at 0"):
        priorkit.recover(two, kind="complex", op="fourier", range=(-1, 2), **DULL)
    with pytest.raises(BadInputError, match="one value"):
        priorkit.recover(y=np.ones((1, 12, 12)), op="identity", range="auto", sigma=0.1, **DULL)
    with pytest.raises(MismatchError, match="linear operator"):
        priorkit.recover(y=np.ones((1, 12, 12)), op="phase", range="auto", shape=(1, 12, 12))


def test_clip_is_about_images(picture, caplog):
    found = priorkit.recover(300 * picture, op="identity", range=(0, 100), clip=True, **DULL)
    assert float(found.truth.max()) == 100
    assert "values lay outside the range" in caplog.text
    with pytest.raises(BadInputError, match="nothing is clipped of a y"):
        priorkit.recover(y=picture, op="identity", range=(0, 1), clip=True, sigma=0.1, **DULL)
    two = np.concatenate([picture, picture])
    with pytest.raises(BadInputError, match="not clipped"):
        priorkit.recover(two, op="fourier", kind="complex", range=(0, 1), clip=True, **DULL)


def test_y_far_outside_its_range_is_warned_of(picture, caplog):
    priorkit.recover(y=900 * picture, op="identity", range=(0, 100), sigma=1.0, **DULL)
    assert "values of about 4" in caplog.text
    assert "made for [0, 100]" in caplog.text


@pytest.mark.parametrize(
    ("op", "shape"), [("identity", (1, 12, 12)), ("gaussian", (60,)), ("radon", (1, 8, 18))]
)
def test_y_far_smaller_than_its_range_is_warned_of(op, shape, caplog):
    """Numbers of [0, 1] where the range is that of a CT; an even y is nothing to warn of."""
    said = {"op": op, "shape": (1, 12, 12), "sigma": 1.0, **OPERATORS[op], **DULL}
    y = np.random.default_rng(0).random(shape)
    for given, range, faint in (
        (y, (-1024, 3071), True),
        (0 * y, (-1024, 3071), op == "gaussian"),
        (y / 1e4, None, True),
        (0 * y, None, False),
        (y, (0, 1), False),
    ):
        caplog.clear()
        priorkit.recover(y=given, range=range, **said)
        found = "values differ by about" in caplog.text
        assert found == faint or not given.any(), caplog.text
        if faint:
            assert "Try: range=(lo, hi), the least and the greatest value of x" in caplog.text


def test_pictures_far_smaller_than_their_range_are_warned_of(picture, caplog):
    """8 bits in a range of 12: their PSNR has the peak of the range. A dark picture among others,
    12 bits of which a seventh is used, and an even one are nothing to warn of."""
    for given, range, narrow in (
        (38 + 195 * picture, (0, 4095), True),
        (np.uint16(38 + 195 * picture), (0, 4095), True),
        (np.concatenate([38 + 195 * picture, 4000 * picture])[:, None], (0, 4095), False),
        (639 / 0.9 * picture, (0, 4095), False),
        (0 * picture + 7, (0, 4095), False),
        (38 + 195 * picture, "auto", False),
        (0.5 + picture / 100, None, False),
    ):
        caplog.clear()
        priorkit.recover(given, op="identity", range=range, **{**DULL, "budget": 1})
        assert ("a small part of the range [0, 4095]" in caplog.text) == narrow, caplog.text
    assert "values of the pictures" not in caplog.text


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int64, np.float32])
def test_counts_behind_an_exponential_are_no_brightness(dtype):
    """Whatever holds them, and though the y of the identity is a picture; the range is that of x,
    some log(200/20), not theirs."""
    counts = np.random.default_rng(0).integers(20, 200, (1, 12, 12)).astype(dtype)
    said = {"op": "identity", "noise": {"name": "transmission", "photons": 200}, **DULL}
    found = priorkit.recover(y=counts, **said)
    assert np.array_equal(found.y, counts[None])
    shown = priorkit.recover(y=counts, range="auto", **said).units.range
    assert 0 <= shown.lo < shown.hi < 4
    bright = priorkit.recover(y=np.full((1, 12, 12), 51, np.uint8), op="identity", **DULL)
    assert torch.allclose(bright.y, torch.tensor(0.2))  # of other noise a picture of 8 bits


def test_holes_in_what_was_measured_and_in_x(picture):
    """What the error proposes does it, and leaves the operator that y is of in its place."""
    from priorkit_operators.blur import Blur
    from priorkit_operators.pointwise import Mask

    holed = np.where(np.arange(144).reshape(1, 12, 12) == 40, np.nan, picture)
    for given, said in (
        ({"y": holed, "op": "identity"}, r'Try: op="mask", mask=numpy.isfinite\(y\)$'),
        ({"y": holed, "op": "blur"}, r"Try: op=Mask\(mask=numpy.isfinite\(y\)\) @ …, the operator"),
        ({"x": holed, "op": "blur"}, r'Try: y=…, .* op="mask" and mask=numpy.isfinite\(x\), which'),
    ):
        with pytest.raises(BadInputError, match=said):
            priorkit.recover(**given, **DULL)
    seen = np.isfinite(holed)
    for op in ({"op": "mask", "mask": seen}, {"op": Mask(mask=seen) @ Blur()}):
        assert torch.isfinite(priorkit.recover(y=holed, sigma=0.01, **op, **DULL).x).all()


@pytest.mark.parametrize("odd", [np.nan, np.inf, 1e300])
def test_what_is_not_measured_may_be_anything(picture, odd):
    seen = np.ones(picture.shape)
    seen[0, 3:5, 3:5] = 0
    said = {"op": "mask", "mask": seen, "sigma": 0.01, **DULL}
    plain = priorkit.recover(y=picture, **said)
    found = priorkit.recover(y=np.where(seen > 0, picture, odd), **said)
    assert torch.equal(found.x, plain.x)
    assert found.status == plain.status
