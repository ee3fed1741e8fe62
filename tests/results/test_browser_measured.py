"""The page of a comparison without a truth, as a browser shows it."""

import pytest
import torch

import priorkit
from tests.results.test_browser import CHROMIUM, opened, tab  # noqa: F401  (a fixture)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Four priors on two measurements."""
    x = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    tv = {"prior": "none", "penalty": "tv", "gamma": 0.1, "label": "tv"}
    priors = ["dct", "wavelet", tv, tv | {"gamma": 1.0, "label": "flat"}]
    how = {"op": "mask", "sigma": 0.1, "gamma": 0.02, "budget": 10, "priors": priors}
    place = tmp_path_factory.mktemp("pages") / "measured"
    return priorkit.compare(y=x, **how).save(place) / "report.html"


@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_and_asks_for_nothing(tab, report, width):  # noqa: F811
    page, said = opened(tab, report, width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert [url for url in said["requests"] if not url.startswith(("file:", "data:"))] == []
    assert said["errors"] == []
    boxes = page.evaluate(
        "[...document.querySelector('.matrix').querySelectorAll('.pair img')]"
        ".map(i => i.getBoundingClientRect()).map(box => [box.top, box.width])"
    )
    line = [across for top, across in boxes if abs(top - boxes[0][0]) < 2]
    assert sum(line) > (0.66 if width == 1280 else 0.6) * width


def test_it_shows_where_priors_disagree(tab, report):  # noqa: F811
    page, _ = opened(tab, report, 1280)
    first = page.locator(".first")
    assert "std across priors" in first.inner_text()
    assert first.locator("[data-is=apart]").count() == page.locator(".bar").count() == 1
    assert page.locator(".matrix [data-is=error]").count() == 0
    heads = page.locator("table th").all_inner_texts()
    assert heads == ["prior", "misfit", "of noise alone", "evaluations", "seconds"]
    assert page.locator(".share").count() == 4
    page.locator(".matrix [data-is=recovery]").first.click()
    page.keyboard.press("ArrowRight")
    assert page.locator("dialog p").inner_text() == "wavelet: recovery"
