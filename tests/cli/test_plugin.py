"""priorkit new-plugin and check, as an author meets them."""

import importlib
import json
import subprocess
import sys

import pytest
import torch
from priorkit_noises.gaussian import Gaussian
from priorkit_penalties.norms import NoPenalty
from priorkit_sparsity.bases import DCT

from priorkit.cli.plugin import _outcomes as checked
from priorkit.errors import BadInputError, UnknownNameError
from priorkit.interfaces import LinearOperator, ProximalPenalty
from priorkit.linear import column
from priorkit.registry import COMPONENTS
from priorkit.scaffold import write_plugin
from priorkit.testing import check_operator, outcomes


@pytest.mark.parametrize("kind", COMPONENTS)
def test_a_template_keeps_its_own_contract(kind):
    from priorkit import testing

    example = importlib.import_module(f"priorkit.scaffold.{kind}").Example()
    shaped = {"shape": (3, 8, 8)} if kind in ("prior", "operator", "penalty") else {}
    getattr(testing, f"check_{kind}")(example, **shaped)


def test_what_is_written_is_clean(tmp_path):
    """By the rules that priorkit itself is held to."""
    folder = tmp_path / "new"
    written = write_plugin("my-own", COMPONENTS, folder)
    assert sorted(written) == sorted(p for p in folder.rglob("*") if p.is_file())
    assert "Example" not in "".join(p.read_text() for p in written)
    for words in ("check --select E,F,W,I,UP,B", "format --check"):
        ruff = [sys.executable, "-m", "ruff", *words.split(), "--line-length", "100", folder]
        done = subprocess.run(ruff, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["My-Own", "1st", "a--b", "../x", "a_b", ""])
