"""Files of strangers: weights, cards, arrays, pictures, zips and matrices."""

import hashlib
import io
import json
import struct
import warnings
import zipfile

import numpy as np
import scipy.sparse
import torch
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from priorkit_operators.matrix import Matrix

import priorkit
from priorkit.io import pictures
from priorkit.io.files import json_sha256
from priorkit.settings.select import resolve
from priorkit.training.run import run_trainer
from tests.fuzz.case import SHAPE, a_glow, a_picture, stop
from tests.fuzz.draws import TEXTS, altered, mutated

__all__ = ["arrays", "cards", "matrices", "npy", "picture_files", "weights", "zips"]


def weights(case):
    """A weights file whose bytes were changed; often the card agrees with it."""
    data, card = a_glow()
    data = case.draw(mutated(data))
    if case.draw(st.booleans()):
        card = card | {"sha256": hashlib.sha256(data).hexdigest()}
    path = case.write("tiny.safetensors", data)
    case.write("tiny.json", json.dumps(card).encode())

    def action():
        prior = resolve("prior", str(path)).build(0)
        assert prior.decode(torch.zeros(1, prior.latent_size)).shape == (1, *prior.shape)

    case.attempt(action)


def cards(case):
    """A card whose values were changed; often its checksum was made anew."""
    data, card = a_glow()
    card = case.draw(altered(card))
    if case.draw(st.booleans()) and isinstance(card.get("architecture"), dict):
        card["architecture"] = case.draw(altered(card["architecture"] or {"steps": [1]}))
    if case.draw(st.integers(0, 3)):
        card["architecture_sha256"] = json_sha256([card.get("family"), card.get("architecture")])
    text = json.dumps(card).encode()
    path = case.write("tiny.safetensors", data)
    case.write("tiny.json", case.draw(mutated(text)) if case.draw(st.booleans()) else text)

    def action():
        prior = resolve("prior", str(path)).build(0)
        assert prior.decode(torch.zeros(1, prior.latent_size)).shape == (1, *prior.shape)

    case.attempt(action)


def npy(case):
    """A .npy file whose bytes were changed, as a picture, a measurement and a start."""
    buffer = io.BytesIO()
    dtype = case.draw(st.sampled_from(["<f4", ">f8", "u1", "<u2", "?", "<c8", "<i8"]))
    shape = case.draw(st.sampled_from([(8, 8), SHAPE, (2, *SHAPE), (1, 192), (8, 8, 4), (0, 3)]))
    np.save(buffer, np.zeros(shape, dtype))
    path = case.write("x.npy", case.draw(mutated(buffer.getvalue())))
    where = case.draw(st.sampled_from(["x", "y", "start"]))
    given = {} if where == "x" else {"y": str(path)} if where == "y" else {"start": str(path)}
    x = str(path) if where == "x" else None if where == "y" else torch.zeros(1, *SHAPE)

    def action():
        found = priorkit.recover(x, prior="none", op="identity", budget=1, progress=stop, **given)
        assert torch.isfinite(found.x).all()

    case.attempt(action)


def arrays(case):
    """An array of any type, shape and values, as a picture."""
    usual = st.sampled_from([np.dtype(t) for t in ("f4", "u1", "f8", "u2", "?")])
    odd = st.one_of(hnp.scalar_dtypes(), st.sampled_from([np.dtype("O"), np.dtype("<U2")]))
    dtype = case.draw(st.one_of(usual, odd))
    likely = st.sampled_from([SHAPE, (8, 8), (2, 8, 8, 3), (1, 4, 4), (5,), (4, 2, 7)])
    shape = case.draw(st.one_of(likely, hnp.array_shapes(min_dims=0, max_dims=5, min_side=0)))
    if dtype == np.dtype("O"):
        array = np.full(shape, None, dtype=object)
    elif case.draw(st.booleans()):
        array = np.full(shape, case.draw(st.sampled_from([0, 1])), dtype)
    else:
        array = case.draw(hnp.arrays(dtype, shape))
    wanted = case.draw(st.sampled_from([None, SHAPE, (1, 4, 4), (5,), (2, 7)]))
    resize = case.draw(st.booleans())

    def action():
        found = pictures.load(array, wanted, resize=resize)
        assert torch.isfinite(found.x).all()
        assert len(found.names) == len(found.x)
        if found.x.ndim >= 4 and array.dtype.kind != "c":  # complex pictures have any values
            assert float(found.x.min()) > -1e-2 and float(found.x.max()) < 1.01  # noqa: PT018

    case.attempt(action)


