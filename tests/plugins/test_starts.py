"""Starts beside zero and normal: pictures, spheres, the null space."""

import importlib.util

import numpy as np
import pytest
import torch
from priorkit_starts.plain import Normal

import priorkit
from priorkit.errors import MismatchError, PriorkitError
from priorkit.io.pictures import astronaut, load
from priorkit.run.measure import simulate
from priorkit.settings.config import split
from priorkit.settings.select import resolve
from priorkit.verbs.recover import prepare

make = Normal.make


def made(face, start, prior="dct", **settings):
    """The start's u₀, and the setup and problem that it was made for."""
    weighed = {"gamma": 0.01} if prior == "dct" else {}
    config, extra = split({"prior": prior, "start": start, "seed": 3} | weighed | settings)
    setup, pictures = prepare(face, None, config, extra)
    problem = setup.problem.at(simulate(setup, pictures.x), pictures.x)
    return setup.start.make(problem), problem


def test_fixed_norm(tiny_weights, face):
    u, _ = made(face, {"name": "fixed-norm", "norm": 7.0}, prior=str(tiny_weights), m=50)
    assert torch.allclose(u.norm(dim=1), torch.tensor([7.0]))


def test_noisy(face):
    u, problem = made(face, "noisy", op="identity")
    assert torch.allclose(problem.image(u), problem.y, atol=1e-5)


def test_noisy_in_pixel_space(face):
    u, problem = made(face, "noisy", prior="none", op="identity", penalty="none")
    assert torch.equal(problem.image(u), problem.y)


@pytest.mark.parametrize("fill", ["mean", "noise", "neighbours", "smooth"])
def test_filled(face, fill):
    u, problem = made(face, {"name": "filled", "fill": fill}, op="mask")
    x, seen = problem.image(u), problem.operator.mask
    assert torch.allclose(x * seen, problem.y, atol=1e-5)
    hole = x[0][seen == 0]
    assert float(hole.min()) >= -1e-4
    assert float(hole.max()) <= 1 + 1e-4
    if fill == "mean":
        expected = problem.y[0, 0][seen[0] > 0].mean()
        assert torch.allclose(x[0, 0][seen[0] == 0], expected, atol=1e-5)


def test_a_ramp_is_filled_exactly():
    """Nothing bends less than a plane, so that what is smooth is known beforehand."""
    rows, columns = torch.meshgrid(
        torch.linspace(0, 1, 24), torch.linspace(0, 1, 24), indexing="ij"
    )
    x = (0.2 + 0.5 * rows + 0.2 * columns)[None, None]
    found = priorkit.recover(
        x.numpy(), prior="none", op="mask", fraction=0.4, start={"name": "filled", "fill": "smooth"}
    )
    assert torch.allclose(found.x, x, atol=1e-3)


def test_one_pixel_is_enough_to_fill_from(face):
    mask = np.zeros((8, 8))
    mask[3, 4] = 1
    start = {"name": "filled", "fill": "smooth"}
    u, problem = made(face, start, prior="none", penalty="none", op="mask", mask=mask)
    pixel = problem.y[:, :, 3:4, 4:5]
    assert torch.allclose(problem.image(u), pixel.expand_as(problem.image(u)), atol=1e-3)


def test_pseudo_inverse_explains_the_measurement(face):
    u, problem = made(face, {"name": "pseudo-inverse", "steps": 100}, m=60, noise_norm=0.0)
    x = problem.image(u)
    matrix = problem.operator.rows(0, 60)
    expected = (torch.linalg.pinv(matrix) @ problem.y[0]).view(3, 8, 8)
    assert torch.allclose(x[0], expected, atol=1e-3)


def test_lasso_is_the_lasso(face):
    start = {"name": "lasso", "steps": 50}
    u, problem = made(face, start, prior="none", penalty="none", m=150)
    x = priorkit.recover(
        face, prior="dct", m=150, solver="fista", budget=50, seed=3, tolerance=1e-4, gamma=0.01
    ).x
    assert torch.allclose(problem.image(u).clamp(0, 1), x, atol=1e-5)


def test_null_space_leaves_the_measurement(face):
    u, problem = made(face, {"name": "null-space", "norm": 2.0}, m=60)
    x = problem.image(u)
    assert torch.allclose(problem.operator.A(x), problem.operator.A(problem.truth), atol=1e-3)
    assert float((x - problem.truth).norm()) == pytest.approx(2.0, rel=1e-3)


@pytest.mark.parametrize("op", ["identity", {"name": "srht", "m": 192}])
def test_a_null_space_of_nothing_is_refused(face, op):
    """What was left of v would be rounding, enlarged."""
    with pytest.raises(MismatchError, match="and this one sees all"):
        made(face, "null-space", op=op)


def test_null_space_needs_the_truth():
    with pytest.raises(MismatchError, match="needs the true picture"):
        priorkit.recover(
            y=torch.zeros(50).numpy(), prior="dct", m=50, shape=(3, 8, 8), start="null-space"
        )


def test_a_picture_is_needed(face):
    for start in ("noisy", "filled"):
        with pytest.raises(MismatchError, match="measurement that is a picture"):
            priorkit.recover(face, prior="dct", m=50, start=start)
    with pytest.raises(MismatchError, match="sees everything"):
        priorkit.recover(face, prior="dct", op="identity", start="filled", gamma=0.1)


def test_every_start_is_recorded_and_replayed(face, tmp_path):
    first = priorkit.recover(
        face, prior="none", m=50, start={"name": "null-space", "norm": 1.0}, budget=3
    )
    again = priorkit.replay(first.save(tmp_path / "run"))
    assert torch.equal(first.x, again.x)


