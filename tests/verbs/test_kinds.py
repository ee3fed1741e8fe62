"""Every kind of image through recover: measured or given as y, saved, shown, repeated, gone on."""

import json
import re

import numpy as np
import pytest
import torch
from PIL import Image

import priorkit
from priorkit.errors import BadInputError, MismatchError
from priorkit.interfaces.kinds import COMPLEX, KINDS, VOLUME
from priorkit.io.pictures import astronaut, load

LINE = torch.linspace(-1, 1, 12)
BALL = torch.exp(-3 * (LINE[:8, None, None] ** 2 + LINE[:, None] ** 2 + LINE**2))[None]
BANDS = torch.linspace(0.2, 1, 31)[:, None, None] * BALL[0, 5]
FIELD = torch.polar(BALL[0, 5], 2 * LINE.expand(12, 12))
TV = {"prior": "none", "penalty": "tv", "gamma": 0.002}

CASES = {
    "volume": (BALL[None], {**TV, "op": "gaussian", "m": 500}),
    "volume in a basis": (BALL, {"kind": "volume", "prior": "dct", "op": "mask", "mask": "random"}),
    "spectrum": (BANDS, {**TV, "budget": 60, "op": "mask", "mask": "random"}),
    "signal": (LINE[None].sin(), {"shape": (1, 12), "prior": "dct", "op": "gaussian", "m": 8}),
    "vector": (torch.tensor([0.3, -2.0]), {"shape": (2,), "prior": "none", "op": "identity"}),
    "complex": (FIELD, {**TV, "op": "fourier", "acceleration": 2}),
}


@pytest.mark.parametrize("case", CASES)
def test_a_kind_goes_through(case, tmp_path):
    """It comes back in its shape, is saved and shown, and the folder repeats it to the last bit;
    its y given alone brings the same before anything is clipped."""
    x, settings = CASES[case]
    out = tmp_path / "out"
    found = priorkit.recover(x.numpy(), out=out, sigma=0.01, **settings)
    name = case.split()[0]
    kind = KINDS["picture" if name == "spectrum" else name]
    assert found.kind is kind
    error = float(found.error[0])
    assert error < 0.02
    assert (found.psnr is not None) == kind.has_pixels
    again = priorkit.replay(out)
    assert again.kind is kind
    assert torch.equal(again.x, found.x)
    y = found.y[0].numpy()
    said = {"shape": tuple(found.x.shape[1:]), "kind": kind.name}
    given = priorkit.recover(y=y, sigma=0.01, **{**settings, **said})
    assert torch.equal(kind.reported(given.x, clip=True), found.x)
    saved = {path.suffix for path in (out / "images").iterdir()}
    pages = kind.pages(found.x[0])
    assert saved == ({".png"} if pages is None else {".png", ".tiff"})
    assert "data:image/png" in (out / "report.html").read_text()
    assert "<img" in found._repr_html_()
    assert found.grid().size == Image.open(out / "grid.png").size
    assert np.array_equal(np.load(out / "x.npy"), found.x.numpy())


def test_all_slices_are_pages(tmp_path):
    x, settings = CASES["volume"]
    found = priorkit.recover(x.numpy(), budget=5, **settings)
    found.save(tmp_path / "out")
    pages = Image.open(tmp_path / "out" / "images" / "volume.tiff")
    assert pages.n_frames == 8
    for number in range(8):
        pages.seek(number)
        assert np.array_equal(np.asarray(pages), found.x[0, 0, number].numpy())


def test_a_run_over_volumes_goes_on(tmp_path, caplog):
    """What was cut short, in the mirror, has the result of a run that wasn't."""
    x, settings = torch.stack([BALL, 0.5 * BALL]), CASES["volume"][1] | {"averaging": 2}
    whole = priorkit.recover(x, **settings)

    def cut(now, done):
        if done:
            raise RuntimeError("cut")

    with pytest.raises(RuntimeError, match="cut"):
        priorkit.recover(x, out=tmp_path / "out", progress=cut, **settings)
    again = priorkit.recover(x, out=tmp_path / "out", resume=True, **settings)
    assert "Finished before: 2 of 2 tries of images" in caplog.text
    assert torch.equal(again.x, whole.x)
    assert again.names == ["0000", "0001"]


