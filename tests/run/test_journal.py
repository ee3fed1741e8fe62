"""Runs that are cut short: what is kept, what goes on, and what is refused."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from priorkit_solvers.fista import FISTA
from priorkit_solvers.lbfgs import LBFGS
from safetensors import safe_open
from safetensors.torch import save_file

import priorkit
from priorkit.counted import counted
from priorkit.errors import BadInputError, PriorkitError
from priorkit.interfaces import Penalty
from priorkit.io.folders import unfinished
from priorkit.io.pictures import astronaut
from priorkit.io.saved import read
from priorkit.results.recovery import RunError
from priorkit.run.journal import Journal


class Killed(BaseException):
    """Stands for the end of the process: nothing but what is on disk is left."""


@pytest.fixture
def kill(monkeypatch):
    """``kill(n)`` ends the next run once ``n`` rows are kept; ``kill.kept`` counts them."""
    keep = Journal.keep

    def at(count):
        at.kept = 0

        def counted(self, *row):
            keep(self, *row)
            at.kept += 1
            if at.kept == count:
                raise Killed

        monkeypatch.setattr(Journal, "keep", counted)

    return at


@pytest.fixture(scope="module")
def faces():
    """Five pictures: the sample photograph, moved."""
    whole = np.asarray(Image.open(astronaut()).convert("RGB").resize((80, 80)))
    crops = [whole[4 * i : 4 * i + 64, 3 * i : 3 * i + 64] for i in range(5)]
    return np.stack(crops)


SMALL = {"prior": "dct", "op": "mask", "solver": "fista", "budget": 40}
LENGTHS = [6, 7, 8, 9, 11]  # evaluations at which the five images of a run end by themselves


def one_by_one(cls):
    """A solver of this class that ends each image at its own count, so that one is the last."""

    class OneByOne(cls):
        def step(self, problem, state):
            state = super().step(problem, state)
            last = torch.tensor([LENGTHS[image] for image in problem.images])
            state.end(state.evaluations >= last, "stopped", "its own length")
            return state

    return OneByOne()


APART = {
    "lasso": {"prior": "dct", "op": "gaussian", "m": 200, "solver": one_by_one(FISTA)},
    "lbfgs": {"prior": "none", "m": 300, "penalty": "tv", "gamma": 0.03, "resize": True}
    | {"shape": (3, 24, 24), "solver": one_by_one(LBFGS)},
}
TINY = {
    "glow": {"op": "gaussian", "m": 60, "budget": 12},
    "start": {"op": "mask", "start": "filled", "budget": 4},
}
LARGE = {
    "glow-64": {"prior": "glow-celeba", "op": "gaussian", "m": 500, "budget": 12},
    "dcgan-64": {"prior": "dcgan-celeba", "op": "gaussian", "m": 300, "budget": 9},
    "start-64": {"prior": "glow-celeba", "op": "mask", "start": "filled", "budget": 4},
}
RUNS = TINY | APART | LARGE


def same(a, b):
    """Two recoveries, bit for bit."""
    assert torch.equal(a.x, b.x)
    assert torch.equal(a.objective, b.objective)
    assert (a.evaluations, a.status, a.reason) == (b.evaluations, b.status, b.reason)
    assert [t.objective for t in a.trace] == [t.objective for t in b.trace]
    assert [row.value for row in a.rows] == [row.value for row in b.rows]


@pytest.mark.parametrize(
    "name", [*TINY, *APART, *(pytest.param(name, marks=pytest.mark.slow) for name in LARGE)]
)
@pytest.mark.parametrize("left", [1, 2])
def test_it_goes_on_bit_for_bit(name, left, faces, kill, tmp_path, tiny_weights):
    """Whichever rows are left, and however many are solved together then."""
    out, settings = tmp_path / "out", RUNS[name]
    if name in TINY:
        settings, faces = settings | {"prior": str(tiny_weights)}, faces[:, ::8, ::8]
    whole = priorkit.recover(faces, **settings)
    rows = len(whole.trace)
    if name in APART:  # one row is the last, and was solved as a pair
        assert whole.evaluations == LENGTHS
    kill(rows - left)
    with pytest.raises(Killed):
        priorkit.recover(faces, **settings, out=out)
    assert not out.exists()
    assert len(list(unfinished(out).glob("*.safetensors"))) == rows - left
    kill(-1)
    again = priorkit.recover(faces, **settings, out=out, resume=True)
    assert kill.kept == left  # and no row twice
    same(again, whole)
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_ctrl_c_saves_the_best_so_far_and_goes_on(faces, kill, tmp_path):
    out = tmp_path / "out"

    def stop(now, done):
        if kill.kept:
            raise KeyboardInterrupt

    x = faces[:, :32, :32]
    settings = APART["lasso"]
    whole = priorkit.recover(x, **settings)
    assert whole.evaluations == LENGTHS
    kill(-1)
    cut = priorkit.recover(x, **settings, out=out, progress=stop)
    assert cut.interrupted
    assert "interrupted" in cut.reason
    assert json.loads((out / "record.json").read_text())["images"][0]["name"] == "0000"
    same(priorkit.recover(x, **settings, out=out, resume=True), whole)


@pytest.mark.parametrize("verb", ["recover", "compare"])
def test_a_command_that_is_cut_short_keeps_what_was_done_before(
    verb, faces, command_line, monkeypatch, tmp_path
):
    np.save(tmp_path / "faces.npy", faces[:2, :16, :16])
    out, given = tmp_path / "out", str(tmp_path / "faces.npy")
    words = {
        "recover": [given, "--prior", "dct"],
        "compare": [given, "--priors", "dct"],
    }[verb]
    words += ["--op", "gaussian", "--m", "100", "--solver", "fista", "--budget", "20"]
    assert command_line(verb, *words, "--out", out).code == 0
    before = (out / "report.html").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(FISTA, "step", interrupted_after(FISTA.step, 3))
        done = command_line(verb, *words, "--seed", "3", "--out", out)
    assert done.code == 130
    assert "Wrote" not in done.out
    assert "keeps the result of the earlier run" in done.err
    assert (out / "report.html").read_bytes() == before
    assert "Interrupted: what was finished is kept beside it. To continue: the same" in done.err
    assert command_line(verb, *words, "--seed", "3", "--out", out, "--resume").code == 0
    assert (out / "report.html").read_bytes() != before


def test_ctrl_c_before_anything_is_finished(faces, command_line, monkeypatch, tmp_path):
    """Nothing of it can be gone on with, and the same command with --resume is no error."""
    np.save(tmp_path / "faces.npy", faces[:2, :16, :16])
    out = tmp_path / "out"
    words = ["recover", tmp_path / "faces.npy", "--out", out, "--seed", "3"]
    words += ["--prior", "dct", "--op", "gaussian", "--m", "100", "--solver", "fista"]
    words += ["--budget", "20"]
    with monkeypatch.context() as patch:
        patch.setattr(FISTA, "step", interrupted_after(FISTA.step, 3))
        cut = command_line(*words)
    assert cut.code == 130
    assert f"with --resume --out {out}, which begins anew" in cut.err.replace("\n", " ")
    refused = command_line(*words, "--seed", "4", "--resume")
    assert refused.code == 2
    assert "another seed, 3. Got 4" in refused.err
    assert unfinished(out).exists()
    again = command_line(*words, "--resume")
    assert again.code == 0, again.err
    assert "Nothing was finished before" in again.err
    assert "begins anew" not in refused.err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["faces.npy", "out"]
    whole = priorkit.recover(
        tmp_path / "faces.npy",
        **{"prior": "dct", "op": "gaussian", "m": 100, "solver": "fista", "seed": 3, "budget": 20},
    )
    assert np.array_equal(read(out).x, whole.x.numpy())


COMMAND = [
    "--prior",
    "dct",
    "--op",
    "gaussian",
    "--m",
    "100",
    "--solver",
    "fista",
    "--budget",
    "20",
]


@pytest.mark.parametrize("finished", [0, 1])
@pytest.mark.parametrize("verb", ["recover", "compare"])
def test_ctrl_c_where_nobody_named_a_folder(
    verb, finished, faces, kill, command_line, monkeypatch, tmp_path
):
    """What is finished stays, and where is said; of nothing, nothing."""
    monkeypatch.chdir(tmp_path)
    np.save("faces.npy", faces[:2, :16, :16])
    words = COMMAND if verb == "recover" else ["--priors", *COMMAND[1:]]
    if finished:
        for result in (priorkit.Recovery, priorkit.Comparison):
            monkeypatch.setattr(result, "save", interrupted_after(result.save, 1))
    else:
        monkeypatch.setattr(FISTA, "step", interrupted_after(FISTA.step, 3))
    cut = command_line(verb, "faces.npy", *words)
    assert cut.code == 130
    if finished:
        assert "Interrupted. To continue: the same with --resume --out priorkit-out\n" in cut.err
    else:
        assert cut.err.endswith(" kept.\n")
    left = {"faces.npy", "priorkit-out.unfinished" if finished else "priorkit-out"}
    assert {path.name for path in tmp_path.iterdir()} == left


@pytest.mark.parametrize("verb", ["recover", "compare"])
def test_ctrl_c_before_a_run_begins_is_said(verb, command_line, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("priorkit.run.setup.fit.check", interrupted_after(None, 1))
    words = COMMAND if verb == "recover" else ["--priors", *COMMAND[1:]]
    cut = command_line(verb, *words)
    assert (cut.code, cut.out, cut.err) == (130, "", "Interrupted.\n")
    assert not list(tmp_path.iterdir())


def test_ctrl_c_in_any_command_is_said(command_line, monkeypatch):
    monkeypatch.setattr("priorkit.cli.inspect.out.print", interrupted_after(None, 1))
    assert command_line("list") == (130, "", "Interrupted.\n")


def interrupted_after(step, count):
    """A function that Ctrl-C ends at that call."""
    calls = []

    def stepping(*given):
        calls.append(1)
        if len(calls) == count:
            raise KeyboardInterrupt
        return step(*given)

    return stepping


def test_a_component_that_fails_at_once_leaves_a_run_to_go_on_with(faces, monkeypatch, tmp_path):
    out, x = tmp_path / "out", faces[:2, :16, :16]
    settings = {"prior": "dct", "op": "gaussian", "m": 100, "solver": "fista", "budget": 5}

    def failing(self, problem, state):
        raise ZeroDivisionError("of mine")

    with monkeypatch.context() as patch:
        patch.setattr(FISTA, "step", failing)
        with pytest.raises(RunError, match="resume=True once it is mended"):
            priorkit.recover(x, **settings, out=out)
    same(priorkit.recover(x, **settings, out=out, resume=True), priorkit.recover(x, **settings))


def test_what_is_refused_leaves_nothing(faces, tmp_path):
    for changes in ({"op": "nosuch"}, {"start": faces[:2]}):
        with pytest.raises(PriorkitError):
            priorkit.recover(faces, **SMALL | changes, out=tmp_path / "out")
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"budget": 41}, "another budget, 40. Got 41"),
        ({"seed": 1}, "another seed, 0. Got 1"),
        ({"prior": "wavelet"}, "another prior"),
        ({"op": {"name": "mask", "mask": "random"}}, "another op"),
        ({"x": 1}, "another truth"),
    ],
)
def test_other_settings_are_refused(changes, named, faces, kill, tmp_path):
    out, changes = tmp_path / "out", dict(changes)
    kill(2)
    with pytest.raises(Killed):
        priorkit.recover(faces, **SMALL, out=out)
    x = 255 - faces if changes.pop("x", None) else faces
    with pytest.raises(BadInputError, match=named):
        priorkit.recover(x, **SMALL | changes, out=out, resume=True)
    assert len(list(unfinished(out).glob("*.safetensors"))) == 2
    for row in unfinished(out).glob("*.safetensors"):  # and where nothing is finished yet
        row.unlink()
    with pytest.raises(BadInputError, match=named):
        priorkit.recover(x, **SMALL | changes, out=out, resume=True)
    assert (unfinished(out) / "settings.json").exists()


def test_what_took_work_is_not_thrown_away(faces, kill, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(BadInputError, match="There is no unfinished run of"):
        priorkit.recover(faces, **SMALL, out=out, resume=True)
    with pytest.raises(BadInputError, match="Say which run is to go on"):
        priorkit.recover(faces, **SMALL, resume=True)
    kill(2)
    with pytest.raises(Killed):
        priorkit.recover(faces, **SMALL, out=out)
    with pytest.raises(BadInputError, match=r"holds 2 rows that were finished .*Try: resume=True"):
        priorkit.recover(faces, **SMALL, out=out)
    shutil.rmtree(unfinished(out))
    unfinished(out).mkdir()
    (unfinished(out) / "notes.txt").write_text("mine")
    for resume in (False, True):
        with pytest.raises(BadInputError, match="is not a run that was cut short"):
            priorkit.recover(faces, **SMALL, out=out, resume=resume)


def empty(row):
    row.write_bytes(b"")


def without_tensors(row):
    row.write_bytes(b"\x08\0\0\0\0\0\0\0{}      ")


def cut_off(row):
    row.write_bytes(row.read_bytes()[:-5])


def with_an_axis_too_many(row):
    with safe_open(row, "pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        words = file.metadata()
    wide = {key: tensor.expand(2, *tensor.shape).clone() for key, tensor in tensors.items()}
    save_file(wide, row, words)


@pytest.mark.parametrize("damage", [empty, without_tensors, cut_off, with_an_axis_too_many])
def test_a_damaged_row_is_solved_again(damage, faces, kill, tmp_path, caplog):
    out = tmp_path / "out"
    whole = priorkit.recover(faces, **SMALL)
    kill(3)
    with pytest.raises(Killed):
        priorkit.recover(faces, **SMALL, out=out)
    damage(unfinished(out) / "000001.safetensors")
    kill(-1)
    same(priorkit.recover(faces, **SMALL, out=out, resume=True), whole)
    assert kill.kept == 3
    assert "damaged and is solved again" in caplog.text


def test_a_full_disk_stops_no_run(faces, monkeypatch, tmp_path, caplog):
    """It is said once; what was found is there all the same."""

    def full(path, data):
        raise BadInputError(f"{path} can't be written.", got="No space left on device")

    monkeypatch.setattr("priorkit.run.journal.write_atomic", full)
    found = priorkit.recover(faces, **SMALL, out=tmp_path / "out")
    assert found.status
    assert caplog.text.count("No space left") == 1


# --- components that fail ------------------------------------------------------------


class Late(Penalty):
    """Fails at the twentieth evaluation."""

    count = 0

    def value_grad(self, u):
        self.count += 1
        if self.count == 20:
            raise self.error
        return u.flatten(1).square().sum(1), 2 * u


@pytest.mark.parametrize(
    "error", [ZeroDivisionError("of mine"), SystemExit(3), MemoryError("too much")]
)
def test_a_component_that_fails_costs_no_work(error, tmp_path):
    """Images that were done are done, the others the best so far, and it is named."""
    penalty, out = Late(), tmp_path / "out"
    penalty.error = error
    x = torch.rand(3, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    settings = {"prior": "none", "op": "gaussian", "m": 60, "gamma": 1e-3}
    with pytest.raises(RunError, match=r"The penalty '<.*Late>' failed") as ended:
        priorkit.recover(x, **settings, penalty=penalty, out=out)
    assert type(error).__name__ in str(ended.value)
    found = ended.value.recovery
    assert max(found.evaluations) == 19  # the best finite iterate before
    assert all(type(error).__name__ in reason for reason in found.reason)
    saved = json.loads((out / "record.json").read_text())
    assert [image["evaluations"] for image in saved["images"]] == found.evaluations


def test_what_was_done_before_a_failure_knows_its_files(tmp_path):
    """Those that it was read from, and those of the folder that couldn't be."""
    for name in "ab":
        Image.new("L", (16, 16), 99).save(tmp_path / f"{name}.png")
    (tmp_path / "c.png").write_bytes(b"no picture")
    penalty = Late()
    penalty.error = ZeroDivisionError("of mine")
    settings = {"prior": "none", "op": "gaussian", "m": 60, "gamma": 1e-3, "shape": (1, 16, 16)}
    with pytest.raises(RunError) as ended:
        priorkit.recover(tmp_path, **settings, penalty=penalty)
    found = ended.value.recovery
    assert len(found.sources) == 2
    assert list(found.skipped) == list(found.record["skipped"]) == ["c.png"]


