"""What comes back is what was measured: nothing is clipped of y=, and the misfit is of that."""

import numpy as np
import pytest
from priorkit_operators.phase import Phase
from priorkit_operators.pointwise import Gray

import priorkit
from priorkit.errors import BadInputError, MismatchError
from priorkit.interfaces import stack
from priorkit.io.pictures import astronaut, load

RNG = np.random.default_rng(0)


def misfit(A, x, y):
    return float(np.square(A @ x.double().numpy().ravel() - y).sum())


@pytest.mark.parametrize(
    ("low", "high"), [(0, 4095), (-1024, 3071), (-0.5, 0.5), (0.0, 2.5), (0, 1e6)]
)
def test_values_of_an_instrument_come_back(low, high):
    A = RNG.standard_normal((200, 64)) / 14
    x = RNG.uniform(low, high, size=64)
    y = A @ x
    found = priorkit.recover(y=y, op=A, shape=(1, 8, 8), prior="none")
    assert np.abs(found.x.numpy().ravel() - x).max() < 3e-3 * (high - low)
    assert found.misfit[0] == pytest.approx(misfit(A, found.x, y), rel=1e-2, abs=1e-6 * (y @ y))
    assert found.outside == [int(((found.x < 0) | (found.x > 1)).sum())]


def test_a_complex_picture_as_two_channels_comes_back():
    """y = F x with x complex, as a real matrix on the real and the imaginary part."""
    F = np.fft.fft(np.eye(16), norm="ortho")
    x = RNG.standard_normal(16) + 1j * RNG.standard_normal(16)
    A = np.block([[F.real, -F.imag], [F.imag, F.real]])
    y = F @ x
    found = priorkit.recover(
        y=np.concatenate([y.real, y.imag]), op=A, shape=(2, 4, 4), prior="none"
    )
    assert np.allclose(found.x.numpy().reshape(2, 16), [x.real, x.imag], atol=1e-3)


def test_what_is_clipped_of_a_simulated_picture_is_counted_and_the_misfit_is_of_the_rest():
    """The identity with noise and nothing else returns y, cut to [0, 1]."""
    x = RNG.uniform(size=(1, 1, 16, 16)).astype(np.float32)
    found = priorkit.recover(
        x, op="identity", sigma=0.3, prior="none", solver={"name": "lbfgs", "discrepancy": 0}
    )
    y = found.y.numpy()
    assert np.allclose(found.x.numpy(), y.clip(0, 1), atol=1e-3)
    assert found.outside == [int(((y < 0) | (y > 1)).sum())]
    assert float(found.misfit[0]) == pytest.approx(np.square(y.clip(0, 1) - y).sum(), rel=1e-2)
    assert found.record["images"][0]["outside"] == found.outside[0]
    assert "clipped to [0, 1]" in found._repr_html_()


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("simulated", [True, False])
def test_a_picture_from_its_intensities_has_the_sign_of_a_picture(seed, simulated):
    """|F(φx)| is that of −x too, which is no picture."""
    x = load(astronaut(), (3, 16, 16)).x
    settings = {"op": "phase", "prior": "none", "seed": seed, "sigma": 1e-3, "start": "normal"}
    found = priorkit.recover(x, **settings)
    if not simulated:
        found = priorkit.recover(y=found.y, shape=(3, 16, 16), **settings)
    error = float((found.x - x).square().mean())
    assert error < 1e-4


def test_the_better_of_two_restarts_is_not_the_black_twin():
    x = load(astronaut(), (1, 16, 16)).x
    found = priorkit.recover(x, op="phase", prior="none", start="normal", restarts=3)
    assert float(found.psnr) > 35
    assert bool((found.restart_psnr > 35).all())


