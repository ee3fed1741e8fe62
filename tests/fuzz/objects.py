"""Objects in memory of strangers, names of any length, and folders that were edited by hand."""

import array as arrays_of_python
import io
import json
import warnings
from pathlib import Path

import numpy as np
import torch
from hypothesis import strategies as st
from PIL import Image

import priorkit
from tests.fuzz.case import SHAPE, a_picture, a_run, stop, write_run
from tests.fuzz.draws import TEXTS

__all__ = ["edited", "names", "objects"]

SHAPES = {
    "x": [SHAPE, (8, 8, 3), (8, 8), (2, *SHAPE), (8, 8, 4)],
    "y": [SHAPE, (8, 8, 3), (2, *SHAPE), (8, 8)],
    "numbers": [(9,), (2, 9), (1, 9)],
    "start": [SHAPE, (192,), (1, 192), (8, 8, 3)],
    "mask": [(8, 8), SHAPE, (1, 8, 8)],
    "kernel": [(3, 3), (1, 1), (2, 5)],
    "maps": [(2, 8, 8), (1, 8, 8)],
    "matrix": [(5, 192), (1, 192)],
    "signal": [(2, 9), (1, 9), (9,), (3, 2, 9)],
}
TYPES = ["f4", "f8", ">f8", ">f4", "f2", "g", "G", "c8", ">c16", "?", "u1", "u2", ">u2", "u4"]
TYPES += ["u8", "i1", ">i2", "i4", ">i8", "M8[s]", "m8[s]", "U2", "S3", "O", "V4", "f4,i4"]


class Stranger:
    """An object that numpy may ask for its array, and won't get."""

    def __array__(self, *_, **__):
        raise RuntimeError("no")


def numpy_array(draw, shape):
    dtype = np.dtype(draw(st.sampled_from(TYPES)))
    value = draw(st.sampled_from([0, 1, 1, 0.5, 200, -1, 1e39, 1e300, np.nan, np.inf]))
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            base = np.full(shape, value).astype(dtype)
        except (TypeError, ValueError):
            base = np.zeros(shape, dtype)
    how = draw(st.sampled_from(["", "", "reversed", "strided", "read-only", "broadcast", "masked"]))
    if not shape:
        return base
    if how == "reversed":
        base = base[::-1]
    elif how == "strided":
        base = np.repeat(base, 2, -1)[..., ::2]
    elif how == "read-only":
        base.flags.writeable = False
    elif how == "broadcast":
        base = np.broadcast_to(base[..., :1], shape)
    elif how == "masked":
        base = np.ma.MaskedArray(base, draw(st.sampled_from([False, True, np.zeros(shape, bool)])))
    if base.ndim == 2 and draw(st.integers(0, 5)) == 0 and base.dtype.kind in "fiu":
        base = np.asmatrix(base)
    return base


def tensor(draw, shape):
    """A tensor of any kind that torch makes."""
    x = torch.full(shape, draw(st.sampled_from([0.0, 0.5, 1.0, float("nan"), 1e38])))
    kinds = {
        "plain": lambda: x,
        "gradient": lambda: x.requires_grad_(),
        "part of a graph": lambda: x.requires_grad_() * 1,
        "parameter": lambda: torch.nn.Parameter(x),
        "sparse": lambda: x.to_sparse(),
        "rows": lambda: x.to_sparse_csr(),
        "meta": lambda: x.to("meta"),
        "quantised": lambda: torch.quantize_per_tensor(x.nan_to_num(), 0.1, 0, torch.quint8),
        "conjugated": lambda: x.to(torch.complex64).conj(),
        "negative": lambda: (1j * x.to(torch.complex64)).conj().imag,
        "expanded": lambda: torch.ones(1).expand(shape),
        "transposed": lambda: x.transpose(-1, 0).contiguous().transpose(-1, 0),
        "nested": lambda: torch.nested.nested_tensor([x, x]),
        "masked": lambda: torch.masked.masked_tensor(x, x > 0.1),
        "inference": lambda: made_in_inference(shape),
        "empty": lambda: x[:0],
    }
    for name in ("bool", "uint8", "uint16", "uint32", "uint64", "int8", "int64", "float16"):
        kinds[name] = lambda name=name: x.nan_to_num().clamp(0, 1).to(getattr(torch, name))
    for name in ("bfloat16", "float8_e5m2", "complex32", "complex128", "bits8", "int4"):
        kinds[name] = lambda name=name: x.to(getattr(torch, name))
    return made(kinds[draw(st.sampled_from(sorted(kinds)))], x)


