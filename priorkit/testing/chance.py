"""Randomness without an address: global generators, and what a constructor draws."""

from __future__ import annotations

import builtins
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from priorkit.interfaces import Component
from priorkit.testing.promises import promise

__all__ = ["addressed", "check_built"]

SEED = 271828183  # of the global generators during a check: nobody's own choice


@contextmanager
def addressed() -> Iterator[None]:
    """A check during which the global generators of torch, numpy and random stay as they are.

    Raises AssertionError where one was drawn from or seeded, even if something else is broken:
    that often follows from it. They are left as they were found. What a library draws when it is
    loaded counts for nothing.
    """
    with _seeded(), _loading():
        before, failed = _states(), None
        try:
            yield
        except Exception as error:
            failed = error
        now = _states()
    changed = [name for name, state in before.items() if now[name] != state]
    if changed or failed is None:
        with promise(
            "nothing draws from global random state, or sets it",
            "draw from problem.streams(…), a generator that was given, or one of your seed",
        ):
            if changed:
                said = f"a call draws from or seeds {' and '.join(changed)}"
                raise AssertionError(said) from failed
    if failed is not None:
        raise failed


def check_built(component: Component, build: Callable[[], Component]) -> None:
    """A component, just made, is the same when ``build`` makes it again, whatever the global
    generators hold: a saved run keeps its options alone.

    Raises AssertionError that names the attribute which has other values.
    """
    with (
        promise(
            "built again with the same options, it is the same",
            "a constructor draws from a torch.Generator of its option seed, or not at all",
        ),
        _seeded(),
    ):
        place = _difference(component, build(), type(component).__name__, {})
        assert place is None, f"{place} has other values each time: a saved run replays otherwise"


@contextmanager
def _seeded() -> Iterator[None]:
    """Global generators with seeds of our own, and afterwards as they were."""
    with _kept():
        torch.manual_seed(SEED)
        np.random.seed(SEED)
        random.seed(SEED)
        yield


@contextmanager
def _loading() -> Iterator[None]:
    """A block in which modules that are loaded leave the global generators as they were."""
    load = builtins.__import__

    def loaded(name: str, *more: Any, **named: Any) -> Any:
        if name in sys.modules:
            return load(name, *more, **named)
        with _kept():
            return load(name, *more, **named)

    builtins.__import__ = loaded
    try:
        yield
    finally:
        builtins.__import__ = load


@contextmanager
def _kept() -> Iterator[None]:
    kept = torch.get_rng_state(), np.random.get_state(), random.getstate()
    try:
        yield
    finally:
        torch.set_rng_state(kept[0])
        np.random.set_state(kept[1])
        random.setstate(kept[2])


def _states() -> dict[str, object]:
    legacy = np.random.get_state(legacy=False)
    return {
        "torch's global generator": torch.get_rng_state().numpy().tobytes(),
        "numpy.random": repr([legacy["state"]["key"].tobytes(), legacy["state"]["pos"]]),
        "Python's random": random.getstate(),
    }


def _difference(a: object, b: object, place: str, seen: dict[int, object]) -> str | None:
    """Where two objects that were made alike first differ, or None; parts are found as copy.copy
    finds them, and what can't be copied counts as the same. ``seen`` are those compared before, by
    their id, which nothing else gets while they are held."""
    if a is b or id(a) in seen:
        return None
    seen[id(a)] = a
    if type(a) is not type(b):
        return place
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return None if _equal(a, b) else place
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and not a.dtype.hasobject:
        return None if a.tobytes() == b.tobytes() else place
    if isinstance(a, (str, bytes, int, float, complex)):
        return None if a == b or (a != a and b != b) else place
    one, other = _parts(a), _parts(b)
    if list(one) != list(other):
        return place
    found = (_difference(one[name], other[name], place + name, seen) for name in one)
    return next((where for where in found if where is not None), None)


def _equal(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors have the same entries, NaN among them."""
    if (a.dtype, a.shape, a.layout) != (b.dtype, b.shape, b.layout):
        return False
    if a.layout is not torch.strided:
        a, b = a.to_dense(), b.to_dense()
    return bool(((a == b) | ((a != a) & (b != b))).all())


def _parts(thing: object) -> dict[str, object]:
    """What an object is made of, by how one would write it."""
    if isinstance(thing, dict):
        # The repr of an object that is a key has an address.
        places = [repr(k) if isinstance(k, (str, int)) else str(i) for i, k in enumerate(thing)]
        return {f"[{place}]": v for place, v in zip(places, thing.values(), strict=True)}
    if isinstance(thing, np.ndarray):  # of objects
        thing = thing.tolist()
    if isinstance(thing, (list, tuple)):
        return {f"[{i}]": value for i, value in enumerate(thing)}
    try:
        reduced = thing.__reduce_ex__(4)
    except Exception:  # a lock, an open file, a function
        return {}
    if isinstance(reduced, str):  # a global name
        return {}
    state = reduced[2] if len(reduced) > 2 else None
    named = {f".{name}": v for name, v in state.items()} if isinstance(state, dict) else {"": state}
    return {" made of": reduced[1], **named}
