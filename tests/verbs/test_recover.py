"""Recovering pictures end to end, on real photographs and the shipped weights."""

import json
import tomllib
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse
import torch
from PIL import Image

import priorkit
from priorkit.errors import BadInputError
from priorkit.interfaces import Level, LinearOperator
from priorkit.io import pictures
from priorkit.results.recovery import RunError
from priorkit.results.views import summary
from priorkit.run.memory import plan


@pytest.fixture(scope="module")
def shipped():
    """One short recovery with the shipped weights, shared by the tests that look at it."""
    return priorkit.recover(prior="glow-celeba", op="gaussian", m=500, budget=40)


def test_a_face_from_500_numbers(shipped):
    """The sample photograph comes back, far better than least squares could do."""
    baseline = priorkit.recover(prior="none", op="gaussian", m=500, budget=40)
    assert shipped.x.shape == (1, 3, 64, 64)
    assert shipped.z.shape == (1, 12288)
    assert shipped.y.shape == (1, 500)
    assert float(shipped.psnr[0]) > 20
    assert float(shipped.psnr[0]) > float(baseline.psnr[0]) + 8
    assert float(shipped.ssim[0]) > 0.6
    assert shipped.evaluations[0] <= 40


def test_the_trace_tells_of_every_round(shipped):
    (trace,) = shipped.trace
    assert (np.diff(trace.objective) <= 0).all()
    assert trace.evaluations[-1:] == shipped.evaluations
    assert trace.norm[-1] == pytest.approx(float(shipped.z.norm()), rel=1e-4)
    assert len(trace.seconds) == len(trace.objective) == len(trace.misfit)


