"""Settings of the process during a training run: signals, denormal numbers, and cuDNN."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

__all__ = ["held", "searching", "without_denormals"]


@contextmanager
def held() -> Iterator[Callable[[], bool]]:
    """Keep the first Ctrl-C, or SIGTERM of a batch system, from ending the process; gives a
    function that says whether one came. The second one ends it."""
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    came = threading.Event()

    def note(number: int, frame: Any) -> None:
        came.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield came.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def without_denormals() -> Iterator[None]:
    """Treat denormal numbers, which are slow to compute with, as zero."""
    already = float(torch.tensor([5e-324], dtype=torch.float64).mul(1)) == 0
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(already)


@contextmanager
def searching(device: torch.device) -> Iterator[None]:
    """Let cuDNN try its algorithms for each shape and keep the fastest, since shapes stay."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = before or device.type == "cuda"
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before
