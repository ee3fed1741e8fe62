"""Rays of a tomography beside scikit-image's, and beside the chords of a disc."""

import math
import warnings

import numpy as np
import pytest
import torch
from priorkit_operators.radon import Radon
from priorkit_operators.rays import matrix

import priorkit
from priorkit.errors import BadInputError
from priorkit.interfaces.kinds import PICTURE
from priorkit.io.pictures import astronaut, load
from priorkit.results.views import columns

transform = pytest.importorskip("skimage.transform")

SIDE, PIXEL = 64, 0.5  # of the picture with a disc, in pixels and in mm
RADIUS, X, Y = 5.0, 6.0, -4.0  # of the disc, mm, y upwards
ANGLES = [0.0, 30.0, 45.0, 90.0, 133.3, 200.0]
FAN = {"geometry": "fan", "source_distance": 50.0, "detector_distance": 30.0}
LINES = {"detector_spacing": 0.6, "detector_offset": 1.2}


def disc():
    """(1, 1, SIDE, SIDE), with the part of each pixel that is inside."""
    fine = 8
    along = (np.arange(SIDE * fine) - (SIDE * fine - 1) / 2) * PIXEL / fine
    inside = (along - X) ** 2 + (-along[:, None] - Y) ** 2 <= RADIUS**2
    x = inside.reshape(SIDE, fine, SIDE, fine).mean((1, 3))
    return torch.from_numpy(x)[None, None]


def chords(degrees, count, spacing, offset, source=None, detector=0.0):
    """How much of each ray is inside, by the ends of the rays, (angles, count)."""
    place = (np.arange(count) - (count - 1) / 2) * spacing + offset
    found = []
    for angle in np.radians(degrees):
        across = np.array([np.cos(angle), np.sin(angle)])  # x, and y upwards
        ahead = np.array([-np.sin(angle), np.cos(angle)])  # from the source to the detectors
        if source is None:
            ends, direction = place[:, None] * across, ahead[None]
        else:
            ends = detector * ahead + place[:, None] * across
            direction = ends + source * ahead
            direction = direction / np.linalg.norm(direction, axis=1, keepdims=True)
        gap = np.array([X, Y]) - ends
        distance = direction[:, 0] * gap[:, 1] - direction[:, 1] * gap[:, 0]
        found.append(2 * np.sqrt(np.clip(RADIUS**2 - distance**2, 0, None)))
    return np.array(found)


def apart(found, expected):
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


