"""What a measured picture says of the one to recover, and of the noise on it."""

import logging

import numpy as np
import pytest
import torch
from PIL import Image
from priorkit_operators.blur import Blur
from priorkit_operators.pointwise import Gray, Identity, Mask
from priorkit_operators.radon import Radon
from priorkit_operators.resampling import Downsample

import priorkit
from priorkit.errors import BadInputError, PluginError
from priorkit.interfaces import stack

KERNEL = np.ones((3, 5))
# What measured the picture, its shape, and that of what was measured, by hand.
SHAPES = {
    "identity": (Identity(), (3, 6, 8), (3, 6, 8)),
    "mask": (Mask(), (1, 6, 8), (1, 6, 8)),
    "four times smaller": (Downsample(factor=4), (3, 6, 8), (3, 24, 32)),
    "blur": (Blur(kernel=KERNEL), (3, 6, 8), (3, 6, 8)),
    "blur without its edges": (Blur(kernel=KERNEL, boundary="valid"), (3, 6, 8), (3, 8, 12)),
    "gray": (Gray(), (1, 6, 8), (3, 6, 8)),
    "colour of gray": (Gray(), (3, 6, 8), None),
    "smaller, then blurred": (Blur(kernel=KERNEL) @ Downsample(factor=2), (3, 6, 8), (3, 12, 16)),
    "sinogram": (Radon(angles=6, detectors=8), (3, 6, 8), None),
    "smaller sinogram": (Downsample(factor=2) @ Radon(), (3, 6, 8), None),
    "channels last": (Identity(), (6, 8, 3), (3, 6, 8)),
    "with an alpha of 1": (Identity(), (6, 8, 4), (3, 6, 8)),
    "several": (stack(Identity(), Mask()), (3, 6, 8), None),
}


@pytest.mark.parametrize("case", SHAPES)
def test_the_shape_follows_from_y(case):
    operator, y_shape, shape = SHAPES[case]
    if y_shape[-1] == 8:
        assert operator.shape_from(y_shape) == shape
    y = torch.full(y_shape, 0.5)
    y[..., 3:] = 1.0 if y_shape[-1] == 4 else 0.5
    if shape is None:
        with pytest.raises(BadInputError, match="shape of the picture isn't known"):
            priorkit.recover(y=y, prior="none", op=operator, budget=1)
    else:
        found = priorkit.recover(y=y, prior="none", op=operator, budget=1)
        assert tuple(found.x.shape) == (1, *shape)


class Deep(Downsample):
    """Is asked for the shapes of volumes alone."""

    def shape_from(self, y_shape):
        channels, depth, height, width = y_shape
        return (channels, 2 * depth, height, width)


def test_an_operator_that_fails_to_tell_the_shape_says_what_y_was_taken_for():
    """Four axes are a batch of pictures where nobody says that they are a volume."""
    said = r"taken for pictures \(C, H, W\), of which shape_from .*Got shape \(1, 4, 6, 6\)"
    with pytest.raises(BadInputError, match=said + r".*Try: kind='volume'"):
        priorkit.recover(y=torch.full((1, 4, 6, 6), 0.5), prior="none", op=Deep(), budget=1)
    with pytest.raises(PluginError, match="not enough values to unpack"):
        priorkit.recover(
            y=torch.full((1, 4, 6, 6), 0.5), prior="none", op=Deep(), budget=1, kind="picture"
        )


def test_a_small_picture_file_is_made_larger(tmp_path, command_line):
    """--op superresolution --factor 4 --y small.png, and nothing else."""
    Image.new("L", (8, 6), 100).save(tmp_path / "small.png")
    words = ["--op", "superresolution", "--factor", 4, "--y", tmp_path / "small.png"]
    done = command_line(
        "recover", "--prior", "none", *words, "--budget", 2, "--out", tmp_path / "out"
    )
    assert done.code == 0, done
    assert np.load(tmp_path / "out" / "x.npy").shape == (1, 1, 24, 32)