def test_the_one_that_fails_is_named(monkeypatch):
    """Also where it is the closure of another method that raises."""
    from priorkit_operators.gaussian import Gaussian
    from priorkit_sparsity.bases import DCT

    x = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    calls = []

    def failing(whole, at):
        def method(self, *arguments):
            calls.append(1)
            if len(calls) == at:
                raise RuntimeError("of its own")
            return whole(self, *arguments)

        return method

    for cls, method, said in [
        (DCT, "decode", "prior 'dct'"),
        (DCT, "decode_adjoint", "prior 'dct'"),
        (Gaussian, "A_adjoint", "operator 'gaussian'"),
    ]:
        calls.clear()
        with monkeypatch.context() as patch:
            patch.setattr(cls, method, failing(getattr(cls, method), 6))
            with pytest.raises(RunError, match=f"The {said} failed"):
                priorkit.recover(x, prior="dct", op="gaussian", m=60, solver="fista", budget=50)


# --- comparisons -----------------------------------------------------------------------


def test_a_comparison_goes_on_with_the_rows_that_are_left(faces, monkeypatch, tmp_path):
    out = tmp_path / "out"
    settings = {"priors": ["dct", "wavelet", "none"], "op": "gaussian", "m": 80, "budget": 30}
    x = faces[:2, :16, :16]
    whole = priorkit.compare(x, **settings)
    note = Journal.note

    def noting(self, name, values):
        note(self, name, values)
        if name == "finished" and self.folder.name == "001":
            raise Killed

    ran = []
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "note", noting)
        with pytest.raises(Killed):
            priorkit.compare(x, **settings, out=out)
    assert not out.exists()
    with pytest.raises(BadInputError, match=r"another dct, m = None"):
        priorkit.compare(x, **settings | {"budget": 31}, out=out, resume=True)
    again = priorkit.compare(
        x, **settings, out=out, resume=True, progress=lambda label, *_: ran.append(label)
    )
    assert set(ran) == {"none"}
    for one, other in zip(again.rows, whole.rows, strict=True):
        assert torch.equal(one.recovery.x, other.recovery.x)
        assert one.seconds > 0
        assert one.course
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_comparison_cut_in_its_first_row_begins_anew(faces, tmp_path):
    def stop(label, now, done):
        raise KeyboardInterrupt

    out, x = tmp_path / "out", faces[:2, :16, :16]
    settings = {"priors": ["dct", "none"], "op": "gaussian", "m": 80, "budget": 9}
    assert priorkit.compare(x, **settings, out=out, progress=stop).interrupted
    again = priorkit.compare(x, **settings, out=out, resume=True)
    assert [row["status"] for row in again.table()] == ["done", "done"]
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_row_that_fails_ends_no_comparison(faces, tmp_path):
    penalty = Late()
    penalty.error = ZeroDivisionError("of mine")
    bad = {"prior": "none", "penalty": penalty, "gamma": 1e-3, "label": "bad"}
    found = priorkit.compare(
        faces[:2, :16, :16], priors=[bad, "dct"], op="fourier", budget=40, out=tmp_path / "out"
    )
    assert not found.interrupted
    first, second = found.table()
    assert (first["status"], second["status"]) == ("failed", "done")
    assert "Late" in first["reason"]
    assert (tmp_path / "out" / "bad" / "grid.png").exists()  # what was done until then


