"""priorkit app, used in a real browser; and its runs, without one."""

import io
import os
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

import priorkit
from priorkit.app.job import Job
from tests.results.test_browser import CHROMIUM, QUIET

SMALL = {"prior": "none", "op": "mask", "shape": (3, 16, 16), "budget": 5}


def finished(job, limit=120):
    job.start()
    ends = time.monotonic() + limit
    while not job.done:
        assert time.monotonic() < ends, "the job doesn't end"
        time.sleep(0.02)
    return job


def picture(side=24):
    buffer = io.BytesIO()
    shades = np.random.default_rng(0).integers(0, 255, (side, side, 3), dtype=np.uint8)
    Image.fromarray(shades).save(buffer, format="PNG")
    return buffer.getvalue()


def test_a_job_recovers_a_picture_and_gives_its_folder(tmp_path, monkeypatch):
    job = finished(Job(picture(), SMALL, seconds=60))
    assert job.error is None
    assert job.said.startswith("Recovery: 1 image of 3×16×16")
    assert job.shown.startswith(b"\x89PNG")
    archive = zipfile.ZipFile(io.BytesIO(job.archive()))
    assert {"priorkit-out/report.html", "priorkit-out/record.json"} <= set(archive.namelist())
    for name in archive.namelist():
        assert tempfile.gettempdir().encode() not in archive.read(name)
    archive.extractall(tmp_path)  # and what is unpacked can be begun again
    monkeypatch.chdir(tmp_path)
    again = priorkit.recover(config="priorkit-out/config.toml")
    assert torch.equal(again.x, job.result.x)
    assert torch.equal(priorkit.replay("priorkit-out").x, job.result.x)


@pytest.mark.parametrize("how", ["stopped", "out of time"])
def test_a_job_that_is_ended_keeps_the_best_so_far(how):
    job = Job(None, {**SMALL, "budget": 10**6, "penalty": "tv", "gamma": 1e-3}, seconds=60)
    if how == "stopped":
        job.stop()
    else:
        job.seconds = 0.0
    finished(job)
    assert job.result.interrupted
    assert job.result.reason == ["interrupted"]


def test_what_is_no_picture_is_said(monkeypatch):
    """By no name that it has here for a while."""
    job = finished(Job(b"not a picture", SMALL, seconds=60))
    assert job.error.startswith("The file is not a picture that can be read. Got Unidentified")

    def broken(source, **_):
        raise OSError(28, "No space left on device", str(source))

    monkeypatch.setattr("priorkit.app.job.recover", broken)
    error = finished(Job(picture(), SMALL, seconds=60)).error
    assert error == "OSError: [Errno 28] No space left on device: 'The file'"


@pytest.fixture(scope="module")
def address():
    """A running app that takes pictures of at most 0.02 MB, and its address."""
    pytest.importorskip("nicegui")
    ends = time.monotonic() + 120
    server, url = started()
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).read()
            break
        except OSError:
            assert time.monotonic() < ends, "the app doesn't answer"
            time.sleep(0.2)
        if server.poll() is not None:  # another process was faster to take the port
            server, url = started()
    yield url
    server.terminate()
    server.wait(60)


def started():
    """An app on a port that was free just now, as a process, and its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["app", "--port", str(port), "--megabytes", "0.02", "--seconds", "20"]
    server = subprocess.Popen(
        [sys.executable, "-m", "priorkit.cli", *words],
        # nicegui behaves otherwise where it sees a test
        env={k: v for k, v in os.environ.items() if not k.startswith("PYTEST")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return server, f"http://127.0.0.1:{port}"


def test_only_this_machine_reaches_it(address):
    """A page of another site, whose name leads to 127.0.0.1, is refused."""
    asked = urllib.request.Request(address, headers={"Host": "elsewhere.example"})
    with pytest.raises(urllib.error.HTTPError, match="400"):
        urllib.request.urlopen(asked, timeout=20)


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")
def test_a_visitor_recovers_watches_and_takes_home(address, tmp_path):
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        page = browser.new_page(viewport={"width": 390, "height": 900}, accept_downloads=True)
        page.set_default_timeout(60_000)
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address)
        page.get_by_text("Recover", exact=True).wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.get_by_label("m", exact=True).wait_for()  # of the Gaussian operator
        (tmp_path / "large.png").write_bytes(picture(120))
        page.locator("input[type=file]").set_input_files(tmp_path / "large.png")
        page.get_by_text("That file is too large.").wait_for()
        (tmp_path / "small.png").write_bytes(picture())
        page.locator("input[type=file]").set_input_files(tmp_path / "small.png")
        for label, name in (("prior", "dct"), ("operator", "blur")):
            page.get_by_label(label, exact=True).click()
            page.get_by_role("option", name=name, exact=True).click()
        page.get_by_label("m", exact=True).wait_for(state="hidden")
        page.get_by_text("Recover", exact=True).click()
        page.get_by_text("Recovery: 1 image of 3×24×24").wait_for()
        assert page.locator("img").last.evaluate("i => i.naturalWidth") > 300  # the grid
        with page.expect_download() as download:
            page.get_by_text("Download", exact=True).click()
        names = zipfile.ZipFile(download.value.path()).namelist()
        assert "priorkit-out/report.html" in names
        assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []
        browser.close()


def test_without_the_extra_it_says_what_to_install(command_line, monkeypatch):
    monkeypatch.setitem(sys.modules, "priorkit.app.page", None)
    done = command_line("app")
    assert (done.code, "pip install 'priorkit[app]'" in done.err) == (2, True)
