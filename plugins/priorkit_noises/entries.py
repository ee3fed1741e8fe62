"""Numbers that a noise has for each entry of y."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from priorkit.errors import BadInputError
from priorkit.io.raw import raw

__all__ = ["each", "require_fitting"]


def each(given: Any, name: str, ends: tuple[float, float], what: str, example: float) -> Tensor:
    """A number, or an array of them or a file with one, in float64, of any shape; leading axes of
    length 1, as those of a picture's file, are left out.

    Raises BadInputError for what isn't real, and for values that aren't between the ``ends``.
    """
    usual = f"{name}={example:g}, or an array or a file of such numbers"
    if isinstance(given, bool):
        raise BadInputError(f"{name} is a number, or an array of them.", got=given, try_=usual)
    found = raw(given, name)
    if found.is_complex() or not found.numel():
        raise BadInputError(
            f"{name} is a number, or an array of them.", got=found.dtype, try_=usual
        )
    found = found.double()
    while found.ndim and len(found) == 1:
        found = found[0]
    low, high = float(found.min()), float(found.max())
    if not ends[0] <= low <= high <= ends[1]:
        raise BadInputError(
            f"{name}, {what}, are from {ends[0]:g} to {ends[1]:g}.",
            got=f"{low:g} to {high:g}" if low < high else f"{low:g}",
            try_=f"{name}={example:g}" if low == high else _within(found, ends),
        )
    return found


def _within(values: Tensor, ends: tuple[float, float]) -> str:
    """What to do with those of an array that aren't between the ends: to take the nearest that is,
    of what is too large a thousand times the usual one."""
    fine = values[(values >= ends[0]) & (values <= ends[1])]
    if not fine.numel():
        return f"numbers from {ends[0]:g} to {ends[1]:g}"
    most = min(1000 * float(fine.median()), ends[1])
    return f"values.clip({float(fine.min()):.3g}, {most:.3g})"


def require_fitting(values: Tensor, name: str, shape: Sequence[int]) -> None:
    """Raise BadInputError unless there is one of the ``values`` for each entry of a y of the
    ``shape``, as arrays are broadcast."""
    own, one = tuple(values.shape), tuple(shape)
    if len(own) > len(one) or any(
        a not in (1, b) for a, b in zip(own[::-1], one[::-1], strict=False)
    ):
        ways = {one[-2:-1]: "values[:, None] of one for each row of y"}
        ways |= {one[-3:-2]: "values[:, None, None] of one for each coil or channel of y"}
        raise BadInputError(
            f"{name} is a number, or one for each entry of y, {one}, or for each of its last axis.",
            got=f"shape {own}",
            try_=f"{name}={ways[own]}" if own in ways else f"an array of shape {one}",
        )