@pytest.mark.parametrize("op", ["identity", "mask", "downsample"])
def test_noise_as_of_pictures_up_to_255_is_refused(op):
    x = np.full((3, 8, 8), 0.5)
    said = r"in \[0, 1\] here.* Got sigma=25, which hides .* Try: sigma=0.098, which is 25/255"
    with pytest.raises(BadInputError, match=said):
        priorkit.recover(x, prior="none", op=op, sigma=25, budget=1)
    with pytest.raises(BadInputError, match=said):
        priorkit.compare(x, priors=["none", "dct"], op=op, sigma=25, budget=1)
    signal = priorkit.recover(np.zeros((1, 9)), prior="none", op="identity", sigma=25, shape=(1, 9))
    assert float(signal.y.std()) > 5  # a signal may have any values, and noise


def test_noise_as_of_pictures_up_to_255_is_questioned(caplog):
    """Of a measured picture in [0, 1] only a word."""
    caplog.set_level(logging.WARNING, logger="priorkit")
    common = {"prior": "none", "budget": 1}
    picture = np.full((3, 8, 8), 0.5)
    priorkit.recover(y=picture, op="identity", sigma=25, **common)
    assert "Got sigma=25" in caplog.text
    caplog.clear()
    priorkit.recover(y=255 * picture, op="identity", sigma=25, **common)  # on its own scale
    priorkit.recover(picture, op="gaussian", m=9, sigma=25, **common)
    priorkit.recover(picture, op="identity", sigma=1, **common)
    assert "sigma=" not in caplog.text


def test_noise_has_an_upper_bound():
    """So that the energy of all of it is a number."""
    common = {"prior": "none", "op": "gaussian", "m": 9, "shape": (3, 8, 8)}
    for name in ("sigma", "noise_norm"):
        with pytest.raises(BadInputError, match=rf"{name} is from 0 to 1e\+15. Got 1e\+200"):
            priorkit.recover(**common, **{name: 1e200})
    with pytest.raises(BadInputError, match="gain: Input should be less than or equal to"):
        priorkit.recover(**common, noise="poisson", gain=1e300)
    with pytest.raises(BadInputError, match="angle: Input should be a finite number"):
        priorkit.recover(prior="none", op="blur", kernel="motion", angle=float("nan"))


def test_a_square_y_is_no_signal_by_accident():
    common = {"prior": "none", "op": "identity", "budget": 1}
    y = np.full((16, 16), 0.5)
    with pytest.raises(BadInputError, match=r"could be one signal of 16 channels, or a gray"):
        priorkit.recover(y=y, shape=(16, 16), **common)
    assert priorkit.recover(y=y, **common).x.shape == (1, 1, 16, 16)  # as x of that shape is read
    assert priorkit.recover(y=y[None], shape=(16, 16), **common).x.shape == (1, 16, 16)
    with pytest.raises(BadInputError, match=r"Try: shape=\(channels, height, width\)"):
        priorkit.recover(y=Image.new("RGB", (16, 16)), shape=(16, 16), **common)


def test_noise_is_bounded_in_the_units_of_the_picture():
    """Particles per m³ of a plasma, say; sigma had been at most 1e15 of any unit."""
    x = 1e20 * np.random.default_rng(0).uniform(size=(1, 8, 8))
    common = {"op": "identity", "prior": "none", "range": (0, 1e20), "budget": 2}
    found = priorkit.recover(x, sigma=1e17, **common)
    assert found.misfit.isfinite().all()
    assert 0.5e17 < float((found.y - torch.as_tensor(x)).std()) < 2e17


def test_numbers_too_large_to_compute_with_are_refused():
    """Where they became infinite, a solver failed or diverged, and said nothing of y."""
    common = {"op": "gaussian", "m": 9, "shape": (3, 8, 8), "budget": 2}
    y = np.full(9, 1e39)
    for precision, at in (("float32", y), ("float64", 1e200 * y)):
        for prior in ("dct", "none"):
            with pytest.raises(BadInputError, match=f"too large to compute with.*{precision}"):
                priorkit.recover(y=at, prior=prior, precision=precision, **common)
    whole = priorkit.recover(y=y, prior="none", range=(0, 1e39), precision="float64", **common)
    assert bool(torch.isfinite(whole.x).all())
    with pytest.raises(BadInputError, match="too large"):
        priorkit.compare(y=y, priors=["dct", "none"], **common)
