"""Priors on one measurement."""

import json

import pytest
import torch

import priorkit
from priorkit.errors import BadInputError, PriorkitError


@pytest.fixture(scope="module")
def comparison(request):
    weights = str(request.getfixturevalue("tiny_weights"))
    x = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    contestants = [
        {"prior": weights, "label": "flow", "budget": 20},
        "dct",
        {"prior": "none", "penalty": "tv", "gamma": 0.01, "label": "tv"},
        {"prior": "none", "penalty": "nll", "gamma": 1.0, "label": "impossible"},
    ]
    return priorkit.compare(x, priors=contestants, ms=[60, 120], sigma=0.01, seed=5)


def test_all_see_the_same_measurement(comparison):
    for m in (60, 120):
        ys = [row.recovery.y for row in comparison.rows if row.m == m and row.recovery]
        assert len(ys) == 3
        assert all(torch.equal(y, ys[0]) for y in ys)


def test_it_is_what_recover_gives(comparison):
    alone = priorkit.recover(comparison.truth, prior="dct", m=60, sigma=0.01, seed=5)
    assert torch.allclose(alone.x, comparison.rows[1].recovery.x, atol=1e-5)


def test_a_prior_that_cannot_has_its_reason(comparison):
    row = comparison.table()[3]
    assert row["prior"] == "impossible"
    assert "requires the prior to be a Density" in row["reason"]
    assert "Density" in comparison.markdown()


def test_the_course_ends_at_the_result(comparison):
    for row in comparison.rows:
        if row.recovery is None:
            continue
        times = [seconds for seconds, _ in row.course]
        assert times == sorted(times)
        assert row.course[-1][1] == pytest.approx(float(row.recovery.psnr.mean()))
        assert row.psnr_at(1e9) == row.course[-1][1]
        assert row.psnr_at(-1.0) is None


def test_saved(comparison, tmp_path):
    folder = comparison.save(tmp_path / "out")
    rows = json.loads((folder / "results.json").read_text())
    assert [row["prior"] for row in rows] == ["flow", "dct", "tv", "impossible"] * 2
    page = (folder / "report.html").read_text()
    assert "<svg" in page
    assert "data:image/png;base64," in page
    assert comparison.plot().height > 9 * 96
    again = priorkit.replay(folder / "dct-m60")
    assert torch.equal(again.x, comparison.rows[1].recovery.x)


def test_on_the_command_line(command_line, tmp_path):
    out = tmp_path / "out"
    words = ["--priors", "dct,wavelet,bm4d", "--ms", "40", "--shape", "3", "16", "16"]
    done = command_line("compare", *words, "--budget", "5", "--out", out)
    assert done.code == 0, done.err
    assert "wavelet" in done.out
    assert "Unknown prior 'bm4d'" in done.out
    assert (out / "grid.png").exists()


def test_refused(face):
    with pytest.raises(BadInputError, match="Name the priors"):
        priorkit.compare(face, priors=[])
    with pytest.raises(BadInputError, match="label of its own"):
        priorkit.compare(face, priors=["dct", "dct"], m=20)
    with pytest.raises(PriorkitError, match="Unknown option 'mm'"):
        priorkit.compare(face, priors=["dct", "wavelet"], mm=20)


def test_interrupted(face):
    def stop(label, now, done):
        raise KeyboardInterrupt

    found = priorkit.compare(face, priors=["dct", "wavelet"], m=50, solver="fista", progress=stop)
    assert found.interrupted
    assert found.rows[0].recovery is not None
    assert found.rows[1].reason == "not run: interrupted"
