"""What is said of measurements that something is probably wrong with."""

import re
import subprocess
import sys

import h5py
import numpy as np
import pytest
import torch
from astropy.io import fits
from priorkit_operators.pointwise import Mask

import priorkit
from priorkit.errors import BadInputError

LINE = np.linspace(-1, 1, 24)
DISC = (LINE[:, None] ** 2 + LINE**2 < 0.5).astype(float)
TV = {"prior": "none", "penalty": "tv", "gamma": 0.01, "budget": 10}
SPECTRUM = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(DISC), norm="ortho"))


def test_a_fits_file_is_read_where_nobody_has_imported_astropy(tmp_path):
    path = tmp_path / "sky.fits"
    fits.PrimaryHDU(DISC).writeto(path)
    code = f"from priorkit.io.pictures import raw; print(raw({str(path)!r}, 'y').shape)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "[1, 1, 24, 24]" in done.stdout, done.stderr


def test_a_mask_of_any_size_is_an_array():
    y, seen = np.ones((80, 80)), np.ones((80, 80), bool)
    seen[20:24, 30:50] = False
    found = priorkit.recover(y=y, op="mask", mask=seen, sigma=0.1, **TV | {"budget": 2})
    assert found.x.shape == (1, 1, 80, 80)
    assert (
        priorkit.recover(y=y, op=Mask(mask=seen), sigma=0.1, **TV | {"budget": 2})
        .x.isfinite()
        .all()
    )


def test_complex_spectra_far_from_their_units_are_warned_of(caplog):
    said = {"op": "fourier", "kind": "complex", "sigma": 1.0, **TV}
    priorkit.recover(y=1000 * SPECTRUM, **said)
    assert "y suggests pictures with values of about" in caplog.text
    caplog.clear()
    priorkit.recover(y=SPECTRUM, **said | {"sigma": 0.001})
    assert "y suggests" not in caplog.text


def test_simulated_coils_are_not_those_of_a_scanner():
    y = np.stack([SPECTRUM, 0.5 * SPECTRUM])
    with pytest.raises(
        BadInputError, match=r"Got coils=2 and a y that was measured\. Try: maps='est"
    ):
        priorkit.recover(y=y, op="fourier", coils=2, kind="complex", sigma=0.1, **TV)
    simulated = priorkit.recover(DISC[None], op="fourier", coils=2, **TV)
    assert simulated.y.shape[-3] == 2


def test_a_mask_that_is_not_that_of_y_is_refused(tmp_path):
    columns = np.arange(24) % 3 == 0
    said = {"op": "fourier", "kind": "complex", "sigma": 0.1, **TV}
    for y, mask in ((SPECTRUM * columns[:, None], columns), (SPECTRUM * columns, ~columns)):
        with pytest.raises(BadInputError, match=r"mask isn.t that of y.*Got .*% of them"):
            priorkit.recover(y=y, mask=mask, **said)
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file["mask"] = columns
    found = priorkit.recover(y=SPECTRUM * columns, mask=f"{tmp_path}/scan.h5::mask", **said)
    assert found.x.isfinite().all()


def test_a_forgotten_kind_is_what_complex_spectra_lack():
    coils = np.stack([SPECTRUM, SPECTRUM])  # of one coil alone it would be known
    with pytest.raises(BadInputError, match="kind='complex'"):
        priorkit.recover(y=coils, op="fourier", range="auto", maps="estimate", sigma=1.0, **TV)


@pytest.mark.parametrize(
    ("sigma", "gamma", "budget", "said"),
    [
        (1e-5, 1.0, 10, "little of what y holds, and more than its noise. Is γ too large"),
        (1e-5, 1e3, 200, "The measurement isn't explained: its misfit is"),
        (0.5, 1e-9, 200, "The noise was fitted too: the misfit is"),
        (0.1, 0.05, 200, None),
    ],
)
def test_a_misfit_far_from_that_of_noise_is_said(sigma, gamma, budget, said, caplog):
    y = DISC + 0.1 * np.random.default_rng(0).normal(size=DISC.shape)
    settings = TV | {"gamma": gamma, "budget": budget}
    priorkit.recover(y=y, op="identity", sigma=sigma, **settings)
    assert ("misfit" in caplog.text) == (said is not None), caplog.text
    assert said is None or said in caplog.text


