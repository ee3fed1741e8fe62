"""The tutorials run, as the site runs them, and show what they promise."""

import re
from pathlib import Path

import pytest

from tests.helpers import PATIENCE

TUTORIALS = sorted((Path(__file__).parents[1] / "docs" / "tutorials").glob("*.md"))
CELL = re.compile(r"^```\{code-cell\}\n(?::.*\n)*(.*?)^```$", re.M | re.S)


def read(path):
    """A tutorial as a notebook."""
    reader = pytest.importorskip("myst_nb.core.read", reason="myst-nb isn't installed")
    return reader.read_myst_markdown_notebook(
        path.read_text(encoding="utf-8"),
        code_directive="{code-cell}",
        raw_directive="{raw-cell}",
        add_source_map=False,
        path=path,
    )


def executed(notebook, folder):
    """The outputs of all cells, of a kernel in a folder; raises where a cell does."""
    client = pytest.importorskip("nbclient", reason="nbclient isn't installed")
    where = {"metadata": {"path": str(folder)}}
    client.NotebookClient(
        notebook, timeout=PATIENCE, kernel_name="python3", resources=where
    ).execute()
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def test_there_are_three():
    assert [path.stem for path in TUTORIALS] == ["first", "measured", "own"]


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_its_cells_compile(path):
    text = path.read_text(encoding="utf-8")
    cells = CELL.findall(text)
    assert len(cells) == text.count("```{code-cell}") >= 5
    for cell in cells:
        compile(cell, str(path), "exec")


@pytest.mark.slow
@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_it_runs(path, tmp_path):
    notebook, text = read(path), path.read_text(encoding="utf-8")
    found = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    assert found == [cell.rstrip("\n") for cell in CELL.findall(text)]
    outputs = executed(notebook, tmp_path)
    pages = [o["data"]["text/html"] for o in outputs if "text/html" in o.get("data", {})]
    assert pages, "nothing is shown"
    for page in pages:
        assert 'class="wipe"' in page or "<table>" in page
    assert list(tmp_path.iterdir()) == []  # nothing is left where it runs


@pytest.mark.slow
def test_a_kernel_shows_a_recovery_a_figure_and_a_bar(tmp_path):
    """The wipe at the end of a cell, a figure once where it is drawn, and a bar over long work that
    is gone when that is done."""
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    cells = [
        "import priorkit\n"
        "import priorkit.draw.notebook as notebook\n"
        "notebook.DELAY = 0\n"
        "found = priorkit.recover(prior='none', op='mask', shape=(3, 8, 8), budget=3)\nfound",
        "found.plot()\nprint('after')",
        "found.plot()",
        "figure = found.plot()",
        "figure",
        "told = []\n"
        "priorkit.recover(prior='none', op='mask', shape=(3, 8, 8), budget=3,"
        " progress=lambda now, done: told.append(done))\nprint(bool(told))",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    executed(notebook, tmp_path)
    said = [
        [o.get("text", "") or "+".join(sorted(o["data"])) for o in cell.outputs]
        for cell in notebook.cells
    ]
    assert all(o.get("name") != "stderr" for cell in notebook.cells for o in cell.outputs)
    assert 'class="wipe"' in notebook.cells[0].outputs[-1]["data"]["text/html"]
    assert [each for each in said[1] if "image/png" in each] == said[1][:1]
    assert said[1][1:] == ["after\n"]
    for alone in (said[2], said[3], said[4]):
        assert len(alone) == 1
        assert "image/png" in alone[0]
    stdout = [o.text for o in notebook.cells[5].outputs if o.get("name") == "stdout"]
    assert stdout == ["True\n"]
