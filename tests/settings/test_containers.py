"""The same numbers in any container are the same run, or are refused with a reason."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import priorkit
from priorkit.errors import BadInputError
from priorkit.io.pictures import load

SHAPE = (3, 8, 8)


def ramp(dtype, most):
    """A picture (3, 8, 8) of whole numbers up to ``most``."""
    values = np.arange(192).reshape(SHAPE) * (most / 191)
    return values.astype(dtype)


def strided(a):
    return np.repeat(a, 2, -1)[..., ::2]


def reversed_twice(a):
    return np.flip(np.flip(a).copy())


# The same numbers as a numpy array, in a container of another kind.
CONTAINERS = {
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "strided": strided,
    "negative strides": reversed_twice,
    "Fortran": np.asfortranarray,
    "read-only": lambda a: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape),
    "masked nowhere": lambda a: np.ma.MaskedArray(a, np.zeros(a.shape, bool)),
    "tensor": lambda a: torch.from_numpy(a.copy()),
    "transposed tensor": lambda a: torch.from_numpy(a.T.copy()).permute(*range(a.ndim)[::-1]),
    "list of arrays": list,
    "list of tensors": lambda a: [torch.from_numpy(np.array(part)) for part in a],
}
FLOATS = {
    "list": lambda a: a.tolist(),
    "tuple": lambda a: tuple(a.tolist()),
    "long": lambda a: a.astype(np.longdouble),
    "gradient": lambda a: torch.from_numpy(a.copy()).requires_grad_(),
    "conjugated": lambda a: torch.from_numpy(a * 1j).conj().imag.neg(),
}


def run(**given):
    return priorkit.recover(prior="none", budget=2, seed=1, **given)


def same(found, expected):
    assert torch.equal(found.y, expected.y)
    assert torch.equal(found.x, expected.x)


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize(("dtype", "most"), [("u1", 255), ("u2", 65535), ("f4", 1), ("?", 1)])
def test_pictures_in_any_container(container, dtype, most):
    """x, a measured picture and a start: by hand they are the numbers over the largest."""
    whole = ramp(dtype, most)
    hold = CONTAINERS[container](whole)
    expected = torch.from_numpy(whole.astype(np.float32) / np.float32(most))
    if not container.startswith("list"):  # a list of pictures is a batch
        assert torch.equal(load(hold).x[0], expected)
    measured = run(y=hold, op="identity")
    assert torch.equal(measured.y[0], expected)
    same(measured, run(y=expected, op="identity"))
    started = run(x=expected, op="gaussian", m=20, start=hold)
    same(started, run(x=expected, op="gaussian", m=20, start=expected))


@pytest.mark.parametrize("container", FLOATS)
def test_floats_in_any_container(container):
    plain = ramp("f8", 1)
    hold = FLOATS[container](plain)
    same(run(y=hold, op="identity"), run(y=plain, op="identity"))
    same(run(x=hold, op="mask"), run(x=plain, op="mask"))


@settings(max_examples=25)
@given(
    st.lists(st.integers(0, 127), min_size=9, max_size=9),
    st.sampled_from(["u1", "u2", "u4", "i1", ">i2", "i4", ">i8", "f2", "f4", ">f8", "g"]),
    st.sampled_from([*CONTAINERS, "list"]),
)
def test_numbers_that_are_no_picture_are_never_scaled(values, dtype, container):
    """y of a Gaussian matrix: 8 and 16 bits are numbers as all others, in every type."""
    array = np.array(values).astype(dtype)
    if "tensor" in container:  # torch knows neither byte orders nor long numbers
        array = array.astype(np.float64 if dtype == "g" else array.dtype.newbyteorder("="))
    hold = array.tolist() if container == "list" else CONTAINERS[container](array)
    found = run(y=hold, op="gaussian", m=9, shape=SHAPE)
    assert found.y[0].tolist() == [float(value) for value in values]


def test_a_sinogram_is_no_picture(tmp_path):
    """y of an operator that isn't a picture, as a file of 8 bits: numbers as they are."""
    sinogram = np.arange(4 * 9, dtype=np.uint8).reshape(4, 9)
    Image.fromarray(sinogram).save(tmp_path / "y.png")
    np.save(tmp_path / "y.npy", sinogram)
    common = {"op": "radon", "angles": 4, "detectors": 9, "shape": (1, 6, 6)}
    expected = run(y=sinogram.astype(np.float64), **common)
    assert expected.y.flatten().tolist() == list(range(36))
    image = Image.fromarray(sinogram)
    for y in (sinogram, sinogram.astype(np.int32), image, tmp_path / "y.png", tmp_path / "y.npy"):
        same(run(y=y, **common), expected)