def test_save_and_replay(tmp_path):
    """A saved run is complete, opens, and repeats to the same picture."""
    shipped = priorkit.recover(prior="glow-celeba", op="gaussian", m=500, budget=8)
    folder = shipped.save(tmp_path / "run")
    for name in ("y.npy", "x.npy", "z.npy", "truth.npy", "trace.json"):
        assert (folder / name).exists()
    assert Image.open(folder / "grid.png").size[0] > 4 * 160
    saved = Image.open(folder / "images" / "astronaut.png")
    assert np.abs(np.asarray(saved) / 255 - shipped.x[0].permute(1, 2, 0).numpy()).max() < 0.003
    page = (folder / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 4
    assert "http" not in page.replace("http-equiv", "")
    config = tomllib.loads((folder / "config.toml").read_text())
    assert config["op"] == {"name": "gaussian", "m": 500}
    record = json.loads((folder / "record.json").read_text())
    assert record["images"][0]["psnr"] == pytest.approx(float(shipped.psnr[0]))
    assert set(record["weights"]) == {"glow-celeba"}
    again = priorkit.replay(folder)
    assert float((again.x - shipped.x).abs().max()) < 1e-4
    assert float(again.psnr[0]) == pytest.approx(float(shipped.psnr[0]), abs=0.01)


def test_the_written_config_repeats_the_run(tmp_path):
    first = priorkit.recover(
        prior="none", op="mask", mask="random", penalty="tv", gamma=0.02, seed=3
    )
    first.save(tmp_path)
    again = priorkit.recover(config=tmp_path / "config.toml")
    assert torch.equal(again.x, first.x)
    assert again.record["config"] == first.record["config"]


def test_keywords_go_over_the_config(tmp_path):
    (tmp_path / "run.toml").write_text(
        'prior = "none"\nop = {name = "gaussian", m = 50}\nshape = [1, 8, 8]\nsigma = 0.5\n'
    )
    x = np.full((1, 8, 8), 0.5, dtype=np.float32)
    result = priorkit.recover(x, config=tmp_path / "run.toml", m=20, noise_norm=0.0)
    assert result.y.shape == (1, 20)
    assert result.record["config"]["noise_norm"] == 0.0
    assert "sigma" not in result.record["config"]


def test_measurements_of_one_s_own(tmp_path):
    """A matrix and a y from files, as a user has them; sparse and matrix-free give the same."""
    rng = np.random.default_rng(0)
    truth = rng.random((1, 8, 8))
    matrix = rng.normal(size=(90, 64))
    y = matrix @ truth.ravel()
    np.save(tmp_path / "A.npy", matrix)
    np.save(tmp_path / "y.npy", y)
    common = {"prior": "none", "shape": (1, 8, 8), "precision": "float64"}
    result = priorkit.recover(
        y=tmp_path / "y.npy", op={"name": "matrix", "path": str(tmp_path / "A.npy")}, **common
    )
    assert result.psnr is None
    assert float((result.x - torch.from_numpy(truth)).abs().max()) < 1e-2
    for form in (scipy.sparse.csr_array(matrix), scipy.sparse.linalg.aslinearoperator(matrix)):
        other = priorkit.recover(y=y, op={"name": "matrix", "matrix": form}, **common)
        assert float((other.x - result.x).abs().max()) < 1e-3


def test_components_as_objects_and_tables(tmp_path):
    class Half(LinearOperator):
        default_noise = Level(sigma=0.0)

        def A(self, x):
            return x[..., ::2, :]

        def A_adjoint(self, y):
            x = torch.zeros(len(y), *self.shape, dtype=y.dtype)
            x[..., ::2, :] = y
            return x

    result = priorkit.recover(
        prior="none", op=Half(), penalty={"name": "tv", "epsilon": 0.01}, gamma=0.001
    )
    assert float(result.psnr[0]) > 25
    folder = result.save(tmp_path)
    with pytest.raises(priorkit.PriorkitError, match="object"):
        priorkit.replay(folder)


def test_noise_is_what_was_asked_for():
    x = np.full((5, 3, 32, 32), 0.5, dtype=np.float32)
    common = {"prior": "none", "budget": 2}
    denoising = priorkit.recover(x, op="denoising", sigma=0.05, **common)
    assert float((denoising.y - 0.5).std()) == pytest.approx(0.05, rel=0.03)
    cs = priorkit.recover(x, op="cs", m=2000, noise_norm=0.1, **common)
    clean = priorkit.recover(x, op="cs", m=2000, noise_norm=0.0, **common)
    norms = (cs.y - clean.y).norm(dim=1)
    assert norms.numpy() == pytest.approx(0.1, rel=0.1)
    hole = priorkit.recover(x, op="inpainting", sigma=0.1, **common)
    missing = hole.operator.mask == 0
    assert bool((hole.y[:, missing] == 0).all())


def test_the_center_hole_is_the_paper_s():
    """Rows and columns 22 to 40 of 64."""
    result = priorkit.recover(prior="none", op="mask", budget=1)
    hole = (result.operator.mask == 0).nonzero()
    assert hole[:, 1:].min().item() == 22
    assert hole[:, 1:].max().item() == 40
    assert len(hole) == 3 * 19 * 19


def test_restarts_keep_the_lowest_objective():
    common = {"op": "gaussian", "m": 100, "start": {"name": "normal", "std": 2.0}}
    x = pictures.load(pictures.astronaut(), (3, 16, 16)).x
    prior = {"prior": "none", "penalty": "tv", "gamma": 0.01, "budget": 6}
    one = priorkit.recover(x, **common, **prior)
    three = priorkit.recover(x, **common, **prior, restarts=3)
    assert float(three.objective[0]) <= float(one.objective[0])
    assert three.evaluations[0] == 18


def test_a_start_of_one_s_own(shipped):
    """Starting from the solution, as latent or as picture, ends at once and no worse."""
    common = {"prior": "glow-celeba", "op": "gaussian", "m": 500, "budget": 2}
    for start in (shipped.z, shipped.x.numpy()):
        again = priorkit.recover(**common, start=start)
        assert float(again.objective[0]) < 3 * float(shipped.objective[0])


def test_denoising_defaults_improve_the_picture():
    """By default γ follows σ from the card, in pixel space, and the noise goes down."""
    result = priorkit.recover(prior="glow-celeba", op="identity", sigma=0.1, budget=25)
    noisy = -10 * np.log10(0.01)
    assert result.record["config"]["penalty"]["name"] == "nll"
    assert float(result.psnr[0]) > noisy + 5


def test_pixel_and_latent_space_and_adam():
    latent = priorkit.recover(prior="glow-celeba", op="mask", budget=8, solver="adam")
    assert latent.z is not None
    pixel = priorkit.recover(
        prior="glow-celeba", op="mask", space="pixel", penalty="nll", gamma=1e-4, budget=8
    )
    assert pixel.z is None
    assert float(pixel.psnr[0]) > 15


def test_a_folder_is_a_batch(tmp_path):
    for i, size in enumerate([(80, 64), (64, 70), (200, 200)]):
        image = Image.open(pictures.astronaut()).resize(size)
        image.save(tmp_path / f"face-{i}.png")
    result = priorkit.recover(tmp_path, prior="none", op="mask", shape=(3, 32, 32), budget=3)
    assert result.names == ["face-0", "face-1", "face-2"]
    assert result.x.shape == (3, 3, 32, 32)


def at_a_time(count):
    """A plan of so many images together, whatever memory there is."""
    return lambda setup, images: replace(plan(setup, images), together=count)


def test_chunks_don_t_change_results(monkeypatch):
    x = torch.rand(5, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    settings = {"prior": "none", "op": "gaussian", "m": 30, "start": "normal", "budget": 20}
    whole = priorkit.recover(x, **settings)
    monkeypatch.setattr("priorkit.verbs.recover.plan", at_a_time(2))
    chunked = priorkit.recover(x, **settings)
    assert torch.equal(whole.y, chunked.y)
    torch.testing.assert_close(whole.x, chunked.x, atol=1e-4, rtol=1e-4)


def test_restarts_are_solved_together(monkeypatch):
    """One batch of all restarts of all images; each is what it would be by itself."""
    x = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    settings = {"prior": "none", "op": "gaussian", "m": 30, "start": "normal", "restarts": 3}
    whole = priorkit.recover(x, **settings, budget=20)
    monkeypatch.setattr("priorkit.verbs.recover.plan", at_a_time(1))
    apart = priorkit.recover(x, **settings, budget=20)
    assert torch.equal(whole.x, apart.x)
    assert [row.value for row in whole.rows] == [row.value for row in apart.rows]
    for one, other in zip(whole.trace, apart.trace, strict=True):
        assert (one.image, one.restart, one.objective) == (
            other.image,
            other.restart,
            other.objective,
        )
    assert [(t.image, t.restart) for t in whole.trace] == [(i, r) for r in range(3) for i in (0, 1)]


def test_ctrl_c_keeps_the_best_so_far():
    def interrupt(now, done):
        if int(now.evaluations[0]) == 10:
            raise KeyboardInterrupt

    settings = {"prior": "none", "op": "mask", "penalty": "tv", "gamma": 0.02, "start": "zero"}
    result = priorkit.recover(**settings, progress=interrupt)
    start = priorkit.recover(**settings, budget=1)
    assert result.interrupted
    assert result.status == ["stopped"]
    assert float(result.objective[0]) < 0.5 * float(start.objective[0])
    assert summary(result).endswith(", interrupted.")


def test_ctrl_c_leaves_what_follows_at_its_start(monkeypatch, tmp_path):
    """Pictures that were not reached are there, said to be stopped, and the run saves."""

    def interrupt(now, done):
        if done == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr("priorkit.verbs.recover.plan", at_a_time(1))
    x = torch.rand(3, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    result = priorkit.recover(x, prior="none", op="identity", budget=5, progress=interrupt)
    assert result.status[1:] == ["stopped", "stopped"]
    assert result.evaluations[2] == 0
    assert summary(result).endswith(", interrupted: images without evaluations are only starts.")
    record = json.loads((result.save(tmp_path) / "record.json").read_text())
    assert record["images"][2]["objective"] is None


def test_a_folder_that_is_used_again_holds_one_run(tmp_path):
    """Nothing of the earlier run, neither truth nor pictures, is taken for the later one's."""
    x = np.full((2, 1, 16, 16), 0.5, dtype=np.float32)
    common = {"prior": "none", "op": "identity", "budget": 3}
    first = priorkit.recover(x, **common)
    first.save(tmp_path)
    priorkit.recover(y=first.y[0], **common).save(tmp_path)
    assert priorkit.replay(tmp_path).psnr is None
    assert [p.name for p in (tmp_path / "images").iterdir()] == ["image.png"]


def test_what_a_run_will_replace_is_said_before_it_begins(tmp_path, caplog):
    """Once, by recover and by compare; not of a run that goes on with its own."""
    said = f"{tmp_path / 'out'} holds the result of an earlier run: this one replaces it when done."
    heard = []

    def watch(*_):
        heard.append(list(caplog.messages))

    settings = {"op": "identity", "budget": 2, "out": tmp_path / "out", "progress": watch}
    x = np.full((1, 16, 16), 0.5, dtype=np.float32)
    with caplog.at_level("WARNING", logger="priorkit"):
        priorkit.recover(x, prior="none", **settings)
        assert not caplog.messages
        priorkit.recover(x, prior="none", **settings)
        assert caplog.messages == heard[-1] == [said]
        caplog.clear()
        priorkit.compare(x, priors=["none"], **settings)
        assert caplog.messages == heard[-1] == [said]
        caplog.clear()
        with pytest.raises(priorkit.PriorkitError):  # which replaces nothing
            priorkit.recover(x, prior="none", penalty="tv", **settings)
        assert not caplog.messages


@pytest.mark.parametrize("verb", ["recover", "compare"])
def test_a_run_that_is_cut_short_replaces_nothing_that_is_whole(verb, tmp_path, caplog):
    """Ctrl-C had put what there was of it in the place of a finished result."""
    out = tmp_path / "out"
    page = out / "report.html"
    settings = {"op": "identity", "penalty": "tv", "gamma": 0.01, "budget": 40, "out": out}
    settings |= {"prior": "none"} if verb == "recover" else {"priors": ["none"]}
    run = getattr(priorkit, verb)
    x = np.random.default_rng(0).random((1, 16, 16), dtype=np.float32)

    def cut(*_):
        raise KeyboardInterrupt

    def whole():
        return "cut_short" not in json.loads((out / "manifest.json").read_text())

    assert run(x, progress=cut, **settings).interrupted  # nothing is there: the best so far
    assert not whole()
    run(x, resume=True, **settings)
    assert whole()
    before = page.read_bytes()
    said = f"{out} keeps the result of the earlier run, as this one was cut short."
    for resume in (False, True):
        caplog.clear()
        found = run(1 - x, progress=cut, resume=resume, **settings)
        assert found.interrupted
        assert said in caplog.messages
        assert page.read_bytes() == before
        assert whole()
    run(1 - x, resume=True, **settings)
    assert page.read_bytes() != before
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_component_that_fails_replaces_nothing_that_is_whole(tmp_path, monkeypatch):
    x = np.random.default_rng(0).random((1, 16, 16), dtype=np.float32)
    settings = {"prior": "none", "penalty": "tv", "gamma": 0.01, "budget": 5}
    settings |= {"out": tmp_path / "out", "op": "identity"}
    priorkit.recover(x, **settings)
    before = (tmp_path / "out" / "record.json").read_bytes()

    def fails(*_):
        raise ValueError("of mine")

    monkeypatch.setattr("priorkit_solvers.lbfgs.LBFGS.step", fails)
    with pytest.raises(RunError) as caught:
        priorkit.recover(x, **settings)
    assert str(caught.value).endswith("Try: resume=True once it is mended")
    assert (tmp_path / "out" / "record.json").read_bytes() == before


def test_a_run_with_its_own_start_is_repeated(tmp_path):
    """In memory or from a file, by replay or by the written config."""
    x = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    np.save(tmp_path / "u.npy", np.full((1, 256), 0.5))
    common = {"prior": "none", "op": "gaussian", "m": 60, "budget": 4}
    first = priorkit.recover(x, **common, start=np.full((1, 256), 0.5))
    again = priorkit.recover(x, **common, start=str(tmp_path / "u.npy"))
    assert torch.equal(first.x, again.x)
    folder = first.save(tmp_path / "run")
    assert torch.equal(priorkit.replay(folder).x, first.x)
    assert torch.equal(priorkit.recover(config=folder / "config.toml").x, first.x)


def test_what_was_changed_is_not_replayed(tmp_path):
    x = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    folder = priorkit.recover(x, prior="none", op="mask", budget=2).save(tmp_path / "run")
    np.save(folder / "y.npy", np.zeros((1, 1, 8, 8), np.float32))
    with pytest.raises(BadInputError, match=r"y.npy has changed since it was written"):
        priorkit.replay(folder)


def test_restarts_are_all_reported(tmp_path):
    x = np.full((1, 16, 16), 0.5, dtype=np.float32)
    settings = {"prior": "none", "op": "gaussian", "m": 60, "start": "normal", "restarts": 3}
    result = priorkit.recover(x, **settings, budget=5)
    restarts = result.record["images"][0]["restarts"]
    assert all(set(restart) == {"objective", "misfit", "psnr"} for restart in restarts)
    assert float(result.mean_psnr[0]) == pytest.approx(sum(r["psnr"] for r in restarts) / 3)
    values = [restart["objective"] for restart in restarts]
    assert len(values) == len(set(values)) == 3
    assert min(values) == result.record["images"][0]["objective"]
    assert len(result.trace) == 3


def test_a_latent_start_in_pixel_space_is_decoded():
    x = pictures.load(pictures.astronaut(), (3, 64, 64)).x
    latent = priorkit.recover(x, prior="glow-celeba", op="mask", start=x, budget=1).z
    pixel = priorkit.recover(x, prior="glow-celeba", op="identity", start=latent, budget=1)
    assert float((pixel.x - x).abs().max()) < 1e-3


def test_measured_pictures_are_pictures(tmp_path):
    """uint8, channels last, PIL and a file give one measurement; nothing is resized."""
    image = Image.open(pictures.astronaut()).resize((16, 16))
    image.save(tmp_path / "y.png")
    array = np.asarray(image)
    common = {"prior": "none", "op": "identity", "budget": 2}
    results = [priorkit.recover(y=y, **common) for y in (array, image, tmp_path / "y.png")]
    results.append(priorkit.recover(y=array / np.float32(255), **common))
    for result in results:
        torch.testing.assert_close(result.y, results[0].y)
        assert result.y.shape == (1, 3, 16, 16)
    with pytest.raises(priorkit.PriorkitError, match="must be"):
        priorkit.recover(y=tmp_path / "y.png", shape=(3, 8, 8), **common)


def test_noise_free_denoising_needs_no_penalty():
    """At σ = 0 there is nothing to weigh: γ is 0 and the picture comes back."""
    result = priorkit.recover(prior="glow-celeba", op="identity", sigma=0.0, budget=2)
    assert result.record["config"]["gamma"] == 0.0


def test_nothing_said_recovers_the_sample_photograph(tmp_path, command_line):
    """By defaults that are said, and that its record holds: 500 random numbers of a face."""
    result = priorkit.recover(budget=3)
    config = result.record["config"]
    assert (config["prior"]["name"], config["op"]) == (
        "glow-celeba",
        {"name": "gaussian", "m": 500},
    )
    assert result.y.shape == (1, 500)
    done = command_line("recover", "--budget", 3, "--out", tmp_path / "out")
    assert done.code == 0
    assert "\nWith prior glow-celeba, op gaussian (m=500), noise gaussian, " in done.out
    assert "noise_norm 0.1, budget 3, seed 0." in done.out
    assert torch.equal(priorkit.replay(tmp_path / "out").x, result.x)
    assert priorkit.recover(m=20, budget=1).y.shape == (1, 20)  # what is said goes before
    assert priorkit.recover(prior="none", budget=1).y.shape == (1, 500)
    said = "the option 'm' is required", "Nobody says which operator measured y"
    for chosen, words in zip(({"op": "gaussian"}, {"y": np.zeros(500)}), said, strict=True):
        with pytest.raises(BadInputError, match=words):
            priorkit.recover(**chosen)
