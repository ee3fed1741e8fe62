"""Finding the installed plugins, and running their code in isolation."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from importlib.metadata import Distribution, EntryPoint, distributions
from pathlib import Path
from typing import Any

__all__ = ["PluginStatus", "describe", "installed", "isolated", "label"]

_one_at_a_time = threading.RLock()  # reentrant: a plugin may load another's component


@dataclass
class PluginStatus:
    """One plugin as found: where from, what it registered, what went wrong."""

    name: str
    distribution: str
    version: str
    names: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def installed(path: list[str] | None = None) -> tuple[list[EntryPoint], list[PluginStatus]]:
    """The entry points of everything installed (on ``path``, by default that of Python), and
    what can't be read."""
    points: dict[tuple[str, str], EntryPoint] = {}  # an editable install lists twice
    broken = []
    for dist in distributions(path=sys.path if path is None else path):
        try:
            own = [point for point in dist.entry_points if point.group == "priorkit"]
        except Exception as error:  # a damaged file raises many kinds
            if _mentions_priorkit(dist):
                said = f"its entry_points.txt can't be read: {describe(error)}"
                broken.append(PluginStatus("?", *label(dist), failures=[said]))
            continue
        for point in own:
            points.setdefault((point.name, point.value), point)
    return list(points.values()), broken


def _mentions_priorkit(dist: Distribution) -> bool:
    folder = getattr(dist, "_path", None)
    try:
        return folder is None or b"priorkit" in Path(folder, "entry_points.txt").read_bytes()
    except OSError:
        return False


def label(dist: Distribution | None) -> tuple[str, str]:
    """Name and version of a distribution; "unknown" where they can't be read."""
    try:
        told = None if dist is None else dist.metadata
        return ("unknown", "") if told is None else (str(told["Name"]), str(told["Version"]))
    except Exception:
        return "unknown", ""


@contextmanager
def isolated(tell: Callable[[str], object]) -> Iterator[None]:
    """Run a plugin's code: what it prints goes to stderr, and changes of torch's defaults are
    undone and reported by ``tell``. One thread at a time, since stdout and the defaults belong
    to the whole process."""
    with _one_at_a_time:
        before = _torch_defaults()
        try:
            with redirect_stdout(sys.stderr):
                yield
        finally:
            if _set_back(before):
                tell("changed the defaults of torch for everyone: they were set back")


def _set_back(before: tuple[Any, Any, bool] | None) -> bool:
    """Restore torch's defaults; return whether they had changed."""
    torch: Any = sys.modules.get("torch")
    if torch is None:
        return False
    device, dtype, grad = before or (torch.device("cpu"), torch.float32, True)
    if _torch_defaults() == (device, dtype, grad):
        return False
    torch.set_default_device(None if device.type == "cpu" else device)
    torch.set_default_dtype(dtype)
    torch.set_grad_enabled(grad)
    return True


def _torch_defaults() -> tuple[Any, Any, bool] | None:
    """Device, dtype and whether gradients are recorded; None where torch isn't imported."""
    torch: Any = sys.modules.get("torch")
    if torch is None:
        return None
    return torch.get_default_device(), torch.get_default_dtype(), torch.is_grad_enabled()


def describe(error: BaseException) -> str:
    """An error in one line."""
    try:
        return " ".join(f"{type(error).__name__}: {error}".split())
    except Exception:  # the error can't be written as text
        return type(error).__name__
