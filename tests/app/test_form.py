"""What the app's form asks for, offers and reads, without a browser."""

import io
import threading
from typing import Annotated, Any, Literal

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import Field as Bound

from priorkit.app import offered, preview
from priorkit.app.components import (
    about,
    fields,
    needs,
    painter,
    plain,
    read_fields,
    run_fields,
    usual,
)
from priorkit.app.draft import Draft
from priorkit.app.fields import Field, field_of, first_of
from priorkit.app.offered import Offers
from priorkit.app.order import Order
from priorkit.app.preview import look, sample
from priorkit.app.sizes import choices, extent, reduced, scaled
from priorkit.app.sketch import Stroke, mask, stroke
from priorkit.app.store import UPLOADS, Store
from priorkit.app.words import said as in_the_app
from priorkit.errors import BadInputError, PriorkitError
from priorkit.registry import registry
from priorkit.settings.options import option_fields, told_of


@pytest.fixture
def store():
    found = Store(0.01)
    yield found
    found.clear()


class Odd:
    """An operator with an option of every type.

    Parameters
    ----------
    rate : how fast,
        in two lines
    low, high : of both
    """

    def __init__(
        self,
        *,
        rate: Annotated[float, Bound(gt=0, le=2)],
        low: int | None = None,
        high: Annotated[int, Bound(ge=1)] | None = None,
        fast: bool = False,
        maybe: bool | None = None,
        way: Literal["a", "b"] = "a",
        sides: tuple[int, ...] | None = None,
        angles: int | list[float] = 30,
        level: float | Literal["auto"] | None = None,
        thing: Any = None,
        word: str = "x",
    ) -> None: ...


def test_a_field_for_every_type():
    told = told_of(Odd)
    assert told == {"rate": "how fast, in two lines", "low": "of both", "high": "of both"}
    found = {n: field_of(n, info, told.get(n, "")) for n, info in option_fields(Odd).items()}
    assert {name: field.what for name, field in found.items()} == {
        "rate": "number",
        "low": "whole",
        "high": "whole",
        "fast": "switch",
        "maybe": "choice",
        "way": "choice",
        "sides": "numbers",
        "angles": "numbers",
        "level": "number",
        "thing": "file",
        "word": "text",
    }
    assert (found["rate"].required, found["rate"].low, found["rate"].high) == (True, 0, 2)
    assert (found["high"].low, found["low"].low) == (1, None)
    assert (found["maybe"].words, found["way"].words) == (("yes", "no"), ("a", "b"))
    assert found["level"].words == ("auto",)


@pytest.mark.parametrize(
    ("field", "filled", "value"),
    [
        (Field("m", "whole"), 3.0, 3),
        (Field("σ", "number", words=("auto",)), "0.5", 0.5),
        (Field("σ", "number", words=("auto",)), "auto", "auto"),
        (Field("angles", "numbers"), "30", 30),
        (Field("angles", "numbers"), "0, 22.5", [0, 22.5]),
        (Field("maybe", "choice", words=("yes", "no")), "no", False),
        (Field("kernel", "file"), "[[1, 2]]", [[1, 2]]),
        (Field("kernel", "file"), "motion", "motion"),
        (Field("kernel", "file"), "", None),
    ],
)
def test_what_is_filled_in_becomes_a_value_and_back(field, filled, value):
    assert field.value(filled) == value
    assert field.value(field.shown(value)) == value


def test_what_is_no_number_is_said():
    with pytest.raises(BadInputError, match=r"sigma: a number or 'auto'. Got 'much'"):
        Field("sigma", "number", words=("auto",)).value("much")


@pytest.mark.parametrize("kind", ["prior", "operator", "noise", "penalty", "solver", "start"])
def test_every_component_has_fields(kind):
    """And what its schema bounds is bounded in them."""
    for entry in registry().entries(kind):
        if entry.name != "deepinv":
            names = [field.name for field in fields(kind, entry.name)]
            assert not {"seed", *entry.preset} & set(names)
    assert {field.name: field.low for field in run_fields()}["budget"] == 1
    assert [field.name for field in read_fields()] == ["kind", "dataset", "slice"]
    assert usual("operator", "gaussian") == {"m": 500}


SHAPE = (3, 64, 64)