def test_options_reach_what_the_prior_chose(face):
    """``tolerance`` belongs to the solver that the prior, not the user, has named."""
    result = priorkit.recover(face, prior="dct", m=100, tolerance=0.5)
    assert result.record["config"]["solver"] == {"name": "coordinate-descent", "tolerance": 0.5}
    with pytest.raises(PriorkitError, match="Unknown option 'history'"):
        priorkit.recover(face, prior="dct", m=100, history=5)


def test_a_gray_start_needs_no_channel():
    x = np.random.default_rng(0).random((16, 16))
    settings = {"prior": "none", "op": "mask", "penalty": "tv", "gamma": 0.01, "budget": 3}
    plain = priorkit.recover(x, **settings, start=0.5 * x)
    assert torch.equal(plain.x, priorkit.recover(x, **settings, start=0.5 * x[None]).x)
    with pytest.raises(PriorkitError, match="The start must be"):
        priorkit.recover(np.stack([x] * 3), **settings, start=x)


def test_resolve_gives_every_start():
    for name in ("zero", "normal", "noisy", "filled", "pseudo-inverse", "lasso", "null-space"):
        assert resolve("start", name).build(0).requires.latent is not None


def test_pseudo_inverse_stops_at_the_noise():
    """Dependent rows and noise: what was unsolvable exactly is solved in the least squares."""
    rng = np.random.default_rng(0)
    A = rng.normal(size=(1500, 1024)) / 1500**0.5
    A[:, 512:] = A[:, :512] + 1e-3 * rng.normal(size=(1500, 512))  # badly conditioned
    x = load(astronaut(), (1, 32, 32)).x
    common = {"op": {"name": "matrix", "matrix": A}, "prior": "none", "penalty": "none"}
    u, problem = made(x, {"name": "pseudo-inverse", "steps": 500}, sigma=0.02, **common)
    misfit = float(problem.value_grad(u).misfit[0])
    assert misfit <= problem.noise.energy
    assert float(u.norm()) < 3 * float(x.norm())


@pytest.mark.skipif(importlib.util.find_spec("bm3d") is None, reason="bm3d isn't installed")
@pytest.mark.parametrize(
    ("side", "budget"),
    [(16, {"budget": 3}), pytest.param(24, {}, marks=pytest.mark.slow)],
)
def test_a_denoiser_from_more_numbers_than_pixels(side, budget):
    """Half as many noisy numbers again: as good from what y shows as from zero."""
    n, m = side**2, 3 * side**2 // 2
    A = np.random.default_rng(0).normal(size=(m, n)) / m**0.5
    x = load(astronaut(), (1, side, side)).x
    common = {"prior": "bm3d", "op": {"name": "matrix", "matrix": A}, "sigma": 0.02, **budget}
    found = priorkit.recover(x, **common)
    zero = priorkit.recover(x, **common, start="zero")
    assert found.record["config"]["start"]["name"] == "shown"
    assert float(found.psnr[0]) > float(zero.psnr[0]) - 1
    assert float(found.psnr[0]) > 25


def test_restarts_and_chunks_never_share_a_draw(monkeypatch):
    """Image 3 begins the same in any chunk, and otherwise in another restart."""
    x = torch.full((4, 1, 4, 4), 0.5)
    starts = []
    monkeypatch.setattr(Normal, "make", lambda self, p: starts.append(make(self, p)) or starts[-1])
    priorkit.recover(x, prior="none", m=5, start="normal", restarts=2, budget=1)
    (u,) = starts  # all restarts of all images are one batch
    assert len({tuple(row.tolist()) for row in u}) == 8
    priorkit.recover(x[:1], prior="none", m=5, start="normal", budget=1)
    assert torch.equal(starts[-1][0], u[0])


# --- what y shows -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("op", "like"),
    [
        ({"op": "identity"}, "noisy"),
        ({"op": "mask"}, {"name": "filled", "fill": "smooth"}),
        ({"op": "gray"}, "enlarged"),
        ({"op": "downsample", "factor": 2}, "enlarged"),
        ({"op": "gaussian", "m": 60}, {"name": "pseudo-inverse", "even": True}),
    ],
)
def test_what_y_shows_is_the_start_of_its_operator(face, op, like):
    shown, _ = made(face, "shown", **op)
    assert torch.equal(shown, made(face, like, **op)[0])


def test_of_signs_that_nobody_sees_it_is_nearly_gray(face):
    shown, problem = made(face, "shown", op="phase")
    x = problem.image(shown)
    assert float((x.mean() - 0.5).abs()) < 0.02
    assert 0.05 < float(x.std()) < 0.15


def test_an_even_pseudo_inverse_isn_t_dark_where_y_says_nothing():
    """It explains y as the shortest one does, and goes on beyond as what was measured is."""
    x = torch.full((2, 3, 12, 12), 0.4) * torch.tensor([1.0, 1.5, 2.0]).view(3, 1, 1)
    x[1] *= 0.5
    x = x + 0.02 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))

    def left(v):
        return v[..., :6]

    dark, problem = made(x, "pseudo-inverse", op=left, sigma=0.0)
    even, _ = made(x, {"name": "pseudo-inverse", "even": True}, op=left, sigma=0.0)
    dark, even = problem.image(dark), problem.image(even)
    torch.testing.assert_close(even[..., :6], problem.y, atol=1e-4, rtol=0)
    assert float(dark[..., 6:].abs().max()) < 1e-5
    means = problem.y.mean((2, 3), keepdim=True).expand_as(even[..., 6:])
    torch.testing.assert_close(even[..., 6:], means, atol=1e-4, rtol=0)
