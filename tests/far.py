"""A device called ``far``: its numbers are the processor's, its rules are those of a GPU.

A tensor on it can't be mixed with one of the processor, can't be read without a transfer, and every
transfer is counted. What runs here without an error doesn't mix devices; what runs without a
transfer waits for no device, and could be recorded on one. It says nothing of time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_any_only, tree_leaves, tree_map_only

try:
    from torch.utils.backend_registration import _setup_privateuseone_for_python_backend as _setup
except ImportError:  # of torch 2.6, with which all else runs
    _setup = None

__all__ = ["Far", "Transfers", "far", "register"]

aten = torch.ops.aten
ACROSS = {aten._to_copy.default, aten.copy_.default, aten.copy.default}
INDEXED = {aten.index.Tensor, aten.index_put_.default, aten.index_put.default,
           aten._index_put_impl_.default, aten._unsafe_index.Tensor}  # fmt: skip
# The size of a result follows from the values: the host waits for it.
SIZED = {aten.nonzero.default, aten.masked_select.default, aten._unique2.default,
         aten.unique_dim.default, aten.unique_consecutive.default, aten.repeat_interleave.Tensor,
         aten.equal.default, aten.is_nonzero.default, aten._local_scalar_dense.default}  # fmt: skip


class Far(torch.Tensor):
    """A tensor on the device; ``near`` are its numbers."""

    near: Tensor

    @staticmethod
    def __new__(cls, near: Tensor) -> Far:
        about: dict[str, Any] = {"dtype": near.dtype, "device": "far:0"}
        if near.layout == torch.strided:  # nobody asks what another one is
            about |= {"strides": near.stride(), "storage_offset": near.storage_offset()}
        made: Far = torch.Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls, near.shape, **about
        )
        return made

    def __init__(self, near: Tensor) -> None:
        # Whatever handles views that are conjugated later comes before the modes.
        self.near = near.resolve_conj().resolve_neg() if near.layout == torch.strided else near

    def __repr__(self, **_: Any) -> str:  # type: ignore[override]
        return f"Far({self.near!r})"

    def tolist(self) -> Any:
        return self.cpu().tolist()

    def numpy(self, **_: Any) -> Any:
        raise TypeError("can't convert a tensor of the device to numpy: use .cpu() first")

    @classmethod
    def __torch_dispatch__(
        cls, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        # Autograd runs in whatever thread, where no mode is on.
        return Transfers().__torch_dispatch__(function, types, args, kwargs)


class Transfers(TorchDispatchMode):
    """Counts, by operation, what makes the host wait for the device: what comes ``down``, and what
    goes ``up`` but for copies that nobody waits for. ``launched`` is what the device computes."""

    def __init__(self) -> None:
        super().__init__()
        self.down: Counter[str] = Counter()
        self.up: Counter[str] = Counter()
        self.launched: Counter[str] = Counter()

    def clear(self) -> None:
        """Count from 0."""
        for counted in (self.down, self.up, self.launched):
            counted.clear()

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        wanted = kwargs.get("device")
        there = tree_any_only(Far, lambda _: True, (args, kwargs))
        goes = there if wanted is None else torch.device(wanted).type == "far"
        if not there and not goes:
            return function(*args, **kwargs)
        if function in ACROSS:
            return self._across(function, args, kwargs, goes)
        self._require_one_place(function, args, kwargs)
        self._launch(function)
        if function in SIZED or (function in INDEXED and _by_mask(args[1])):
            self.down[str(function)] += 1
        if wanted is not None:
            kwargs["device"] = torch.device("cpu")
        near = _near((args, kwargs))
        found = function(*near[0], **near[1])
        return _wrapped(found, (args, kwargs))

    def _launch(self, function: Any) -> None:
        """Views and memory are no work."""
        aliases = (argument.alias_info for argument in function._schema.arguments)
        view = any(alias and not alias.is_write for alias in aliases)
        if not view and "empty" not in function.__name__:
            self.launched[str(function)] += 1

    def _across(self, function: Any, args: Any, kwargs: Any, goes: bool) -> Any:
        """Copies, which may go from one to the other."""
        where = args[0] if function is not aten._to_copy.default else None
        source = args[0] if where is None else args[1]
        goes = goes if where is None else isinstance(where, Far)
        comes = isinstance(source, Far)
        if comes and not goes:
            self.down[str(function)] += 1
        elif goes and not comes and not kwargs.get("non_blocking"):
            self.up[str(function)] += 1
        if goes:
            self._launch(function)
        if "device" in kwargs:
            kwargs["device"] = torch.device("cpu")
        near = _near((args, kwargs))
        found = function(*near[0], **near[1])
        return (
            where
            if where is not None and function is aten.copy_.default
            else (Far(found) if goes else found)
        )

    def _require_one_place(self, function: Any, args: Any, kwargs: Any) -> None:
        rest = (args[0], *args[2:]) if function in INDEXED else args  # indices may be anywhere
        for leaf in tree_leaves((rest, kwargs)):
            if isinstance(leaf, Tensor) and not isinstance(leaf, Far) and leaf.dim():
                raise RuntimeError(
                    f"Expected all tensors to be on the same device, but {function} got one of the "
                    f"processor, {tuple(leaf.shape)}."
                )
        if function in INDEXED:
            for leaf in tree_leaves(args[1]):
                if isinstance(leaf, Tensor) and not isinstance(leaf, Far):
                    self.up[str(function)] += 1


def _near(of: Any) -> Any:
    return tree_map_only(Far, lambda tensor: tensor.near, of)


def _wrapped(found: Any, given: Any) -> Any:
    """Results as tensors of the device; one that was written into is that itself."""
    own = {id(leaf.near): leaf for leaf in tree_leaves(given) if isinstance(leaf, Far)}
    return tree_map_only(
        Tensor, lambda tensor: own[id(tensor)] if id(tensor) in own else Far(tensor), found
    )


def _by_mask(indices: Any) -> bool:
    return any(isinstance(i, Tensor) and i.dtype in (torch.bool, torch.uint8) for i in indices)


@contextmanager
def far() -> Iterator[Transfers]:
    """Within it ``device="far"`` is one; what is yielded counts the transfers."""
    if _setup is None:
        pytest.skip(f"torch {torch.__version__} knows no device that is written in Python")
    register()
    swaps = torch.__future__.get_swap_module_params_on_conversion()
    torch.__future__.set_swap_module_params_on_conversion(True)  # or a module keeps the old numbers
    try:
        with Transfers() as mode:
            yield mode
    finally:
        torch.__future__.set_swap_module_params_on_conversion(swaps)


_library: list[torch.library.Library] = []


def register() -> None:
    """The device, and what torch asks of it where no mode sees it: to make an index of a list.

    Before the first gradient of a process: autograd begins a thread for each device that is there.
    """
    if _library or _setup is None:
        return
    _setup("far")
    library = torch.library.Library("aten", "IMPL")
    library.impl("empty_strided", _empty_strided, "PrivateUse1")
    library.impl("_copy_from", _copy_from, "PrivateUse1")
    _library.append(library)


def _empty_strided(size: Any, stride: Any, *, dtype: Any = None, **_: Any) -> Tensor:
    return Far(torch.empty_strided(size, stride, dtype=dtype))


def _copy_from(source: Tensor, target: Tensor, non_blocking: bool = False) -> Tensor:
    near = _near((source, target))
    near[1].copy_(near[0])
    return target
