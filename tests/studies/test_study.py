"""Studies as data: cells, their keys, what is refused, and means that can be trusted."""

import math
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import priorkit
from priorkit.errors import BadInputError, PriorkitError, UnknownNameError
from priorkit.studies.plot import lines
from priorkit.studies.report import cells, save, view
from priorkit.studies.results import Results
from priorkit.studies.store import Store
from priorkit.studies.study import Study
from priorkit.studies.summary import difference, mean, summary
from tests.helpers import PATIENCE

TINY = {"prior": "none", "op": "mask", "shape": [3, 8, 8], "budget": 2}


def test_cells_are_every_combination():
    study = Study(
        settings={"shape": [3, 8, 8]},
        grid={"m": [10, 20], "seed": [0, 1, 2]},
        variants=[{"prior": "dct"}, {"label": "TV", "prior": "none", "grid": {"gamma": [1, 2]}}],
    )
    cells = study.cells()
    assert len(cells) == len({cell.key for cell in cells}) == 2 * 3 * (1 + 2)
    assert [cell.label for cell in cells].count("dct") == 6
    assert {"gamma", "m", "seed", "prior", "shape"} == set(cells[-1].settings)


def test_a_key_is_of_what_is_in_the_files(tmp_path):
    """The same picture under another name is the same run, another picture isn't."""
    for name, colour in (("a", "gray"), ("b", "gray"), ("c", "red")):
        Image.new("RGB", (8, 8), colour).save(tmp_path / f"{name}.png")
    a, b, c = (
        Study(settings={**TINY, "image": str(tmp_path / f"{name}.png")}).cells()[0].key
        for name in "abc"
    )
    assert a == b != c
    pattern = Study(settings=TINY, grid={"image": [str(tmp_path / "[ac]*.png")]})
    assert [cell.key for cell in pattern.cells()] == [a, c]
    folder = Study(settings={**TINY, "image": str(tmp_path)})
    before = folder.cells()[0].key
    Image.new("RGB", (8, 8), "blue").save(tmp_path / "c.png")
    assert folder.cells()[0].key != before