@pytest.fixture(scope="module")
def offers():
    return Offers()


def test_only_what_fits_a_picture_is_offered(offers):
    said = {"op": "mask", "prior": "denoiser-photos"}
    operators = offers.offer("operator", said, SHAPE)
    assert {"blur", "gaussian", "mask"} <= set(operators.fits)
    assert "needs one of path and matrix" in operators.reasons["matrix"]
    priors = offers.offer("prior", said, SHAPE)
    assert {"denoiser-photos", "glow-celeba", "none"} <= set(priors.fits)
    assert priors.reasons["realnvp-2d"] == "It is for vectors of 2 numbers."
    assert priors.needs["glow"] == "needs a file of weights"  # which the form can send
    assert "glow" not in {*priors.fits, *priors.reasons}
    solvers = offers.offer("solver", said, SHAPE)
    assert "diffpir" in solvers.fits
    assert solvers.reasons["langevin"] == "solver 'langevin' works in latent space only."
    penalties = offers.offer("penalty", {**said, "prior": "none"}, SHAPE)
    assert {"tv", "none"} <= set(penalties.fits)
    assert "to be a Density" in penalties.reasons["nll"]
    noises = offers.offer("noise", {**said, "prior": "none"}, SHAPE)
    assert {"gaussian", "laplace"} <= set(noises.fits)


def test_what_fits_depends_on_the_picture_and_whether_it_is_measured(offers):
    weightless = {"op": "mask", "prior": "none", "penalty": "tv", "noise": "laplace"}
    assert "blur" in offers.offer("operator", weightless, (1, 20, 30)).fits
    gray = offers.offer("operator", {"prior": "none"}, (1, 20, 30))
    assert {"gray", "mosaic"} <= gray.reasons.keys()
    y = torch.rand(1, 3, 20, 30, generator=torch.Generator().manual_seed(0))
    for said in ({"op": "identity", "sigma": "auto"}, {"op": "mask", "sigma": 0.1}):
        real = offers.offer("prior", said, (3, 20, 30), y)
        assert "denoiser-photos" in real.fits
        assert "glow-celeba" not in real.fits  # which can't crop a measurement
    assert offers.refused({"op": "mask"}, (3, 20, 30)) is None
    assert "noise level" in offers.refused({"op": "mask"}, (3, 20, 30), y)


def test_a_noise_level_that_nobody_has_said_yet_rules_nothing_out(offers):
    y = torch.rand(1, 3, 20, 30, generator=torch.Generator().manual_seed(0))
    said = {"op": "identity"}
    found = offers.offer("operator", said, (3, 20, 30), y)
    likely = found.fits[: found.likely]  # whose measurements are as y is
    assert {"blur", "downsample", "identity", "mask"} <= set(likely)
    assert {"gaussian", "radon"} <= set(found.fits) - set(likely)
    assert "denoiser-photos" in offers.offer("prior", said, (3, 20, 30), y).fits
    with pytest.raises(PriorkitError, match="noise level"):
        offers.chosen(said, (3, 20, 30), y)


def test_complex_numbers_are_of_the_operator_that_gives_such(offers):
    y = torch.fft.fft2(torch.eye(16)).to(torch.complex64)
    found = offers.offer("operator", {"op": "identity", "kind": "complex"}, (2, 16, 16), y)
    assert (found.fits[0], found.likely) == ("fourier", 1)
    assert found.reasons["identity"] == (
        "The measurement is complex, and what this operator gives is real."
    )
    said = {"kind": "complex", "sigma": 0.1, "prior": "none"}
    assert offers.chosen({**said, "op": "fourier"}, (2, 16, 16), y)["kind"] == "complex"
    with pytest.raises(BadInputError, match=r"y must be \(500,\)"):
        offers.chosen({**said, "op": {"name": "gaussian", "m": 500}}, (2, 16, 16), y)


def test_a_file_that_only_a_user_can_give_is_asked_for():
    assert needs("prior", "glow") == ("needs a file of weights", True)
    assert needs("operator", "deepinv") == ("needs its physics", False)
    assert needs("operator", "gaussian") == (None, True)


