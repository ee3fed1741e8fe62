"""What a notebook is shown, by a stand-in for its kernel; a real one is in test_tutorials.py."""

import io
import os
import re
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

import priorkit
from priorkit.draw import notebook
from priorkit.draw.figure import blank
from priorkit.draw.tiles import INK
from priorkit.verbs import bars
from tests.helpers import smooth_pictures

SMALL = {"prior": "none", "op": "mask", "budget": 4}
X = torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def kernel(monkeypatch):
    """A kernel whose cell is number 1, and what it was asked to display."""
    shell = SimpleNamespace(config={"IPKernelApp": {}}, execution_count=1, shown=[])
    ipython, display = ModuleType("IPython"), ModuleType("IPython.display")
    ipython.get_ipython, ipython.version_info = (lambda: shell), (9, 0)  # matplotlib asks
    display.Image, display.display = (lambda png: png), shell.shown.append
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    return shell


@pytest.fixture
def drawn(monkeypatch):
    """The bars that are made, as what they were told."""
    made = []

    class Bar:
        def __init__(self, *, total, delay, leave, bar_format):
            assert not leave
            self.total, self.n, self.notes, self.closed = total, 0, [], False
            made.append(self)

        def set_postfix_str(self, note, refresh):
            self.notes.append(note)

        def update(self, n):
            self.n += n

        def close(self):
            self.closed = True

    monkeypatch.setitem(sys.modules, "tqdm.auto", SimpleNamespace(tqdm=Bar))
    monkeypatch.setattr(notebook, "find_spec", lambda name: name)  # there are widgets
    return made


def test_a_recovery_has_its_pictures_and_the_wipe():
    """Of the first four images, with the words of its page, and nothing that a page needs."""
    shown = priorkit.recover(X, **SMALL)._repr_html_()
    assert shown.startswith('<div class="priorkit"><style>')
    assert shown.count('class="wipe"') == shown.count('class="row"') == 4
    assert "truth | recovery" in shown
    assert "and 2 more: <code>result.plot()</code>" in shown
    assert "<script" not in shown
    assert "<html" not in shown
    assert all(".priorkit" in rule for rule in re.findall(r"^(\S.*?)\{", shown, re.M))


@pytest.mark.parametrize("known", [True, False])
def test_a_comparison_has_the_parts_of_its_page(known):
    """Numbers with bars of time, the first image of all priors; nothing that a page needs."""
    tv = {"prior": "none", "penalty": "tv", "label": "tv"}
    how = {"op": "mask", "sigma": 0.1, "gamma": 0.02, "budget": 3, "priors": [tv, "dct", "wavelet"]}
    found = priorkit.compare(X, **how) if known else priorkit.compare(y=X, **how)
    shown = found._repr_html_()
    assert shown.startswith('<div class="priorkit"><style>')
    assert shown.count('class="share"') == shown.count('class="pair"') == 3
    assert shown.count('data-is="error"') == (3 if known else 0)
    assert shown.count('data-is="apart"') == (0 if known else 1)
    assert shown.count('class="bar"') == 1
    assert "<a " not in shown
    assert "<script" not in shown
    assert "<html" not in shown
    assert all(".priorkit" in rule for rule in re.findall(r"^(\S.*?)\{", shown, re.M))


def test_without_a_truth_it_wipes_from_a_measurement_of_the_same_size(tmp_path):
    """On the page too; where there is none there is no wipe."""
    y = X[:1].clone()
    found = priorkit.recover(y=y, op="identity", sigma=0.1, prior="none", penalty="tv", gamma=0.1,
                             budget=3)  # fmt: skip
    assert "measurement | recovery" in found._repr_html_()
    assert "measurement | recovery" in found.report(tmp_path / "a.html").read_text()
    numbers = priorkit.recover(y=torch.rand(1, 20), op="srht", m=20, shape=(3, 8, 8), prior="dct",
                               sigma=0.1, budget=3)  # fmt: skip
    assert 'class="wipe"' not in numbers._repr_html_()
    assert 'class="wipe"' not in numbers.report(tmp_path / "b.html").read_text()


def test_long_work_has_a_bar_that_ends_full_or_before(kernel, drawn, tmp_path):
    found = priorkit.recover(X, **SMALL, out=tmp_path / "out")
    priorkit.replay(tmp_path / "out")
    for bar in drawn:
        assert bar.closed
        assert bar.total == 6 * 4
        assert 0 < bar.n <= bar.total
        assert bar.n == sum(found.evaluations)
        assert bar.notes[0].startswith("misfit ")
    assert len(drawn) == 2
    priorkit.compare(X, priors=["none", "dct"], op="srht", m=90, budget=3)
    assert drawn[2].closed
    assert drawn[2].total is None
    assert {note.partition(",")[0] for note in drawn[2].notes} == {"none", "dct"}
    study = {"settings": SMALL | {"shape": [3, 8, 8]}, "grid": {"seed": [0, 1]}}
    priorkit.sweep(study, out=tmp_path / "s.parquet", jobs=1)
    assert (drawn[3].n, drawn[3].total, drawn[3].notes[-1]) == (2, 2, "runs")


