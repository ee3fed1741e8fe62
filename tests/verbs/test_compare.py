"""Priors on one measurement."""

import json
import shutil

import pytest
import torch
from PIL import Image

import priorkit
from priorkit.errors import BadInputError, PriorkitError, UnknownNameError


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


def test_what_is_said_of_a_shape_is_what_was_given(tiny_weights):
    """Nobody can crop a file to the shape that was asked for and to that of the prior."""
    priors = ["dct", str(tiny_weights)]
    given = {"op": "gaussian", "m": 20, "budget": 1}
    (_, row) = priorkit.compare(priors=priors, shape=(3, 16, 16), **given).table()
    said = "is for images of shape (3, 8, 8). Got shape=(3, 16, 16). Try: no shape, or another"
    assert said in row["reason"]
    priors = [{"prior": str(tiny_weights), "label": "small"}, "glow-celeba"]
    (_, row) = priorkit.compare(priors=priors, **given).table()
    said = "shape (3, 64, 64). Got images of (3, 8, 8). Try: another prior"
    assert said in row["reason"]


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
    assert comparison.grid().height > 9 * 96
    again = priorkit.replay(folder / "dct-m60")
    assert torch.equal(again.x, comparison.rows[1].recovery.x)


def test_on_the_command_line(command_line, tmp_path):
    out = tmp_path / "out"
    words = ["--priors", "dct,wavelet,glow-celeba", "--ms", "40", "--shape", "3", "16", "16"]
    done = command_line("compare", *words, "--budget", "5", "--out", out)
    assert done.code == 0, done.err
    assert "wavelet" in done.out
    assert "glow-celeba" in done.out  # whose shape is another
    assert (out / "grid.png").exists()


def test_refused(face):
    with pytest.raises(BadInputError, match="Name the priors"):
        priorkit.compare(face, priors=[])
    with pytest.raises(BadInputError, match=r"priors is a list. Got 'dct'"):
        priorkit.compare(face, priors="dct", m=20)
    with pytest.raises(BadInputError, match="label of its own"):
        priorkit.compare(face, priors=["dct", "dct"], m=20)
    for seconds in ("10", -1, 0, True, float("nan"), float("inf")):
        with pytest.raises(BadInputError, match="seconds is a wall time above 0"):
            priorkit.compare(face, priors=["dct"], m=20, seconds=seconds)
    with pytest.raises(PriorkitError, match="Unknown option 'mm'"):
        priorkit.compare(face, priors=["dct", "wavelet"], mm=20)


@pytest.mark.parametrize(
    ("last", "said"),
    [
        ("wavelte", r"Unknown prior 'wavelte'\. Did you mean 'wavelet'"),
        ({"name": "dtc"}, r"Unknown prior 'dtc'\. Did you mean 'dct'"),
        ({"prior": "none", "penalty": "tvv"}, r"Unknown penalty 'tvv'\. Did you mean 'tv'"),
    ],
)
def test_a_misspelt_name_is_refused_before_any_compute(last, said, face, tmp_path):
    def never(*step):
        raise AssertionError("computed")

    out = tmp_path / "out"
    with pytest.raises(UnknownNameError, match=said):
        priorkit.compare(face, priors=["dct", last], m=20, out=out, progress=never)
    assert not list(tmp_path.iterdir())


