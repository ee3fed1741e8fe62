"""A device of torch by its name, and which of them this machine has."""

from __future__ import annotations

import torch

from priorkit.errors import BadInputError

__all__ = ["device_named", "devices_here"]

NAMES = "cpu, cuda of a GPU (cuda:1 of the second), or mps of a Mac"


def devices_here() -> list[str]:
    """The kinds of device that torch sees on this machine, "cpu" last."""
    found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return [*([found.type] if found is not None else []), "cpu"]


def device_named(name: str) -> torch.device:
    """The device of a name such as "cpu", "cuda" or "cuda:1", on which a number can be computed.

    Raises BadInputError where there is none: what torch says of a device that it knows, and of any
    other word that none is called so.
    """
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise _missing(name, f"a name that is none of {NAMES}") from error
    try:
        torch.zeros(1, device=device).sum().item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:  # of several backends
        raise _missing(name, str(error).splitlines()[0][:100]) from error
    return device


def _missing(name: str, why: str) -> BadInputError:
    here = devices_here()
    return BadInputError(
        f"The device {name!r} isn't available: this machine has {' and '.join(here)}.",
        got=why,
        ways=[{"device": each} for each in here],
    )