def test_names_that_no_package_can_have(name, tmp_path):
    with pytest.raises(BadInputError, match="small letters, digits and single hyphens"):
        write_plugin(name, ["operator"], tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_what_is_refused_before_anything_is_written(tmp_path, command_line):
    with pytest.raises(UnknownNameError, match="Did you mean 'operator'"):
        write_plugin("my-own", ["prior", "operater"], tmp_path / "new")
    done = command_line("new-plugin", "tam", "prior,operator", "--out", tmp_path / "new")
    assert (done.code, "Try: priorkit new-plugin tam prior operator" in done.err) == (2, True)
    assert not (tmp_path / "new").exists()
    with pytest.raises(BadInputError, match="is there already"):
        write_plugin("my-own", ["prior"], tmp_path)
    done = command_line("check", "blurr")
    assert (done.code, "Did you mean 'blur'" in done.err) == (2, True)
    done = command_line("check", "gaussian", "--kind", "colour")
    assert (done.code, "A kind is one of" in done.err) == (2, True)


def test_options_of_a_name_in_two_kinds(command_line):
    """m is the operator's, sigma the noise's; one that is nobody's is refused."""
    words = "check gaussian --m 20 --sigma 0.1 --shape 3 8 8"
    done = command_line(*words.split())
    assert done.code == 0, done.err
    assert "operator gaussian" in done.out
    assert "noise gaussian" in done.out
    assert "broken" not in done.out
    assert command_line("check", "gaussian", "--k", "20").code == 2
    for words in ("--m 20 --shape 3 8 8", "--kind noise"):  # a noise of no level
        done = command_line("check", "gaussian", *words.split())
        assert done.code == 0, done.out


class Careless(LinearOperator):
    """Wrong in three ways: a sum over the batch, an adjoint of another size, and a mask."""

    def A(self, x):
        return x * x.mean()

    def A_adjoint(self, y):
        return y.flatten(1)

    @property
    def mask(self):
        return torch.zeros(self.y_shape)


def test_every_broken_promise_is_found():
    """Not the first one alone, as by an assertion; what depends on another isn't blamed."""
    found = {o.promise: o for o in outcomes(lambda: check_operator(Careless(), shape=(1, 4, 4)))}
    broken = [promise for promise, outcome in found.items() if outcome.broken]
    assert len(broken) >= 4
    assert any("alike in every batch" in promise for promise in broken)
    assert any("mask" in promise for promise in broken)
    assert any("A is linear" in promise for promise in broken)
    assert not any(o.broken and o.untried for o in found.values())
    with pytest.raises(AssertionError, match="differs from A of a batch"):
        check_operator(Careless(), shape=(1, 4, 4))


class TwoChannels(LinearOperator):
    """The sum of two channels, and of no other number of them."""

    def prepare(self):
        if self.shape[0] != 2:
            raise BadInputError("This is for two channels.", got=self.shape[0])

    def A(self, x):
        return x.sum(1, keepdim=True)

    def A_adjoint(self, y):
        return y.expand(-1, 2, *y.shape[2:]).clone()


@pytest.mark.parametrize(
    ("kind", "component", "shape"),
    [
        ("operator", TwoChannels(), (2, 16, 16)),
        ("prior", DCT(), (1, 32)),
        ("noise", Gaussian(sigma=0.1), (4, 8, 8)),
        ("prior", DCT(), (3, 16, 16)),  # which chooses no weight for noise
        ("penalty", NoPenalty(), (2, 8, 8)),  # and has none
    ],
)
def test_the_recovery_has_the_shape_that_was_said(kind, component, shape):
    """Of two channels two colours of the photograph, of a signal one of its rows."""
    found = checked(kind, component, {"shape": shape})
    untried = [o for o in found if o.untried and "on the device" not in o.promise]  # by numpy
    assert not untried
    assert not any(o.broken for o in found)
    assert found[-1].promise.startswith("it recovers the sample photograph:")


class Sixteen(TwoChannels):
    """Takes the shape that the kit takes alone, as one with a table from a file does."""

    def prepare(self):
        if self.shape != (3, 16, 16):
            raise BadInputError("This is for 16 × 16.", got=self.shape)

    def A_adjoint(self, y):
        return y.expand(-1, 3, *y.shape[2:]).clone()


def test_the_recovery_has_the_shape_that_the_kit_took_where_another_is_refused():
    found = checked("operator", Sixteen(), {})
    assert found[-1].promise.startswith("it recovers the sample photograph:")
    assert not any(o.broken for o in found)


class Corners(ProximalPenalty):
    """‖u‖₁ and a little of ‖u‖², of which no solver of smooth penalties knows."""

    smooth = False

    def value_grad(self, u):
        flat = u.flatten(1).double()
        return flat.abs().sum(1) + 0.25 * flat.square().sum(1), u.sign() + 0.5 * u

    def prox(self, u, step):
        step = column(step, u)
        return u.sign() * (u.abs() - step).clamp_min(0) / (1 + 0.5 * step)


def test_a_penalty_that_is_not_smooth_is_recovered_by_a_solver_for_such():
    found = checked("penalty", Corners(), {})
    assert found[-1].promise.startswith("it recovers the sample photograph:")
    assert not any(o.broken for o in found)


def test_a_component_for_another_shape_is_told_how_to_say_it():
    """Where the usual shape was tried, and is refused."""
    found = checked("operator", TwoChannels(), {})
    assert "This is for two channels." in found[0].broken
    assert found[0].hint.startswith("--shape of images that it takes")
    assert not checked("operator", TwoChannels(), {"shape": (3, 8, 8)})[0].hint


class Drawn(TwoChannels):
    """Weighs its channels by numbers that its constructor draws."""

    def __init__(self):
        self.w = torch.rand(())

    def A(self, x):
        return self.w * super().A(x)

    def A_adjoint(self, y):
        return self.w * super().A_adjoint(y)


def test_a_constructor_that_draws_is_told():
    """A saved run makes the component anew."""
    found = checked("operator", Drawn(), {"shape": (2, 8, 8)}, Drawn)
    (broken,) = [o for o in found if o.broken]
    assert broken.broken.startswith("Drawn.w has other values each time")
    assert "seed" in broken.hint
    found = checked("operator", TwoChannels(), {"shape": (2, 8, 8)}, TwoChannels)
    assert not [o for o in found if o.broken]


def test_what_was_not_tried_is_not_kept(command_line):
    """tv in latent space, of a prior without one; of l1 a solver for such is found."""
    small = ("--shape", "3", "16", "16")
    latent = ("check", "tv", "--prior", "none", "--space", "latent", *small)
    done = command_line(*latent)
    assert done.code == 0
    assert "not tried  it recovers the sample photograph\n" in done.out
    assert "space 'latent' requires the prior to be a Decoder" in done.out
    assert "hint: --prior, --space and --shape choose another recovery" in done.out
    assert "kept       it recovers" not in done.out
    (row,) = json.loads(command_line(*latent, "--json").out)
    assert "Decoder" in row["promises"][-1]["untried"]
    for prior in ((), ("--prior", "dct")):
        done = command_line("check", "l1", *prior, *small)
        assert done.code == 0
        assert "kept       it recovers the sample photograph: PSNR" in done.out


@pytest.mark.parametrize("shape", [("x",), ("0",), ("3", "-1")])
def test_a_shape_that_is_none(shape, command_line):
    done = command_line("check", "blur", "--shape", *shape)
    assert done.code == 2
    assert "A shape is whole numbers." in done.err