def test_a_bare_name_of_a_folder_is_a_folder(tmp_path, monkeypatch):
    """``image = "faces"``: found from anywhere, and known by what is in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "faces").mkdir()
    keys = set()
    for colour in ("gray", "red"):
        Image.new("RGB", (8, 8), colour).save(tmp_path / "faces" / "a.png")
        (cell,) = Study(settings={**TINY, "image": "faces"}).cells()
        assert cell.settings["image"] == str(tmp_path / "faces")
        keys.add(cell.key)
    assert len(keys) == 2


@pytest.mark.parametrize(
    ("study", "message"),
    [
        ({"settings": {"image": "nothing"}}, "There is no file .*nothing"),
        ({"settings": {"priro": "dct"}}, "The run priro = dct: Unknown option 'priro'"),
        ({"settings": {"prior": "dctt"}}, "Unknown prior 'dctt'. Did you mean 'dct'"),
        ({"grid": {"m": 500}}, "The study: grid.m"),
        ({"grids": {}}, r"A study has no 'grids'\. Did you mean 'grid'"),
        ({"setting": {}}, "no 'setting'.* 'settings'"),
        ({"variant": [{}]}, "no 'variant'.* 'variants'"),
        ({"grid": {"m": []}}, "The study has no run"),
        ({"grid": {"seed": [1, 1]}}, "Two runs of the study are the same"),
        (
            {"settings": {"op": "radon", "angles": list(range(60)), "seed": 3, "penalty": "l3"}},
            "The run penalty = l3, op = radon, angles = .*…: Unknown penalty 'l3'",
        ),
        ({"grid": {"m": [1]}, "variants": [{"m": 2}]}, "'m' of the variant .* is on the grid too"),
        ({"grid": {"image": ["nowhere/*.png"]}}, "No picture matches nowhere"),
        ({"settings": {"sigma": -1}}, "sigma"),
        ({"grid": {"seed": list(range(1100)), "m": list(range(1, 1000))}}, "at most 1,000,000"),
    ],
)
def test_what_is_refused(study, message):
    with pytest.raises(PriorkitError, match=message):
        Study.read(study).cells()


@pytest.mark.parametrize(
    ("study", "said"),
    [
        ({"grid": {"m": [100, "lots"]}}, r"operator 'gaussian': m: .*Got 'lots'"),
        ({"grid": {"m": [100, 0]}}, r"operator 'gaussian': m: .*Got 0"),
        ({"grid": {"gamma": [0.1, "much"]}}, r"gamma: .*Got 'much'"),
        (
            {"grid": {"solver": ["fista", {"name": "adam", "rate": "fast"}]}},
            r"solver 'adam': rate: .*Got 'fast'",
        ),
        (
            {"grid": {"penalty": [["tv", {"name": "tv", "epsilon": "small"}]]}},
            r"penalty 'tv': epsilon: .*Got 'small'",
        ),
        ({"variants": [{"prior": "dct"}, {"prior": "dcgan"}]}, r"'dcgan': the option 'weights'"),
    ],
)
def test_every_value_is_checked_before_the_first_run(study, said, tmp_path, no_compute):
    op = {"op": "gaussian"} if "m" in study.get("grid", {}) else {"op": "mask"}
    study = {"settings": {"shape": [3, 8, 8], **op}, **study}
    with pytest.raises(BadInputError, match=said):
        priorkit.sweep(study, out=tmp_path / "study.parquet", jobs=1)
    assert not list(tmp_path.iterdir())


def test_what_does_not_fit_together_is_a_row(tmp_path):
    """With the reason: it ends no study whose other runs fit."""
    grid = {"solver": ["denoise", "lbfgs"]}
    found = priorkit.sweep({"settings": TINY, "grid": grid}, out=tmp_path / "a.parquet", jobs=1)
    refused, done = sorted(found.rows, key=lambda row: row["status"] != "failed")
    assert (refused["solver"], refused["status"]) == ("denoise", "failed")
    assert "requires the prior to be a Denoiser" in refused["reason"]
    assert (done["solver"], done["status"]) == ("lbfgs", "converged")


def test_files_of_others_are_left_alone(tmp_path):
    place = tmp_path / "x.parquet"
    place.write_bytes(b"not a table")
    with pytest.raises(BadInputError, match="no Parquet file"):
        priorkit.sweep({"settings": TINY}, out=place)
    assert place.read_bytes() == b"not a table"
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.table({"cell": ["1"], "status": ["done"]}), place)
    before = place.read_bytes()
    with pytest.raises(BadInputError, match="no results of priorkit"):
        priorkit.sweep({"settings": TINY}, out=place)
    assert place.read_bytes() == before
    with pytest.raises(BadInputError, match="is a folder"):
        priorkit.sweep({"settings": TINY}, out=tmp_path)
    with (
        Store.opened(tmp_path / "y.parquet"),
        pytest.raises(BadInputError, match=r"Another process is writing to .*/y\.parquet\."),
    ):
        priorkit.sweep({"settings": TINY}, out=tmp_path / "y.parquet")


VALUES = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False)
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"))


@settings(max_examples=20)
@given(st.lists(st.dictionaries(st.sampled_from("abc"), VALUES | TEXT | st.binary(), max_size=3)))
def test_rows_come_back(tmp_path_factory, rows):
    """Whatever kinds of values a column mixes."""
    place = tmp_path_factory.mktemp("rows") / "x.parquet"
    rows = [{"cell": str(i), "status": "stopped", **row} for i, row in enumerate(rows)]
    pictures = {n for n in "abc" if any(isinstance(r.get(n), bytes) for r in rows)}
    rows = [{k: v for k, v in row.items() if k not in pictures} for row in rows]
    Results(rows).save(place)
    found = Results.read(place).rows
    assert found == [{k: v for k, v in row.items() if v is not None} for row in rows]


def test_a_damaged_file_is_refused_or_right(tmp_path):
    """Bytes changed, cut off or added at random: an error of our own, or rows."""
    place, rng = tmp_path / "x.parquet", np.random.default_rng(0)
    Results([{"cell": str(i), "status": "stopped", "m": i, "psnr": 0.5} for i in range(9)]).save(
        place
    )
    whole = place.read_bytes()
    refused = 0
    for _ in range(300):
        data = bytearray(whole)
        for at in rng.integers(0, len(data), rng.integers(1, 4)):
            data[at] = rng.integers(256)
        cut = rng.integers(0, len(data)) if rng.random() < 0.2 else len(data)
        place.write_bytes(bytes(data[:cut]))
        try:
            assert all(row["cell"] for row in Results.read(place).rows)
        except BadInputError:
            refused += 1
    assert refused > 100


def test_an_interval_holds_the_mean_that_often():
    """Of 2,000 samples of five normal values, 95% intervals hold the mean in 95 of 100."""
    rng = np.random.default_rng(0)
    found = [mean(rng.normal(3, 2, 5)) for _ in range(2000)]
    held = np.mean([m.low <= 3 <= m.high for m in found])
    assert abs(held - 0.95) < 0.015
    assert math.isnan(mean([1.0]).low)


def test_seeds_of_an_image_are_not_images():
    rows = [
        {"label": "x", "name": name, "psnr": psnr + seed, "m": 5}
        for name, psnr in (("a", 10.0), ("b", 20.0))
        for seed in (0, 2)
    ]
    (found,) = summary(rows)
    assert (found.value, found.count) == (16.0, 2)
    (alone,) = summary([row for row in rows if row["name"] == "a"])
    assert (alone.value, alone.count) == (11.0, 2)  # its seeds, for want of images
    better = [{**row, "psnr": row["psnr"] + 1} for row in rows]
    gap = difference(better, rows)
    assert (gap.low, gap.high) == pytest.approx((1, 1))  # however unlike the images are
    with pytest.raises(BadInputError, match=r"'name' is no column of numbers\. Got 'a'"):
        summary(rows, value="name")
    with pytest.raises(UnknownNameError, match=r"no column 'psnrr'\. Did you mean 'psnr'"):
        summary(rows, value="psnrr")


def test_different_settings_are_not_averaged_together(caplog):
    """Of γ = 1 and 10, 20 dB apart, the means by label are those of either, not 20 between."""
    rows = [
        {"label": label, "gamma": gamma, "m": m, "seed": seed, "name": "a", "psnr": psnr + seed}
        for label in ("x", "y")
        for m in (100, 200, 300)
        for gamma, psnr in ((1.0, 10.0), (10.0, 30.0))
        for seed in (0, 2)
    ]
    found = Results(rows)
    seen = view(rows, by=["label"])
    assert (seen.by, seen.across) == (("label", "gamma"), "m")
    head, table = cells(found, seen)
    assert head == ["label", "gamma", "m = 100", "m = 200", "m = 300"]
    assert [[*row[:2], row[2].split(" ±")[0]] for row in table] == [
        ["x", "1", "11.00"], ["x", "10", "31.00"], ["y", "1", "11.00"], ["y", "10", "31.00"]
    ]  # fmt: skip
    assert view(rows, by=["gamma"]).by == ("gamma", "label")
    assert not caplog.messages
    assert {mean.value for mean in summary(rows, across="m")} == {21.0}  # as asked, and said
    assert caplog.messages == ["A mean is taken over different gamma. Try: by=('label', 'gamma')"]


def test_what_goes_together_needs_no_line_of_its_own():
    """γ follows from σ here: along σ there is one line."""
    rows = [
        {"label": "x", "sigma": sigma, "gamma": 5 * sigma, "name": "a", "psnr": 20.0}
        for sigma in (0.1, 0.2, 0.4)
    ]
    assert view(rows, across="sigma").by == ("label",)


def test_what_waits_to_be_written_is_written_though_nothing_follows(tmp_path):
    """The next cell may take hours, and be killed meanwhile."""
    path = tmp_path / "x.parquet"
    with Store.opened(path) as store:
        store.add([{"cell": "a", "label": "a", "status": "converged", "psnr": 20.0}])
        store._took = 0.02  # as of a large file
        store.add([{"cell": "b", "label": "a", "status": "converged", "psnr": 21.0}])
        deadline = time.monotonic() + PATIENCE
        while len(Results.read(path).rows) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_store_that_is_closed_has_nothing_to_wait_for(tmp_path):
    with Store.opened(tmp_path / "x.parquet") as store:
        store.add([{"cell": "a", "label": "a", "status": "converged"}])
        store._took = 1e3
        store.add([{"cell": "b", "label": "a", "status": "converged"}])
        assert store._later.is_alive()
    store._later.join(PATIENCE)
    assert not store._later.is_alive()
    assert len(Results.read(store.path).rows) == 2


READ = """
import os, sys
from priorkit.studies.results import Results
Results([{"cell": "a", "status": "stopped", "m": 1, "psnr": 20.0}]).save(sys.argv[1])
before = os.listdir("/proc/self/task")
Results.read(sys.argv[1])
assert os.listdir("/proc/self/task") == before
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are counted in /proc")
def test_results_are_read_in_one_thread(tmp_path):
    """Of several, one that is still at it when Python ends aborts the process."""
    done = subprocess.run(
        [sys.executable, "-c", READ, str(tmp_path / "x.parquet")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_the_view_of_measurements_is_of_their_misfit():
    rows = [{"cell": str(m), "label": "a", "status": "stopped", "m": m, "misfit": 2.0, "psnr": None}
            for m in (1, 2)]  # fmt: skip
    assert view(rows).value == "misfit"
    assert view([row | {"psnr": 20.0} for row in rows]).value == "psnr"
    assert view(rows, value="error").value == "error"


def drawn(ats, **more):
    """The axes of a plot of one mean per place, each a line of its own."""
    means = [mean([20.0 + i], (f"${i}$",), at) for i, at in enumerate(ats)]
    return lines(means, across="gamma", **more).axes[0]


def test_a_line_without_a_place_on_the_axis_is_level():
    axis = drawn([0.1, 1.0, None], log=True)
    assert axis.get_xscale() == "log"  # no place was taken for 0
    assert list(axis.get_lines()[2].get_ydata()) == [22.0, 22.0]


def test_places_that_are_words_are_told_apart():
    """With numbers between them, and whatever is said of a scale."""
    axis = drawn([0.001, "sure", 0.1, None], log=True)
    assert axis.get_xscale() == "linear"
    assert [t.get_text() for t in axis.get_xticklabels()] == ["0.001", "sure", "0.1", "—"]


def test_a_label_is_no_formula():
    drawn_as = [text.get_text() for text in drawn([1.0, 2.0]).get_legend().get_texts()]
    assert drawn_as == [r"\$0\$", r"\$1\$"]


@pytest.mark.parametrize(
    ("gammas", "across", "written"),
    [
        ([0.0, 0.1, 1.0], "m", ["s.csv", "s.svg", "s-gamma.csv", "s-gamma.svg"]),
        ([0.0, 0.1, 1.0], "gamma", ["s.csv", "s.svg"]),
        ([0.1], "m", ["s.csv", "s.svg"]),
    ],
)
def test_a_study_of_gammas_has_a_curve_over_them(tmp_path, gammas, across, written):
    """A line per m, beside the plot over m with a line per γ."""
    rows = [
        {"cell": f"{m} {gamma}", "label": "a", "status": "stopped", "m": m, "gamma": gamma,
         "image": 0, "psnr": 20 + gamma + m}
        for m in (1, 2) for gamma in gammas
    ]  # fmt: skip
    found = Results(rows)
    place = tmp_path / "s.parquet"
    assert [path.name for path in save(found, view(rows, across=across), place)] == written
    if len(written) == 4:
        head, *lines = (tmp_path / "s-gamma.csv").read_text().splitlines()
        assert head.split(",")[:4] == ["label", "m", "gamma", "psnr"]
        assert "a, m = 2" in (tmp_path / "s-gamma.svg").read_text()  # a line of its legend
        assert "a, gamma = 0.1" in (tmp_path / "s.svg").read_text()
        assert [line.split(",")[:4] for line in lines[:3]] == [
            ["a", "1", str(gamma), f"{21 + gamma:g}"] for gamma in gammas
        ]


def test_a_study_is_a_table_or_a_file(tmp_path):
    for source in (None, [{"settings": {}}], 3):
        with pytest.raises(BadInputError, match="A study is a table, or a TOML file with one"):
            priorkit.sweep(source, out=tmp_path / "out.parquet")


def test_results_are_read_and_saved_by_any_path(tmp_path):
    path = str(tmp_path / "some.parquet")
    priorkit.Results([{"cell": "a", "status": "converged", "psnr": 20.0}]).save(path)
    assert priorkit.Results.read(path).rows[0]["psnr"] == 20.0
