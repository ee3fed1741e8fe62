"""From where to where the values of a picture run, in whose units σ is said too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nicegui import ui

from priorkit.app.draft import Draft

__all__ = ["Units"]

WORDS = {"": "0 to 1", "8": "0 to 255", "auto": "as in the file", "own": "from … to …"}
BYTES = (0.0, 255.0)


class Units:
    """A select, and two fields where it is a range of one's own."""

    def __init__(self, draft: Draft, changed: Callable[[], None]) -> None:
        self.draft, self._changed = draft, changed
        self.units = ui.select(WORDS, label="its values, and sigma, run", value="")
        self.low, self.high = ui.number("from"), ui.number("to")
        for part in (self.units, self.low, self.high):
            part.props("dense")
        self.show()
        for part in (self.units, self.low, self.high):
            part.on_value_change(self._take)

    def show(self) -> None:
        """The range of the values as it is in the draft."""
        said = self.draft.run.get("range")
        if said is None and self.units.value == "own":  # it is being filled in
            return
        pair = tuple(said) if isinstance(said, (list, tuple)) else None
        self.units.set_value("8" if pair == BYTES else "own" if pair else said or "")
        if pair and pair != BYTES:
            self.low.set_value(pair[0])
            self.high.set_value(pair[1])
        self._take()

    def _take(self) -> None:
        """The range that is filled in."""
        own = self.units.value == "own"
        for part in (self.low, self.high):
            part.set_visibility(own)
        said: Any = {"8": BYTES, "auto": "auto"}.get(str(self.units.value))
        if own:
            if self.low.value is None or self.high.value is None:
                return
            said = (float(self.low.value), float(self.high.value))
        before = self.draft.run.get("range")
        if said == (tuple(before) if isinstance(before, list) else before):
            return
        self.draft.run["range"] = said
        self._changed()
