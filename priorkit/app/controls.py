"""A field of a schema as something to fill in with a browser."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

from nicegui import events, ui

from priorkit.app.fields import Field, first_of
from priorkit.errors import PriorkitError

__all__ = ["Control", "Keep"]

Keep = Callable[[str, bytes], Path]
SHORT = 160  # characters of a help that is spoken


class Control:
    """An element for a field, which keeps what is filled in in ``filled`` and calls ``changed``.

    Parameters
    ----------
    keep : what a file that is sent for it is kept by; None where none may be
    """

    def __init__(
        self,
        field: Field,
        filled: MutableMapping[str, Any],
        changed: Callable[[], Awaitable[None] | None],
        keep: Keep | None = None,
    ) -> None:
        self.field, self.filled, self._changed, self._keep = field, filled, changed, keep
        with ui.element("div").classes("pk-control"):
            self.element = _element(field, self._value(), self._take)
            self.element.props("dense hide-bottom-space").classes("w-full")
            if field.help:
                self.element.props["aria-description"] = field.help[:SHORT]
                ui.label(first_of(field.help)).classes("pk-hint").props("aria-hidden=true")
        if keep is not None and field.what == "file":
            self._attach()

    def refresh(self, usual: Any = None) -> None:
        """Show what is filled in by now, and where nothing is what is taken, as far as it is
        known."""
        field, value = self.field, self._value()
        if field.what in ("choice", "switch"):
            shown = bool(value) if field.what == "switch" else value or ""
            if shown != self.element.value:
                self.element.set_value(shown)
            return
        if isinstance(value, (str, int, float)) and str(value) != str(self.element.value):
            self.element.set_value(value if isinstance(self.element, ui.number) else str(value))
        elif value is None and self.element.value not in (None, ""):  # it was of another file
            self.element.set_value(None)
        placeholder = "" if usual is None else _shortly(usual)
        if placeholder != self.element.props.get("placeholder", ""):
            self.element.props["placeholder"] = placeholder
            self.element.props["stack-label"] = bool(placeholder)
            self.element.update()

    def _value(self) -> Any:
        return self.field.shown(self.filled.get(self.field.name, self.field.default))

    def _take(self, event: events.ValueChangeEventArguments[Any]) -> Awaitable[None] | None:
        """Keep what is filled in, at once: who refreshes it meanwhile would undo it."""
        before = self.filled.get(self.field.name, self.field.default)
        if isinstance(before, Path) and event.value == before.name:
            return None  # the name of the file that was sent for it
        now = event.value if event.value != "" else None
        if now is before or (type(now) is type(before) and now == before):
            return None
        self.filled[self.field.name] = now
        return self._changed()

    def _attach(self) -> None:
        """Let a file be sent for it, and taken away again."""
        name = f"file for {self.field.label}"
        upload = ui.upload(label=name, auto_upload=True, on_upload=self._sent).classes("hidden")
        with self.element.add_slot("append"):
            send = ui.button(icon="attach_file").props("flat dense round size=sm")
            send.props["aria-label"] = f"send a file for {self.field.label}"
            send.on("click", js_handler=f"() => getElement({upload.id}).$refs.qRef.pickFiles()")
            self._drop = ui.button(icon="close", on_click=self._dropped)
            self._drop.props("flat dense round size=sm")
            self._drop.props["aria-label"] = f"leave out the file for {self.field.label}"
        self._show_file()

    async def _sent(self, event: events.UploadEventArguments) -> None:
        assert self._keep is not None
        try:
            self.filled[self.field.name] = self._keep(event.file.name, await event.file.read())
        except PriorkitError as error:
            ui.notify(str(error), type="negative")
            return
        self._show_file()
        self._changed()

    def _dropped(self) -> None:
        self.filled[self.field.name] = None
        self._show_file()
        self._changed()

    def _show_file(self) -> None:
        """Show the name of the file that was sent, if there is one; else a word may be written."""
        value = self._value()
        sent = isinstance(value, Path)
        self.element.set_value(value.name if sent else value)
        self.element.props["readonly"] = sent
        self.element.update()
        self._drop.set_visibility(sent)


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
    label = field.label + (", required" if field.required else "")
    if field.what in ("number", "whole") and not field.words:
        precision = 0 if field.what == "whole" else None
        return ui.number(
            label, value=value, precision=precision, on_change=take, min=field.low, max=field.high
        ).props(f"step={'1' if field.what == 'whole' else 'any'}")
    shown = value.name if isinstance(value, Path) else value
    label = f"{label} (or {', '.join(field.words)})" if field.words else label

    made = ui.input(label, value=None if shown is None else str(shown), validation=field.complaint)
    made.on_value_change(take)
    if field.words:
        made.set_autocomplete(list(field.words))
    return made


def _shortly(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
