"""Priors on a measurement whose truth nobody knows."""

import json
import re

import numpy as np
import pytest
import torch
from PIL import Image

import priorkit
from priorkit.errors import BadInputError, PriorkitError
from priorkit.io.pictures import astronaut, load
from priorkit.results.gallery import maps

SIGMA, HOLE = 0.05, 9  # of the noise; the side of what isn't seen, in pixels
TV = {"prior": "none", "penalty": "tv", "gamma": 0.02, "label": "tv"}
PRIORS = ["wavelet", TV, "dct"]


def noisy(side=32, images=1):
    x = load(astronaut(), (1, side, side)).x.expand(images, -1, -1, -1)
    noise = np.random.default_rng(0).standard_normal(x.shape)
    return (x + SIGMA * torch.from_numpy(noise)).float()


@pytest.fixture(scope="module")
def y():
    return noisy(images=2)


@pytest.fixture(scope="module")
def comparison(y):
    return priorkit.compare(y=y, priors=PRIORS, op="mask", sigma=SIGMA, gamma=0.02)


def test_every_row_is_what_recover_gives(comparison, y):
    """With one operator, one σ and one range for all, that of each alone."""
    assert comparison.truth is None
    assert comparison.names == ["0000", "0001"]
    for row, prior in zip(comparison.rows, PRIORS, strict=True):
        own = dict(prior) if isinstance(prior, dict) else {"prior": prior, "gamma": 0.02}
        own.pop("label", None)
        alone = priorkit.recover(y=y, op="mask", sigma=SIGMA, **own)
        assert torch.equal(row.recovery.x, alone.x)
        assert torch.equal(row.recovery.y, alone.y)
        assert row.recovery.record["config"] == alone.record["config"]


def test_the_table_has_misfits_and_nothing_that_needs_a_truth(comparison):
    rows = comparison.table()
    for row, found in zip(rows, comparison.rows, strict=True):
        assert not {"psnr", "ssim", "error", "psnr_at", "per_image", "mean_psnr"} & set(row)
        assert row["misfit"] == pytest.approx(float(found.recovery.misfit.mean()))
        assert row["misfits"] == pytest.approx(found.recovery.misfit.tolist())
        assert row["noise"] == pytest.approx((32 * 32 - HOLE**2) * SIGMA**2)
    head, cells = comparison.cells()
    assert head == ["prior", "misfit", "of noise alone", "evaluations", "seconds"]
    assert {len(line) for line in cells} == {len(head)}
    assert "PSNR" not in comparison.markdown() + comparison.summary()
    assert comparison.seconds == {}


def test_what_a_solver_expects_is_a_column_where_one_does(y):
    """Here by Stein's estimate, of the denoiser alone."""
    found = priorkit.compare(y=y, priors=["denoiser-photos", TV], op="identity", sigma=SIGMA)
    first, second = found.table()
    assert first["expected_psnr"] == pytest.approx(
        float(found.rows[0].recovery.expected_psnr.mean())
    )
    assert second["expected_psnr"] is None
    head, rows = found.cells()
    assert [row[head.index("expected PSNR")] for row in rows] == [
        f"{first['expected_psnr']:.2f}",
        "—",
    ]
    assert any("dB expected" in words for words in found.rows[0].score)


def test_how_far_the_priors_are_apart(comparison):
    x = torch.stack([row.recovery.x for row in comparison.rows]).double()
    mean = x.mean(0)
    expected = (((x - mean) ** 2).sum(0) / 2).sqrt()
    assert torch.allclose(comparison.apart, expected)
    assert (
        f"That is {float(expected.square().mean().sqrt()):.3g} in [0, 1]," in comparison.summary()
    )


def test_one_prior_is_not_apart_from_itself(y):
    found = priorkit.compare(
        y=y[:1], priors=["dct", "glow-celeba"], op="mask", sigma=SIGMA, gamma=0.02
    )
    assert found.rows[1].recovery is None  # it is for faces in colour
    assert found.apart is None
    assert "disagree" not in found.summary()
    assert found.grid().height == 3 * (96 + 4) + 4  # measured, and the two


def test_the_course_is_of_misfits_and_ends_at_the_result(comparison):
    for row in comparison.rows:
        times = [seconds for seconds, _ in row.misfits]
        assert times == sorted(times)
        assert row.misfits[-1] == (row.seconds, pytest.approx(float(row.recovery.misfit.mean())))
        assert row.course == []


