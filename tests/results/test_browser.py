"""The pages as a browser shows them, wide and narrow: needs Chromium, driven by playwright."""

import io
import os
import shutil

import pytest
import torch
from PIL import Image

import priorkit

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
# Nothing of its own over the network, which it would ask for at every start.
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
QUIET += ["--disable-background-networking", "--disable-component-update"]
playwright = pytest.importorskip("playwright.sync_api")
COMPARED = pytest.param("compared", marks=pytest.mark.slow)  # "several" are compared too
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")


@pytest.fixture(scope="module")
def tab():
    """One of a browser, for all tests: each new one is a process that begins anew."""
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser.new_page()
        browser.close()


PAGES = ["two", "large", COMPARED, "several", "audited", "groups"]

# Of every text that is shown the contrast of its colour with the one behind it, from 1 to 21, and
# the text: "Web Content Accessibility Guidelines 2.1", W3C 2018, section 1.4.3. Of texts of a plot
# the colour is that before it is brightened.
CONTRASTS = """
(() => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const linear = (v) => v <= 10.3 ? v / 3294.6 : ((v / 255 + 0.055) / 1.055) ** 2.4;
  const bright = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const [r, g, b, a = 1] = numbers(getComputedStyle(at).backgroundColor);
      if (a > 0.5) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const found = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const element = walk.currentNode.parentElement, text = walk.currentNode.textContent.trim();
    if (!text || element.closest("script, dialog")) continue;
    const style = getComputedStyle(element);
    const colour = numbers(element.closest("svg") ? style.fill : style.color);
    const both = [bright(colour), bright(behind(element))].map((v) => v + 0.05);
    found.push([Math.max(...both) / Math.min(...both), text]);
  }
  return found;
})()
"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Two faces recovered, a large picture, draws, and a comparison, each in its folder."""
    root = tmp_path_factory.mktemp("pages")
    small = {"shape": (3, 16, 16), "op": "blur", "budget": 5}
    x = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    priorkit.recover(x, prior="none", op="mask", budget=5, out=root / "two")
    large = torch.rand(1, 3, 600, 700, generator=torch.Generator().manual_seed(0))
    priorkit.recover(large, prior="none", op="mask", budget=1, out=root / "large")
    priorkit.compare(priors=["dct", "none"], out=root / "compared", **small)
    small |= {"op": "srht", "ms": [90, 30, 60]}
    priorkit.compare(x, priors=["dct", "none"], out=root / "several", **small)
    small = {"priors": ["dct", "wavelet"], "op": "srht", "m": 90, "budget": 5}
    priorkit.audit({"some": x[:1]}, **small).save(root / "audited")
    priorkit.audit({"some": x, "others & more": x[:1]}, **small).save(root / "groups")
    return root


def opened(tab, path, width, height=900, scheme="light"):
    """The page, and what it asked for and complained of."""
    said = {"requests": [], "errors": []}
    tab.goto("about:blank")
    tab.set_viewport_size({"width": width, "height": height})
    tab.emulate_media(color_scheme=scheme)
    tab.on("request", lambda request: said["requests"].append(request.url))
    tab.on("pageerror", lambda error: said["errors"].append(str(error)))
    tab.goto(path.as_uri())
    return tab, said


