"""A field of a schema as something to fill in with a browser."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from inspect import isawaitable
from pathlib import Path
from typing import Any

from nicegui import ui

from priorkit.app.fields import Field
from priorkit.errors import BadInputError

__all__ = ["Control"]

SHORT = 160  # characters of a help that is spoken


class Control:
    """An element for a field, which keeps what is filled in in ``filled`` and calls ``changed``."""

    def __init__(
        self, field: Field, filled: MutableMapping[str, Any], changed: Callable[[], Any]
    ) -> None:
        self.field, self.filled, self._changed = field, filled, changed
        self.element = _element(field, self._value(), self._take)
        if field.help:
            self.element.props["aria-description"] = field.help[:SHORT]
        self.element.props("dense hide-bottom-space").classes("w-full")

    def refresh(self, usual: Any = None) -> None:
        """Show what is filled in by now, and where nothing is what is taken, as far as it is
        known."""
        field, value = self.field, self._value()
        if field.what in ("choice", "switch"):
            return
        if isinstance(value, (str, int, float)) and str(value) != str(self.element.value):
            self.element.set_value(value if isinstance(self.element, ui.number) else str(value))
        elif value is None and self.element.value in field.words:
            self.element.set_value(None)
        placeholder = "" if usual is None else _shortly(usual)
        if placeholder != self.element.props.get("placeholder", ""):
            self.element.props["placeholder"] = placeholder
            self.element.props["stack-label"] = bool(placeholder)
            self.element.update()

    def _value(self) -> Any:
        return self.field.shown(self.filled.get(self.field.name, self.field.default))

    async def _take(self, event: Any) -> None:
        self.filled[self.field.name] = event.value if event.value != "" else None
        after = self._changed()
        if isawaitable(after):
            await after


def _element(field: Field, value: Any, take: Callable[[Any], Any]) -> Any:
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
        precision = 0 if field.what == "whole" else None
        label = field.label + (" *" if field.required else "")
        return ui.number(
            label, value=value, precision=precision, on_change=take, min=field.low, max=field.high
        ).props(f"step={'1' if field.what == 'whole' else 'any'}")
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
