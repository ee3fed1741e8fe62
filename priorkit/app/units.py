"""From where to where the values of a picture run, in whose units σ is said too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nicegui import ui

from priorkit.app.draft import Draft

__all__ = ["Units"]

WORDS = {"": "0 to 1", "8": "0 to 255", "auto": "as in the file", "own": "from … to …"}
BYTES = (0.0, 255.0)
LACKING = "its values, and sigma, run: fill in from where to where."


class Units:
    """A select, and two fields where it is a range of one's own."""

    def __init__(self, draft: Draft, changed: Callable[[], None]) -> None:
        self.draft, self._changed = draft, changed
        self._showing = False
        self.units = ui.select(WORDS, label="its values, and sigma, run", value="")
        self.low, self.high = ui.number("from"), ui.number("to")
        for part in (self.units, self.low, self.high):
            part.props("dense")
        self.show()
        for part in (self.units, self.low, self.high):
            part.on_value_change(self._take)

    @property
    def lacking(self) -> str | None:
        """What is yet to be filled in; None where nothing is."""
        half = self.units.value == "own" and None in (self.low.value, self.high.value)
        return LACKING if half else None

    def show(self) -> None:
        """The range of the values as it is in the draft."""
        said = self.draft.run.get("range")
        if said is None and self.lacking:  # it is being filled in
            return
        pair = tuple(said) if isinstance(said, (list, tuple)) else None
        own = pair is not None and pair != BYTES
        low, high = pair if pair is not None and own else (None, None)
        self._showing = True
        self.units.set_value("8" if pair == BYTES else "own" if own else said or "")
        self.low.set_value(low)
        self.high.set_value(high)
        self._showing = False
        self._show_ends()

    def _show_ends(self) -> None:
        for part in (self.low, self.high):
            part.set_visibility(self.units.value == "own")

    def _take(self) -> None:
        """The range that is filled in."""
        if self._showing:
            return
        self._show_ends()
        said: Any = {"8": BYTES, "auto": "auto"}.get(str(self.units.value))
        if self.units.value == "own" and not self.lacking:
            said = (float(self.low.value), float(self.high.value))
        before = self.draft.run.get("range")
        if said != (tuple(before) if isinstance(before, list) else before):
            self.draft.run["range"] = said
        self._changed()