def test_bands_that_come_last_are_asked_for(caplog):
    rng = np.random.default_rng(1)
    cube, picture = rng.random((24, 24, 8)), rng.random((24, 24, 3))
    priorkit.recover(y=cube, op="identity", sigma=0.1, **TV)
    assert caplog.text.count("24 bands of 24×8. Try: shape=(8, 24, 24)") == 1
    caplog.clear()
    priorkit.compare(y=cube, op="identity", sigma=0.1, priors=["none", "denoiser-photos"], budget=1)
    assert caplog.text.count("24 bands of 24×8. Try: shape=(8, 24, 24)") == 1
    caplog.clear()
    for taken, shape in (picture, None), (cube, (8, 24, 24)):
        priorkit.recover(y=taken, op="identity", sigma=0.1, **TV, shape=shape)
        assert "is taken for" not in caplog.text


def test_complex_measurements_that_come_last_are_asked_for(caplog):
    """By the shape that is meant where y is a picture, and of spectra by the order of axes."""
    rng = np.random.default_rng(1)
    y = rng.random((24, 24, 8)) + 1j * rng.random((24, 24, 8))
    own = {"sigma": 0.1, "kind": "complex", **TV}
    assert len(priorkit.recover(y=y, op="identity", **own).x) == 24
    assert "24 measurements of 24×8. Try: shape=(2, 24, 24), where" in caplog.text
    caplog.clear()
    found = priorkit.recover(y=y, op="identity", shape=(2, 24, 24), **own)
    first = priorkit.recover(y=np.moveaxis(y, -1, -3), op="identity", **own)
    assert found.x.shape == (8, 2, 24, 24)
    assert torch.equal(found.x, first.x)
    assert "is taken for" not in caplog.text
    priorkit.recover(y=y, op="fourier", **own)
    assert "24 measurements of 24×8. Try: numpy.moveaxis(y, -1, -3), where coils" in caplog.text


def test_arrays_in_a_folder_are_said(tmp_path):
    np.save(tmp_path / "s0.npy", DISC)
    with pytest.raises(BadInputError, match=r"Got s0.npy. Try: a list of the .npy files"):
        priorkit.recover(y=tmp_path, op="identity", sigma=0.1, **TV)


def test_few_photons_for_so_many_counts(caplog):
    counts = np.full((1, 24, 24), 50)
    counts[0, :3] = 900
    noise = {"name": "transmission", "photons": 300}
    priorkit.recover(y=counts, op="identity", noise=noise, range=(0, 4), **TV)
    assert "12.5% of the counts are above what was sent, up to 900 of 300 photons" in caplog.text


def test_green_is_what_painters_take_for_it(tmp_path):
    from PIL import Image

    picture = np.full((24, 24, 3), (40, 90, 40), np.uint8)
    picture[4:6] = (0, 255, 0)
    Image.fromarray(picture).save(tmp_path / "scratched.png")
    seen = Mask(mask=str(tmp_path / "scratched.png"), missing="green").bind((3, 24, 24)).mask
    assert torch.equal(seen[0].sum(1) == 0, torch.arange(24).eq(4) | torch.arange(24).eq(5))


@pytest.mark.parametrize("unit", [1, 255])
def test_a_sigma_above_what_y_shows_is_doubted_or_refused(caplog, unit):
    """A denoiser of noise that isn't there may return anything: of a picture of 30 dB one of 16."""
    y = unit * (0.5 * DISC + 0.25 + 0.05 * np.random.default_rng(0).standard_normal(DISC.shape))
    said = {"y": y, "op": "identity", "prior": "denoiser-photos", "range": (0, unit)}
    priorkit.recover(**said, sigma=0.06 * unit)
    assert "more noise than y shows" not in caplog.text
    priorkit.recover(**said, sigma=0.1 * unit)
    (shown,) = re.findall("sigma says more noise than y shows, which is ([0-9.]+)", caplog.text)
    assert float(shown) == pytest.approx(0.05 * unit, rel=0.2)
    with pytest.raises(BadInputError, match=r"more noise than y shows.* Try: sigma='auto'"):
        priorkit.recover(**said, sigma=0.3 * unit)
    caplog.clear()
    priorkit.recover(**said | TV | {"sigma": 0.3 * unit})  # smooths, and says so
    assert "more noise than y shows" in caplog.text