@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_and_asks_for_nothing(tab, pages, name):
    page, said = opened(tab, pages / name / "report.html", 390)
    for width in (390, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        broken = "[...document.images].filter(i => !i.naturalWidth && i.closest('dialog') == null)"
        assert page.evaluate(f"{broken}.length") == 0
        if os.environ.get("PRIORKIT_SHOTS"):  # for who wants to look
            shot = f"{os.environ['PRIORKIT_SHOTS']}/{name}-{width}.png"
            page.screenshot(path=shot, full_page=True)
    assert [url for url in said["requests"] if not url.startswith(("file:", "data:"))] == []
    assert said["errors"] == []


def test_long_names_fit(tab, tmp_path):
    """On a narrow page, and beside the lines of a plot, where all of one is its title."""
    picture = Image.fromarray((255 * torch.rand(16, 16)).byte().numpy())
    for ending in ("one", "two"):
        picture.save(tmp_path / f"{'photograph' * 9}-{ending}.png")
    told = {"prior": "none", "op": "mask", "penalty": "tv", "gamma": 1, "shape": (1, 16, 16)}
    found = priorkit.recover(tmp_path, budget=3, **told)
    page, _ = opened(tab, found.report(tmp_path / "page.html"), 390)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.set_viewport_size({"width": 1280, "height": 900})
    drawn = page.locator("svg").bounding_box()
    names = page.locator("svg text[fill]")
    for i, ending in enumerate(("one", "two")):
        box = names.nth(i).bounding_box()
        assert box["x"] + box["width"] <= drawn["x"] + drawn["width"]
        assert names.nth(i).text_content().split("<")[0].startswith("photograph")
        assert names.nth(i).locator("title").text_content() == f"{'photograph' * 9}-{ending}"


def test_a_picture_is_enlarged_and_the_next_one_follows(tab, pages):
    page, _ = opened(tab, pages / "two" / "report.html", 1280)
    picture = page.locator("figure > img").first
    before = picture.bounding_box()["width"]
    picture.click()
    large = page.locator("dialog img")
    assert large.bounding_box()["width"] > 3 * before
    assert page.locator("dialog p").inner_text() == "0000: truth"
    page.keyboard.press("ArrowRight")
    assert page.locator("dialog p").inner_text() == "0000: measurement"
    page.keyboard.press("Escape")
    assert not large.is_visible()


def test_the_wipe_goes_from_truth_to_recovery(tab, pages):
    page, _ = opened(tab, pages / "two" / "report.html", 1280)
    assert page.locator(".wipe").count() == 2
    wipe = page.locator(".wipe").last
    row = wipe.locator("xpath=..")
    under, over = (wipe.locator("img").nth(i).get_attribute("src") for i in (0, 1))
    assert under == row.locator("[data-is=truth]").get_attribute("src")
    assert over == row.locator("[data-is=recovery]").get_attribute("src")
    wipe.locator("input").fill("80")
    cut = wipe.locator(".over").evaluate("e => getComputedStyle(e).clipPath")
    assert cut == "inset(0px 0px 0px 80%)"


def test_what_stands_beside_the_pictures(tab, pages):
    """PSNR and SSIM, the scale of the errors, the noise, a legend, and the large picture."""
    page, _ = opened(tab, pages / "two" / "report.html", 1280)
    text = page.locator("body").inner_text()
    for said in ("dB, SSIM 0.", "0.2", "truth | recovery", "misfit ℓ(A x̂, y)", "0000", "0001"):
        assert said in text
    page, _ = opened(tab, pages / "large" / "report.html", 1280)
    page.get_by_role("link", name="700×600").click()
    assert page.url.endswith("images/image.png")
    page, _ = opened(tab, pages / "compared" / "report.html", 1280)
    page.locator(".matrix a").first.click()
    assert page.url.endswith("dct/report.html")


@pytest.mark.parametrize("name", [COMPARED, "several"])
def test_the_pictures_of_a_comparison_take_the_width(tab, pages, name):
    """At 1280 those of a line together more than two thirds of it, and on a phone no less."""
    for width in (1280, 390):
        page, _ = opened(tab, pages / name / "report.html", width)
        boxes = page.evaluate(
            "[...document.querySelectorAll('.matrix')].slice(0, 1).flatMap(matrix =>"
            " [...matrix.querySelectorAll('.pair img')].map(i => i.getBoundingClientRect()))"
            ".map(box => [box.top, box.width])"
        )
        line = [across for top, across in boxes if abs(top - boxes[0][0]) < 2]
        assert sum(line) > (0.66 if width == 1280 else 0.6) * width
        shown = page.locator(".matrix img").first
        assert shown.evaluate("i => i.complete && i.naturalWidth") == 16


def test_a_comparison_is_sorted_and_its_times_are_bars(tab, pages):
    page, _ = opened(tab, pages / "several" / "report.html", 1280)
    ms = page.locator("table td:nth-child(2)").all_inner_texts()
    assert ms == ["30", "30", "60", "60", "90", "90"]
    heads = page.locator("table th").all_inner_texts()
    assert "expected" not in heads  # nothing was
    assert "seconds" in heads
    styles = page.locator("table .share").evaluate_all(
        "all => all.map(b => b.getAttribute('style'))"
    )
    ends = [float(style.rpartition(" ")[2].rstrip("%)")) for style in styles]
    assert len(ends) == 6
    assert max(ends) == 100
    assert min(ends) > 0


def test_errors_of_all_are_on_one_scale_and_follow_one_another(tab, pages):
    page, _ = opened(tab, pages / "several" / "report.html", 1280)
    assert "errors of all, on one scale" in page.locator(".first").inner_text()
    assert page.locator(".bar").count() == 1
    page.locator(".matrix [data-is=error]").first.click()
    said = []
    for _ in range(7):
        said.append(page.locator("dialog p").inner_text())
        page.keyboard.press("ArrowRight")
    order = [f"{label}, m = {m}: error" for label in ("dct", "none") for m in (30, 60, 90)]
    assert said == [*order, order[0]]
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert page.locator("dialog p").inner_text() == order[-1]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_can_be_read_in_the_dark_and_in_the_light(tab, pages, name):
    """Its ground is what the reader wants, and all of its text stands out from it."""
    page, _ = opened(tab, pages / name / "report.html", 1280)
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        level = int(ground.split("(")[1].split(",")[0])
        assert level < 50 if scheme == "dark" else level > 200
        weakest = sorted(page.evaluate(CONTRASTS))[:3]
        assert weakest[0][0] > 3, weakest


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_numbers_that_do_not_fill_a_square_leave_no_white_strip(tab, pages, scheme):
    page, _ = opened(tab, pages / "audited" / "report.html", 1280, scheme=scheme)
    shown = page.locator("[data-is=measurement]").first  # 90 numbers, a square of 10
    picture = Image.open(io.BytesIO(shown.screenshot())).convert("L")
    level = picture.getpixel((picture.width - 3, picture.height - 3))
    assert level < 50 if scheme == "dark" else level > 200


def test_an_audit_is_laid_out_as_a_comparison_is(tab, pages):
    """By groups, then in the order of the priors, pictures one by one and not on a white sheet, one
    scale of errors, and a bar for each error."""
    page, _ = opened(tab, pages / "groups" / "report.html", 1280)
    table = page.locator("table")
    rows = [table.locator(f"td:nth-child({k})").all_inner_texts() for k in (1, 2)]
    assert rows == [["dct", "wavelet"] * 2, ["some"] * 2 + ["others & more"] * 2]
    assert table.locator(".share").count() == 4
    styles = table.locator(".share").evaluate_all("all => all.map(i => i.getAttribute('style'))")
    ends = [float(style.rpartition(" ")[2].rstrip("%)")) for style in styles]
    assert max(ends) == 100
    assert min(ends) > 0
    assert page.get_by_text("errors of all, on one scale").count() == 1
    heads = page.locator(".matrix.named > b").all_inner_texts()
    assert heads == ["", "some", "others & more", "truth, measured", "dct", "wavelet"]
    sizes = page.evaluate("[...document.querySelectorAll('.matrix img')].map(i => i.naturalWidth)")
    assert set(sizes) == {16, 10}  # 90 numbers are a square of 10
    page.locator(".matrix [data-is=error]").first.click()
    said = []
    for _ in range(4):
        said.append(page.locator("dialog p").inner_text())
        page.keyboard.press("ArrowRight")
    order = [f"{label}, {group}" for label in ("dct", "wavelet") for group in heads[1:3]]
    assert said == [f"{each}: error" for each in order]


@pytest.mark.parametrize("name", ["audited", "groups"])
def test_the_pictures_of_an_audit_take_the_width(tab, pages, name):
    page, _ = opened(tab, pages / name / "report.html", 1280)
    boxes = page.evaluate(
        "[...document.querySelectorAll('.matrix')].slice(0, 1).flatMap(matrix =>"
        " [...matrix.querySelectorAll('[data-is=recovery], [data-is=error]')]"
        ".map(i => i.getBoundingClientRect())).map(box => [box.top, box.width])"
    )
    assert sum(across for top, across in boxes if abs(top - boxes[0][0]) < 2) > 0.66 * 1280