def test_what_y_tells_is_told_once_and_is_the_same_for_all(y, monkeypatch):
    from priorkit.run import level

    asked, estimate = [], level.estimate
    monkeypatch.setattr(level, "estimate", lambda *a: asked.append(1) or estimate(*a))
    counts = 200 + 2800 * y[:1]
    how = {"op": "mask", "sigma": "auto", "gamma": 0.02, "range": "auto"}
    found = priorkit.compare(y=counts, priors=["wavelet", "dct"], **how)
    assert len(asked) == 1
    configs = [row.recovery.record["config"] for row in found.rows]
    assert configs[0]["sigma"] == configs[1]["sigma"] == pytest.approx(2800 * SIGMA, rel=0.2)
    assert configs[0]["range"] == configs[1]["range"]
    assert all(row.recovery.record["estimated"] == ["sigma"] for row in found.rows)
    alone = priorkit.recover(y=counts, prior="dct", **how)
    assert torch.equal(found.rows[1].recovery.x, alone.x)
    assert 1 < float(found.apart.mean()) < 2800  # in the user's units, as its map is
    (only,), end = maps(found.rows, found.apart)
    assert float(found.apart.quantile(0.999)) <= end <= 5 * float(found.apart.max())
    assert np.asarray(only).max() > 200


def test_coils_are_estimated_once_and_y_may_be_complex(monkeypatch):
    from priorkit_operators import coils

    asked, rule = [], coils.ESTIMATES["estimate"]
    monkeypatch.setitem(coils.ESTIMATES, "estimate", lambda *a: asked.append(1) or rule(*a))
    rng = np.random.default_rng(0)
    kspace = rng.normal(size=(3, 24, 24)) + 1j * rng.normal(size=(3, 24, 24))
    kspace[..., [2, 3, 20]] = 0
    how = {"op": "fourier", "kind": "complex", "maps": "estimate", "sigma": 0.01, "budget": 20}
    found = priorkit.compare(y=kspace, priors=["dct", "wavelet"], **how)
    assert len(asked) == 1
    assert torch.equal(*(row.recovery.y for row in found.rows))
    assert found.apart.shape == (1, 2, 24, 24)
    assert "<img" in found._repr_html_()
    assert torch.equal(
        found.rows[1].recovery.x, priorkit.recover(y=kspace, prior="wavelet", **how).x
    )


def test_files_folders_and_masks(tmp_path):
    """By their names; a mask is a file too, and what isn't seen is nothing."""
    (tmp_path / "in").mkdir()
    rng = np.random.default_rng(0)
    for name in ("b", "a"):
        picture = Image.fromarray(rng.integers(0, 255, (16, 16), dtype=np.uint8))
        picture.save(tmp_path / "in" / f"{name}.png")
    seen = rng.random((16, 16)) < 0.6
    np.save(tmp_path / "seen.npy", seen.astype("f4"))
    how = {"op": "mask", "mask": str(tmp_path / "seen.npy"), "gamma": 0.02, "budget": 10}
    found = priorkit.compare(y=tmp_path / "in", priors=["dct", "wavelet"], **how)
    assert found.names == ["a", "b"]
    alone = priorkit.recover(y=tmp_path / "in", prior="dct", **how)
    assert torch.equal(found.rows[0].recovery.x, alone.x)
    assert not found.rows[0].recovery.y[..., torch.from_numpy(~seen)].any()
    place = found.save(tmp_path / "out")
    again = priorkit.replay(place / "wavelet")
    assert torch.equal(again.x, found.rows[1].recovery.x)
    assert again.truth is None


def test_the_shape_is_that_of_a_prior_that_y_can_be_of(tiny_weights):
    """Else what y tells; a prior of another shape has its reason."""
    numbers = torch.rand(40, generator=torch.Generator().manual_seed(0))
    how = {"op": "gaussian", "m": 40, "budget": 3}
    found = priorkit.compare(y=numbers, priors=["dct", str(tiny_weights)], **how)
    assert found.shape == (3, 8, 8)
    assert all(row.recovery is not None for row in found.rows)
    gray = noisy(16)
    found = priorkit.compare(
        y=gray, priors=[str(tiny_weights), "dct"], op="mask", sigma=SIGMA, gamma=0.02
    )
    assert found.shape == (1, 16, 16)
    assert "for images of shape (3, 8, 8)" in found.rows[0].reason
    with pytest.raises(BadInputError, match=r"y must be \(40,\)"):
        priorkit.compare(y=numbers[:30], priors=[str(tiny_weights), "dct"], **how)
    with pytest.raises(BadInputError, match="shape of the picture isn't known"):
        priorkit.compare(y=numbers, priors=["dct", "wavelet"], **how)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"x": np.zeros((1, 8, 8))}, "measurements y, not both"),
        ({"ms": [10, 20]}, "y has been measured. Got ms=.*a comparison for each y"),
        ({"seconds": 3}, "nobody knows them. Try: no seconds"),
        ({"clip": True, "range": (0, 2)}, "nothing is clipped of a y"),
        ({"sigma": 0.1, "noise_norm": 0.1}, "not both"),
        ({"priors": ["no-such"]}, "Unknown prior 'no-such'"),
        ({"y": "no-such.npy"}, "no-such.npy"),
        ({"y": np.full((1, 8, 8), np.nan)}, "NaN or infinite"),
    ],
)
def test_refused(more, said, monkeypatch):
    """Before any compute."""
    monkeypatch.setattr("priorkit.verbs.compare.solved", None)
    given = {"y": np.zeros((1, 8, 8)), "priors": ["dct"], "op": "identity"} | more
    with pytest.raises(PriorkitError, match=said):
        priorkit.compare(**given)