def test_clipped_noise_has_no_estimate_of_the_error():
    y = 0.5 * DISC + 0.02 + 0.1 * np.random.default_rng(0).standard_normal(DISC.shape)
    said = {"op": "identity", "prior": "denoiser-photos", "sigma": 0.1}
    assert priorkit.recover(y=y, **said).expected_psnr is not None
    assert priorkit.recover(y=y.clip(0, 1), **said).expected_psnr is None


NOISY = torch.from_numpy(0.25 + 0.5 * DISC)[None].float()


@pytest.mark.parametrize(
    ("gamma", "op", "sigma", "said"),
    [
        (1e-6, "identity", 0.3, True),
        (0.5, "identity", 0.3, False),
        (1e-6, "identity", 0.02, False),  # of little noise fine detail has as much
        (1e-6, {"name": "gaussian", "m": 200}, 0.3, False),  # of which all can be fitted by design
    ],
)
def test_noise_that_was_fitted_is_said_of_what_was_simulated(gamma, op, sigma, said, caplog):
    settings = TV | {"gamma": gamma, "budget": 100}
    priorkit.recover(NOISY, op=op, sigma=sigma, **settings)
    assert ("The noise was fitted too: the misfit is" in caplog.text) == said
    caplog.clear()
    priorkit.recover(NOISY, op=op, sigma=sigma, **settings | {"gamma": "discrepancy"})
    assert "misfit is" not in caplog.text


@pytest.mark.parametrize(
    ("op", "sigma", "said"),
    [("blur", 1e-5, True), ("blur", 0.1, False), ({"name": "gaussian", "m": 200}, 1e-4, False)],
)
def test_draws_far_from_what_was_simulated_are_said(op, sigma, said, caplog):
    """As those of next to exact numbers; not of message passing, which fits y loosely."""
    settings = {"op": op, "sigma": sigma, "prior": "denoiser-photos", "draws": 2, "levels": 4}
    found = priorkit.recover(NOISY, **settings, solver="ancestral")
    assert (found.misfit > 2 * found.noise_misfit).any() == (said or op != "blur")
    assert ("y says more of x than these draws do." in caplog.text) == said
    assert ("Try: no solver and no draws and no levels, for the usual" in caplog.text) == said
    caplog.clear()
    table = settings | {"solver": "ancestral", "label": "drawn"}
    measurement = {name: table.pop(name) for name in ("op", "sigma")}
    priorkit.compare(NOISY, priors=[table], **measurement)
    assert ("drawn: The misfit is" in caplog.text) == said


def test_another_solver_is_only_suggested_in_place_of_one_that_was_named(caplog, tmp_path):
    """Not in place of the usual one, nor of that of a record, which nobody can say otherwise."""
    settings = {"prior": "denoiser-photos", "op": "blur", "sigma": 1e-5, "budget": 2}
    for named, said in ({"solver": "ancestral"}, True), ({"solver": "diffpir"}, False), ({}, False):
        caplog.clear()
        priorkit.recover(NOISY, **settings, **named, out=tmp_path)
        assert "y says more of x than these draws do." in caplog.text
        assert ("Try: no solver, for the usual one" in caplog.text) == said
        caplog.clear()
        priorkit.replay(tmp_path)
        assert "y says more of x than these draws do." in caplog.text
        assert "Try: " not in caplog.text


@pytest.mark.parametrize(("op", "said"), [(lambda x: (x - 0.5).abs(), True), ("blur", False)])
def test_draws_far_from_exact_numbers_are_said(op, said, caplog):
    """Where noise alone has no misfit to compare theirs with."""
    solver = {"name": "ancestral", "draws": 2, "levels": 4}
    priorkit.recover(NOISY, op=op, sigma=0, prior="denoiser-photos", solver=solver)
    text = (
        r"The misfit is \S+ of exact numbers, of which an empty picture would give \S+: y says more"
    )
    assert bool(re.search(text, caplog.text)) == said
    assert ("or A steep or flat there?" in caplog.text) == said