def test_a_comparison_lists_what_it_could_not_read(tmp_path, command_line):
    (tmp_path / "in").mkdir()
    Image.new("RGB", (8, 8), "gray").save(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "b.png").write_text("no picture")
    words = ["--priors", "dct,none", "--op", "fourier", "--budget", "2", "--out", tmp_path / "out"]
    done = command_line("compare", tmp_path / "in", *words)
    assert done.code == 1
    assert "1 file of the folder was left out" in done.err
    assert "b.png is not a picture" in (tmp_path / "out" / "report.html").read_text()


# --- samplers ----------------------------------------------------------------------------

SAMPLERS = {
    "perturb": {"m": 40, "solver": {"name": "perturb", "draws": 6}, "budget": 30},
    "langevin": {"m": 40, "solver": {"name": "langevin", "vectors": 3}, "budget": 60},
    "ancestral": {"prior": "denoiser-photos", "op": "identity", "precision": "float32"}
    | {"solver": {"name": "ancestral", "draws": 5, "levels": 4}},
}


FEW = [  # each sampler once, one alone and one among others
    ("perturb", 1),
    ("langevin", 3),
    ("ancestral", 3),
    pytest.param("ancestral", 1, marks=pytest.mark.slow),
    pytest.param("perturb", 3, marks=pytest.mark.slow),
    pytest.param("langevin", 1, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("name", "images"), FEW)
def test_draws_are_kept_as_they_come(name, images, tiny_weights, monkeypatch, tmp_path, caplog):
    """Cut in the middle of its draws, a run goes on with those that were done, bit for bit."""
    out, generator = tmp_path / "out", torch.Generator().manual_seed(0)
    x = torch.rand(images, 3, 8, 8, generator=generator)
    settings = {"prior": str(tiny_weights), "sigma": 0.05, **SAMPLERS[name]}
    whole = priorkit.recover(x, **settings)
    monkeypatch.setattr("priorkit.run.bookmark.EVERY", 0.0)
    monkeypatch.setattr("priorkit.run.bookmark.SHARE", 0)
    mark = Journal.mark

    def cut(self, tensors, words):
        mark(self, tensors, words)
        if "draws.count" in tensors and int(tensors["draws.count"].min()) == 4:
            raise Killed

    begun = []
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "mark", cut)
        with pytest.raises(Killed):
            priorkit.recover(x, **settings, out=out)
    with pytest.raises(BadInputError, match=r"holds the draws so far .*Try: resume=True"):
        priorkit.recover(x, **settings, out=out)
    again = priorkit.recover(
        x, **settings, out=out, resume=True, progress=lambda now, _: begun.append(now.evaluations)
    )
    same(again, whole)
    assert f"Going on where the last run stood: {counted(images, 'images')}." in caplog.text
    for one, other in zip(vars(again.draws).values(), vars(whole.draws).values(), strict=True):
        assert torch.equal(one, other)
    assert int(begun[0].min()) > max(whole.evaluations) / 3  # none of them was drawn again
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_damaged_bookmark_costs_only_the_time(tiny_weights, face, monkeypatch, tmp_path, caplog):
    settings = {"prior": str(tiny_weights), "sigma": 0.05, **SAMPLERS["perturb"]}
    whole = priorkit.recover(face, **settings)
    monkeypatch.setattr("priorkit.run.bookmark.EVERY", 0.0)
    monkeypatch.setattr("priorkit.run.bookmark.SHARE", 0)
    marks = []

    def stop(now, done):
        if len(marks) == 3:
            raise KeyboardInterrupt

    mark = Journal.mark
    monkeypatch.setattr(Journal, "mark", lambda self, *kept: marks.append(mark(self, *kept)))
    out = tmp_path / "out"
    cut = priorkit.recover(face, **settings, out=out, progress=stop)
    assert cut.interrupted  # what Ctrl-C saved is there, and what the run goes on from too
    place = unfinished(out) / "unfinished.mark"
    place.write_bytes(place.read_bytes()[:-9])
    same(priorkit.recover(face, **settings, out=out, resume=True), whole)
    assert "begin anew" in caplog.text


