"""A select whose names may be replaced while somebody chooses."""

from __future__ import annotations

from typing import Any

from nicegui import events, ui

__all__ = ["Choice"]


class Choice(ui.select):
    """A select of names by their labels, that takes the name which the user saw.

    The browser sends the place of what was chosen, which is another name's where the names were
    replaced while it was on its way; the label beside it tells which was meant. One that isn't
    offered any more isn't taken, and the browser shows again what is chosen.
    """

    def __init__(self, names: dict[str, str], **more: Any) -> None:
        self._meant = {label: name for name, label in names.items()}
        super().__init__(names, **more)

    def offer(self, names: dict[str, str], value: Any) -> None:
        """Replace the names, and choose one, or a list where several are chosen."""
        self._meant |= {label: name for name, label in names.items()}
        self.set_options(names, value=value)

    def _event_args_to_value(self, e: events.GenericEventArguments) -> Any:
        told = e.args if isinstance(e.args, list) else [] if e.args is None else [e.args]
        found = [self._meant.get(each["label"]) for each in told]
        kept = [name for name in found if name in self.options]
        if kept != found:
            self.update()
        if self.multiple:
            return kept
        return kept[0] if kept else self.value
