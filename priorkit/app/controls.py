"""A field of a schema as something to fill in with a browser."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Any

from nicegui import ui

from priorkit.app.fields import Field
from priorkit.errors import BadInputError

__all__ = ["control"]

SHORT = 160  # characters of a help that is spoken


def control(
    field: Field, filled: MutableMapping[str, Any], changed: Callable[[], None], usual: Any = None
) -> None:
    """An element for a field, which keeps what is filled in in ``filled`` and calls ``changed``.

    Parameters
    ----------
    usual : what is taken where nothing is filled in, as far as it is known
    """

    def take(event: Any) -> None:
        filled[field.name] = event.value if event.value != "" else None
        changed()

    value = field.shown(filled.get(field.name, field.default))
    made = _element(field, value, take)
    if usual is not None and value is None and field.what not in ("choice", "switch"):
        made.props["placeholder"] = _shortly(usual)
        made.props("stack-label")
    if field.help:
        made.props["aria-description"] = field.help[:SHORT]
    made.props("dense")
    made.classes("w-full")


def _element(field: Field, value: Any, take: Callable[[Any], None]) -> Any:
    if field.what == "switch":
        return ui.switch(field.label, value=bool(value), on_change=take)
    if field.what == "choice":
        words = list(field.words) if field.default is not None else ["", *field.words]
        return ui.select(
            {word: word or "as usual" for word in words},
            label=field.label,
            value=value if value in words else "",
            on_change=take,
        )
    if field.what in ("number", "whole") and not field.words:
        bounds = {"min": field.low, "max": field.high}
        precision = 0 if field.what == "whole" else None
        label = field.label + (" *" if field.required else "")
        return ui.number(label, value=value, precision=precision, on_change=take, **bounds).props(
            f"step={'1' if field.what == 'whole' else 'any'}"
        )
    shown = value.name if isinstance(value, Path) else value
    label = f"{field.label} (or {', '.join(field.words)})" if field.words else field.label

    def complaint(text: Any) -> str | None:
        """What is wrong with a text, in the words of the library; None where nothing is."""
        try:
            found = field.value(text)
        except BadInputError as error:
            return error.what
        low, high = field.low, field.high
        if isinstance(found, (int, float)) and low is not None and found < low:
            return f"at least {low:g}"
        if isinstance(found, (int, float)) and high is not None and found > high:
            return f"at most {high:g}"
        return None

    made = ui.input(label, value=None if shown is None else str(shown), validation=complaint)
    if isinstance(value, Path):  # what was drawn or sent stands in the form beside it
        made.disable()
    else:
        made.on_value_change(take)
    if field.words:
        made.set_autocomplete(list(field.words))
    return made


def _shortly(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
