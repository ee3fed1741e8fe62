"""What is true of every function of a component: asked again it answers the same, and it computes
where its inputs are.

No other device is needed for that. Torch's device "meta" has shapes and no numbers: what is done
there shows which tensors meet, and one of the processor among them would fail on a GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from priorkit.testing.compare import close
from priorkit.testing.promises import Untried, promise

__all__ = ["steady"]

ELSEWHERE = torch.device("meta")
ACROSS = {"aten::copy_", "aten::index", "aten::index_put", "aten::index_put_"}  # may mix devices


def steady(what: str, function: Callable[..., object], *inputs: Tensor) -> None:
    """Raise AssertionError unless a function gives the same twice, up to rounding, and computes on
    the device of its inputs. What needs numbers, as numpy does, isn't tried on another device."""
    with promise(
        f"{what} gives the same again",
        "what draws, or keeps something of the call before, isn't a function of its input",
    ):
        first, second = (_tensors(function(*(x.clone() for x in inputs))) for _ in range(2))
        for a, b in zip(first, second, strict=True):
            fine = 1e-9 if a.dtype in (torch.float64, torch.complex128) else 1e-5
            close(a.nan_to_num(), b.nan_to_num(), fine, f"{what}, asked again, differs")
    with promise(
        f"{what} computes on the device of its input",
        "table.to(x), x.new_zeros(…), device=x.device, or priorkit.interfaces.Copies",
    ):
        try:
            with _Apart(), torch.no_grad():  # type: ignore[no-untyped-call]  # of torch
                found = _tensors(function(*(x.to(ELSEWHERE) for x in inputs)))
        except _MixedError as error:
            raise AssertionError(f"{what} has {error}") from error
        except Exception as error:
            raise Untried("it needs the numbers of its input, as numpy does") from error
        stayed = [answer for answer in found if answer.device != ELSEWHERE]
        assert not stayed, f"{what} answers on the processor to an input on another device"


class _MixedError(Exception):
    """Tensors of two devices met."""


class _Apart(TorchDispatchMode):
    """Refuses what torch refuses on a GPU: tensors of two devices in one operation. A single number
    may come from the processor."""

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        operands = _tensors((args, kwargs))
        places = {each.device for each in operands if each.ndim}
        if len(places) > 1 and func._schema.name not in ACROSS:
            name = func._schema.name.removeprefix("aten::")
            raise _MixedError(f"a tensor of the processor beside one of another device, in {name}")
        return func(*args, **(kwargs or {}))


def _tensors(thing: object) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(thing) if isinstance(leaf, Tensor)]
