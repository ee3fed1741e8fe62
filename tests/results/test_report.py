"""What people look at: scored once, drawn on one kind of axes, the size of the problem said."""

import io
import json
import re
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

import priorkit
from priorkit import metrics
from priorkit.draw.svg import plot, standalone
from priorkit.draw.tiles import fit, png, tile
from priorkit.errors import BadInputError
from priorkit.interfaces import Denoiser
from priorkit.interfaces.kinds import PICTURE
from priorkit.io.pictures import astronaut, load
from priorkit.results.numbers import numbers
from priorkit.results.views import columns, ended, unsure
from priorkit.settings.select import resolve


def test_scores_are_computed_once(monkeypatch, tmp_path):
    """Not at every look at them: saving twenty images asks for none."""
    asked = []
    for name in ("psnr", "ssim"):
        whole = getattr(metrics, name)
        monkeypatch.setattr(metrics, name, lambda *a, f=whole: asked.append(1) or f(*a))
    x = torch.rand(20, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    result = priorkit.recover(x, prior="none", op="mask", budget=3)
    before = len(asked)
    assert before <= 4  # of the one restart and of the result
    result.save(tmp_path)
    assert result.psnr is result.psnr
    assert result.ssim is not None
    assert len(asked) == before


@pytest.mark.parametrize("known", [True, False])
def test_a_page_with_draws_says_what_their_interval_is_worth(known, tmp_path):
    """Beside how much of the truth it holds, where that is known; of other solvers nothing."""
    x = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    given = {"x": x} if known else {"y": x}
    common = {"prior": "denoiser-photos", "op": "identity", "sigma": 0.1, "budget": 6}
    drawn = priorkit.recover(**given, **common, solver="diffpir", draws=3)
    said = "only if they are of the posterior of the right prior"
    assert said in drawn.report(tmp_path / "drawn.html").read_text()
    assert said in drawn._repr_html_()
    assert ("Here it holds" in unsure(drawn)) == known
    assert said not in priorkit.recover(**given, **common).report(tmp_path / "a.html").read_text()


def test_a_page_with_one_draw_says_nothing_of_its_spread(tmp_path):
    x = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    common = {"prior": "denoiser-photos", "op": "identity", "sigma": 0.1, "budget": 6}
    drawn = priorkit.recover(x, **common, solver="diffpir", draws=1)
    image = drawn.record["images"][0]
    assert image["draws"] == 1
    assert not {"spread", "within_90"} & set(image)
    page = drawn.report(tmp_path / "drawn.html").read_text()
    assert "std of draws" not in page
    assert "90% interval" not in page


class Half(Denoiser):
    """Knows nothing of bright pictures."""

    def denoise(self, x, sigma):
        return torch.where(x.mean((1, 2, 3), keepdim=True) > 0.5, torch.nan, x)


def test_draws_that_were_not_made_are_said(tmp_path):
    """By the reason of an image, on its page and in the sentence above."""
    told = {"prior": "dcgan-celeba", "op": "gaussian", "m": 20, "solver": "perturb", "draws": 6}
    drawn = priorkit.recover(budget=3, **told)
    assert int(drawn.draws.count) == 3
    assert drawn.reason == ["budget, 3 of 6 draws"]
    page = (drawn.save(tmp_path / "out") / "report.html").read_text()
    assert "3 of 6 draws." in page
    assert "<td>budget, 3 of 6 draws</td>" in page
    none = priorkit.recover(budget=60, progress=stop, **told)
    assert none.reason == ["interrupted, 0 of 6 draws"]
    assert not none.draws
    with pytest.raises(BadInputError, match=r"Got none: interrupted, 0 of 6 draws\. Try: a solver"):
        none.draws.interval(0.9)


def test_a_solver_that_draws_nothing_says_so():
    found = priorkit.recover(torch.rand(2, 1, 8, 8), prior="none", op="identity", budget=1)
    assert not found.draws
    assert repr(found.draws) == "<Draws: 0 of 2 images of 1×8×8>"
    assert torch.equal(found.draws.mean, found.x)
    with pytest.raises(BadInputError, match=r"Got none: solver 'lbfgs' makes no draws\."):
        found.draws.interval()
    assert "draws" not in found.record["images"][0]


def stop(now, done):
    raise KeyboardInterrupt


def test_one_draw_has_no_spread(tmp_path):
    x = torch.full((2, 1, 16, 16), 0.2)
    told = {"op": "identity", "sigma": 0.01, "solver": "diffpir", "budget": 4}
    drawn = priorkit.recover(x, prior=Half(), draws=1, **told)
    assert drawn.draws.spread is None
    assert drawn.reason == ["drawn", "drawn"]
    out = drawn.save(tmp_path / "out")
    assert (out / "samples.npy").exists()
    assert not (out / "spread.npy").exists()
    assert "1 draw per image." in (out / "report.html").read_text()


def test_an_image_without_draws_beside_others_that_have_some(tmp_path):
    x = torch.stack([torch.full((1, 16, 16), 0.2), torch.full((1, 16, 16), 0.9)])
    told = {"op": "identity", "sigma": 0.01, "solver": "diffpir", "draws": 2, "budget": 4}
    drawn = priorkit.recover(x, prior=Half(), **told)
    assert drawn.status == ["converged", "diverged"]
    assert drawn.draws.count.tolist() == [2, 0]
    page = drawn.save(tmp_path / "out") / "report.html"
    assert "std of draws" in page.read_text()


def test_the_size_that_was_solved_is_said(command_line, tmp_path):
    """On the page and on the command line, by recover and by compare."""
    out = tmp_path / "out"
    words = ["--shape", "3", "16", "16", "--budget", "3", "--out", out]
    done = command_line("recover", "--prior", "none", "--op", "mask", *words)
    assert "1 image of 3×16×16" in done.out
    assert "Solving 1 image of 3×16×16, in at most 3 evaluations" in done.err
    assert "1 image of 3×16×16" in (out / "report.html").read_text()
    done = command_line("compare", "--priors", "dct,none", "--op", "fourier", *words)
    assert "1 image of 3×16×16" in done.out
    assert "1 image of 3×16×16" in (out / "report.html").read_text()


def test_a_reason_and_the_misfit_beside_it_agree(command_line, tmp_path):
    """The solver's x reached the noise level; what is left of it, clipped, is far above."""
    words = "--op gaussian --m 60 --prior none --shape 1 16 16 --out"
    shown = command_line("recover", *words.split(), tmp_path / "a").out
    assert "noise level reached, then clipped" in " ".join(shown.split())
    saved = json.loads((tmp_path / "a" / "record.json").read_text())["images"][0]
    assert saved["misfit"] > 10 * saved["noise"]
    assert saved["reason"] == "noise level reached"
    page = (tmp_path / "a" / "report.html").read_text()
    assert "noise level reached, then clipped" in page
    assert "Misfit of the solver's x, before it is clipped," in page


def test_a_reason_that_holds_of_what_is_returned_is_left_alone():
    """Nothing clipped, as of measurements that were given; or clipped to a misfit below noise."""
    x = load(astronaut(), (1, 16, 16)).x
    below = priorkit.recover(x, op="identity", prior="none", sigma=0.3, penalty="none")
    given = priorkit.recover(y=below.y, op="identity", prior="none", sigma=0.3, penalty="none")
    for found in (below, given):
        assert found.outside[0] > 0
        assert ended(found, 0) == found.reason[0]


def test_a_picture_of_two_channels_is_saved_whole(tmp_path):
    """As pages of a TIFF and as .npy; its PNG and the grid have red and blue of a channel each, and
    green of both."""
    x = torch.rand(1, 2, 16, 16, generator=torch.Generator().manual_seed(0))
    result = priorkit.recover(x, prior="none", op="mask", budget=3)
    result.save(tmp_path / "out")
    shown = np.asarray(Image.open(tmp_path / "out" / "images" / "image.png"))
    low, high = np.load(tmp_path / "out" / "x.npy")[0]
    expected = np.stack([high, (low + high) / 2, low], 2)
    assert np.abs(shown / 255 - expected).max() <= 0.5 / 255 + 1e-6
    pages = Image.open(tmp_path / "out" / "images" / "image.tiff")
    for number, band in enumerate((low, high)):
        pages.seek(number)
        assert np.array_equal(np.asarray(pages), band)
    left = np.asarray(fit(tile(x[0], PICTURE), 160))  # the truth is in the first tile of the grid
    assert np.array_equal(np.asarray(result.grid())[30 : 30 + 160, 8 : 8 + 160], left)


def test_one_table_of_numbers_for_pages_and_narrow_places():
    x = torch.rand(3, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    found = priorkit.recover(x, prior="none", op="mask", budget=3)
    head, rows = numbers(found)
    assert head[:5] == ["image", "PSNR (dB)", "SSIM", "error (1/n)‖x − x̂‖²", "misfit ℓ(A x̂, y)"]
    assert [row[0] for row in rows] == found.names
    assert {len(row) for row in rows} == {len(head)}
    brief, two = numbers(found, most=2, brief=True)
    assert [*brief[:4], brief[-3]] == [
        "image",
        "PSNR (dB)",
        "SSIM",
        "misfit",
        found.record["unit"],
    ]
    assert [row[1] for row in two] == [row[1] for row in rows[:2]]
    found.record["images"][0]["misfit"] = None  # of one that diverged
    assert numbers(found, brief=True)[1][0][3] == "—"


def test_a_plot_has_its_lines_and_names():
    drawn = plot([("a<b", [(0, 1), (5, 2)]), ("c", [(0, 3)])], across="m", up="dB", marks=True)
    assert drawn.count("<circle") == 3
    assert "a&lt;b" in drawn
    assert 'aria-label="dB by m"' in drawn
    assert plot([], across="m", up="dB") == ""
    assert b"xmlns" in standalone(drawn)


def test_what_is_not_finite_has_no_place_on_a_plot():
    """A perfect recovery has an infinite PSNR, and the others are still drawn."""
    infinite, nothing = float("inf"), float("nan")
    lines = [("perfect", [(1, infinite)]), ("fair", [(1, 20.0), (2, nothing), (3, 25.0)])]
    drawn = plot(lines, across="m", up="dB", marks=True)
    assert drawn.count("<circle") == 2
    assert "inf" not in drawn
    assert "nan" not in drawn
    assert plot([("perfect", [(1, infinite)])], across="m", up="dB") == ""


def test_powers_are_labelled_as_such():
    drawn = plot([("", [(0, 0.5), (3, -2.2)])], across="sweeps", up="misfit", powers=True)
    for power in ("1e-3", "1e-2", "1e-1", "1e0", "1e1"):
        assert f">{power}<" in drawn


def test_the_page_of_a_large_picture_stays_small(tmp_path):
    """It holds thumbnails: truth and measurement alone are 1.6 MB each."""
    x = torch.rand(1, 3, 450, 1200, generator=torch.Generator().manual_seed(0))
    found = priorkit.recover(x, prior="none", op="mask", budget=1)
    assert len((found.save(tmp_path / "out") / "report.html").read_bytes()) < 2e6


@pytest.mark.parametrize("side", [100, 1030])
def test_what_is_shown_of_a_large_picture_is_small(side):
    """The page says how large it is; means over squares are what is shown of it."""
    x = torch.rand(1, 1, 40, side)
    found = priorkit.recover(x, prior="none", op="identity", sigma=0.1, penalty="tv", gamma=0.1,
                             budget=1)  # fmt: skip
    shown = {each.what: each for each in columns(found, 0) if each.what != "detail"}
    assert {each.size for each in shown.values()} == {(side, 40)}
    width = side if side < 1024 else side // 2
    assert {each.picture.width for each in shown.values()} == {width}
    levels = np.asarray(shown["truth"].picture) / 255
    expected = x[0, 0].reshape(20, 2, -1, 2).mean((1, 3)) if side > 1024 else x[0, 0]
    np.testing.assert_allclose(levels, expected.numpy(), atol=0.51 / 255)


@pytest.mark.parametrize("shape", [(9, 7), (9, 7, 3), (1, 1), (40, 1, 3), (5, 6, 4)])
def test_a_png_file_has_every_pixel(shape):
    """And each row is its difference from the one above: trying other filters takes longer."""
    values = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    made = png(Image.fromarray(values))
    with Image.open(io.BytesIO(made)) as found:
        assert found.format == "PNG"
        assert np.array_equal(np.asarray(found), values)
    start = made.index(b"IDAT") + 4
    rows = np.frombuffer(zlib.decompressobj().decompress(made[start:]), np.uint8)
    assert set(rows.reshape(shape[0], -1)[:, 0]) == {2}


def test_a_picture_with_a_palette_is_a_png_in_colour():
    drawn = Image.new("RGB", (4, 3), "#1b6ca8").convert("P")
    with Image.open(io.BytesIO(png(drawn))) as found:
        assert found.getpixel((0, 0)) == drawn.convert("RGB").getpixel((0, 0))
    drawn.info["transparency"] = drawn.getpixel((0, 0))
    with Image.open(io.BytesIO(png(drawn))) as found:
        assert found.getpixel((0, 0))[3] == 0


@pytest.mark.parametrize(("side", "details"), [(319, []), (320, ["measured", "recovered"])])
def test_the_noise_of_a_large_measurement_is_seen(side, details):
    """Its centre is shown pixel by pixel beside the whole, whose means over squares have little."""
    x = torch.full((1, 1, 80, side), 0.5)
    found = priorkit.recover(x, prior="none", op="identity", sigma=0.1, penalty="tv", gamma=0.1,
                             budget=2)  # fmt: skip
    shown = [each for each in columns(found, 0) if each.what == "detail"]
    assert [each.caption.partition(":")[0] for each in shown] == details
    for each in shown[:1]:
        levels = np.asarray(each.picture) / 255
        assert each.size == (160, 80)
        assert each.of == "measurement"
        left = (side - 160) // 2
        expected = found.y[0, 0, :, left : left + 160].clamp(0, 1).numpy()
        np.testing.assert_allclose(levels, expected, atol=0.51 / 255)
        assert 0.09 < levels.std() < 0.11


def test_the_page_of_objects_does_not_say_that_it_is_replayed(tmp_path):
    """Also where it is one of several penalties that is an object."""
    x = torch.full((1, 1, 8, 8), 0.2)
    told = {"op": "mask", "prior": "none", "gamma": 0.1, "budget": 1}
    named = priorkit.recover(x, penalty="tv", **told).save(tmp_path / "named")
    assert "priorkit replay FOLDER" in (named / "report.html").read_text()
    priorkit.replay(named)
    penalties = ["tv", resolve("penalty", "l2-squared").build(0)]
    out = priorkit.recover(x, penalty=penalties, **told).save(tmp_path / "object")
    page = (out / "report.html").read_text()
    assert "priorkit replay FOLDER" not in page
    assert "which a folder can't hold: penalty &lt;" in page
    with pytest.raises(BadInputError, match="penalty used an object"):
        priorkit.replay(out)


def test_pictures_that_are_not_shown_are_counted(monkeypatch, tmp_path):
    """And each row says of which image it is, as the numbers do."""
    monkeypatch.setattr("priorkit.results.views.MAX_ROWS", 2)
    x = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    found = priorkit.recover(x, prior="none", op="mask", budget=1)
    page = (found.save(tmp_path / "out") / "report.html").read_text()
    assert "<h3>0001</h3>" in page
    assert "<h3>0002</h3>" not in page
    assert "<p>And 1 image more, in <code>images/</code>.</p>" in page
    alone = found.report(tmp_path / "alone.html").read_text()
    assert "<p>And 1 image more, not shown here.</p>" in alone
    one = priorkit.recover(x[:1], prior="none", op="mask", budget=1)
    assert "<h3>" not in one.report(tmp_path / "one.html").read_text()
    monkeypatch.setattr("priorkit.results.gallery.MAX_COLUMNS", 2)
    monkeypatch.setattr("priorkit.results.board.MAX_COLUMNS", 2)
    both = priorkit.compare(x, priors=["dct", "none"], op="gaussian", m=20, budget=1)
    page = (both.save(tmp_path / "both") / "report.html").read_text()
    assert "<h2>The first 2 of 3</h2>" in page


def test_sizes_are_in_the_units_of_the_user(tmp_path):
    """The scale of errors, as the numbers beside it."""
    x = 500 + 100 * torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    told = {"range": (0, 1000), "op": "gaussian", "m": 20, "budget": 1}
    page = priorkit.recover(x, prior="none", **told).report(tmp_path / "one.html").read_text()
    assert "</i>200</div>" in page
    both = priorkit.compare(x, priors=["dct", "none"], **told)
    page = (both.save(tmp_path / "both") / "report.html").read_text()
    assert "errors of all, on one scale" in page
    assert page.count("</i>200</div>") == 1


def test_nothing_is_said_of_errors_and_psnr_where_there_are_none(tmp_path):
    x = torch.sin(torch.arange(64) / 5)[None]
    told = {"kind": "signal", "op": "gaussian", "m": 20, "budget": 1}
    both = priorkit.compare(x, priors=["dct", "none"], **told)
    page = (both.save(tmp_path / "both") / "report.html").read_text()
    assert "errors of all" not in page
    assert "PSNR" not in page
    tiny = priorkit.recover(torch.rand(1, 1, 2, 2), prior="none", op="mask", budget=1)
    page = tiny.report(tmp_path / "tiny.html").read_text()
    assert "nan" not in re.sub('base64,[^"]*', "", page)