MODES = {
    "1": (np.eye(8, dtype=bool), 1),
    "L": (np.arange(64, dtype=np.uint8).reshape(8, 8) * 4, 255),
    "I;16": (np.arange(64, dtype=np.uint16).reshape(8, 8) * 1000, 65535),
    "F": (np.arange(64, dtype=np.float32).reshape(8, 8) / 64, 1),
    "RGB": (np.arange(192, dtype=np.uint8).reshape(8, 8, 3), 255),
}


@pytest.mark.parametrize("mode", MODES)
def test_pillow_and_files_are_the_arrays_that_they_hold(mode, tmp_path):
    values, most = MODES[mode]
    image = Image.fromarray(values)
    assert image.mode == mode
    path = tmp_path / "x.tif"
    image.save(path)
    expected = run(y=values, op="identity")
    planes = values[None] if values.ndim == 2 else values.transpose(2, 0, 1)
    assert np.allclose(expected.y[0].numpy() * most, planes, rtol=1e-6)
    for source in (image, path, str(path), [image]):
        same(run(y=source, op="identity"), expected)
        assert torch.equal(load(source).x, expected.y)
    x = load(values).x
    plain = run(x=x, op="gaussian", m=20, start=x)
    for start in (image, path):
        same(run(x=x, op="gaussian", m=20, start=start), plain)


def test_a_photograph_that_is_opened_already_is_turned_too(tmp_path):
    """EXIF 6: the picture lies on its left side. Turned by numpy, clockwise."""
    values = np.arange(6 * 8, dtype=np.uint8).reshape(6, 8)
    image = Image.fromarray(values)
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "x.png", exif=exif)
    upright = torch.from_numpy(np.rot90(values, -1).copy()) / 255
    with Image.open(tmp_path / "x.png") as opened:
        for source in (opened, tmp_path / "x.png"):
            assert torch.equal(load(source).x[0, 0], upright)
        assert opened.size == (8, 6)  # the user's own isn't turned
        found = run(y=opened, op="identity")
    assert torch.equal(found.y[0, 0], upright)


def test_operators_read_their_arrays_alike():
    """Kernels, masks, maps and matrices, of any byte order, strides, views and gradients."""
    rng = np.random.default_rng(0)
    arrays = {
        "kernel": ({"op": "blur"}, rng.random((3, 3))),
        "mask": ({"op": "mask"}, (rng.random((8, 8)) > 0.5).astype(np.float64)),
        "maps": ({"op": "fourier"}, rng.random((2, 8, 8)) + 1j * rng.random((2, 8, 8))),
        "matrix": ({}, rng.random((5, 192))),
    }
    x = torch.from_numpy(ramp("f4", 1))
    for name, (chosen, plain) in arrays.items():
        expected = run(x=x, **{"op": "matrix"} | chosen, **{name: plain})
        views = [
            plain.astype(plain.dtype.newbyteorder(">")),
            reversed_twice(plain) if plain.ndim == 3 else plain[::-1].copy()[::-1],
            torch.from_numpy(plain).requires_grad_(),
            torch.from_numpy(plain.conj().copy()).conj(),
            np.ma.MaskedArray(plain),
        ]
        for view in views:
            same(run(x=x, **{"op": "matrix"} | chosen, **{name: view}), expected)


