"""Holes that people paint over a picture, in any program."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageFilter
from priorkit_operators.blur import Blur
from priorkit_operators.pointwise import Mask

import priorkit
from priorkit.errors import BadInputError
from priorkit.io.pictures import astronaut, load

HOLE = (slice(10, 14), slice(5, 25))  # rows and columns of a scratch
BOX = (5, 10, 24, 13)


def scratched(tmp_path, mode, fill, name="scratched.png"):
    """The photograph with a scratch of a colour, or alone on a transparent layer."""
    photo = Image.open(astronaut()).convert("RGB").resize((32, 32))
    image = Image.new("RGBA", (32, 32), (0, 0, 0, 0)) if mode == "layer" else photo.convert(mode)
    ImageDraw.Draw(image).rectangle(BOX, fill=fill)
    image.save(tmp_path / name)
    return tmp_path / name


WAYS = {
    "red": ("RGB", (255, 0, 0)),
    "#00ff00": ("RGB", (0, 255, 0)),
    "white": ("RGB", (255, 255, 255)),
    "transparent": ("RGBA", (0, 0, 0, 0)),
    "painted": ("layer", (0, 0, 255, 255)),
}


@pytest.mark.parametrize("missing", WAYS)
def test_what_is_painted_is_missing(tmp_path, missing):
    path = scratched(tmp_path, *WAYS[missing])
    mask = Mask(mask=str(path), missing=missing).bind((3, 32, 32)).mask
    hole = torch.zeros(32, 32, dtype=torch.bool)
    hole[HOLE] = True
    assert bool((mask[:, hole] == 0).all())
    assert float(mask[:, ~hole].mean()) > 0.98  # the photograph has few such pixels


def test_paint_reaches_farther_by_grow(tmp_path):
    path = scratched(tmp_path, *WAYS["painted"])
    narrow, wide = (Mask(mask=path, missing="painted", grow=n).bind((1, 32, 32)) for n in (0, 2))
    assert int(narrow.mask.sum()) == 1024 - 80
    assert not wide.mask[0, 8:10, 5:25].any()
    assert bool(wide.mask[0, 7].all())


def test_a_larger_mask_is_resized_and_loses_no_paint(tmp_path):
    image = Image.new("RGBA", (96, 96), (0, 0, 0, 0))
    ImageDraw.Draw(image).line([(0, 30), (95, 30)], fill="blue", width=1)
    image.save(tmp_path / "line.png")
    mask = Mask(mask=tmp_path / "line.png", missing="painted").bind((1, 32, 32)).mask
    assert not mask[0, 10].any()
    assert 0.9 < float(mask.mean()) < 0.98


def test_a_photograph_is_no_mask_in_black_and_white(tmp_path):
    """It had been taken for one at half its brightness; soft edges and JPEG are none."""
    photo = scratched(tmp_path, *WAYS["red"])
    with pytest.raises(BadInputError) as caught:
        priorkit.recover(photo, op="mask", mask=photo, prior="none", penalty="tv")
    said = rf"{photo} is no mask of two values, dark .* Got \d\d% of .*; or missing='red', by"
    assert re.match(said, str(caught.value))
    with pytest.raises(BadInputError, match="A picture is no mask of two values"):
        Mask(mask=Image.open(photo)).bind((3, 32, 32))
    soft = Image.new("L", (256, 256), 255)
    for k in range(0, 256, 32):
        ImageDraw.Draw(soft).line([(0, k), (255, 255 - k)], fill=0, width=5)
    soft.filter(ImageFilter.GaussianBlur(2)).save(tmp_path / "soft.jpg", quality=40)
    mask = Mask(mask=str(tmp_path / "soft.jpg")).bind((3, 64, 64)).mask
    assert 0.7 < float(mask.mean()) < 0.95


def test_a_scratched_photograph_is_repaired_from_the_one_file(tmp_path):
    path = str(scratched(tmp_path, *WAYS["red"]))
    found = priorkit.recover(
        y=path, op="mask", mask=path, missing="red", prior="none", penalty="tv", gamma=1e-3
    )
    truth = load(Image.open(astronaut()).convert("RGB").resize((32, 32))).x
    paint = load(path).x
    error = (found.x - truth).abs()[:, :, *HOLE].mean()
    assert float(error) < 0.7 * float((paint - truth).abs()[:, :, *HOLE].mean())


def test_what_no_mask_is(tmp_path):
    path = scratched(tmp_path, *WAYS["red"])
    with pytest.raises(BadInputError, match=r"A mask is one file\. Got the folder"):
        Mask(mask=tmp_path).bind((3, 32, 32))
    with pytest.raises(BadInputError, match="missing is dark, white, transparent, painted or a"):
        Mask(mask=str(path), missing="reddish")
    with pytest.raises(BadInputError, match=r"Nothing is missing .* Got missing='transparent'"):
        Mask(mask=str(path), missing="transparent").bind((3, 32, 32))
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(BadInputError, match="not a picture that can be read"):
        Mask(mask=str(path), missing="red").bind((3, 32, 32))
    with pytest.raises(BadInputError, match="are for a mask that is a picture"):
        Mask(mask=np.eye(32), missing="red").bind((3, 32, 32))


def test_what_is_proposed_finds_something(tmp_path):
    """A photograph was sent from one word to the next, each of which refused it too."""
    photo = Image.open(astronaut()).convert("RGB")
    for word in ("dark", "red", "transparent", "painted", "blue"):
        with pytest.raises(BadInputError, match="a picture of the holes alone") as caught:
            Mask(mask=photo, missing=word).bind((3, 64, 64))
        assert word == "painted" or "painted" not in str(caught.value)
        for other in re.findall(r"or missing='(\w+)'", str(caught.value)):
            assert 0 < float(Mask(mask=photo, missing=other).bind((3, 64, 64)).mask.mean()) < 1
    with pytest.raises(BadInputError, match=r"All is missing .* Got missing='painted', at 64×64"):
        Mask(mask=photo, missing="painted").bind((3, 64, 64))


@pytest.mark.parametrize(("kind", "white"), [("u1", 255), ("u2", 65535), ("f4", 1), ("f8", 1)])
def test_a_mask_of_two_values_may_have_any_size(tmp_path, kind, white, caplog):
    """Resized, its edges are gray, and it had been refused for them."""
    tifffile = pytest.importorskip("tifffile")
    values = np.full((50, 50), white, dtype=kind)
    values[::2] = 0
    tifffile.imwrite(tmp_path / "rows.tif", values)
    mask = Mask(mask=tmp_path / "rows.tif").bind((1, 64, 64)).mask
    assert 0.4 < float(mask.mean()) < 0.6
    assert "mask: brought to 64×64, " in caplog.text
    if kind != "f8":
        assert torch.equal(mask, Mask(mask=Image.fromarray(values)).bind((1, 64, 64)).mask)


@pytest.mark.parametrize(("shade", "said"), [(255, "Nothing is missing"), (0, "All is missing")])
def test_a_mask_of_one_value_is_refused(tmp_path, shade, said):
    with pytest.raises(BadInputError, match=rf"{said} .* Got missing='dark'"):
        Mask(mask=Image.new("L", (32, 32), shade)).bind((3, 32, 32))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"mask": np.zeros((32, 32))}, "All is missing .* that is below 0.5 everywhere. Try: a"),
        ({"mask": "random", "fraction": 1e-5}, r"Nothing .*fraction=1e-05, at .* a larger fract"),
        ({"mask": "left", "fraction": 0.999}, r"All is missing .* Try: a smaller fraction"),
    ],
)
def test_so_are_arrays_and_rules(settings, said, tmp_path):
    with pytest.raises(BadInputError, match=said):
        Mask(**settings).bind((3, 32, 32))
    if not isinstance(settings["mask"], str):
        np.save(tmp_path / "mask.npy", settings["mask"])
        with pytest.raises(BadInputError, match=said):
            Mask(mask=tmp_path / "mask.npy").bind((3, 32, 32))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((30, 32), "must be 32×32. Got 30×32. Try: one of 32×32, or a PNG of it"),
        ((1, 30, 32), "must be 32×32. Got 1×30×32"),
        ((2, 32, 32), "1 or 3 channels. Got 2×32×32"),
    ],
)
def test_the_size_of_a_mask_is_said_as_it_was_given(given, said):
    with pytest.raises(BadInputError, match=said):
        Mask(mask=np.ones(given)).bind((3, 32, 32))


def test_masks_and_kernels_are_read_from_files_that_hold_several(tmp_path):
    """As y is, by what is picked there; other axes than those of a picture are left out."""
    h5py = pytest.importorskip("h5py")
    nibabel = pytest.importorskip("nibabel")
    seen = np.arange(144).reshape(12, 12) % 5 != 0
    shake = np.ones((3, 5)) / 15
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file["seen"], file["shake"] = seen.astype(np.float32), shake
    image = nibabel.Nifti1Image(seen.astype(np.float32), np.eye(4))
    nibabel.save(image, tmp_path / "seen.nii.gz")
    for path in ("scan.h5::dataset=seen", "seen.nii.gz"):
        mask = Mask(mask=str(tmp_path / path)).bind((1, 12, 12)).mask
        assert np.array_equal(mask[0].numpy(), seen)
    x = torch.rand(1, 1, 12, 12)
    read = Blur(kernel=f"{tmp_path}/scan.h5::dataset=shake").bind((1, 12, 12))
    assert torch.allclose(read.A(x), Blur(kernel=shake).bind((1, 12, 12)).A(x))
    with pytest.raises(BadInputError, match="nothing"):
        Mask(mask=f"{tmp_path}/scan.h5::dataset=nothing").bind((1, 12, 12))