def test_a_contestant_cannot_change_the_units(y):
    contestants = ["dct", {"prior": "dct", "label": "cheat", "range": (0, 2)}]
    found = priorkit.compare(y=y[:1], priors=contestants, op="mask", sigma=SIGMA, gamma=0.02)
    assert "can't change the measurement by 'range'" in found.rows[1].reason


def test_a_misfit_far_from_the_noise_is_said_with_its_prior(caplog):
    """Here of a picture of black and white, which one of its mean is far from."""
    y = (noisy(16) > 0.5).float()
    priors = [{"prior": "none", "penalty": "tv", "gamma": 100.0, "label": "flat"}, "dct"]
    priorkit.compare(y=y, priors=priors, op="mask", sigma=1e-3, gamma=1e-4)
    said = [r.getMessage() for r in caplog.records if "isn't explained" in r.getMessage()]
    assert [line.partition(":")[0] for line in said] == ["flat"]


def test_saved(comparison, tmp_path):
    folder = comparison.save(tmp_path / "out")
    rows = json.loads((folder / "results.json").read_text())
    assert [row["prior"] for row in rows] == ["wavelet", "tv", "dct"]
    page = (folder / "report.html").read_text()
    assert "where priors disagree" in page
    assert page.count('data-is="apart"') == 1
    assert page.count('class="bar"') == 1  # one scale, of that map
    assert "of noise alone" in page
    assert "dB" not in re.sub(r'src="[^"]*"', "", page)
    curve = (folder / "curve.svg").read_text()
    assert "noise alone" in curve
    assert "misfit" in curve
    words = [row.label for row in comparison.rows]
    assert all(f'href="{word}/report.html"' in page for word in words)


def test_interrupted(y):
    def stop(label, now, done):
        if label == "second":
            raise KeyboardInterrupt

    priors = [{"prior": "none", "penalty": "tv", "gamma": 0.02, "label": name, "budget": 9}
              for name in ("first", "second", "third")]  # fmt: skip
    found = priorkit.compare(y=y, priors=priors, op="mask", sigma=SIGMA, gamma=0.02, progress=stop)
    assert found.interrupted
    assert [row["status"] for row in found.table()] == ["done", "interrupted", "none"]
    assert found.apart is None  # one alone is finished
    assert found.rows[2].reason == "not run: interrupted"


def test_on_the_command_line(command_line, tmp_path, monkeypatch):
    """In 80 columns; what all rows have in common is below."""
    from priorkit.cli import console

    monkeypatch.setattr(console.out, "width", 80)
    np.save(tmp_path / "y.npy", noisy().numpy())
    words = ["compare", "--y", tmp_path / "y.npy"]
    words += ["--priors", "wavelet,dct", "--op", "mask", "--gamma", "0.02"]
    done = command_line(*words, "--sigma", "auto", "--out", tmp_path / "out")
    assert done.code == 0, done.err
    assert "of noise alone" in " ".join(done.out.split())
    assert "1 measurement, images of 1×32×32" in " ".join(done.out.split())
    assert "PSNR" not in done.out
    assert done.out.index("wavelet") < done.out.index("The same for all")
    assert (tmp_path / "out" / "grid.png").exists()
    told = json.loads(
        command_line(*words, "--sigma", "0.05", "--json", "--out", tmp_path / "b").out
    )
    assert [row["prior"] for row in told] == ["wavelet", "dct"]
    done = command_line(*words, "--ms", "20", "30", "--out", tmp_path / "c")
    assert (done.code, "y has been measured" in done.err) == (2, True)


def test_it_goes_on_with_the_rows_that_are_left(y, monkeypatch, tmp_path):
    from priorkit.run.journal import Journal

    class Killed(BaseException):
        pass

    out, note, ran = tmp_path / "out", Journal.note, []
    how = {"y": y, "priors": PRIORS, "op": "mask", "sigma": SIGMA, "gamma": 0.02}

    def noting(self, name, values):
        note(self, name, values)
        if name == "finished" and self.folder.name == "000":
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "note", noting)
        with pytest.raises(Killed):
            priorkit.compare(**how, out=out)
    with pytest.raises(BadInputError, match="another y"):
        priorkit.compare(**how | {"y": y + 1e-3}, out=out, resume=True)
    again = priorkit.compare(
        **how, out=out, resume=True, progress=lambda label, *_: ran.append(label)
    )
    assert "wavelet" not in ran
    whole = priorkit.compare(**how)
    for one, other in zip(again.rows, whole.rows, strict=True):
        assert torch.equal(one.recovery.x, other.recovery.x)
        assert one.misfits
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_y_that_no_prior_can_use_is_refused_before_any_compute(y):
    def never(*step):
        raise AssertionError("computed")

    with pytest.raises(PriorkitError, match="y is complex, and the operator's output is real"):
        priorkit.compare(y=y[:1] + 0j, priors=["none"], op="mask", progress=never)