@pytest.mark.parametrize(("name", "together"), FEW)
def test_rows_that_ended_after_the_bookmark(
    name, together, tiny_weights, kill, monkeypatch, tmp_path
):
    """It speaks of three rows and two are finished: the third goes on as it stood, if not alone."""
    monkeypatch.setattr("priorkit.run.bookmark.EVERY", 0.0)
    monkeypatch.setattr("priorkit.run.bookmark.SHARE", 0)
    if together == 1:
        monkeypatch.setattr("priorkit.run.memory.BATCH_BYTES", 1)
    out, x = tmp_path / "out", torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    settings = {"prior": str(tiny_weights), "sigma": 0.05, **SAMPLERS[name]}
    whole = priorkit.recover(x, **settings)
    kill(2)
    with pytest.raises(Killed):
        priorkit.recover(x, **settings, out=out)
    kill(-1)
    again = priorkit.recover(x, **settings, out=out, resume=True)
    assert kill.kept == 1
    same(again, whole)
    for one, other in zip(vars(again.draws).values(), vars(whole.draws).values(), strict=True):
        assert torch.equal(one, other)


def test_a_file_in_the_place_of_an_unfinished_run(tmp_path):
    (tmp_path / "out.unfinished").write_text("mine")
    with pytest.raises(BadInputError, match=r"out.unfinished is not a run that was cut short"):
        priorkit.recover(prior="none", op="mask", budget=1, out=tmp_path / "out")
    assert (tmp_path / "out.unfinished").read_text() == "mine"