def test_an_audit_and_a_folder_in_parts_have_a_bar(kernel, drawn, tmp_path):
    found = priorkit.audit({"some": X[:2], "more": X[2:3]}, priors=["dct"], op="mask", budget=3)
    assert drawn[0].closed
    assert drawn[0].total is None
    assert {note.partition(",")[0] for note in drawn[0].notes} == {"dct on some", "dct on more"}
    shown = found._repr_html_()
    assert shown.count('class="row"') == 2
    assert "<script" not in shown
    assert repr(found) == "<Audit: dct on some, more>"
    folder = smooth_pictures(tmp_path, 4, 8)
    priorkit.recover_folder(folder, out=tmp_path / "out", jobs=1, batch=2, **SMALL)
    assert (drawn[1].n, drawn[1].total, drawn[1].notes[-1]) == (2, 2, "parts")
    assert drawn[1].closed
    assert len(drawn) == 2  # none of their own in the runs that these consist of


def test_who_says_progress_has_no_bar(kernel, drawn):
    told = []
    priorkit.recover(X, **SMALL, progress=lambda now, done: told.append(done))
    assert told
    assert not drawn


def test_elsewhere_there_is_none(drawn, monkeypatch):
    """Neither in a script nor in a terminal of IPython."""
    priorkit.recover(X, **SMALL)
    terminal = ModuleType("IPython")
    terminal.get_ipython = lambda: SimpleNamespace(config={})
    monkeypatch.setitem(sys.modules, "IPython", terminal)
    priorkit.recover(X, **SMALL)
    assert not drawn


def test_a_bar_is_closed_where_the_work_fails(kernel, drawn):
    bar = notebook.stepped(None, lambda done: (done, None, ""))
    bar.__enter__()(3)
    assert not bar.__exit__(ValueError, ValueError("halted"), None)
    assert drawn[0].closed


SAVED = """
from time import sleep
from priorkit.draw import notebook

notebook.find_spec = lambda name: None  # there are no widgets
for delay, pause in ((0, 0.02), (60, 0)):  # long work, and short work, which has no bar
    notebook.DELAY = delay
    with notebook.stepped(None, lambda done: (done, 40, f"misfit {done}")) as told:
        for done in range(41):
            told(done)
            sleep(pause)
"""


def test_without_widgets_a_saved_notebook_has_one_bar_as_it_was_last(monkeypatch):
    """Executed by nbclient, as a site is built; text on stderr would be an output per update."""
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    cell = nbformat.v4.new_code_cell(SAVED)
    book = nbformat.v4.new_notebook(cells=[cell])
    nbclient.NotebookClient(book, timeout=100, kernel_name="python3").execute()
    (output,) = book.cells[0].outputs
    assert output.output_type == "display_data"
    said = output.data["text/plain"]
    assert said.startswith("100%|█")
    assert said.endswith(", misfit 40")


@pytest.mark.parametrize("by_rule", [True, False])
def test_a_search_for_gamma_has_no_end_that_is_known(by_rule, kernel, drawn):
    now = SimpleNamespace(evaluations=torch.tensor([2, 3]), misfit=torch.tensor([1.0, 2.0]))
    with bars.in_steps(None, SimpleNamespace(tries=2, by_rule=by_rule, budget=5), 3) as told:
        told(now, 1)
    assert (drawn[0].n, drawn[0].total) == (10, None if by_rule else 30)


def test_a_figure_is_drawn_where_it_is_called_and_once(kernel):
    """Not again by the end of its cell; again where a later cell ends with it."""
    figure = priorkit.recover(X[:1], **SMALL).plot()
    assert [png[:4] for png in kernel.shown] == [b"\x89PNG"]
    figure._ipython_display_()
    assert len(kernel.shown) == 1
    kernel.execution_count = 2
    figure._ipython_display_()
    assert len(kernel.shown) == 2
    other, _ = blank()
    other._ipython_display_()  # one that was not drawn
    assert len(kernel.shown) == 3


def test_figures_and_sheets_are_read_on_light_and_on_dark():
    """What is in no picture is clear, and words stand out from either; a saved sheet is white."""
    compared = priorkit.compare(
        X[:1], priors=["none", {"prior": "none", "label": "b"}], op="mask", budget=4
    )
    for figure in (priorkit.recover(X[:1], **SMALL).plot(), compared.plot()):
        drawn = np.asarray(Image.open(io.BytesIO(figure._repr_png_())).convert("RGBA"))
        assert drawn[0, 0, 3] == 0
        assert 0.2 < np.mean(drawn[..., 3] == 255) < 1
    level = int(INK[1:3], 16) / 255
    shade = ((level + 0.055) / 1.055) ** 2.4
    assert min(1.05 / (shade + 0.05), (shade + 0.05) / 0.0556) > 4  # on white and on #111
    assert compared.grid().getpixel((0, 0)) == (255, 255, 255)


def test_a_terminal_has_a_figure_as_a_value():
    figure = priorkit.recover(X[:1], **SMALL).plot()
    with pytest.raises(NotImplementedError):  # by which IPython goes on to other forms
        figure._ipython_display_()
