"""One case, and the sound things that hostile ones are made from."""

import io
import json
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

import numpy as np
import torch
from PIL import Image
from priorkit_glow.export import write_weights
from priorkit_glow.network import Glow, GlowConfig

import priorkit
from priorkit.errors import PriorkitError
from priorkit.training.run import run_trainer
from tests.fuzz.guard import guarded

__all__ = ["SHAPE", "Case", "a_glow", "a_picture", "a_run", "stop", "warm", "write_run"]

SHAPE = (3, 8, 8)


@dataclass
class Case:
    """One case: draws, its folder, and what it came to."""

    draw: object
    folder: Path
    answer: str = "refused"
    seconds: float = 0.0
    bytes: int = 0

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def write(self, name, data):
        path = self.folder / name
        path.write_bytes(data)
        return path

    def attempt(self, action, *errors):
        """Run ``action``; an error of priorkit's own is fine, any other goes through."""
        warm()
        with guarded(self.out) as cost, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                action()
                self.answer = "right"
            except (PriorkitError, *errors) as error:
                str(error).encode("utf-8", "replace")
        self.seconds, self.bytes = cost["seconds"], cost["bytes"]


@cache
def a_glow():
    """Weights and card of a small Glow."""
    config = GlowConfig(shape=SHAPE, steps=(1, 1), width=(4, 4), scale_offset=(0.0, 0.0))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Glow(config)
    path = Path(mkdtemp()) / "tiny.safetensors"
    write_weights(path, dict(network.state_dict()), config, {"data": "none"})
    return path.read_bytes(), json.loads(path.with_suffix(".json").read_text())


@cache
def a_picture(kind):
    ramp = np.linspace(0, 255, 8 * 8 * 3).reshape(8, 8, 3).astype(np.uint8)
    image = Image.fromarray(ramp)
    image = image.convert("P") if kind == "GIF" else image
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


@cache
def a_run():
    """The files of a saved run, by name."""
    folder = Path(mkdtemp()) / "run"
    x = torch.linspace(0, 1, 192).view(1, *SHAPE)
    priorkit.recover(x, prior="none", op="mask", budget=2, out=folder)
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def write_run(folder, files):
    """Such files, changed or not, into a folder."""
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


@cache
@cache
def warm():
    """Whatever libraries do once: what they import, and the folders that they make."""
    data, card = a_glow()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "tiny.safetensors"
        path.write_bytes(data)
        path.with_suffix(".json").write_text(json.dumps(card))
        x = torch.zeros(1, *SHAPE)
        priorkit.recover(x, prior=str(path), op="mask", budget=1, out=Path(folder) / "out")
        priorkit.compare(x, priors=["dct", "none"], m=9, budget=1, out=Path(folder) / "both")
        (Path(folder) / "pictures").mkdir()
        Image.new("RGB", (8, 8), "gray").save(Path(folder) / "pictures" / "0.png")
        options = {"data": f"{folder}/pictures", "out": f"{folder}/trained", "size": 8}
        options |= {"steps_per_level": [1], "width": [2], "validation": 0, "batch": 1}
        run_trainer("glow", options | {"iterations": 1}, lambda *_: None)


def stop(*_):
    """A progress that ends a run at its first step."""
    raise KeyboardInterrupt