def test_volumes_are_averaged_with_their_mirror():
    """The mean of a run of A and of A @ Mirror() is nearer to the truth than the first."""
    x, settings = CASES["volume"]
    once = priorkit.recover(x, sigma=0.05, **settings)
    twice = priorkit.recover(x, sigma=0.05, averaging=2, **settings)
    assert len(twice.rows) == 2
    assert not torch.equal(twice.x, once.x)
    assert float(twice.error[0]) < 1.1 * float(once.error[0])


def test_a_denoiser_of_pictures_says_that_it_goes_over_slices(caplog):
    """Once in the log, and in the record; what else it would do for volumes it can't."""
    settings = {"prior": "denoiser-photos", "op": "identity", "sigma": 0.1, "kind": "volume"}
    found = priorkit.recover(BALL[:, :3].numpy(), **settings)
    assert caplog.text.count("'denoiser-photos' is for pictures: it goes over slices") == 1
    assert found.record["over"] == "slices"
    assert float(found.psnr[0]) > 23
    slices = BALL[0, :3, None]
    alone = priorkit.recover(y=found.y[0, 0, :, None].numpy(), **{**settings, "kind": None})
    torch.testing.assert_close(alone.x[:, 0].clamp(0, 1), found.x[0, 0], atol=1e-5, rtol=0)
    assert "over" not in priorkit.recover(slices.numpy(), **{**settings, "kind": None}).record
    with pytest.raises(BadInputError, match=r"gray or colour pictures\. Got 5×12×12"):
        priorkit.recover(np.zeros((5, 3, 12, 12)), **settings)


@pytest.mark.parametrize("prior", ["denoiser-photos", pytest.param("bm3d", marks=pytest.mark.slow)])
def test_denoisers_of_any_size_go_over_bands_and_slices(prior):
    """Of what looks much the same in all of them; better than each by itself in spectra."""
    rows = torch.linspace(0, 1, 24)
    picture = 0.2 + 0.5 * ((rows - 0.4) ** 2 + (rows[:, None] - 0.5) ** 2 < 0.1)
    bands = picture * torch.tensor([1.0, 0.5, 0.8, 0.9, 0.6])[:, None, None]
    settings = {"prior": prior, "op": "identity", "sigma": 0.1}
    spectrum = priorkit.recover(bands.numpy(), **settings)
    assert spectrum.record["over"] == "bands"
    volume = priorkit.recover(bands[None].numpy(), kind="volume", **settings)
    assert volume.record["over"] == "slices"
    assert float(volume.psnr[0]) > 25
    assert float(spectrum.psnr[0]) > float(volume.psnr[0]) + 3


WAYS = {
    "a batch": (BALL[None].numpy(), {}),
    "said": (BALL.numpy(), {"kind": "volume"}),
    "a shape": (BALL.numpy(), {"shape": (1, 8, 12, 12)}),
    "without channels": (BALL[0].numpy(), {"shape": (1, 8, 12, 12)}),
    "a batch without channels": (BALL.numpy(), {"shape": (1, 8, 12, 12)}),
    "a list": ([BALL.numpy()], {"kind": "volume"}),
    "whole numbers": ((255 * BALL[None]).round().byte(), {}),
}


@pytest.mark.parametrize("way", WAYS)
def test_volumes_come_in_any_container(way):
    """As x and, for an operator whose y is a volume, as y."""
    source, said = WAYS[way]
    pictures = load(source, **said)
    assert pictures.kind is VOLUME
    torch.testing.assert_close(pictures.x, BALL[None], atol=0.5 / 255 + 1e-6, rtol=0)
    found = priorkit.recover(y=source, op="identity", prior="none", budget=1, **said)
    assert found.kind is VOLUME
    torch.testing.assert_close(found.y, BALL[None], atol=0.5 / 255 + 1e-6, rtol=0)