def phantom(side):
    """A disc of noise, black outside of its circle as scikit-image wants it."""
    along = np.arange(side) - side // 2
    inside = along**2 + along[:, None] ** 2 <= (side // 2 - 1) ** 2
    return np.random.default_rng(0).uniform(size=(side, side)) * inside


@pytest.mark.parametrize("circle", [True, False])
@pytest.mark.parametrize("shape", [(16, 16), (17, 17), (15, 20), (20, 15)])
def test_the_layout_of_scikit_image_is_its_transform(shape, circle):
    """Of every parity, where it crops and where it pads, to rounding."""
    x = np.random.default_rng(0).uniform(size=(2, 3, *shape))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is outside of the circle
        theirs = [
            [transform.radon(channel, theta=ANGLES, circle=circle) for channel in each]
            for each in x
        ]
    bound = Radon(angles=ANGLES, layout="skimage", circle=circle).bind((3, *shape))
    ours = bound.A(torch.from_numpy(x)).numpy()
    assert bound.y_shape == ours.shape[1:]
    np.testing.assert_allclose(ours, theirs, atol=1e-10)


@pytest.mark.parametrize("circle", [True, False])
@pytest.mark.parametrize("window", ["ramp", "shepp-logan", "cosine", "hamming", "hann"])
def test_back_projection_is_that_of_scikit_image(window, circle):
    """Whose last two windows are half a frequency aside."""
    theta = np.linspace(0, 180, 20, endpoint=False)
    sinogram = transform.radon(phantom(32), theta=theta, circle=circle)
    theirs = transform.iradon(sinogram, filter_name=window, circle=circle, output_size=32)
    bound = Radon(angles=20, layout="skimage", circle=circle).bind((1, 32, 32))
    ours = bound.back_projection(torch.from_numpy(sinogram)[None, None], window=window)
    tolerance = 0.02 if window in ("hamming", "hann") else 1e-6
    middle = (slice(None), slice(None)) if circle else (slice(4, -4), slice(4, -4))
    np.testing.assert_allclose(ours[0, 0].numpy()[middle], theirs[middle], atol=tolerance)


def test_a_sinogram_of_scikit_image_goes_in_as_it_is():
    x = transform.resize(load(astronaut(), (1, 64, 64)).x[0, 0].numpy(), (64, 64))
    x = x * (phantom(64) > 0)
    y = transform.radon(x, theta=np.linspace(0, 180, 30, endpoint=False))
    common = {"op": "radon", "layout": "skimage", "angles": 30, "shape": (1, 64, 64)}
    found = priorkit.recover(y=y, prior="none", penalty="tv", gamma=0.03, budget=200, **common)
    plain = transform.iradon(y, theta=np.linspace(0, 180, 30, endpoint=False))
    error, theirs = (np.square(each - x).mean() for each in (found.x[0, 0].numpy(), plain))
    assert error < theirs / 4  # by 6 dB and more


BEAMS = {
    "parallel": ({}, {"spacing": PIXEL, "offset": 0.0}),
    "parallel, with an offset": ({"detector_offset": 0.8}, {"spacing": PIXEL, "offset": 0.8}),
    "parallel, nearer together": (LINES, {"spacing": 0.6, "offset": 1.2}),
    "fan": (FAN, {"spacing": PIXEL * 1.6, "offset": 0.0, "source": 50.0, "detector": 30.0}),
    "fan with an offset": (
        FAN | LINES, {"spacing": 0.6, "offset": 1.2, "source": 50.0, "detector": 30.0},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BEAMS)
def test_sums_are_lengths_inside_a_disc(name):
    """In millimetres, along rays that were worked out from their ends."""
    options, beams = BEAMS[name]
    degrees = [float(angle) for angle in range(0, 360, 25)]
    bound = Radon(angles=degrees, pixel_size=PIXEL, **options).bind((1, SIDE, SIDE))
    ours = bound.A(disc())[0, 0].numpy()
    expected = chords(degrees, ours.shape[1], **beams)
    assert apart(ours, expected) < 0.03  # half a detector aside would be 0.08
    assert float(ours.max()) == pytest.approx(2 * RADIUS, rel=0.05)


@pytest.mark.parametrize("name", BEAMS)
@pytest.mark.parametrize("arc", [None, -360.0, 250.0])
def test_filtered_back_projection_gives_a_disc_back(name, arc):
    """From exact lengths: over the usual arc, clockwise, and over less than a turn or more."""
    options, beams = BEAMS[name]
    bound = Radon(angles=180, arc=arc, pixel_size=PIXEL, **options).bind((1, SIDE, SIDE))
    whole = arc or (360 if "fan" in name else 180)
    degrees = [whole * k / 180 for k in range(180)]
    y = torch.from_numpy(chords(degrees, bound.y_shape[2], **beams))[None, None]
    x, found = disc()[0, 0].numpy(), bound.image(y)[0, 0].numpy()
    assert found[x == 1].mean() == pytest.approx(1, abs=0.02)
    assert np.abs(found[x == 0]).mean() < 0.02
    assert apart(found, x) < 0.15  # of its edge


def test_unequal_steps_count_by_their_size():
    """Angles that are dense on one side and sparse on the other, and some of them twice."""
    degrees = [*np.linspace(0, 90, 120, endpoint=False), *np.linspace(90, 180, 40, endpoint=False)]
    degrees += degrees[:20]
    bound = Radon(angles=degrees, pixel_size=PIXEL).bind((1, SIDE, SIDE))
    y = torch.from_numpy(chords(degrees, bound.y_shape[2], PIXEL, 0.0))[None, None]
    assert apart(bound.image(y)[0, 0].numpy(), disc()[0, 0].numpy()) < 0.15


def test_a_fan_from_far_away_is_parallel():
    x = torch.rand(1, 1, 20, 17, dtype=torch.float64)
    common = {"angles": [0.0, 50.0, 200.0], "detectors": 29, "pixel_size": 1.0}
    parallel = Radon(detector_spacing=1.0, **common).bind((1, 20, 17)).A(x)
    fan = Radon(geometry="fan", source_distance=1e8, **common).bind((1, 20, 17)).A(x)
    torch.testing.assert_close(fan, parallel, atol=1e-4, rtol=0)


def test_lengths_scale_y_and_its_noise():
    x = torch.rand(1, 1, 12, 16, dtype=torch.float64)
    plain, small, large = (
        Radon(angles=7, pixel_size=p).bind((1, 12, 16)) for p in (None, 1 / 16, 2.5)
    )
    torch.testing.assert_close(large.A(x), 16 * 2.5 * small.A(x))
    assert float((small.A(x) - plain.A(x)).abs().max()) < 0.1  # by other sums along rays
    assert plain.default_noise.sigma == 0.01
    assert small.default_noise.sigma == pytest.approx(0.01)
    assert large.default_noise.sigma == pytest.approx(0.4)
    whole = Radon(angles=7, layout="skimage").bind((1, 12, 16))
    assert whole.default_noise.sigma == pytest.approx(0.16)
    torch.testing.assert_close(small.image(small.A(x)), large.image(large.A(x)))


@pytest.mark.parametrize("shape", [(33, 40), (40, 33)])
def test_a_fan_sees_the_whole_picture(shape):
    """Every pixel from every angle, with no detectors to spare."""
    for distance in (0.85, 3.0):  # in widths: near the picture, and far from it
        distance *= math.hypot(*shape) / shape[1]
        bound = Radon(angles=9, geometry="fan", source_distance=distance).bind((1, *shape))
        seen = bound.A_adjoint(torch.ones(1, *bound.y_shape))
        corners = torch.zeros(1, 1, *shape)
        corners[..., :: shape[0] - 1, :: shape[1] - 1] = 1
        assert float(seen.min()) > 0
        lit = bound.A(corners)[0, 0] > 0
        assert bool(lit.any(1).all())
        fewer = bound.y_shape[2] - 6
        cut = Radon(angles=360, detectors=fewer, geometry="fan", source_distance=distance)
        lost = cut.bind((1, *shape)).A(corners)[0, 0].sum(1)
        assert float(lost.min()) < 0.8 * float(lost.max())


def test_an_arc_is_what_angles_are_spread_over():
    x = torch.rand(1, 1, 9, 9)
    for arc, degrees in ((90.0, [0.0, 30.0, 60.0]), (-360.0, [0.0, -120.0, -240.0])):
        spread = Radon(angles=3, arc=arc).bind((1, 9, 9)).A(x)
        torch.testing.assert_close(spread, Radon(angles=degrees).bind((1, 9, 9)).A(x))


def test_reports_show_the_picture_that_y_is_of():
    """Of line integrals and of counts, which are none, by filtered back-projection."""
    x = load(astronaut(), (1, 64, 64)).x
    common = {"prior": "none", "op": "radon", "angles": 90, "pixel_size": 1 / 32, "budget": 2}
    for noise in ("gaussian", "transmission"):
        found = priorkit.recover(x, noise=noise, **common)
        (shown,) = (each for each in columns(found, 0) if each.what == "measurement")
        tile = np.asarray(shown.picture.convert("L").resize((64, 64)), dtype=float)
        assert np.corrcoef(tile.ravel(), x[0, 0].numpy().ravel())[0, 1] > 0.95


MESSAGES = {
    "a fan without a source": ({"geometry": "fan"}, "needs the distance of its source"),
    "a source of parallel rays": (
        {"source_distance": 2.0},
        "source_distance says something with geometry='fan' alone",
    ),
    "both distances": (
        {"source_distance": 2.0, "detector_distance": 1.0},
        "source_distance and detector_distance say something with geometry='fan' alone",
    ),
    "a fan of scikit-image": (
        {"layout": "skimage", "geometry": "fan", "source_distance": 2.0},
        "geometry says something with layout='angles' alone",
    ),
    "detectors of scikit-image": (
        {"layout": "skimage", "detectors": 9},
        "detectors says something with layout='angles' alone",
    ),
    "a circle": ({"circle": False}, "circle says something with layout='skimage' alone"),
    "an arc of a list": (
        {"angles": [0.0, 1.0], "arc": 90.0},
        "and a list of them was given. Got arc=90. Try: angles without arc",
    ),
    "no arc": ({"arc": 0.0}, "An arc has a length. Got arc=0. Try: arc=180"),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_options_that_say_nothing_are_refused(name):
    options, phrase = MESSAGES[name]
    with pytest.raises(BadInputError) as refused:
        Radon(**options)
    assert phrase in str(refused.value)


def test_a_source_in_the_picture_is_refused():
    inside = Radon(geometry="fan", source_distance=10.0, pixel_size=1.0)
    with pytest.raises(BadInputError, match=r"of radius 10\. Got source_distance=10\. Try: ") as e:
        inside.bind((1, 12, 16))
    distance = float(e.value.try_.split("=")[1].split(",")[0])
    Radon(geometry="fan", source_distance=distance, pixel_size=1.0).bind((1, 12, 16))


def test_more_detectors_than_there_may_be_are_refused():
    dense = Radon(detector_spacing=1e-6)
    with pytest.raises(BadInputError, match=r"at most 100,000 detectors\. Got 1,414,.* whole"):
        dense.bind((1, 16, 16))
    assert Radon(detector_spacing=1e-6, detectors=5).bind((1, 16, 16)).y_shape == (1, 30, 5)


SINOGRAMS = {
    "scikit-image": ({"layout": "skimage", "angles": 7}, (33, 7), (1, 33, 33)),
    "colours": ({"layout": "skimage", "angles": 7}, (3, 33, 7), (3, 33, 33)),
    "a batch": ({"layout": "skimage", "angles": 7}, (5, 2, 33, 7), (2, 33, 33)),
    "the whole picture": (
        {"layout": "skimage", "circle": False, "angles": [0.0, 9.0]}, (47, 2), (1, 33, 33),
    ),
    "no square": ({"layout": "skimage", "circle": False, "angles": 2}, (48, 2), None),
    "our own": ({"angles": 7}, (7, 48), None),
    "said detectors": ({"angles": 7, "detectors": 48}, (7, 48), None),
    "other lengths": ({"angles": 7, "detector_spacing": 0.1}, (7, 48), None),
    "no sinogram": ({"angles": 7}, (7,), None),
}  # fmt: skip


@pytest.mark.parametrize("name", SINOGRAMS)
def test_the_picture_behind_a_sinogram(name):
    options, y_shape, expected = SINOGRAMS[name]
    found = Radon(**options).shape_behind(y_shape, PICTURE)
    assert found == (expected if name != "our own" else (1, 32, 32))


@pytest.mark.parametrize("options", [{}, {"pixel_size": 0.7}, {"layout": "skimage"}])
@pytest.mark.parametrize("circle", [None, False])
def test_every_square_is_known_by_its_detectors(options, circle):
    options = options | ({} if circle is None or "layout" not in options else {"circle": circle})
    operator = Radon(angles=3, **options)
    for side in range(1, 70):
        y_shape = operator.bind((1, side, side)).y_shape
        assert operator.shape_behind(y_shape[1:], PICTURE) == (1, side, side)


def test_a_sinogram_alone_is_enough():
    x = phantom(32)
    theta = np.linspace(0, 180, 40, endpoint=False)
    y = transform.radon(x, theta=theta)
    common = {"op": "radon", "layout": "skimage", "angles": theta, "prior": "none", "budget": 3}
    found = priorkit.recover(y=y, **common)
    assert torch.equal(found.x, priorkit.recover(y=y, shape=(1, 32, 32), **common).x)


SKIMAGE = {"layout": "skimage", "angles": 40}
WRONG = {
    "of scikit-image": ({"angles": 40}, (32, 40), "Try: layout='skimage', whose y is (detectors,"),
    "turned": (SKIMAGE, (40, 32), "Try: layout='angles', whose y is (angles, detectors)"),
    "other angles": ({"angles": 40}, (90, 48), "Try: angles=90, a number or a list of them"),
    "other angles of scikit-image": (SKIMAGE, (32, 90), "Try: angles=90, a number or a list"),
    "other detectors": ({"angles": 40}, (40, 50), "Try: detectors=50, with detector_spacing"),
    "the whole picture": (
        SKIMAGE, (46, 40), "Try: shape=(1, 46, 46), or circle=False with shape=(1, 32, 32)",
    ),
    "another side": (SKIMAGE, (45, 40), "Try: shape=(1, 45, 45)"),
    "only the circle": (SKIMAGE | {"circle": False}, (32, 40), "Try: circle=True, or another"),
    "other channels": ({"angles": 40}, (3, 40, 48), "Try: shape=(3, …), of as many channels"),
    "no sinogram": ({"angles": 40}, (7,), "Got (7,)."),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_another_shape_is_refused_with_what_may_be_meant(name):
    """Where no shape mends it, before one is asked for."""
    options, given, phrase = WRONG[name]
    hopeless = "Try: angles" in phrase or "Try: layout" in phrase
    for shape in [(1, 32, 32), None] if hopeless else [(1, 32, 32)]:
        op = {"name": "radon"} | options
        with pytest.raises(BadInputError) as refused:
            priorkit.recover(y=np.ones(given), op=op, shape=shape, prior="none")
        assert phrase in str(refused.value)


def test_logarithms_of_no_photons_are_refused():
    y = np.ones((30, 48))
    y[3, 4] = np.inf
    with pytest.raises(BadInputError, match=r"1 of 1,440.*Try: noise='transmission' with y the c"):
        priorkit.recover(y=y, op="radon", prior="none")


QUESTIONS = {
    "radians": (
        {"angles": [0.1 * k for k in range(30)]},
        "all 30 angles are within 2.9 degrees. Try: numpy.degrees(angles)",
    ),
    "radians of scikit-image": (
        {"angles": [0.1 * k for k in range(30)], "layout": "skimage"}, "Try: numpy.degrees",
    ),
    "lengths in mm": (
        {"geometry": "fan", "source_distance": 541.0, "detector_spacing": 1.0, "detectors": 400},
        "the detectors are 400 times as wide as the picture. Try: pixel_size=…, a pixel's side",
    ),
    "pixels in another unit": (
        {"pixel_size": 1e-3, "detector_spacing": 1.0, "detectors": 400},
        "Try: pixel_size=…, a pixel's side in the unit of the other lengths, now 0.001",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", QUESTIONS)
def test_units_that_seem_to_be_others_are_questioned(name, caplog):
    options, phrase = QUESTIONS[name]
    caplog.set_level("WARNING", logger="priorkit")
    Radon(**options).bind((1, 16, 16))
    assert phrase in caplog.text


@pytest.mark.parametrize("options", [BEAMS["fan with an offset"][0], {"angles": [0.0, 1.0, 2.0]}])
def test_units_that_may_be_are_not(options, caplog):
    Radon(**{"pixel_size": PIXEL} | options).bind((1, SIDE, SIDE))
    assert not caplog.messages


@pytest.mark.parametrize("side", [32, 64])
def test_measurements_are_met_within_half_a_percent(side):
    """Those of scipy's rotation on a grid eight times as fine: pixels of a smooth picture."""
    fine = 8
    ndimage = pytest.importorskip("scipy.ndimage")
    along = np.linspace(-1, 1, side * fine)
    picture = np.exp(-8 * ((along - 0.2) ** 2 + (along[:, None] + 0.3) ** 2))
    degrees = [0.0, 20.0, 45.0, 110.0]
    turned = [ndimage.rotate(picture, -a, reshape=False, order=1) for a in degrees]
    measured = np.stack([each.sum(0).reshape(side, fine).mean(1) for each in turned]) / fine
    x = torch.from_numpy(picture.reshape(side, fine, side, fine).mean((1, 3)))[None, None]
    bound = Radon(angles=degrees, pixel_size=1.0, detectors=side).bind((1, side, side))
    assert apart(bound.A(x)[0, 0].numpy(), measured) < 5e-3


TURNED = {
    "half a turn": ({"angles": 12}, 4, 4),
    "lengths": ({"angles": 30, "pixel_size": 0.5}, 8, 4),
    "other detectors": ({"angles": 12, "detectors": 19, "detector_spacing": 0.05}, 4, 4),
    "a fan": ({"angles": 16, "geometry": "fan", "source_distance": 3.0}, 3, 8),
    "a fan with an offset": (
        {"angles": 16, "geometry": "fan", "source_distance": 3.0, "detector_offset": 0.1}, 4, 4,
    ),
    "more than half a turn": ({"angles": 20, "arc": 200.0}, 5, 5),
    "an odd number": ({"angles": 7}, 7, 1),
    "an angle twice": ({"angles": [0.0, 0.0, 90.0, 180.0]}, 4, 1),
    "angles as they come": ({"angles": [3.0, 17.0, 90.5, 120.0]}, 4, 1),
    "scikit-image": ({"angles": 12, "layout": "skimage", "circle": False}, 4, 4),
}  # fmt: skip


@pytest.mark.parametrize("side", [16, 17])
@pytest.mark.parametrize("name", TURNED)
def test_least_angles_stand_for_their_turns(name, side):
    """The same numbers as a matrix of all angles has, and fewer of them kept."""
    options, least, views = TURNED[name]
    if name == "scikit-image" and side == 16:  # whose middle is a pixel, so not that of all
        least, views = 12, 1
    bound = Radon(**options).bind((2, side, side))
    assert (len(bound._turns.beams.radians), len(bound._turns.views)) == (least, views)
    layout = (0, 1, 3, 2) if name == "scikit-image" else (0, 1, 2, 3)
    whole = matrix(bound._beams, bound._sums, bound._pixel, np.dtype(np.float64))
    x = torch.rand(3, 2, side, side, dtype=torch.float64)
    expected = (whole @ x.view(6, -1).numpy().T).T.reshape(3, 2, len(bound._beams.radians), -1)
    np.testing.assert_allclose(bound.A(x).permute(layout).numpy(), expected, atol=1e-12)
    y = torch.rand(3, *bound.y_shape, dtype=torch.float64)
    back = (whole.T @ y.permute(layout).reshape(6, -1).numpy().T).T.reshape(x.shape)
    np.testing.assert_allclose(bound.A_adjoint(y).numpy(), back, atol=1e-12)


def test_pictures_that_are_no_squares_are_seen_from_all_angles():
    for shape in ((1, 12, 16), (1, 16, 12)):
        assert len(Radon(angles=12).bind(shape)._turns.beams.radians) == 12