def made_in_inference(shape):
    with torch.inference_mode():
        return torch.full(shape, 0.5)


def made(make, otherwise):
    """What torch can make of it; types and layouts that it can't give the plain tensor."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return make()
        except (RuntimeError, NotImplementedError, ValueError, TypeError, IndexError):
            return otherwise


MODES = ["1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV"]
MODES += ["LAB", "I", "I;16", "I;16B", "I;16L", "F"]


def pil(draw, shape):
    """An image of Pillow in any mode; some are empty, turned, or of a file that ends early."""
    size = draw(st.sampled_from([(8, 8), (8, 8), (3, 3), (0, 0), (0, 8), (1, 100)]))
    how = draw(st.sampled_from(["made", "made", "cut", "turned", "closed"]))
    if how == "made":
        image = Image.new(draw(st.sampled_from(MODES)), size)
        if draw(st.booleans()):
            image.info["transparency"] = draw(st.sampled_from([0, b"\0\1", (0, 0, 0), "x", None]))
        return image
    data = a_picture(draw(st.sampled_from(["PNG", "JPEG", "BMP", "WEBP", "TIFF", "GIF"])))
    if how == "cut":
        data = data[: draw(st.integers(20, len(data)))]
    try:
        image = Image.open(io.BytesIO(data))
    except Exception:  # not even a header is left
        return Image.new("L", (8, 8))
    if how == "turned":
        image.info["exif"] = draw(
            st.sampled_from([b"Exif\0\0MM\0*", b"", b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\1\3"])
        )
    elif how == "closed":
        image.close()
    return image


def container(draw, shape):
    """Lists, and whatever else holds numbers or seems to."""
    plain = np.full(shape or (1,), 0.5)
    endless = []
    endless.append(endless)
    kinds = [
        lambda: plain.tolist(),
        lambda: tuple(plain.tolist()),
        lambda: plain.astype(int).tolist(),
        lambda: [plain, torch.from_numpy(plain)],
        lambda: [plain.tolist(), plain],
        lambda: [np.ma.MaskedArray(plain, True)] * 2,
        lambda: [[0.5], [0.5, 0.5]],
        lambda: [plain, plain[..., :-1]],
        lambda: [plain.astype("u1"), plain],
        lambda: [[], []],
        lambda: [],
        lambda: endless,
        lambda: [endless, plain],
        lambda: [10**400],
        lambda: [None],
        lambda: ["x", plain],
        lambda: [Image.new("L", (8, 8)), Image.new("RGB", (8, 8))],
        lambda: [Image.new("L", (8, 8))] * 2,
        lambda: range(9),
        lambda: arrays_of_python.array("d", [0.5] * 9),
        lambda: memoryview(bytes(9)),
        lambda: bytes(9),
        lambda: bytearray(9),
        lambda: iter(plain),
        lambda: {"a": plain},
        lambda: {1, 2},
        lambda: Stranger(),
        lambda: [Stranger()],
        lambda: np.float32(0.5),
        lambda: 0.5,
        lambda: len,
    ]
    return draw(st.sampled_from(kinds))()


def objects(case):
    """An object in memory as whatever a user can give: a right answer, or an error of ours."""
    draw = case.draw
    role = draw(st.sampled_from(sorted(SHAPES)))
    shape = draw(st.sampled_from(SHAPES[role]))
    if draw(st.integers(0, 7)) == 0:
        shape = draw(st.sampled_from([(), (0,), (0, 8, 8), (1,), (2, 2, 2, 2, 2), (7, 5)]))
    make = draw(st.sampled_from([numpy_array, numpy_array, tensor, tensor, pil, container]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what libraries would rather not make
        thing = make(draw, shape)
    x = torch.full((1, *SHAPE), 0.5)
    settings = {
        "x": {"op": "identity"},
        "y": {"y": thing, "op": draw(st.sampled_from(["identity", "blur", "mask", "fourier"]))},
        "numbers": {"y": thing, "op": "gaussian", "m": 9, "shape": SHAPE},
        "start": {"start": thing, "op": "identity"},
        "mask": {"op": "mask", "mask": thing},
        "kernel": {"op": "blur", "kernel": thing},
        "maps": {"op": "fourier", "maps": thing},
        "matrix": {"op": {"name": "matrix", "matrix": thing}},
        "signal": {"op": "identity", "shape": draw(st.sampled_from([(2, 9), (1, 9), (9,)]))},
    }[role]
    if role in ("x", "signal"):
        x = thing
    elif "y" in settings:
        x = None
    if draw(st.integers(0, 3)) == 0 and role in ("x", "y"):
        settings["shape"] = draw(st.sampled_from([SHAPE, (1, 8, 8), (8, 8), (4, 8, 8)]))

    def action():
        found = priorkit.recover(x, prior="none", budget=1, progress=stop, **settings)
        assert torch.isfinite(found.x).all()
        assert found.x.shape[0] == len(found.names)

    case.attempt(action)


LONG = st.one_of(
    TEXTS,
    st.sampled_from(["a", "é", "\U0001f600", "\udcff", " ", "."]).flatmap(
        lambda c: st.integers(1, 300).map(lambda n: c * n)
    ),
)


def names(case):
    """Names of any length where a user can give one, with the suffixes that have a meaning."""
    draw = case.draw
    ending = st.sampled_from(["", "", ".png", ".npy", ".npz", ".toml", ".safetensors", "/x"])
    name = draw(LONG) + draw(ending)
    inside = str(case.folder / "out") + "/" + name if draw(st.booleans()) else name
    role = draw(st.sampled_from(["x", "y", "start", "mask", "kernel", "maps", "path", "prior"]))
    role = draw(st.sampled_from([role, role, "replay", "config", "out", "op", "solver"]))
    x = torch.full((1, *SHAPE), 0.5)
    common = {"prior": "none", "budget": 1, "progress": stop}
    options = {
        "x": {"x": inside},
        "y": {"x": None, "y": inside, "shape": SHAPE},
        "start": {"start": inside},
        "mask": {"op": "mask", "mask": inside},
        "kernel": {"op": "blur", "kernel": inside},
        "maps": {"op": "fourier", "maps": inside},
        "path": {"op": {"name": "matrix", "path": inside}},
        "prior": {"prior": inside},
        "config": {"config": inside},
        "out": {"out": str(case.out) + name.replace("/", "").replace("\0", "")},
        "op": {"op": inside},
        "solver": {"solver": inside},
    }

    def action():
        if role == "replay":
            priorkit.replay(inside, progress=stop)
            return
        given = {"x": x, "op": "identity"} | common | options[role]
        found = priorkit.recover(given.pop("x"), **given)
        assert torch.isfinite(found.x).all()

    case.attempt(action)


def edited(case):
    """A saved run whose arrays are others, or whose record tells of other images."""
    draw = case.draw
    folder = case.out
    files = dict(a_run())
    for name in draw(st.lists(st.sampled_from(["y", "x", "truth", "start"]), max_size=2)):
        kind = draw(st.sampled_from(TYPES[:-7]))
        size = draw(st.sampled_from([SHAPE, (8, 8, 3), (3, 8, 9), (192,), ()]))
        count = draw(st.sampled_from([1, 1, 2, 0, None]))
        shape = size if count is None else (count, *size)
        buffer = io.BytesIO()
        value = draw(st.sampled_from([0, 1, 1e300, np.nan]))
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            np.save(buffer, np.full(shape, value).astype(kind))
        files[Path(f"{name}.npy")] = buffer.getvalue()
    record = json.loads(files[Path("record.json")])
    image = record["images"][0]
    if draw(st.booleans()):
        record["images"] = draw(
            st.sampled_from([[], [image] * 2, [image] * 3, {}, [5], [{}], "ab", None, [None]])
        )
    if draw(st.booleans()):
        image["name"] = draw(st.one_of(LONG, st.sampled_from([None, 5, [], {}, 1e300])))
    if draw(st.booleans()):
        key = draw(st.sampled_from(sorted(record["config"])))
        record["config"][key] = draw(
            st.sampled_from([None, 1e200, -1, [3, 8, 9], {}, "x", {"name": "gaussian", "m": 5}])
        )
    text = json.dumps(record).encode()
    files[Path("record.json")] = (b"\xef\xbb\xbf" if draw(st.booleans()) else b"") + text
    if draw(st.integers(0, 3)):
        del files[Path("manifest.json")]
    write_run(folder, files)

    def replay():
        found = priorkit.replay(folder, progress=stop)
        assert torch.isfinite(found.x).all()
        assert len(found.names) == len(found.x)

    case.attempt(replay)
