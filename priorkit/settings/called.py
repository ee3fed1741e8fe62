"""A verb that is called with arguments that it doesn't take says what it takes; so do methods."""

from __future__ import annotations

import inspect
import os
import types
from collections.abc import Callable, Mapping
from functools import cache, wraps
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from priorkit.errors import BadInputError, UnknownNameError
from priorkit.settings.config import RunConfig
from priorkit.settings.options import plain

__all__ = ["called_as"]

F = TypeVar("F", bound=Callable[..., Any])
EMPTY = inspect.Parameter.empty
OWN = ("self", "cls")  # what a method is given besides
NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def _is_path(value: Any) -> bool:
    return isinstance(value, (str, os.PathLike)) and "\0" not in os.fsdecode(value)


# What an argument is whose annotation is a union of these, in words, and whether a value is one.
KINDS: dict[frozenset[Any], tuple[str, Callable[[Any], bool]]] = {
    frozenset((str, os.PathLike)): ("a path", _is_path),
    frozenset((bool,)): ("True or False", lambda value: isinstance(plain(value), bool)),
    frozenset((Callable,)): ("a function", callable),
    frozenset((int,)): ("a whole number", lambda value: type(plain(value)) is int),
    frozenset((str,)): ("text", lambda value: isinstance(value, str)),
}


def called_as(example: str) -> Callable[[F], F]:
    """A verb or a method whose calls are checked against its signature before anything else: where
    Python would raise a TypeError, it raises UnknownNameError for a keyword, else BadInputError,
    and shows an ``example`` of a call. Paths, flags, functions and what else ``KINDS`` has are
    checked too; None stands for a default. What settings hold is checked elsewhere, as they are
    read.

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
                bound = signature.bind(*args, **keywords)
            except TypeError:
                raise _refused(verb.__name__, signature, args, keywords, example) from None
            for name, (words, fits) in asked().items():
                value = bound.arguments.get(name)
                left_out = value is None and signature.parameters[name].default is not EMPTY
                if not left_out and not fits(value):
                    said, got = f"{verb.__name__} takes {words} for {name}.", repr(value)[:60]
                    raise BadInputError(said, got=got, try_=example)
            return verb(*args, **keywords)

        @cache  # what an annotation means isn't known before the module of the verb is whole
        def asked() -> dict[str, tuple[str, Callable[[Any], bool]]]:
            return _asked(verb)

        return cast("F", checked)

    return decorated


def _asked(verb: Callable[..., Any]) -> dict[str, tuple[str, Callable[[Any], bool]]]:
    """The arguments of a verb that are of one of the ``KINDS``, and of which."""
    found = {}
    own = {name: told for name, told in verb.__annotations__.items() if name != "return"}
    holder = type("holder", (), {"__annotations__": own})
    for name, annotation in get_type_hints(holder, verb.__globals__).items():
        united = get_origin(annotation) in (Union, types.UnionType)
        parts = get_args(annotation) if united else (annotation,)
        classes = frozenset(get_origin(part) or part for part in parts) - {type(None)}
        if classes in KINDS:
            found[name] = KINDS[classes]
    return found


def _refused(
    verb: str,
    signature: inspect.Signature,
    args: tuple[Any, ...],
    keywords: Mapping[str, Any],
    example: str,
) -> BadInputError | UnknownNameError:
    """The error for arguments that a verb doesn't take."""
    every = [p for p in signature.parameters.values() if p.name not in OWN]
    args = args[len(signature.parameters) - len(every) :]
    known = [p for p in every if p.kind in NAMED]
    names = [p.name for p in known]
    placed = [p.name for p in known if p.kind == p.POSITIONAL_OR_KEYWORD]
    unknown = [name for name in keywords if name not in names]
    if unknown and len(known) == len(every):  # it takes no settings besides
        return UnknownNameError.nearest(
            f"{verb} takes no {unknown[0]!r}.",
            unknown[0],
            () if unknown[0] in RunConfig.model_fields else names,  # a setting isn't misspelt
            f"Try: {example}",
            otherwise=f"It takes: {', '.join(names)}.",
        )
    if len(args) > len(placed):
        return BadInputError(
            f"{verb} takes {', '.join(placed) or 'nothing'} by place, and all else by name.",
            got=f"{len(args)} by place",
            try_=example,
        )
    if twice := [name for name in placed[: len(args)] if name in keywords]:
        return BadInputError(f"{verb} was given {twice[0]} twice.", try_=example)
    said = {*placed[: len(args)], *keywords}
    missing = [p.name for p in known if p.default is EMPTY and p.name not in said]
    return BadInputError(f"{verb} needs {' and '.join(missing)}.", try_=example)
