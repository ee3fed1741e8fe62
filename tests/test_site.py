"""The parts of the site that are made: component pages and the gallery."""

import importlib
import re
from pathlib import Path

import pytest

from priorkit.registry import KINDS, registry

ROOT = Path(__file__).parents[1]


@pytest.fixture
def beside(monkeypatch):
    """Modules of the docs folder, by name."""
    monkeypatch.syspath_prepend(ROOT / "docs")
    return importlib.import_module


def test_every_component_has_a_page(beside, tmp_path):
    """With its docstring and options; the card of its weights where it has some."""
    written = beside("components").write(tmp_path / "components")
    names = {f"{kind}-{e.name}.md" for kind in KINDS for e in registry().entries(kind)}
    assert {path.name for path in written} == names
    blur = (tmp_path / "components" / "operator-blur.md").read_text()
    assert "convolved with one kernel" in blur
    assert "| `--boundary` | valid\\|reflect\\|edge\\|wrap\\|zero | `reflect` |" in blur
    glow = (tmp_path / "components" / "prior-glow-celeba.md").read_text()
    assert "| bits_per_dim |" in glow
    index = (tmp_path / "components" / "index.md").read_text()
    assert all(path.stem in index for path in written)


def test_what_is_public_has_a_reference(beside, tmp_path):
    """The modules that docs/plugins.md lists, each with all of its public names and methods."""
    api = beside("api")
    text = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
    listed = re.findall(r"`(priorkit(?:\.\w+)*)`", text[text.index("## What is public") :])
    assert listed == list(api.MODULES)
    written = {path.stem: path.read_text() for path in api.write(tmp_path / "api")}
    assert set(written) == set(api.MODULES)
    for name in importlib.import_module("priorkit.interfaces").__all__:
        assert f"\n## {name}\n" in written["priorkit.interfaces"], name
    assert "### Problem.prox_data\n" in written["priorkit.interfaces"]
    assert "argmin over v of ‖A v − y‖² + ρ‖v − x‖²" in written["priorkit.interfaces"]
    assert "\n## iterate\n" in written["priorkit.loop"]
    assert "company" not in written["priorkit.loop"]


def test_the_gallery_shows_what_scripts_print_and_draw(beside, tmp_path, monkeypatch):
    """Once: a second build runs none that is as it was."""
    gallery = beside("gallery")
    examples = tmp_path / "examples"
    examples.mkdir()
    (examples / "square.py").write_text(
        '"""A square."""\n\nimport sys\nfrom pathlib import Path\n\nfrom PIL import Image\n\n'
        "out = Path(sys.argv[2])\nout.mkdir()\nImage.new('L', (8, 8)).save(out / 'grid.png')\n"
        "print('27.0 dB')\nprint(f'See {out}')\n"
    )
    monkeypatch.setattr(gallery, "ROOT", tmp_path)
    gallery.write(tmp_path / "gallery")
    page = (tmp_path / "gallery" / "index.md").read_text()
    assert "## A square." in page
    assert "27.0 dB" in page
    assert str(tmp_path) not in page
    assert "![A square.](square.png)" in page
    monkeypatch.setattr(gallery, "_run", lambda *_: pytest.fail("run again"))
    gallery.write(tmp_path / "gallery")