def test_complex_numbers_are_two_channels(tmp_path):
    """In memory and in a file, one or a batch; their y likewise, where they are told."""
    np.save(tmp_path / "field.npy", FIELD.numpy())
    both = torch.stack([FIELD, FIELD.conj()])
    for source, want in ((FIELD, FIELD[None]), (tmp_path / "field.npy", FIELD[None]), (both, both)):
        pictures = load(source)
        assert pictures.kind is COMPLEX
        assert torch.equal(torch.complex(*pictures.x.unbind(1)), want)
    settings = {"op": "identity", "prior": "none", "budget": 1}
    found = priorkit.recover(y=both, kind="complex", **settings)
    assert torch.equal(torch.complex(*found.y.unbind(1)), both)
    with pytest.raises(BadInputError, match=r"kind='complex' where x is complex too"):
        priorkit.recover(y=FIELD, shape=(1, 12, 12), **settings)
    spectra = priorkit.recover(both, op="fourier", prior="none", budget=1)
    assert spectra.y.shape == (2, 1, 12, 12)
    assert spectra.record["config"]["kind"] == "complex"


REFUSED = {
    "a picture for volumes": (
        {"x": astronaut(), "kind": "volume"},
        "x must be volumes (C, D, H, W): an array, or a file of such.",
    ),
    "a volume for pictures": (
        {"x": BALL[None], "prior": "glow-celeba"},
        "x must be pictures (C, H, W), of 3×64×64 here. Got volumes (C, D, H, W), an array of "
        "1×1×8×12×12.",
    ),
    "of another shape": (
        {"x": BALL, "shape": (1, 4, 12, 12)},
        "Volumes must be (B, 1, 4, 12, 12) here. Got shape (1, 8, 12, 12).",
    ),
    "of too few axes": (
        {"x": BALL[0, 0], "kind": "volume"},
        "Volumes must be (B, C, D, H, W) here.",
    ),
    "beyond white": ({"x": 3 * BALL, "kind": "volume"}, "Pixels must lie in [0, 1]"),
    "complex": ({"x": FIELD, "kind": "signal"}, "Signals are real numbers."),
    "another kind": (
        {"x": BALL, "shape": (3, 8, 8), "kind": "complex"},
        "x must be complex pictures (2, H, W). Got shape (3, 8, 8).",
    ),
    "y of another shape": (
        {"y": BALL[:, :4], "shape": (1, 8, 12, 12)},
        "The measurement y must be (1, 8, 12, 12), or a batch of these. Got (1, 4, 12, 12).",
    ),
    "five axes": (
        {"x": BALL, "shape": (1, 1, 8, 12, 12)},
        "shape: it is (channels, height, width)",
    ),
    "an unknown kind": ({"x": BALL, "kind": "solid"}, "Setting kind"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_of_another_kind_is_refused(case):
    given, words = REFUSED[case]
    with pytest.raises(BadInputError, match=re.escape(words)):
        priorkit.recover(**{"op": "identity", "prior": "none", "sigma": 0.1, **given})


def test_a_prior_of_another_kind_is_refused():
    with pytest.raises(MismatchError, match=r"prior 'glow-celeba' is for .*kind='volume'"):
        priorkit.recover(BALL, kind="volume", op="identity", prior="glow-celeba")


def test_a_comparison_of_volumes(tmp_path):
    """Scores and pictures of slices, by any prior that takes them."""
    found = priorkit.compare(
        BALL[None], priors=["dct", "wavelet"], op="mask", mask="random", out=tmp_path / "out"
    )
    assert all(row.recovery.kind is VOLUME for row in found.rows)
    rows = json.loads((tmp_path / "out" / "results.json").read_text())
    assert all(row["psnr"] > 20 for row in rows)
    assert found.grid().size[0] > 190


def test_a_plane_of_complex_numbers_of_a_scanner_is_of_a_complex_picture():
    """Which nobody has to say, unless the picture is another."""
    y = torch.fft.fftshift(torch.fft.fft2(torch.eye(16))).to(torch.complex64)
    settings = {"op": "fourier", "sigma": 0.1, "budget": 2, **TV}
    found = priorkit.recover(y=y, **settings)
    assert (found.x.shape, found.record["config"]["kind"]) == ((1, 2, 16, 16), "complex")
    assert torch.equal(found.x, priorkit.recover(y=y, kind="complex", **settings).x)
    gray = priorkit.recover(y=y, shape=(1, 16, 16), **settings)
    assert gray.x.shape == (1, 1, 16, 16)