def test_what_was_given_is_not_shared():
    """Neither x, y nor a start is the caller's own memory: it may be changed afterwards."""
    given = {"x": torch.full(SHAPE, 0.5), "start": np.full(SHAPE, 0.25, np.float32)}
    found = run(op="identity", sigma=0.0, **given)
    given["x"].zero_()
    given["start"][:] = 0
    assert torch.equal(found.truth, torch.full((1, *SHAPE), 0.5))
    assert torch.equal(found.start, torch.full(SHAPE, 0.25))
    y = torch.full((1, *SHAPE), 0.5)
    found = run(op="identity", y=y)
    y.zero_()
    assert torch.equal(found.y, torch.full((1, *SHAPE), 0.5))


MASKED = np.ma.MaskedArray(np.full((8, 8), 0.5), np.eye(8))
TENSORS = {
    "sparse": (torch.full((8, 8), 0.5).to_sparse(), r"sparse\. Try: its \.to_dense"),
    "nested": (lambda: torch.nested.nested_tensor([torch.ones(8, 8)]), "that is nested"),
    "meta": (torch.empty((8, 8), device="meta"), "without data"),
    "masked": (
        lambda: torch.masked.masked_tensor(torch.ones(8, 8), torch.eye(8) > 0),
        "that is masked",
    ),
    "masked array": (MASKED, r"8 masked of 64 numbers\. Try: (op=\"mask\", mask=|a\.filled)"),
    "list of masked arrays": ([MASKED, MASKED], "8 masked of 64 numbers"),
    "ragged": ([[0.5], [0.5, 0.5]], "is an array of numbers"),
    "two shapes": ([np.ones((8, 8)), np.ones((8, 7))], "need one|is an array of numbers"),
    "letters": (np.array([["a"]]), r"Got <U1 of shape \(1, 1\)"),
    "object": (np.array([[{}]]), r"Got object of shape \(1, 1\)"),
    "dates": (np.zeros((8, 8), "M8[s]"), r"datetime64"),
}


def test_what_has_no_end_is_refused():
    """A list that holds itself, alone or beside an array."""
    endless = []
    endless.append(endless)
    for role in ("x", "y", "start", "mask", "kernel", "maps"):
        op = {"mask": "mask", "kernel": "blur", "maps": "fourier"}.get(role, "identity")
        for thing in (endless, [endless, np.ones(3)]):
            roles = {"x": torch.full(SHAPE, 0.5)} if role not in ("x", "y") else {}
            with pytest.raises(BadInputError, match="without an end"):
                run(**roles, op=op, **{role: thing})


@pytest.mark.filterwarnings("ignore:The PyTorch API of")
@pytest.mark.parametrize("kind", TENSORS)
@pytest.mark.parametrize("role", ["x", "y", "start", "mask", "kernel", "matrix", "maps"])
def test_what_holds_no_numbers_is_refused_everywhere(kind, role):
    thing, said = TENSORS[kind]
    thing = thing() if callable(thing) else thing
    op = {"mask": "mask", "kernel": "blur", "matrix": "matrix", "maps": "fourier"}
    given = {"op": op.get(role, "identity"), role: thing}
    if role not in ("x", "y"):
        given["x"] = torch.full((1, 8, 8), 0.5)
    with pytest.raises(BadInputError, match=said):
        run(**given)


def test_whole_numbers_of_other_types_are_no_brightness():
    """int32 up to 255 isn't uint8: it is refused rather than guessed, in y as in x."""
    whole = ramp("i4", 255)
    for roles in ({"x": whole}, {"y": whole}, {"x": ramp("f4", 1), "start": whole}):
        with pytest.raises(BadInputError, match=r"or float in \[0, 1\], .* Got int32, values"):
            run(op="identity", **roles)
    for roles in ({"x": Image.fromarray(whole[0])}, {"y": Image.fromarray(whole[0])}):
        with pytest.raises(BadInputError, match="Got mode I, whole numbers of 32 bits"):
            run(op="identity", **roles)


def test_a_device_is_named_or_given():
    x = np.zeros((1, 1, 8, 8), np.float32)
    found = priorkit.recover(x, prior="none", op="mask", budget=1, device=torch.device("cpu"))
    assert found.record["config"]["device"] == "cpu"
