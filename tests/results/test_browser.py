"""The pages as a browser shows them, wide and narrow: needs Chromium, driven by playwright."""

import os
import shutil

import pytest
import torch

import priorkit

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
# Nothing of its own over the network, which it would ask for at every start.
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
QUIET += ["--disable-background-networking", "--disable-component-update"]
playwright = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield found
        found.close()


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
    return root


def opened(browser, path, width, height=900):
    """The page, and what it asked for and complained of."""
    page = browser.new_page(viewport={"width": width, "height": height})
    said = {"requests": [], "errors": []}
    page.on("request", lambda request: said["requests"].append(request.url))
    page.on("pageerror", lambda error: said["errors"].append(str(error)))
    page.goto(path.as_uri())
    return page, said


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("name", ["two", "large", "compared"])
def test_a_page_fits_and_asks_for_nothing(browser, pages, name, width):
    page, said = opened(browser, pages / name / "report.html", width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert [url for url in said["requests"] if not url.startswith(("file:", "data:"))] == []
    assert said["errors"] == []
    broken = "[...document.images].filter(i => !i.naturalWidth && i.closest('dialog') == null)"
    assert page.evaluate(f"{broken}.length") == 0
    if os.environ.get("PRIORKIT_SHOTS"):  # for who wants to look
        page.screenshot(path=f"{os.environ['PRIORKIT_SHOTS']}/{name}-{width}.png", full_page=True)


def test_a_picture_is_enlarged_and_the_next_one_follows(browser, pages):
    page, _ = opened(browser, pages / "two" / "report.html", 1280)
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


def test_the_wipe_goes_from_truth_to_recovery(browser, pages):
    page, _ = opened(browser, pages / "two" / "report.html", 1280)
    assert page.locator(".wipe").count() == 2
    wipe = page.locator(".wipe").last
    row = wipe.locator("xpath=..")
    under, over = (wipe.locator("img").nth(i).get_attribute("src") for i in (0, 1))
    assert under == row.locator("[data-is=truth]").get_attribute("src")
    assert over == row.locator("[data-is=recovery]").get_attribute("src")
    wipe.locator("input").fill("80")
    cut = wipe.locator(".over").evaluate("e => getComputedStyle(e).clipPath")
    assert cut == "inset(0px 0px 0px 80%)"


def test_what_stands_beside_the_pictures(browser, pages):
    """PSNR and SSIM, the scale of the errors, the noise, a legend, and the large picture."""
    page, _ = opened(browser, pages / "two" / "report.html", 1280)
    text = page.locator("body").inner_text()
    for said in ("dB, SSIM 0.", "0.2", "truth | recovery", "misfit ℓ(A x̂, y)", "0000", "0001"):
        assert said in text
    page, _ = opened(browser, pages / "large" / "report.html", 1280)
    page.get_by_role("link", name="700×600").click()
    assert page.url.endswith("images/image.png")
    page, _ = opened(browser, pages / "compared" / "report.html", 1280)
    page.locator(".matrix a").first.click()
    assert page.url.endswith("dct/report.html")
