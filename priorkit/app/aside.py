"""Work that takes longer than a page may wait for: it is done beside the pages, which go on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

__all__ = ["aside", "in_turn"]

P = ParamSpec("P")
R = TypeVar("R")

_readers = ThreadPoolExecutor(4, "priorkit-read")
_asker = ThreadPoolExecutor(1, "priorkit-ask")


async def aside(call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """What a call that reads files returns."""
    return await _done(_readers, partial(call, *args, **kwargs))


async def in_turn(call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """The same of a call that others wait for, one after the other, so that they never take the
    places of those that read files."""
    return await _done(_asker, partial(call, *args, **kwargs))


async def _done(pool: Executor, call: Callable[[], R]) -> R:
    return await asyncio.get_running_loop().run_in_executor(pool, call)
