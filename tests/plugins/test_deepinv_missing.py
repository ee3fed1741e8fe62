"""deepinv where it isn't installed, or can't be imported."""

import sys

import pytest

import priorkit
from priorkit.errors import BadInputError, MismatchError

FAULTS = {
    "ImportError('No module named deepinv')": "needs the package deepinv",
    "RuntimeError('operator torchvision::nms does not exist')": r"nms does.*priorkit doctor",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_reason_is_said(fault, tmp_path, monkeypatch):
    (tmp_path / "deepinv.py").write_text(f"raise {fault}")
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == "deepinv"]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(MismatchError, match=FAULTS[fault]):
        priorkit.recover(prior="deepinv", op="identity")


def test_what_is_no_object_of_it_is_refused():
    with pytest.raises(BadInputError, match=r"needs an object of deepinv.models"):
        priorkit.recover(prior={"name": "deepinv", "denoiser": 3})
    with pytest.raises(BadInputError, match=r"needs an object of deepinv.physics"):
        priorkit.recover(op={"name": "deepinv", "physics": "blur"})