def test_a_misspelt_name_ends_the_command(command_line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = command_line("compare", "--priors", "dct,wavelet,none,nosuch", "--m", "20")
    assert done.code == 2
    assert "Unknown prior 'nosuch'" in done.err
    assert not list(tmp_path.iterdir())


def test_arrays_and_tensors(face):
    """An array is compared as it is, a gray one too."""
    gray = face[:1].numpy()
    found = priorkit.compare(gray, priors=["dct", "none"], m=20)
    assert found.truth.shape == (1, 1, 8, 8)
    assert all(row.recovery is not None for row in found.rows)


def test_nobody_pays_for_what_is_shared(face, monkeypatch):
    """One operator per m, one prior per contestant, images once, all before any clock."""
    from priorkit_operators.gaussian import Gaussian

    from priorkit.verbs import compare as module

    made, loaded, built = [], [], []
    whole, load, resolve = Gaussian._matrix, module.load_framed, Gaussian.__init__
    monkeypatch.setattr(Gaussian, "_matrix", lambda *a: made.append(1) or whole(*a))
    monkeypatch.setattr(module, "load_framed", lambda *a, **k: loaded.append(1) or load(*a, **k))
    monkeypatch.setattr(Gaussian, "__init__", lambda *a, **k: built.append(1) or resolve(*a, **k))
    priors = ["dct", {"prior": "dct", "label": "again"}, "none"]
    found = priorkit.compare(face, priors=priors, ms=[20, 40])
    assert (len(built), len(loaded)) == (2, 1)
    assert len(made) == 2  # one of each m, in float32
    first, second = (found.rows[i].recovery for i in (0, 1))
    assert torch.equal(first.x, second.x)


def test_weights_are_read_once(tiny_weights, face, monkeypatch, tmp_path):
    from priorkit.io.weights import Weights

    for name in (tiny_weights, tiny_weights.with_suffix(".json")):
        shutil.copy(name, tmp_path)  # where nobody has read them yet
    tiny_weights = tmp_path / tiny_weights.name
    read = []
    load = Weights.load
    monkeypatch.setattr(Weights, "load", lambda self: read.append(1) or load(self))
    priorkit.compare(face, priors=[str(tiny_weights), "dct"], ms=[20, 30, 40], budget=2)
    assert len(read) == 1


def test_t_is_set_by_the_slowest(comparison):
    """So that all had something at T; or by the user."""
    for m in (60, 120):
        rows = [row for row in comparison.rows if row.m == m and row.recovery]
        assert comparison.seconds[m] == max(row.seconds for row in rows)
        assert all(row.psnr_at(comparison.seconds[m]) is not None for row in rows)


def test_t_of_one_s_own(face):
    found = priorkit.compare(face, priors=["dct"], m=20, seconds=1e-9)
    assert found.seconds == {None: 1e-9}
    assert found.table()[0]["equal_seconds"] == 1e-9


def test_labels_that_look_alike_have_folders_of_their_own(face, tmp_path):
    contestants = [
        {"prior": "none", "penalty": "tv", "gamma": gamma, "label": label}
        for gamma, label in ((1e-3, "γ=1e-3"), (1e3, "γ=1e+3"))
    ]
    found = priorkit.compare(face, priors=contestants, m=50, budget=5)
    folder = found.save(tmp_path)
    folders = sorted(p.name for p in folder.iterdir() if p.is_dir())
    assert len(folders) == 2
    gammas = {priorkit.replay(folder / name).record["config"]["gamma"] for name in folders}
    assert gammas == {1e-3, 1e3}


def test_results_are_json(face, tmp_path):
    """An infinite PSNR, a NaN SSIM and no T are null, which every reader takes."""

    def refuse(constant):
        raise AssertionError(constant)

    found = priorkit.compare(face, priors=["none"], op="identity", sigma=0.0, budget=50)
    assert float(found.rows[0].recovery.psnr[0]) > 100
    text = (found.save(tmp_path) / "results.json").read_text()
    (row,) = json.loads(text, parse_constant=refuse)
    assert row["ssim"] is None


def test_a_bar_in_a_label_is_no_column(face, tmp_path):
    contestants = [{"prior": "dct", "label": "a|b"}, "wavelet"]
    found = priorkit.compare(face, priors=contestants, m=20, budget=5)
    head, rows = found.cells()
    assert {len(row) for row in rows} == {len(head)}
    lines = found.markdown().splitlines()
    assert "a\\|b" in lines[2]
    assert {line.replace("\\|", "").count("|") for line in lines} == {len(head) + 1}
    page = (found.save(tmp_path) / "report.html").read_text()
    numbers = page.split('class="numbers"')[1]
    assert numbers.count("<td>") == 2 * numbers.count("<th>")  # columns that say nothing are out


@pytest.mark.parametrize("spent", [0, 2])
def test_an_unfinished_row_says_so(face, spent):
    def stop(label, now, done):
        if int(now.evaluations[0]) >= spent:
            raise KeyboardInterrupt

    found = priorkit.compare(face, priors=["dct", "wavelet"], m=50, solver="fista", progress=stop)
    assert found.interrupted
    assert found.rows[0].recovery is not None
    assert found.rows[1].reason == "not run: interrupted"
    assert [row["status"] for row in found.table()] == ["interrupted", "none"]
    assert "dct (interrupted)" in found.markdown()


def test_the_picture_may_be_a_setting(tmp_path):
    path = tmp_path / "black.png"
    Image.new("RGB", (16, 16)).save(path)
    found = priorkit.compare(priors=["dct"], m=20, budget=2, image=str(path))
    assert (found.names, float(found.truth.max())) == (["black"], 0.0)


def test_a_contestant_cannot_change_the_measurement(face):
    others = ({"sigma": 0.5}, {"m": 10}, {"op": "mask"}, {"seed": 3})
    for own in (*others, {"image": "other.png"}, {"first": 3}, {"resize": True}):
        contestants = ["dct", {"prior": "dct", "label": "cheat"} | own]
        found = priorkit.compare(face, priors=contestants, m=20)
        assert "can't change the measurement" in found.rows[1].reason


def test_the_one_m_that_all_have_is_in_the_table(face):
    """It had been null where it came by m; what has no result has none."""
    odd = {"prior": "glow-celeba", "label": "impossible"}
    found = priorkit.compare(
        face, priors=["dct", odd], op="gaussian", m=40, shape=(3, 8, 8), budget=3
    )
    assert [row["m"] for row in found.table()] == [40, None]
    assert [row[1] for row in found.cells()[1]] == ["40", "—"]


def test_how_much_of_the_truth_the_intervals_hold(face):
    """The mean over the images, of priors whose solver draws; no column where none does."""
    x = torch.stack([face, face.flip(-1)])
    told = {"priors": ["denoiser-photos"], "op": "identity", "sigma": 0.1}
    drawn = priorkit.compare(x, **told, solver={"name": "ancestral", "draws": 3, "levels": 4})
    held = drawn.rows[0].recovery.within_90
    assert held.shape == (2,)
    assert drawn.table()[0]["within_90"] == pytest.approx(float(held.mean()))
    assert "within 90%" in drawn.markdown()
    one = priorkit.compare(x, **told, solver={"name": "diffpir", "draws": 1}, budget=4)
    assert one.rows[0].recovery.within_90 is None
    assert one.table()[0]["within_90"] is None
    assert "within 90%" not in one.markdown()