def test_what_is_simulated_is_not_said_of_a_measurement():
    assert "imulated noise" in about("operator", "identity")
    assert about("operator", "identity", measured=True) == "A x = x: denoising."
    assert "imulated noise" not in about("operator", "gaussian", measured=True)
    assert first_of("how many; of two") == "how many"


def test_bounds_are_complained_of_in_words():
    found = {name: field_of(name, info) for name, info in option_fields(Odd).items()}
    assert found["rate"].complaint(0) == "more than 0"
    assert found["rate"].complaint("2.5") == "at most 2"
    assert found["high"].complaint(0) == "at least 1"
    assert found["rate"].complaint(2) is None
    assert found["maybe"].complaint("no") is None


def test_a_large_picture_is_known_by_its_header_and_brought_to_a_size(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    fine = rng.integers(0, 255, (60, 90, 3), dtype=np.uint8)
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(fine).save(tmp_path / "a.jpg", exif=turned)
    assert extent(tmp_path / "a.jpg") == (3, 90, 60)
    Image.fromarray(fine).save(tmp_path / "a.png")
    suffix, data = reduced(tmp_path / "a.png", 30, 20)
    small = np.asarray(Image.open(io.BytesIO(data))).astype(float)
    assert suffix == ".png"
    assert np.abs(small - fine.reshape(20, 3, 30, 3, 3).mean((1, 3))).max() <= 1
    Image.fromarray(fine[..., 0]).save(tmp_path / "g.png")
    assert extent(tmp_path / "g.png") == (1, 60, 90)
    assert Image.open(io.BytesIO(reduced(tmp_path / "g.png", 30, 20)[1])).mode == "L"
    Image.fromarray(fine[..., 0].astype(np.uint16) * 257).save(tmp_path / "deep.png")
    suffix, data = reduced(tmp_path / "deep.png", 30, 20)
    numbers = np.load(io.BytesIO(data))
    assert (suffix, numbers.shape, numbers.dtype) == (".npy", (1, 20, 30), np.float32)
    assert abs(numbers.mean() - fine[..., 0].mean() / 255) < 0.01
    (tmp_path / "bad.png").write_bytes(b"bad")
    assert extent(tmp_path / "bad.png") is extent(tmp_path / "a.npy") is None
    assert scaled((3, 4000, 6000), 256) == (3, 171, 256)
    assert list(choices((3, 90, 60))) == ["", "64,43"]
    assert "too large" in choices((3, 4000, 6000))[""]
    monkeypatch.setattr(preview, "HUGE", 64)
    seen = look(tmp_path / "a.png", measured=False, settings={"shape": (3, 20, 30)})
    assert (seen.shape, seen.said) == ((3, 60, 90), "a.png, 3×60×90")


def test_what_the_library_warns_of_a_file_is_told(tmp_path):
    Image.new("RGBA", (8, 9), (200, 0, 0, 90)).save(tmp_path / "rgba.png")
    for measured in (True, False):
        seen = look(tmp_path / "rgba.png", measured=measured, settings={})
        assert seen.warnings == ("rgba.png is partly transparent: it is taken over white.",)


def test_what_would_be_taken_is_told_and_what_is_wrong_is_refused(offers):
    chosen = offers.chosen({"op": "mask"}, (3, 20, 30))
    assert chosen["prior"]["name"] == "denoiser-photos"
    assert chosen["solver"]["name"] == "diffpir"
    assert offers.chosen({"op": "mask"}, SHAPE)["prior"]["name"] == "glow-celeba"
    said = offers.refused({"op": "mask", "prior": "none", "penalty": "tv"}, SHAPE)
    assert said.startswith("The penalty 'tv' needs its weight gamma")
    assert offers.refused({"op": "mask", "prior": "none"}, SHAPE) is None


def test_what_is_advised_has_been_tried(offers):
    """As on the command line, by name: with each of it the run would begin."""
    settings = {"op": "mask", "prior": "glow-celeba", "solver": "diffpir"}
    with pytest.raises(PriorkitError) as caught:
        offers.chosen(settings, SHAPE)
    ways = caught.value.ways
    assert {"prior": "diffusion-celeba"} in ways
    assert [offers.refused(settings | way, SHAPE) for way in ways] == [None] * len(ways)
    assert ", or the prior diffusion-celeba, or the prior" in in_the_app(caught.value)


def test_a_prior_is_read_once(offers, monkeypatch):
    offers.chosen({"op": "mask", "prior": "glow-celeba"}, SHAPE)
    monkeypatch.setattr(offered, "resolve", lambda *_: pytest.fail("read again"))
    offers.chosen({"op": "blur", "prior": "glow-celeba"}, SHAPE)


def test_a_draft_asks_for_what_differs_from_defaults():
    draft = Draft.new()
    assert draft.order() == Order({"op": {"name": "gaussian", "m": 500}})
    draft.names |= {"operator": "mask", "prior": "none", "penalty": "tv"}
    draft.filled("operator", "mask").update(fraction=0.2, grow=0)
    draft.run |= {"gamma": "0.01", "budget": 50.0, "seed": 0, "slice": 3}
    settings = {
        "op": {"name": "mask", "fraction": 0.2},
        "prior": "none",
        "penalty": "tv",
        "gamma": 0.01,
        "budget": 50,
    }
    assert draft.order() == Order(settings)  # there is no file of which a slice is taken
    assert Draft.of(draft.order()).order() == draft.order()
    draft.beside = ["dct", "none"]
    assert draft.order().priors == ("none", "dct")
    assert "prior" not in draft.order().settings
    assert Draft.of(draft.order()).order() == draft.order()


def test_what_is_compared_with_is_what_would_be_taken_when_it_begins():
    """Not what would have been of the picture that was there when others were put beside it."""
    draft = Draft.new()
    draft.beside = ["dct", "none"]
    assert draft.order("glow-celeba").priors == ("glow-celeba", "dct", "none")
    assert draft.order("dct").priors == ("dct", "none")
    draft.beside = ["dct"]
    assert draft.order("dct").priors == ()  # itself
    assert "prior" not in draft.order("dct").settings
    draft.names["prior"] = "bm3d"
    assert draft.order("dct").priors == ("bm3d", "dct")


def test_what_is_drawn_is_the_mask_of_an_operator(store):
    draft = Draft.new()
    place = store.keep("mask.png", b"drawn")
    draft.paint(place)
    op = {"name": painter(), "mask": place, "missing": "painted"}
    assert draft.order().settings["op"] == op
    again = Draft.of(draft.order())
    assert (again.painted, again.base) == (place, place)
    draft.paint(None)
    assert draft.order().settings["op"] == {"name": "gaussian", "m": 500}  # as before
    assert painter() == "mask"
    assert plain() == "identity"


@pytest.mark.parametrize(("measured", "operator"), [(True, "identity"), (False, "gaussian")])
def test_what_was_drawn_for_a_run_is_cleared_with_its_operator(store, measured, operator):
    """On its page, where nobody knows which operator was chosen before: a mask without what was
    drawn would be another."""
    draft = Draft.new()
    draft.source, draft.measured = store.keep("a.png", b"picture"), measured
    draft.paint(store.keep("mask.png", b"drawn"))
    again = Draft.of(draft.order())
    again.paint(None)
    assert (again.names["operator"], again.painted) == (operator, None)


def test_strokes_become_a_mask_that_the_operator_reads(tmp_path):
    told = {"points": [[0.25, 0.25], [0.75, 0.25]], "wide": 0.125, "erasing": False}
    line = stroke(told)
    assert line == Stroke(((0.25, 0.25), (0.75, 0.25)), 0.125)
    drawn = mask([line], (64, 32))
    (tmp_path / "mask.png").write_bytes(drawn)
    from priorkit_operators.painted import painted

    seen = painted(tmp_path / "mask.png", "painted", (32, 64), 0)
    assert seen.shape == (32, 64)
    assert seen[8, 16:48].sum() == 0
    assert seen[16:].min() == 1
    assert 0.1 < float((seen == 0).double().mean()) < 0.2
    rubbed = Stroke(((0.0, 0.25), (0.5, 0.25)), 0.2, erasing=True)
    kept = Image.open(io.BytesIO(mask([line, rubbed], (64, 32))))
    assert kept.getpixel((20, 8))[3] == 0
    assert kept.getpixel((45, 8))[3] == 255
    dot = Stroke(((2 / 64, 30 / 32),), 3 / 64)
    both = Image.open(io.BytesIO(mask([dot], (64, 32), tmp_path / "mask.png")))
    assert both.getpixel((2, 30))[3] == both.getpixel((30, 8))[3] == 255
    assert mask([], (64, 32)) is None
    assert mask([line, Stroke(((0.0, 0.25), (1.0, 0.25)), 1.0, True)], (64, 32)) is None


@pytest.mark.parametrize(
    "told",
    [
        None,
        {},
        {"points": [], "wide": 0.1, "erasing": False},
        {"points": [[0, 1e9]], "wide": 0.1, "erasing": False},
        {"points": [[0, float("nan")]], "wide": 0.1, "erasing": False},
        {"points": [[0.5, 0.5]] * 6000, "wide": 0.1, "erasing": False},
        {"points": [[0.5, 0.5]], "wide": 2, "erasing": False},
        {"points": [["a", "b"]], "wide": 0.1, "erasing": False},
    ],
)
def test_what_is_no_stroke_is_refused(told):
    with pytest.raises(BadInputError, match="That is no stroke"):
        stroke(told)


def test_files_are_kept_under_safe_names_and_bounded(store):
    place = store.keep("../../etc/pass wd (1).png", b"x")
    assert place.name == "pass wd (1).png"
    assert place.is_relative_to(store.root)
    assert store.keep("...", b"x").name == "file"
    with pytest.raises(BadInputError, match="is empty"):
        store.keep("empty.png", b"")
    with pytest.raises(BadInputError, match=r"too large. Got 0.\d+ MB. Try: at most 0.01 MB"):
        store.keep("large.png", b"x" * 20_000)
    for _ in range(UPLOADS):
        store.keep("one.png", b"x" * 10_000)
    with pytest.raises(BadInputError, match="holds too many files"):
        store.keep("one.png", b"x" * 10_000)
    assert (store.root.stat().st_mode & 0o77) == 0
    store.hold([place])
    store.release(place)
    assert place.exists()


def test_a_file_goes_while_another_is_kept(store, monkeypatch):
    """In another thread, after it has been counted."""
    first, held = store.keep("a.png", b"x"), store._held

    def counted():
        other = threading.Thread(target=store.release, args=[first])
        others.append(other)
        other.start()
        other.join(0.2)
        assert first.exists()
        return held()

    others = []
    monkeypatch.setattr(store, "_held", counted)
    assert store.keep("b.png", b"x").exists()
    others[0].join()
    assert not first.exists()


def test_a_file_is_looked_at(tmp_path):
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (20, 30, 3), dtype=np.uint8)).save(tmp_path / "a.png")
    seen = look(tmp_path / "a.png", measured=False, settings={})
    assert (seen.shape, seen.size, seen.said) == ((3, 20, 30), (30, 20), "a.png, 3×20×30")
    assert seen.drawn
    y = look(tmp_path / "a.png", measured=True, settings={})
    assert (y.shape, y.size, y.drawn) == (None, (30, 20), True)
    assert y.shape_for("identity", None) == (3, 20, 30)
    assert y.shape_for({"name": "downsample", "factor": 2}, None) == (3, 40, 60)
    np.save(tmp_path / "hu.npy", 100 * rng.normal(size=(8, 9)))
    units = look(tmp_path / "hu.npy", measured=False, settings={})
    assert (units.shape, units.range) == ((1, 8, 9), "auto")
    np.save(tmp_path / "y.npy", rng.normal(size=500))
    numbers = look(tmp_path / "y.npy", measured=True, settings={})
    assert (numbers.drawn, numbers.said) == (False, "y.npy, 500 numbers")
    assert numbers.shape_for({"name": "gaussian", "m": 500}, None) is None
    pages = [Image.fromarray(page) for page in rng.random((5, 8, 9)).astype(np.float32)]
    pages[0].save(tmp_path / "bands.tif", save_all=True, append_images=pages[1:])
    bands = look(tmp_path / "bands.tif", measured=True, settings={"shape": (5, 8, 9)})
    assert bands.said == "bands.tif, 5×8×9 numbers"
    assert sample().shape == (3, 64, 64)
    (tmp_path / "bad.png").write_bytes(b"bad")
    with pytest.raises(BadInputError, match=r"bad.png is not a picture"):
        look(tmp_path / "bad.png", measured=False, settings={})
