"""What an editor and mypy know of priorkit, as its users install it."""

import importlib
import io
import subprocess
import sys
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

import priorkit
from priorkit.studies.results import Results

ROOT = Path(__file__).parents[1]
SAID = """
import priorkit

found = priorkit.recover("face.png", prior="dct", op="gaussian", m=500, sigma=0.1)
found.psnrs
priorkit.recover(priro="dct")
priorkit.recover(prior="dct", sigma="a lot")
priorkit.recover(op="blur", boundary="mirror")
priorkit.compare(priors=["dct"], mms=[5])
"""

# What other packages have is no type of a keyword, and most of the minute that mypy would take.
LARGE = """[mypy]
follow_imports = skip
[mypy-priorkit.*]
follow_imports = normal
[mypy-numpy.*,torch.*,matplotlib.*]
follow_imports = skip
follow_imports_for_stubs = True
"""


def test_mypy_refuses_what_recover_refuses(tmp_path):
    """In a folder of its own, so that it finds priorkit as it is installed, with its types."""
    (tmp_path / "script.py").write_text(SAID)
    (tmp_path / "mypy.ini").write_text(LARGE)
    mypy = [sys.executable, "-m", "mypy", "--cache-dir", str(tmp_path / "cache"), "script.py"]
    done = subprocess.run(mypy, cwd=tmp_path, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if ": error:" in line]
    assert [int(line.split(":")[1]) for line in lines] == [5, 6, 7, 8, 9], done.stdout
    assert 'did you mean "prior"' in lines[1]
    assert '"psnrs"' in lines[0]


def test_the_keywords_are_those_of_the_components(monkeypatch):
    """python docs/settings.py writes them; an option that is new must be among them."""
    monkeypatch.syspath_prepend(ROOT / "docs")
    monkeypatch.setenv("PRIORKIT_PLUGINS", "")
    settings = importlib.import_module("settings")
    assert settings.TARGET.read_text(encoding="utf-8") == settings.written()


def test_a_recovery_shows_itself():
    """In a console, a notebook, and as a figure of matplotlib."""
    found = priorkit.recover(prior="none", op="mask", shape=(3, 16, 16), budget=3)
    assert repr(found).startswith("<Recovery: 1 image of 3×16×16, PSNR")
    assert "\n" not in repr(found)
    assert found._repr_png_().startswith(b"\x89PNG")
    assert "mean PSNR" in found._repr_html_()
    assert "data:image/png;base64," in found._repr_html_()
    assert isinstance(found.plot(), Figure)
    assert len(found.plot().axes) == 4
    compared = priorkit.compare(priors=["dct", "none"], op="fourier", shape=(3, 16, 16), budget=3)
    study = Results([{"label": "a", "m": m, "psnr": 20.0 + m} for m in (1, 2, 3)])
    for drawn in (found.plot(), compared.plot(), study.plot(across="m")):
        # what IPython asks of the last value of a cell: a plain Figure has no answer
        with Image.open(io.BytesIO(drawn._repr_png_())) as picture:
            assert picture.format == "PNG"
            assert len(picture.convert("RGB").getcolors(1 << 24)) > 10, "an empty picture"
    assert repr(compared) == "<Comparison: dct, none on 1 image, 2 rows>"
    assert "<table>" in compared._repr_html_()
