"""The scripts of the paper's figures: every figure has one, and they run without its data."""

import csv
import json

import pytest
from PIL import Image

from priorkit.cli.reproduce import scripts

NAMES = {script.name: script for script in scripts()}
# What the paper shows of denoising, measurements, starts, strange pictures, solvers, norms, birds
# and flowers, inpainting, lengths, directions, landscapes, points and formulations.
FIGURES = {*range(2, 9), *range(10, 62)}


SMALL = '''"""A study that takes seconds."""
from common import Run, at, difference

run = Run(__doc__)
found = run.study(
    settings={"op": "gaussian", "image": run.pictures(), "budget": 30}, grid={"m": [200, 400]},
    variants=[{"label": "DCT", "prior": "dct"}, {"label": "wavelet", "prior": "wavelet"}],
)
run.lines(found.summary(across="m"), across="m")
run.grid(found.where(m=400), run.pictures())
ahead = difference(at(found, label="DCT", m=400), at(found, label="DCT", m=200))
run.claim("4", "More numbers are better", paper="better", ours=ahead)
run.end()
'''


def test_every_figure_has_a_script():
    assert set().union(*(script.figures for script in NAMES.values())) >= FIGURES


@pytest.mark.parametrize("name", ["latent_noise", "small"])
def test_a_script_runs_on_the_sample_photograph(name, script, tmp_path, monkeypatch):
    """Data, plot, pictures and claims; again, nothing that is there is computed."""
    (tmp_path / "small.py").write_text(SMALL)
    path = tmp_path / "small.py" if name == "small" else NAMES[name].path
    monkeypatch.syspath_prepend(NAMES["norms"].path.parent)
    words = ["--out", tmp_path, "--data", "nowhere", "--paper", "nowhere", "--jobs", "1"]
    said = script(path, *words)
    assert "the sample photograph instead" in said
    claims = json.loads((tmp_path / f"{name}.json").read_text())["claims"]
    assert claims
    assert {claim["verdict"] for claim in claims} <= {"holds", "fails", "undecided"}
    assert "<svg" in (tmp_path / f"{name}.svg").read_text()
    rows = list(csv.reader((tmp_path / f"{name}.csv").read_text().splitlines()))
    assert len(rows) > 4
    if name == "small":
        Image.open(tmp_path / "small.png").load()
        assert "1/4" in said
        assert "/4 " not in script(path, *words)


def test_reproduce_knows_its_figures(command_line):
    listed = command_line("reproduce")
    assert all(name in listed.out for name in NAMES)
    done = command_line("reproduce", "fig400")
    assert done.code == 2
    assert "No script makes 'fig400'. Try: priorkit reproduce, which lists them" in done.err


@pytest.mark.slow
def test_reproduce_makes_a_figure(command_line, tmp_path):
    done = command_line("reproduce", "fig50", "--data", "nowhere", "--out", tmp_path)
    assert done.code == 0, done.err
    assert (tmp_path / "latent_noise.json").exists()
    assert not list(tmp_path.glob("norms*"))


@pytest.mark.parametrize(
    ("word", "names"),
    [
        ("fig4", {"lasso", "measurements", "starts"}),
        ("Figure 8", {"two_dimensional"}),
        ("59", {"iterations"}),
    ],
)
def test_a_figure_by_its_number(word, names):
    from priorkit.cli.reproduce import _chosen

    assert {script.name for script in _chosen([word], scripts())} == names
