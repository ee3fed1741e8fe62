"""The file of a form: dropped, read, and brought to a size."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from nicegui import events, ui

from priorkit.app.components import HOW, read_fields
from priorkit.app.controls import Control
from priorkit.app.draft import Draft
from priorkit.app.drop import Drop
from priorkit.app.painting import Painting
from priorkit.app.reading import Reading
from priorkit.app.sizing import Sizing
from priorkit.app.store import Store
from priorkit.app.words import warned

__all__ = ["Source"]

READING = "reading the file"
WHAT = {
    True: "a measurement: noisy, damaged or incomplete",
    False: "a picture, to be measured here",
}
MEANING = {
    True: "The file is what was measured: noise and damage in it are taken away.",
    False: "The file is taken for the truth. It is measured by the operator below, with noise that "
    "is simulated, so that the error of what is recovered is known.",
}


class Source:
    """What is recovered, and how it is read: what a :class:`Reading` knows, to be seen.

    Parameters
    ----------
    changed : called after every change
    """

    def __init__(
        self, draft: Draft, store: Store, changed: Callable[[], None], *, megabytes: float
    ) -> None:
        self.draft, self.store, self._changed = draft, store, changed
        self.reading = Reading(draft, store, self._read)
        Drop(
            f"Drop a picture or measurements here, at most {megabytes:g} MB, or",
            self.reading.take,
            most=int(megabytes * 2**20),
            begun=self.reading.coming,
            lost=lambda: self.reading.lost("That file didn't arrive."),
            refused=lambda: self._say("That file is too large."),
        )
        self.wrong = ui.label().classes("pk-wrong").props('role="alert"')
        self.what = ui.radio(WHAT, value=draft.measured, on_change=self._measured)
        self.what.props('dense aria-label="what the file is"').classes("pk-soft")
        self.meaning = ui.label().classes("pk-soft")
        with ui.element("div").classes("pk-fields") as self.how:
            again = self.reading.again
            self.controls = [Control(one, draft.run, again) for one in read_fields()]
            self.sides = ui.input("shape of the picture: C, H, W")
            self.sides.on_value_change(self._shaped).props("dense")
        self.said = ui.label(READING).classes("pk-soft")
        self.warned = ui.label().classes("pk-warned").props('role="status"')
        self.painting = Painting(draft, store, changed, self._say)
        self.sizing = Sizing(draft, self.reading, changed)
        # Until the file has been looked at, nobody knows which of these it needs.
        for part in (self.wrong, self.what, self.meaning, self.how, self.warned):
            part.set_visibility(False)

    def _read(self) -> None:
        """What is known of the file has changed."""
        self._say(self.reading.wrong)
        if self.reading.looking:
            self.painting.wait()
            self.sizing.wait()
        else:
            self._show()
        if self.reading.on:
            self.said.set_text(READING)
            self.warned.set_visibility(False)
        self._changed()

    def _show(self) -> None:
        """The picture, and what sizes it may be brought to."""
        seen, draft = self.reading.preview, self.draft
        own = draft.source is not None
        self.painting.show(seen)
        told = "" if seen is None else seen.said
        if seen is not None and draft.whole is not None:
            told = f"{draft.whole.name}, brought to {seen.said.partition(', ')[2]}"
        self.said.set_text(told)
        warnings = [] if seen is None else [warned(line) for line in seen.warnings]
        self.warned.set_text(self.store.hide(" ".join(warnings)))
        self.warned.set_visibility(bool(warnings))
        self.what.set_visibility(own)
        self.what.set_value(draft.measured)
        self.meaning.set_visibility(own)
        self.meaning.set_text(MEANING[draft.measured])
        for control in self.controls:
            control.refresh()
        named = any(draft.run.get(name) is not None for name in HOW)
        sides = draft.run.get("shape") if draft.measured else None
        self.sides.set_value(", ".join(map(str, sides)) if sides else "")
        self.sides.set_visibility(draft.measured)
        self.how.set_visibility(own and (seen is None or not seen.drawn or named))
        self.sizing.show()

    def _say(self, said: str) -> None:
        self.wrong.set_text(said)
        self.wrong.set_visibility(bool(said))

    def _measured(self, event: events.ValueChangeEventArguments[bool]) -> Awaitable[None] | None:
        said = bool(event.value)
        return None if said == self.draft.measured else self.reading.measured(said)

    def _shaped(self) -> None:
        """What a measurement doesn't tell; nothing where it isn't numbers."""
        words = str(self.sides.value or "").replace("×", ",").split(",")
        try:
            shape = tuple(int(word) for word in words if word.strip())
        except ValueError:
            shape = ()
        if self.draft.measured and shape != tuple(self.draft.run.get("shape") or ()):
            self.draft.run["shape"] = shape or None
            self._changed()
