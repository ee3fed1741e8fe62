"""priorkit app, used in a real browser."""

import http.client
import io
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile

import numpy as np
import pytest

from priorkit.app.components import about
from tests.app.test_runs import picture
from tests.helpers import PATIENCE
from tests.results.test_browser import CHROMIUM, QUIET, playwright

expect = playwright.expect
LONG = 180_000  # milliseconds that a page has for what is waited for

needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A running app that takes files of at most 0.02 MB, and its address; its files go with it."""
    place = tmp_path_factory.mktemp("session")
    pytest.importorskip("nicegui")
    ends = time.monotonic() + PATIENCE
    server, url = started(place)
    while True:
        try:
            urllib.request.urlopen(url, timeout=PATIENCE).read()
            assert list(place.glob("priorkit-app-*"))
            break
        except OSError:
            assert time.monotonic() < ends, "the app doesn't answer"
            time.sleep(0.2)
        if server.poll() is not None:  # another process was faster to take the port
            server, url = started(place)
    yield url
    server.terminate()
    server.wait(PATIENCE)
    assert list(place.glob("priorkit-app-*")) == []


def started(place):
    """An app on a port that was free just now, as a process, and its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["app", "--port", str(port), "--megabytes", "0.02", "--seconds", str(PATIENCE)]
    server = subprocess.Popen(
        [sys.executable, "-m", "priorkit.cli", *words],
        # nicegui behaves otherwise where it sees a test
        env={k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}
        | {"TMPDIR": str(place)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return server, f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def browser(address):
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield found
        found.close()


def opened(browser, address, width=1280, **more):
    """A page, and the addresses outside of the app that it asked for."""
    page = browser.new_page(viewport={"width": width, "height": 900}, **more)
    page.set_default_timeout(LONG)
    outside = []

    def note(request):
        if not request.url.startswith((address, "data:", "blob:")):
            outside.append(request.url)

    page.on("request", note)
    page.goto(address)
    ready(page)
    return page, outside


def ready(page):
    """The page is connected, and says what fits what is filled in."""
    page.locator(".pk-go[aria-busy=false]").wait_for()


def has(found, value):
    expect(found).to_have_value(value, timeout=LONG)


def choose(page, label, name):
    ready(page)  # else the names may be replaced under the mouse
    page.get_by_label(label, exact=True).click()
    page.get_by_role("option", name=name, exact=True).click()
    has(page.get_by_label(label, exact=True), name)
    page.get_by_text(about(label, name)[:30]).first.wait_for(state="attached")  # the app has it


def draw(page):
    """A line over the picture, with the mouse."""
    ready(page)
    page.wait_for_function("document.querySelector('.pk-paint img').naturalWidth > 0")
    canvas = page.locator(".pk-paint canvas")
    canvas.hover(position={"x": 20, "y": 20})  # once it stays where it is
    page.mouse.down()
    canvas.hover(position={"x": 90, "y": 60})
    page.mouse.up()
    page.locator(".pk-paint .mask").wait_for()


def refused(address, path="", **more):
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(urllib.request.Request(address + path, **more), timeout=PATIENCE)
    return error.value.code


def test_only_this_machine_reaches_it_and_what_it_sends_is_bounded(address):
    """A page of another site, whose name leads to 127.0.0.1, is refused."""
    assert refused(address, headers={"Host": "elsewhere.example"}) == 400
    sizes = [("Content-Length", "200000"), ("Transfer-Encoding", "chunked")]
    for header in sizes:  # refused before anything of it is sent
        asked = http.client.HTTPConnection(address.removeprefix("http://"), timeout=PATIENCE)
        asked.putrequest("POST", "/_nicegui/client/x/upload/1")
        asked.putheader(*header)
        asked.endheaders()
        assert asked.getresponse().status == 413
        asked.close()
    page = urllib.request.urlopen(f"{address}/run/x", timeout=PATIENCE).read().decode()
    assert "There is no such run in this session." in page
    for path in ("/run/x/now.png", "/run/x/0/0/truth.png", "/run/x/priorkit-out.zip"):
        assert refused(address, path) == 404


@pytest.mark.slow
@needs_browser
def test_a_visitor_draws_recovers_and_takes_home(browser, address, tmp_path):
    page, outside = opened(browser, address, 390, accept_downloads=True)
    page.get_by_label("m, required", exact=True).wait_for()  # of the Gaussian operator
    files = page.locator("input[type=file]")
    (tmp_path / "large.png").write_bytes(picture(120))
    files.set_input_files(tmp_path / "large.png")
    page.get_by_text("That file is too large.").wait_for()
    (tmp_path / "bad.png").write_bytes(b"bad")
    files.set_input_files(tmp_path / "bad.png")
    wrong = page.get_by_role("alert").filter(has_text="bad.png is not a picture")
    wrong.wait_for()
    assert "/tmp" not in wrong.inner_text()
    (tmp_path / "small.png").write_bytes(picture())
    files.set_input_files(tmp_path / "small.png")
    page.get_by_text("small.png, 3×24×24 numbers").wait_for()
    kinds = page.get_by_role("radiogroup", name="what the file is").get_by_role("radio")
    expect(kinds.first).to_be_checked(timeout=LONG)  # it is what was measured
    has(page.get_by_label("operator", exact=True), "identity")
    page.get_by_text("a picture, to be measured here").click()
    page.get_by_text("The file is taken for the truth.").wait_for()
    draw(page)
    has(page.get_by_label("missing", exact=True), "painted")  # of the operator that takes the mask
    drawn = page.locator(".pk-paint .mask").get_attribute("src")
    page.locator(".pk-paint canvas").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    page.wait_for_function("d => document.querySelector('.pk-paint .mask').src !== d", arg=drawn)
    with page.expect_file_chooser() as chooser:  # a mask that is a file takes its place
        page.get_by_role("button", name="send a file for mask").click()
    chooser.value.set_files(tmp_path / "small.png")
    sent = "[...document.querySelectorAll('input')].some(i => i.value === 'small.png')"
    page.wait_for_function(sent)
    page.get_by_role("button", name="leave out the file for mask").click()
    page.locator(".pk-paint .mask").wait_for(state="hidden")
    draw(page)
    choose(page, "prior", "none")
    page.get_by_role("button", name="Recover").click()
    page.wait_for_url("**/run/*")
    page.get_by_text("mean PSNR").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    wipe = page.locator(".wipe")
    wipe.locator("input").fill("80")
    cut = wipe.locator(".over").evaluate("e => getComputedStyle(e).clipPath")
    assert cut == "inset(0px 0px 0px 80%)"
    broken = "[...document.images].some(i => i.complete && !i.naturalWidth)"
    page.wait_for_function(f"!{broken}")  # one that is replaced takes a moment
    with page.expect_download() as download:
        page.get_by_text("Download the folder").click()
    names = zipfile.ZipFile(io.BytesIO(download.value.path().read_bytes())).namelist()
    assert {"priorkit-out/report.html", "priorkit-out/inputs/small.png"} <= set(names)
    page.reload()
    page.get_by_text("mean PSNR").wait_for()
    has(page.get_by_label("prior", exact=True), "none")  # to go on from there
    page.locator(".pk-paint .mask").wait_for()
    assert outside == []
    page.close()


@pytest.mark.slow
@needs_browser
def test_a_run_is_found_and_stopped_from_another_page_and_goes_on(browser, address):
    page, _ = opened(browser, address)
    choose(page, "operator", "mask")
    choose(page, "prior", "deep-decoder")
    page.get_by_text("How it is solved").click()
    page.get_by_label("budget", exact=True).fill("1000000")
    page.get_by_role("button", name="Recover").click()
    page.wait_for_url("**/run/*")
    page.get_by_text("evaluations, misfit").wait_for()
    page.get_by_role("img", name="the iterate").wait_for()
    page.get_by_role("img", name="misfit ℓ(A x, y) by evaluations").wait_for()
    other, _ = opened(browser, address)  # as another device is
    run = other.get_by_role("link", name="deep-decoder")
    assert run.get_attribute("href") == page.url.removeprefix(address).partition("?")[0]
    other.get_by_role("button", name=re.compile("Stop run")).click()
    page.get_by_label("further evaluations").fill("3")
    page.get_by_role("button", name="Go on").click()
    page.get_by_text("goes on from").wait_for()
    page.get_by_text("mean PSNR").wait_for()
    page.close()
    other.close()


@pytest.mark.slow
@needs_browser
def test_priors_are_compared_on_a_file_that_was_measured(browser, address, tmp_path):
    page, _ = opened(browser, address)
    page.get_by_label("and beside it, up to three more").click()  # of the sample, until a file is
    page.get_by_role("option", name="bm3d", exact=True).click()
    page.keyboard.press("Escape")
    (tmp_path / "small.png").write_bytes(picture())
    page.locator("input[type=file]").set_input_files(tmp_path / "small.png")
    page.get_by_text("small.png, 3×24×24").wait_for()
    page.get_by_role("radio", name="a measurement").click()
    page.get_by_role("button", name="Compare").click()
    page.wait_for_url("**/run/*")
    page.get_by_text("Side by side").wait_for()
    heads = page.locator(".pk-numbers").first.locator("th").all_inner_texts()
    assert {"misfit", "of noise alone"} <= set(heads)
    assert "PSNR" not in heads
    assert page.get_by_role("img", name="bm3d: recovery").count() >= 1
    page.get_by_text("Repeat it").click()
    page.get_by_text("priorkit compare --").wait_for()
    said = page.locator(".pk-code").first.inner_text()
    assert "--y priorkit-out/inputs/small.png" in said


@pytest.mark.slow
@needs_browser
def test_what_is_filled_in_outlives_a_reload_and_back_and_another_tab_has_its_own(
    browser, address, tmp_path
):
    page, _ = opened(browser, address)
    (tmp_path / "mine.png").write_bytes(picture())
    page.locator("input[type=file]").set_input_files(tmp_path / "mine.png")
    page.get_by_text("mine.png, 3×24×24").wait_for()
    draw(page)
    choose(page, "prior", "none")

    def found(page):
        page.get_by_text("mine.png, 3×24×24").wait_for()
        page.locator(".pk-paint .mask").wait_for()
        has(page.get_by_label("prior", exact=True), "none")
        has(page.get_by_label("operator", exact=True), "mask")

    page.reload()
    found(page)
    page.goto(f"{address}/run/none")
    page.get_by_text("There is no such run").wait_for()
    page.go_back()
    found(page)
    other = browser.new_page()  # of the same address, while the first is open
    other.goto(page.url)
    found(other)
    other.get_by_role("button", name="Clear").click()
    other.locator(".pk-paint .mask").wait_for(state="hidden")
    page.reload()
    found(page)
    new = browser.new_page()
    new.goto(address)
    new.get_by_text("sample photograph, 3×64×64").wait_for()
    for tab in (page, other, new):
        tab.close()


@pytest.mark.slow
@needs_browser
def test_dabs_by_keys_one_after_the_other(browser, address, tmp_path):
    """The first makes the operator the one of masks; the canvas and its focus stay."""
    page, _ = opened(browser, address)
    (tmp_path / "dark.png").write_bytes(picture(40))
    page.locator("input[type=file]").set_input_files(tmp_path / "dark.png")
    page.get_by_text("dark.png, 3×40×40").wait_for()
    canvas = page.locator(".pk-paint canvas")
    canvas.evaluate("e => { window.first = e }")
    canvas.focus()
    for _ in range(14):
        page.keyboard.press("Space")
        page.keyboard.press("ArrowRight")
    page.get_by_label("missing", exact=True).wait_for()
    assert page.evaluate("scrollY") == canvas.evaluate("e => scrollY")
    wide = """() => {
      const mask = document.querySelector('.pk-paint .mask');
      if (!mask.naturalWidth) return 0;
      const pad = document.createElement('canvas');
      pad.width = mask.naturalWidth; pad.height = mask.naturalHeight;
      const pen = pad.getContext('2d'); pen.drawImage(mask, 0, 0);
      const data = pen.getImageData(0, 0, pad.width, pad.height).data;
      const columns = new Set();
      for (let i = 3; i < data.length; i += 4) if (data[i]) columns.add((i >> 2) % pad.width);
      return columns.size / pad.width;
    }"""
    # 13 steps of half a brush that is 4% wide, and a brush
    page.wait_for_function(f"({wide})() > 0.25")
    ready(page)
    assert page.evaluate("document.activeElement === window.first")
    page.close()


@needs_browser
def test_what_cannot_run_says_so_at_the_button_and_does_not_begin(browser, address, tmp_path):
    page, _ = opened(browser, address)
    y = np.fft.fft2(np.eye(16)).astype(np.complex64)
    np.save(tmp_path / "kspace.npy", y)
    page.locator("input[type=file]").set_input_files(tmp_path / "kspace.npy")
    page.get_by_text("kspace.npy, 16×16 complex numbers").wait_for()
    has(page.get_by_label("operator", exact=True), "fourier")  # alone gives such numbers
    has(page.get_by_label("kind", exact=True), "complex")
    page.get_by_text("Try: fill in sigma").wait_for()
    button = page.get_by_role("button", name="Recover")
    ready(page)
    assert button.get_attribute("aria-disabled") == "true"
    assert "fill in sigma" in button.evaluate(
        "e => document.getElementById(e.getAttribute('aria-describedby')).innerText"
    )
    rows = page.locator(".pk-row").count()
    button.click(force=True)
    page.wait_for_function("document.activeElement.innerText.includes('fill in sigma')")
    assert "/run/" not in page.url
    assert page.locator(".pk-row").count() == rows
    page.get_by_label("sigma (or auto)").fill("-1")
    page.get_by_text("This can't run: sigma: at least 0.").wait_for()
    assert page.get_by_text("Input should be").count() == 0
    page.get_by_label("sigma (or auto)").fill("0.01")
    page.wait_for_function(
        "[...document.querySelectorAll('button')].every(e => e.ariaDisabled !== 'true')"
    )
    choose(page, "prior", "none")
    button.dblclick()
    page.wait_for_url("**/run/*")
    page.get_by_text("Kept until the app ends.").wait_for()
    assert page.locator(".pk-row").count() == rows + 1  # pressed twice, begun once
    page.close()


@needs_browser
def test_everything_to_press_or_fill_in_has_a_name(browser, address):
    """As a screen reader says it."""
    page, _ = opened(browser, address)
    choose(page, "operator", "radon")
    page.get_by_text("How it is solved").click()
    page.get_by_label("budget", exact=True).wait_for()
    told = page.get_by_role("main").aria_snapshot()
    role = r"- '?(button|textbox|combobox|spinbutton|link|slider|checkbox|radio|switch|img)\b"
    lines = [line.strip() for line in told.splitlines() if re.match(rf"\s*{role}", line)]
    assert len(lines) > 25
    assert [line for line in lines if not re.match(rf'{role} "', line)] == []
    assert page.locator("html").get_attribute("lang") == "en-US"
    page.close()
