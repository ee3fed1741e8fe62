"""Which prior is taken where nobody names one: by what the pictures are."""

import numpy as np
import pytest
import torch
from PIL import Image

import priorkit
from priorkit.errors import BadInputError, UnknownNameError
from priorkit.registry import registry
from priorkit.settings.config import split
from priorkit.verbs.recover import prepare

PHOTO, FACE = (3, 21, 30), (3, 64, 64)
USUAL = registry().fallback("prior").name
ANY = registry().any_size("prior").name


def taken(x=None, y=None, **settings):
    """The prior of a run and its shape; nothing is computed."""
    setup, _ = prepare(x, y, *split(settings))
    return setup.selections["prior"].name, setup.problem.shape


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    pixels = np.random.default_rng(0).integers(0, 256, (*PHOTO[1:], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def test_a_photograph_keeps_its_size(photo):
    """Of a file, an array, a PIL image and a folder."""
    image = Image.open(photo)
    for x in (photo, str(photo), np.asarray(image), image, photo.parent):
        assert taken(x, op="mask") == (ANY, PHOTO)
    assert taken(image.convert("L"), op="mask") == (ANY, (1, *PHOTO[1:]))
    assert taken(photo, op="blur", shape=(3, 16, 16)) == (ANY, (3, 16, 16))


def test_of_the_usual_size_it_is_the_usual_prior(photo):
    assert taken(torch.rand(2, *FACE), op="mask") == (USUAL, FACE)
    assert taken(photo, op="mask", shape=FACE) == (USUAL, FACE)
    assert taken(np.asarray(Image.open(photo)), op="mask", resize=True) == (USUAL, FACE)
    assert taken(priorkit.io.pictures.astronaut(), op="mask") == (USUAL, FACE)


def test_without_an_operator_it_is_the_usual_run(photo):
    assert taken(photo) == (USUAL, FACE)


@pytest.mark.parametrize(
    "settings",
    [
        {"penalty": "nll", "gamma": 0.1},
        {"solver": "adam"},
        {"space": "latent"},
        {"prior": USUAL},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_who_says_how_it_is_used_gets_the_usual_prior(photo, settings):
    assert taken(photo, op="blur", **settings) == (USUAL, FACE)


def test_a_measurement_tells_the_size_of_its_picture():
    mask = torch.rand(PHOTO[1:]).round()
    assert taken(None, torch.rand(PHOTO), op="mask", mask=mask, sigma=0.1) == (ANY, PHOTO)
    assert taken(None, torch.rand(FACE), op="identity", sigma=0.1) == (USUAL, FACE)
    assert taken(None, torch.rand(500), op="gaussian", m=500) == (USUAL, FACE)
    small = {"op": "gaussian", "m": 50, "sigma": 0.01}
    assert taken(None, torch.rand(50), **small, shape=PHOTO) == (ANY, PHOTO)


def test_pictures_of_several_sizes_are_asked_about(photo):
    Image.open(photo).resize((40, 40)).save(photo.parent / "other.png")
    with pytest.raises(BadInputError, match=r"need one size.*a run for each.*shape=\(3, 64, 64\)"):
        taken(photo.parent, op="mask")
    assert taken(photo.parent, op="mask", shape=FACE) == (USUAL, FACE)


def test_an_option_of_the_other_prior_is_unknown(photo):
    with pytest.raises(UnknownNameError, match="Unknown option 'tilt'"):
        taken(photo, op="mask", tilt=0.5)


def test_where_no_plugin_has_one_pictures_are_brought_to_the_usual_size(photo, monkeypatch):
    monkeypatch.setattr(registry(), "_any_size", {})
    assert taken(photo, op="mask") == (USUAL, FACE)


def test_the_run_says_what_was_taken(photo, command_line, tmp_path):
    """And the record; the recovered picture has the size of the file."""
    out = tmp_path / "out"
    ran = command_line("recover", photo, "--op", "identity", "--sigma", "0.1", "--out", out)
    assert ran.code == 0
    assert f"With prior {ANY}, op identity" in " ".join(ran.out.split())
    with Image.open(out / "images" / "photo.png") as found:
        assert found.size == PHOTO[:0:-1]
