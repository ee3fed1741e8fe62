"""In which precision a run computes: what the user says, or the fastest that is as good."""

from __future__ import annotations

import os
from typing import Literal

import torch

from priorkit.errors import MismatchError
from priorkit.interfaces import Choices, Prior, Space
from priorkit.settings.select import Selection

__all__ = ["Precision", "chosen", "fast_bfloat16", "mixed"]

Precision = Literal["float32", "float64", "mixed"]

TENSOR_CORES = (8, 0)  # the least compute capability with tensor cores for bfloat16
UNLIMITED = ("DEFAULT", "ALL")  # values of ONEDNN_MAX_CPU_ISA


def chosen(
    asked: Precision | None, choices: Choices, space: Space, device: torch.device
) -> Precision:
    """The precision of a run.

    What is asked for; else "mixed" in pixel space where the prior's answers are as good in it,
    and the device is faster so; else "float32".
    """
    if asked is not None:
        return asked
    return "mixed" if choices.rough and space == "pixel" and fast_bfloat16(device) else "float32"


def fast_bfloat16(device: torch.device) -> bool:
    """Whether products of bfloat16 numbers take less time than those of float32 numbers.

    On a processor they do with AMX. With AVX-512's instructions for bfloat16 alone convolutions
    take a third longer, without any ten times as long. On CUDA they do with tensor cores for
    bfloat16, compute capability 8.0 and on; older ones convert every operand.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= TENSOR_CORES
    if device.type != "cpu" or not hasattr(torch.cpu, "get_capabilities"):  # an older torch
        return False
    most = os.environ.get("ONEDNN_MAX_CPU_ISA", "DEFAULT").upper()  # what oneDNN is allowed to use
    return bool(torch.cpu.get_capabilities().get("amx_bf16")) and (
        "AMX" in most or most in UNLIMITED
    )


def mixed(prior: Prior, selected: Selection, space: Space) -> Prior:
    """The prior in mixed precision. Raises MismatchError where that would change nothing."""
    rough = prior.mixed(space)
    if rough is None:
        raise MismatchError(
            "precision='mixed' is for a prior that decodes in mixed precision, in latent space, "
            "or denoises so.",
            got=f"{selected} in {space} space",
            ways=[{"precision": "float32"}],
        )
    return rough
