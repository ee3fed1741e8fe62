"""The whole x = G(z) and its whole vector-Jacobian product as operators of PyTorch.

A network is an integer to them, so that a compiler can trace through.
"""

from __future__ import annotations

import itertools
from typing import Any
from weakref import WeakValueDictionary

import torch
from torch import Tensor

from priorkit_glow.device.glow import KernelGlow
from priorkit_glow.device.recorded import RecordedGlow

__all__ = ["generate", "pull_back", "registered"]

_networks: WeakValueDictionary[int, KernelGlow | RecordedGlow] = WeakValueDictionary()
_numbers = itertools.count()


def registered(network: KernelGlow | RecordedGlow) -> int:
    """The number of a network, for as long as it lives."""
    number = next(_numbers)
    _networks[number] = network
    return number


@torch.library.custom_op("priorkit_glow::generate", mutates_args=())
def generate(z: Tensor, network: int, keep: bool) -> tuple[Tensor, Tensor]:
    """x = G(z), (B, n) → (B, C, H, W), and what :func:`pull_back` needs, where it is kept."""
    return _networks[network].decode(z, keep=keep)


@torch.library.custom_op("priorkit_glow::pull_back", mutates_args=())
def pull_back(kept: Tensor, r: Tensor, network: int, mixed: bool) -> Tensor:
    """J(z)ᵀ r, (B, C, H, W) → (B, n); mixed: the couplings' J in bfloat16."""
    return _networks[network].pull(kept, r, torch.bfloat16 if mixed else torch.float32)


@generate.register_fake
def _(z: Tensor, network: int, keep: bool) -> tuple[Tensor, Tensor]:
    whole = _networks[network]
    words = whole.kept_words(len(z)) if keep else 0
    return z.new_empty(len(z), *whole.config.shape), z.new_empty(words, dtype=torch.int32)


@pull_back.register_fake
def _(kept: Tensor, r: Tensor, network: int, mixed: bool) -> Tensor:
    return r.new_empty(len(r), _networks[network].config.n)


def _remember(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    ctx.network, ctx.keep = inputs[1:]
    ctx.save_for_backward(output[1])


def _gradient(ctx: Any, r: Tensor, _: Any) -> tuple[Tensor, None, None]:
    if not ctx.keep:
        raise RuntimeError("generate(z, network, keep=True) has a gradient, without it none.")
    return pull_back(ctx.saved_tensors[0], r, ctx.network, False), None, None


generate.register_autograd(_gradient, setup_context=_remember)