def test_whose_sign_is_lost_after_what():
    """|F B x| doesn't tell the sign of x where B is linear, and B |F x| never does."""
    phase, gray = Phase(), Gray()
    assert phase.signless == "channel"
    assert (phase @ gray).signless == "image"
    assert (gray @ phase).signless == "channel"
    assert gray.signless is None
    assert stack(phase, phase).signless == "channel"
    assert stack(phase, phase @ gray).signless == "image"
    assert stack(phase, gray).signless is None


def test_a_search_that_cannot_begin_is_refused(no_compute):
    with pytest.raises(MismatchError, match=r"can't begin at x = 0.*start='normal'"):
        priorkit.recover(op="phase", prior="none", start="zero")


@pytest.mark.parametrize(
    "settings",
    [
        {"prior": "dct", "space": "pixel", "penalty": "tv", "gamma": 0.1, "solver": "lbfgs"},
        {"prior": "patch-flow", "penalty": "none", "shape": (3, 16, 16)},
        {"prior": "patch-flow", "penalty": "nll", "gamma": 0, "shape": (3, 16, 16)},
        {"prior": "glow-celeba", "space": "pixel", "penalty": "none"},
    ],
)
def test_a_prior_that_nothing_would_call_is_refused(settings, no_compute):
    with pytest.raises(MismatchError, match="Nothing in this run would call the prior"):
        priorkit.recover(op="mask", **settings)


def test_measurements_beyond_pictures_are_questioned(caplog):
    """Of pictures in [0, 1] nothing is said, whatever A; of the same in counts it is."""
    x = RNG.uniform(size=(1, 1, 16, 16)).astype(np.float32)
    for op in ("identity", "blur", "radon", "fourier", {"name": "gaussian", "m": 100}):
        y = priorkit.recover(x, op=op, prior="none", budget=1).y
        for unit, said in ((1, False), (1500, True)):
            caplog.clear()
            priorkit.recover(y=unit * y, op=op, prior="none", budget=1, shape=(1, 16, 16))
            assert ("y suggests pictures with values of about" in caplog.text) == said, op


def test_what_an_error_says_of_numbers_that_are_missing_works():
    y = RNG.uniform(size=(3, 16, 16))
    y[:, 3:6, 4] = np.nan
    with pytest.raises(BadInputError, match="mask") as refused:
        priorkit.recover(y=y, op="identity", prior="none", sigma=0.1)
    settings = eval(f"dict({refused.value.try_})", {"numpy": np, "y": y})
    found = priorkit.recover(y=y, **settings, prior="none", sigma=0.1, budget=3)
    assert found.x.isfinite().all()


def test_a_real_y_of_a_complex_operator_is_refused(no_compute):
    with pytest.raises(BadInputError, match=r"is real, and the operator's output is complex.*0j"):
        priorkit.recover(y=np.ones((1, 16, 16)), op="fourier", shape=(1, 16, 16), prior="none")


def test_a_kernel_of_another_sum_is_told(caplog):
    x = np.full((1, 1, 8, 8), 0.5, np.float32)
    priorkit.recover(x, op="blur", kernel=np.full((3, 3), 2.0), prior="none", budget=1)
    assert "the kernel adds up to 18, and is divided by that" in caplog.text


def test_another_penalty_does_not_inherit_a_solver(no_compute):
    """The dct's Lasso has one that total variation hasn't: nobody named it."""
    with pytest.raises(MismatchError, match="Nothing in this run would call the prior 'dct'"):
        priorkit.recover(op="blur", prior="dct", space="pixel", penalty="tv", gamma=0.01)


def test_a_picture_and_a_prior_need_no_operator():
    x = load(astronaut(), (1, 32, 32)).x
    found = priorkit.recover(x, prior="none", budget=3)
    assert found.record["config"]["op"] == {"name": "gaussian", "m": 500}


def test_sigma_of_16_bits(no_compute):
    with pytest.raises(BadInputError, match=r"sigma=0.611, which is 2500/4095"):
        priorkit.recover(op="blur", prior="none", sigma=2500)