@pytest.mark.parametrize(
    ("settings", "most"),
    [
        ({"solver": "ancestral", "op": "blur", "sigma": 0.1, "budget": 32}, 32),
        ({"op": "identity", "sigma": 0.1}, 2),
        ({"solver": "amp", "op": "gaussian", "m": 100, "budget": 1}, None),  # which counts steps
    ],
)
def test_slow_calls_of_a_denoiser_are_told_of(settings, most, caplog, monkeypatch):
    """After the first one: a step is several, and nothing is shown until its end."""
    caplog.set_level("INFO")
    for slow, told in (0.0, 1), (1e6, 0):
        monkeypatch.setattr("priorkit.run.run.SLOW", slow)
        caplog.clear()
        priorkit.recover(NOISY, prior="denoiser-photos", **settings)
        assert caplog.text.count("The first call of the denoiser took ") == told
    monkeypatch.setattr("priorkit.run.run.SLOW", 0.0)
    priorkit.recover(NOISY, prior="denoiser-photos", **settings)
    assert (f" s, and there are at most {most} of them: " in caplog.text) == (most is not None)


def test_an_operator_that_ends_draws_is_named():
    """A power of what is below 0 isn't finite; the denoiser had been blamed for it."""
    settings = {"prior": "denoiser-photos", "solver": "ancestral", "sigma": 0.02}
    x = 0.5 + 0.2 * np.random.default_rng(0).random((1, 24, 24))
    found = priorkit.recover(x, op=lambda x: (x - 0.45) ** 2.2, **settings)
    assert found.status == ["diverged"] * len(found.x)
    of_A = ("A(x) is not finite", "the slope of A is not finite")
    assert all(reason.startswith(of_A) for reason in found.reason)


def test_a_mask_under_which_all_is_seen_is_taken(caplog, tmp_path):
    """As one of what is finite, of a file of many in which everything is."""
    y = DISC + 0.1 * np.random.default_rng(0).normal(size=DISC.shape)
    np.save(tmp_path / "mask.npy", np.isfinite(y))
    for mask in (np.isfinite(y), tmp_path / "mask.npy"):
        caplog.clear()
        found = priorkit.recover(y=y, op="mask", mask=mask, sigma=0.1, **TV)
        said = [line for line in caplog.messages if "Nothing is missing" in line]
        assert said == ["Nothing is missing by the mask of operator 'mask'."]
    assert found.x.shape == (1, 1, 24, 24)
    with pytest.raises(BadInputError, match="All is missing by this mask"):
        priorkit.recover(y=y, op="mask", mask=np.zeros_like(y), sigma=0.1, **TV)


def test_most_of_what_is_clipped_has_a_range_to_try(caplog):
    values = np.linspace(0, 100, 24 * 24).reshape(1, 24, 24)
    said = {"op": "identity", "clip": True, **TV | {"budget": 1}}
    priorkit.recover(values, range=(0, 20), **said)
    assert "of 576 values lay outside the range. Try: range=(0, 255), which" in caplog.text
    caplog.clear()
    priorkit.recover(values, range=(0, 80), **said)
    assert "values lay outside the range." in caplog.text
    assert "Try: range" not in caplog.text


def test_a_photograph_whose_brightness_is_taken_for_counts(caplog):
    y = (200 * DISC + 20).astype(np.uint8)
    said = {"op": "identity", "noise": "transmission", "photons": 255, **TV}
    priorkit.recover(y=y, **said)
    assert "y has numbers of 8 bits" in caplog.text
    assert "Try: noise='gaussian' and no photons, where they are brightness" in caplog.text
    caplog.clear()
    priorkit.recover(y=y.astype(np.uint16), **said)
    assert "8 bits" not in caplog.text


def test_a_y_of_another_size_than_the_prior_has_one_that_takes_it():
    y = 0.5 + 0.1 * np.random.default_rng(0).normal(size=(1, 80, 80))
    said = {"y": y, "op": "identity", "sigma": 0.1}
    with pytest.raises(
        BadInputError, match=r"must be \(3, 64, 64\).* Try: prior='denoiser-photos'"
    ):
        priorkit.recover(prior="glow-celeba", **said)
    assert priorkit.recover(prior="denoiser-photos", **said).x.shape == (1, 1, 80, 80)
    with pytest.raises(BadInputError, match=r"Try: shape=\(1, 80, 80\), or no shape"):
        priorkit.recover(prior="denoiser-photos", shape=(1, 64, 64), **said)
    with pytest.raises(BadInputError, match="the operator's own m"):
        priorkit.recover(prior="none", op="gaussian", m=5, y=np.ones(7), shape=(1, 8, 8))
