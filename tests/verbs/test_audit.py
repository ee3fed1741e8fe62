"""An audit's three errors, where each of them is known."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch

import priorkit
from priorkit.errors import PriorkitError
from priorkit.interfaces import Choices, LinearDecoder
from priorkit.io.pictures import load
from tests.helpers import SHAPE

PICTURES = torch.rand(3, *SHAPE, generator=torch.Generator().manual_seed(0)).numpy()
TV = {"penalty": "tv", "gamma": 0.01}


class Few(LinearDecoder):
    """x = ½ + Φz with the first ``count`` columns of an orthogonal matrix."""

    shape = SHAPE

    def __init__(self, count):
        torch.manual_seed(0)
        self.basis = torch.linalg.qr(torch.randn(192, 192).double())[0][:, :count]

    @property
    def latent_size(self):
        return self.basis.shape[1]

    def decode(self, z):
        return (z @ self.basis.T.to(z)).view(-1, *SHAPE) + 0.5

    def decode_adjoint(self, x):
        return x.flatten(1) @ self.basis.to(x)

    def defaults(self, operator, noise):
        return Choices(solver="lbfgs")


def found(prior, **settings):
    given = {"op": "gaussian", "noise_norm": 0.0, "seed": 1, **settings}
    (finding,) = priorkit.audit({"some": PICTURES}, priors=[prior], **given).findings
    total = finding.representation + finding.measurement + finding.optimisation
    assert total == pytest.approx(finding.error, rel=1e-5)
    return finding


def test_too_few_latents_are_a_fault_of_representation():
    finding = found(Few(20), m=150)
    basis = Few(20).basis.float()
    x = torch.from_numpy(PICTURES).flatten(1) - 0.5
    outside = (x - x @ basis @ basis.T).square().mean()
    assert finding.representation == pytest.approx(float(outside), rel=0.02)
    assert finding.optimisation == 0
    assert finding.measurement < 0.4 * finding.error  # what A mixes in from outside


def test_too_few_measurements_are_a_fault_of_the_measurement():
    finding = found(Few(192), m=60)
    assert finding.measurement > 0.95 * finding.error
    assert finding.pictures == 3


def test_too_few_evaluations_are_a_fault_of_optimisation():
    finding = found(Few(150), m=190, budget=3)
    assert finding.optimisation > 0.4 * finding.error


def test_it_is_saved_and_looked_at(tmp_path):
    groups = {"some": PICTURES, "fewer & others": PICTURES[:1]}
    whole = priorkit.audit(groups, priors=[{"prior": Few(20), "label": "few"}], op="mask")
    folder = whole.save(tmp_path / "audit")
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "audit.csv",
        "audit.json",
        "audit.svg",
        "grid.png",
        "report.html",
        "manifest.json",
    }
    assert "nan" not in (folder / "audit.csv").read_text()
    rows = list(csv.DictReader((folder / "audit.csv").open()))
    assert [row["group"] for row in rows] == list(groups)
    assert json.loads((folder / "audit.json").read_text())[1]["standard_error"] is None
    page = (folder / "report.html").read_text()
    assert "few, fewer &amp; others" in page
    head, (several, one) = whole.cells()
    assert one[head.index("±")] == "—" != several[head.index("±")]
    assert "nan" not in page.lower().split("<h2>pictures")[0].split("<table")[1]
    assert "representation" in page


@pytest.mark.parametrize(
    ("groups", "priors", "said"),
    [
        ({}, ["glow-celeba"], "groups of pictures by their names"),
        ({"a": PICTURES}, ["dct", "none"], r"An audit looks for the latent .*'none'.*'dct'"),
        ({"a": PICTURES}, ["dct", "nosuch"], "Unknown prior 'nosuch'"),
        ([PICTURES], ["dct"], "groups of pictures by their names. Got a list"),
        (PICTURES, ["dct"], "groups of pictures by their names. Got a ndarray"),
        ({"a": PICTURES}, "dct", "priors is a list. Got 'dct'"),
        ({"a": PICTURES}, ["dct", "dct"], "a label of its own. Got dct, dct"),
        ({"a": PICTURES}, [{"prior": "dct", "range": (0, 2)}], "no range"),
        ({"a": PICTURES}, [{"prior": "dct", "averaging": 2}], "averaging=1"),
        ({"a": PICTURES}, [{"prior": "dct", "image": "a.png"}], "The groups .* are its pictures"),
        ({"a": PICTURES}, [{"prior": "dct", "gamma": "discrepancy"}], "gamma=0.01"),
        ({"a": PICTURES}, [{"prior": "dct", "space": "pixel"} | TV], "Got space='pixel'"),
        ({"a": PICTURES, "b": "nowhere"}, ["dct"], "nowhere"),
    ],
)
def test_what_cannot_be_audited(groups, priors, said):
    def never(*step):
        raise AssertionError("computed")

    with pytest.raises(PriorkitError, match=said):
        priorkit.audit(groups, priors=priors, op="identity", progress=never)


def test_the_command(command_line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "faces").mkdir()
    astronaut = priorkit.recover(prior="none", op="identity", budget=1, shape=(3, 64, 64))
    astronaut.image().save(tmp_path / "faces/a.png")
    words = ["audit", "faces=faces", "--priors", "dcgan-celeba", "--op", "gaussian"]
    done = command_line(*words, "--m", "100", "--budget", "3", "--json")
    (row,) = json.loads(done.out)
    assert (row["prior"], row["group"]) == ("dcgan-celeba", "faces")
    assert (tmp_path / "priorkit-out/report.html").exists()
    said = command_line("audit", "faces", "--priors", "dcgan-celeba")
    assert said.code == 2
    assert "A group is a name and its pictures. Got faces" in said.err


def test_an_audit_takes_no_units():
    with pytest.raises(PriorkitError, match="no range"):
        priorkit.audit({"some": PICTURES}, priors=["none"], range=(0, 2))


def test_a_basis_of_any_size_takes_that_of_the_pictures():
    found = priorkit.audit({"some": PICTURES[:1]}, priors=["dct"], op="srht", m=150, budget=20)
    assert found.findings[0].error > 0


def test_each_group_is_read_once_for_a_prior(tmp_path, monkeypatch):
    """What was prepared to check it is what is solved."""
    paths = {name: tmp_path / f"{name}.npy" for name in ("some", "others")}
    for path in paths.values():
        np.save(path, PICTURES)
    read = []

    def counted(x, *rest, **settings):
        read.append(x) if isinstance(x, Path) else None
        return load(x, *rest, **settings)

    monkeypatch.setattr("priorkit.verbs.prepare.load", counted)
    found = priorkit.audit(paths, priors=["dct", "wavelet"], op="mask", budget=3)
    assert len(found.findings) == 4
    assert sorted(read) == sorted([*paths.values()] * 2)


def test_what_a_measurement_is_told_is_no_option_of_later_solves(tmp_path):
    """They are given the operator and images as they are."""
    given = {"priors": ["dct"], "op": "mask", "budget": 3, "seed": 1}
    table = {"name": "mask", "mask": "random", "fraction": 0.3}
    whole = priorkit.audit({"some": PICTURES}, **given | {"op": table})
    apart = priorkit.audit({"some": PICTURES}, **given, mask="random", fraction=0.3)
    assert apart.table() == whole.table()
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file["a"], file["b"] = PICTURES[0], PICTURES[1]
    one = {"kind": "picture", "dataset": "b"}
    picked = priorkit.audit({"some": str(tmp_path / "scan.h5")}, **given, **one)
    same = priorkit.audit({"some": PICTURES[1:2]}, **given)
    assert picked.table() == same.table()


def stopping_at(label):
    """A progress that is Ctrl-C at the first step of a label."""

    def stop(now, *_):
        if now == label:
            raise KeyboardInterrupt

    return stop


def test_after_ctrl_c_it_has_what_was_done(tmp_path):
    groups = {"some": PICTURES, "fewer": PICTURES[:1]}
    priors = [{"prior": Few(20), "label": "few"}, {"prior": Few(30), "label": "more"}]
    given = {"priors": priors, "op": "mask", "budget": 5}
    cut = priorkit.audit(groups, **given, progress=stopping_at("more on fewer"))
    assert cut.interrupted
    whole = priorkit.audit(groups, **given)
    assert not whole.interrupted
    assert cut.table() == whole.table()[:3]
    assert (cut.save(tmp_path / "cut") / "report.html").exists()
    with pytest.raises(KeyboardInterrupt):
        priorkit.audit(groups, **given, progress=stopping_at("few on some"))


def test_images_of_any_kind_are_audited():
    """Whether somebody says of which, or they tell it."""
    numbers = torch.randn(2, 2, 8, 8, generator=torch.Generator().manual_seed(1)).numpy()
    waves, signals = numbers[:, 0] + 1j * numbers[:, 1], numbers.reshape(2, 1, 128)
    for pictures, kind in ((waves, None), (numbers, "complex"), (signals, "signal")):
        settings = {"op": "gaussian", "m": 60, "budget": 20}
        found = priorkit.audit({"some": pictures}, priors=["dct"], kind=kind, **settings)
        assert found.findings[0].representation == pytest.approx(0, abs=1e-9)
        assert found.findings[0].measurement > 0.1
