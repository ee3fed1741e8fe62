"""Where weights come from: path, shipped, cache, hub; verified, and whole or not there."""

import contextlib
import functools
import http.server
import json
import subprocess
import sys
import threading

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from priorkit_glow.export import write_weights
from priorkit_glow.prior import GlowPrior

import priorkit
from priorkit.errors import PriorkitError, UnknownNameError, WeightsError
from priorkit.io import weights
from priorkit.io.files import write_atomic
from priorkit.io.hub import find
from tests.helpers import SHAPE, random_glow


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """Weights of a tiny Glow, with their card."""
    network = random_glow(offset=0.1).float()
    path = tmp_path_factory.mktemp("weights") / "glow-toy.safetensors"
    return write_weights(path, dict(network.state_dict()), network.config, {"licence": "none"})


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PRIORKIT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("PRIORKIT_HUB", raising=False)
    monkeypatch.delenv("PRIORKIT_OFFLINE", raising=False)
    return tmp_path / "cache" / "weights"


def measure(prior):
    return priorkit.recover(torch.rand(1, *SHAPE), prior=prior, op="mask", budget=3)


def test_by_path_and_by_the_name_of_cached_weights(toy, cache):
    assert measure(str(toy)).record["weights"].keys() == {"glow-toy"}
    with pytest.raises(UnknownNameError, match="glow-toy"):
        measure("glow-toy")
    for path in (toy, toy.with_suffix(".json")):
        write_atomic(cache / path.name, path.read_bytes())
    assert measure("glow-toy").record["weights"] == measure(str(toy)).record["weights"]


@pytest.fixture
def hub(tmp_path):
    """A real web server on a folder."""
    folder = tmp_path / "hub"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_from_a_hub(toy, cache, hub, monkeypatch):
    """Downloaded once, verified, and offline mode asks for nothing."""
    folder, address = hub
    for path in (toy, toy.with_suffix(".json")):
        (folder / path.name).write_bytes(path.read_bytes())
    monkeypatch.setenv("PRIORKIT_HUB", address)
    monkeypatch.setenv("PRIORKIT_OFFLINE", "1")
    with pytest.raises(UnknownNameError):
        measure("glow-toy")
    monkeypatch.setenv("PRIORKIT_OFFLINE", "0")
    measure("glow-toy")
    assert (cache / "glow-toy.safetensors").exists()
    (folder / "glow-toy.safetensors").unlink()
    measure("glow-toy")  # the cache answers now
    assert find("not-there") is None


def test_a_hub_that_sends_something_else(toy, cache, hub, monkeypatch):
    folder, address = hub
    (folder / "glow-toy.json").write_bytes(toy.with_suffix(".json").read_bytes())
    (folder / "glow-toy.safetensors").write_bytes(toy.read_bytes()[:-7])
    monkeypatch.setenv("PRIORKIT_HUB", address)
    with pytest.raises(WeightsError, match="not what its card describes"):
        measure("glow-toy")
    assert not cache.exists()
    for nowhere in ("http://127.0.0.1:9", "http://no host"):
        monkeypatch.setenv("PRIORKIT_HUB", nowhere)
        with pytest.raises(WeightsError, match="can't be reached"):
            measure("glow-toy")


@given(data=st.data())
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_files_give_priorkit_errors(toy, tmp_path, data):
    """Truncated and flipped bytes, in weights or card, never anything but a PriorkitError."""
    path = tmp_path / "glow-toy.safetensors"
    card = bytearray(toy.with_suffix(".json").read_bytes())
    body = bytearray(toy.read_bytes())
    damaged = data.draw(st.sampled_from([card, body]))
    if data.draw(st.booleans()):
        del damaged[data.draw(st.integers(0, len(damaged) - 1)) :]
    else:
        damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(body)
    path.with_suffix(".json").write_bytes(card)
    with contextlib.suppress(PriorkitError):
        GlowPrior(weights=path)
        assert damaged is card  # only a flip inside free text of the card does no harm


def test_the_shipped_card_says_what_it_must():
    card = json.loads(weights.read(shipped_path()).path.with_suffix(".json").read_text())
    assert "non-commercial" in card["licence"]
    assert shipped_path().stat().st_size < 12e6
    assert card["defaults"]["denoising"]["penalty"] == "nll"
    assert 0.5 < card["bits_per_dim"] < 1.6


def shipped_path():
    from pathlib import Path

    from priorkit.registry import registry

    return Path(registry().get("prior", "glow-celeba").preset["weights"])


def test_a_network_is_laid_out_without_its_first_values():
    """Which nobody needs: to fill a tensor without memory, torch imports eight hundred modules."""
    code = (
        "import sys\nfrom priorkit.settings.select import resolve\n"
        "for name in ('diffusion-celeba', 'glow-celeba', 'dcgan-celeba', 'patch-flow'):\n"
        "    resolve('prior', name).build(0)\n"
        "print({'sympy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
