"""A verb that is called with arguments that it doesn't take says what it takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar, cast

from priorkit.errors import BadInputError, UnknownNameError
from priorkit.settings.config import RunConfig

__all__ = ["called_as"]

F = TypeVar("F", bound=Callable[..., Any])
NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def called_as(example: str) -> Callable[[F], F]:
    """A verb whose calls are checked against its signature before anything else: where Python would
    raise a TypeError, it raises UnknownNameError for a keyword, else BadInputError, and shows an
    ``example`` of a call. What settings hold is checked elsewhere, as they are read.

    >>> @called_as("twice(2)")
    ... def twice(x: int) -> int:
    ...     return 2 * x
    >>> twice(number=2)
    Traceback (most recent call last):
    priorkit.errors.UnknownNameError: twice takes no 'number'. It takes: x. Try: twice(2)
    """

    def decorated(verb: F) -> F:
        signature = inspect.signature(verb)

        @wraps(verb)
        def checked(*args: Any, **keywords: Any) -> Any:
            try:
                signature.bind(*args, **keywords)
            except TypeError:
                raise _refused(verb.__name__, signature, args, keywords, example) from None
            return verb(*args, **keywords)

        return cast("F", checked)

    return decorated


def _refused(
    verb: str,
    signature: inspect.Signature,
    args: tuple[Any, ...],
    keywords: Mapping[str, Any],
    example: str,
) -> BadInputError | UnknownNameError:
    """The error for arguments that a verb doesn't take."""
    known = [p for p in signature.parameters.values() if p.kind in NAMED]
    names = [p.name for p in known]
    placed = [p.name for p in known if p.kind == p.POSITIONAL_OR_KEYWORD]
    unknown = [name for name in keywords if name not in names]
    if unknown and len(known) == len(signature.parameters):  # it takes no settings besides
        return UnknownNameError.nearest(
            f"{verb} takes no {unknown[0]!r}.",
            unknown[0],
            () if unknown[0] in RunConfig.model_fields else names,  # a setting isn't misspelt
            f"Try: {example}",
            otherwise=f"It takes: {', '.join(names)}.",
        )
    if len(args) > len(placed):
        return BadInputError(
            f"{verb} takes {', '.join(placed)} by place, and all else by name.",
            got=f"{len(args)} by place",
            try_=example,
        )
    if twice := [name for name in placed[: len(args)] if name in keywords]:
        return BadInputError(f"{verb} was given {twice[0]} twice.", try_=example)
    said = {*placed[: len(args)], *keywords}
    missing = [p.name for p in known if p.default is p.empty and p.name not in said]
    return BadInputError(f"{verb} needs {' and '.join(missing)}.", try_=example)