def picture_files(case):
    """A picture file whose bytes were changed, or whose header promises an immense size."""
    kind = case.draw(st.sampled_from(["PNG", "JPEG", "BMP", "WEBP", "TIFF", "GIF"]))
    data = case.draw(mutated(a_picture(kind)))
    if kind == "PNG" and case.draw(st.booleans()):
        sides = case.draw(st.tuples(st.integers(0, 20000), st.integers(0, 20000)))
        head = b"IHDR" + struct.pack(">IIBBBBB", *sides, 8, 2, 0, 0, 0)
        sealed = struct.pack(">I", 13) + head + struct.pack(">I", zipfile.crc32(head))
        data = data[:8] + sealed + data[33:]
    path = case.write(f"x.{kind.lower()}", data)
    wanted = case.draw(st.sampled_from([None, SHAPE, (1, 5, 9)]))

    def action():
        found = pictures.load(path, wanted)
        assert torch.isfinite(found.x).all()
        assert wanted is None or tuple(found.x.shape) == (1, *wanted)

    case.attempt(action)


def zips(case):
    """A zip of training pictures, damaged in its members or itself, or grown from nothing."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # names that come twice
        for i in range(case.draw(st.integers(0, 4))):
            kind = case.draw(st.sampled_from(["PNG", "JPEG"]))
            data = a_picture(kind)
            data = case.draw(mutated(data)) if case.draw(st.booleans()) else data
            name = case.draw(st.one_of(st.just(f"{i}.png"), TEXTS.map(lambda t: f"{t}.jpg")))
            bomb = case.draw(st.integers(0, 9)) == 0
            how = case.draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
            try:
                archive.writestr(name, bytes(3_000_000) if bomb else data, 8 if bomb else how)
            except (ValueError, IndexError):  # a name that zipfile itself refuses
                archive.writestr(f"{i}.png", data, how)
    data = buffer.getvalue()
    data = case.draw(mutated(data)) if case.draw(st.booleans()) else data
    path = case.write("x.zip", data)
    options = {"data": str(path), "out": str(case.out), "size": 8, "steps_per_level": [1]}
    options |= {"width": [2], "validation": 0, "batch": 1, "iterations": 1}

    def action():
        assert run_trainer("glow", options, lambda *_: None) is not None

    case.attempt(action)


def matrices(case):
    """A sparse .npz whose arrays were changed, or its bytes."""
    dense = np.arange(20.0).reshape(5, 4) % 3
    form = case.draw(st.sampled_from(["csr", "csc", "coo", "bsr", "dia"]))
    buffer = io.BytesIO()
    scipy.sparse.save_npz(buffer, scipy.sparse.csr_array(dense).asformat(form))
    data = buffer.getvalue()
    if case.draw(st.booleans()):
        data = case.draw(mutated(data))
    else:
        with np.load(io.BytesIO(data)) as held:
            parts = {name: held[name] for name in held.files}
        name = case.draw(st.sampled_from(sorted(parts)))
        part = parts[name]
        if part.dtype.kind in "iuf" and part.size:
            parts[name] = part.copy()
            value = case.draw(st.sampled_from([-1, 0, 3, 5, 99, 2**30, 2**31 - 1]))
            parts[name].flat[case.draw(st.integers(0, part.size - 1))] = value
            if case.draw(st.booleans()):
                parts[name] = parts[name].flatten()[: case.draw(st.integers(0, part.size))]
        buffer = io.BytesIO()
        np.savez(buffer, **parts)
        data = buffer.getvalue()
    path = case.write("a.npz", data)

    def action():
        operator = Matrix(path=path)
        operator = operator.bind((1, 1, operator.matrix.shape[1]))
        if max(operator.matrix.shape) > 10_000:
            return
        x, y = torch.ones(1, *operator.shape), torch.ones(1, *operator.y_shape)
        forward, back = operator.A(x).double(), operator.A_adjoint(y).double()
        assert torch.allclose(forward.sum(), back.sum(), rtol=1e-4, atol=1e-4)

    case.attempt(action)
