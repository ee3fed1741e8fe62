"""Files of several arrays by numpy are read as its files of one are, and never as a pickle."""

import zipfile

import numpy as np
import pytest
import torch

from priorkit.errors import BadInputError
from priorkit.io.formats import base
from priorkit.io.pictures import load, raw
from priorkit.io.raw import numbers_or_picture
from priorkit.settings.given import given_start

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(8, 9), (3, 8, 9), (8, 9, 3), (2, 1, 8, 9)])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_one_array_is_as_in_a_file_of_its_own(tmp_path, shape, save):
    values = RNG.random(shape)
    np.save(tmp_path / "a.npy", values)
    save(tmp_path / "a.npz", values)
    one, other = load(tmp_path / "a.npy"), load(tmp_path / "a.npz")
    assert torch.equal(one.x, other.x)
    assert one.names == other.names
    assert torch.equal(raw(tmp_path / "a.npy", "y"), raw(tmp_path / "a.npz", "y"))
    assert torch.equal(numbers_or_picture(tmp_path / "a.npz", "mask", ""), torch.tensor(values))
    assert torch.equal(given_start(tmp_path / "a.npz").value, torch.tensor(values))


def test_of_several_one_is_picked(tmp_path):
    y, mask = RNG.random((8, 9)) + 1j, np.ones((8, 9))
    path = tmp_path / "two.npz"
    np.savez(path, y=y, mask=mask, count=3, names=np.array(["a"]))
    assert np.array_equal(raw(f"{path}::y", "y").numpy(), y)
    assert np.array_equal(raw(path, "y", dataset="mask").numpy(), mask)
    told = r"holds 2 datasets: y \(8×9 complex128\), mask \(8×9 float64\).*::dataset=y"
    with pytest.raises(BadInputError, match=told):
        raw(path, "y")
    with pytest.raises(BadInputError, match=r"holds no dataset 'maks'. Did you mean 'mask'"):
        load(f"{path}::maks")


def test_what_is_damaged_too_large_or_a_pickle_is_refused(tmp_path, monkeypatch):
    np.savez(tmp_path / "objects.npz", np.array([None, print], dtype=object))
    with pytest.raises(BadInputError, match="holds no array of numbers"):
        load(tmp_path / "objects.npz")
    (tmp_path / "bad.npz").write_bytes(b"bad")
    with pytest.raises(BadInputError, match="is not a file of arrays that can be read"):
        load(tmp_path / "bad.npz")
    np.save(tmp_path / "a.npy", RNG.random((8, 9)))
    with zipfile.ZipFile(tmp_path / "short.npz", "w") as file:
        file.writestr("a.npy", (tmp_path / "a.npy").read_bytes()[:-8])
    with pytest.raises(BadInputError, match=r"the file ends before \(8, 9\) numbers"):
        load(tmp_path / "short.npz")
    np.savez(tmp_path / "large.npz", RNG.random((8, 9)))
    monkeypatch.setattr(base, "MAX_NUMBERS", 70)
    with pytest.raises(BadInputError, match="holds more than"):
        load(tmp_path / "large.npz")


def test_of_a_folder_they_are_not_taken(tmp_path):
    np.savez(tmp_path / "a.npz", RNG.random((8, 9)))
    with pytest.raises(BadInputError, match=r"No pictures in the folder .* Got a.npz"):
        load(tmp_path)


def test_letters_of_either_case_are_one_name(tmp_path):
    np.save(tmp_path / "scan.npy", np.eye(4))
    (tmp_path / "scan.npy").rename(tmp_path / "SCAN.NPY")
    assert np.array_equal(load(tmp_path / "SCAN.NPY").x[0, 0], np.eye(4))
    assert np.array_equal(raw(tmp_path / "SCAN.NPY", "y"), np.eye(4))
