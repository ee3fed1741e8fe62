"""The size that a picture of a form is brought to, and whether it loses its colour."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from nicegui import ui

from priorkit.app.choice import Choice
from priorkit.app.draft import Draft
from priorkit.app.reading import Reading
from priorkit.app.sizes import choices, extent
from priorkit.interfaces import Shape

__all__ = ["Sizing"]

ASIS = {"": "as it is"}


class Sizing:
    """A choice of sizes, and a switch for gray. A picture to be measured here is brought to its
    size when it is read; of a measured one a smaller copy takes its place.

    Parameters
    ----------
    changed : called after every change
    """

    def __init__(self, draft: Draft, reading: Reading, changed: Callable[[], None]) -> None:
        self.draft, self.reading, self._changed = draft, reading, changed
        with ui.element("div").classes("pk-fields"):
            self.size = Choice(ASIS, label="size", value="", on_change=self._sized)
            self.size.props("dense")
            self.gray = ui.switch("gray", on_change=self._sized)
        self.size.set_visibility(False)
        self.gray.set_visibility(False)

    def wait(self) -> None:
        """Take no other size: the file is being read."""
        self.size.disable()
        self.gray.disable()

    def show(self) -> None:
        """What sizes the picture may be brought to, and which it has."""
        seen, draft = self.reading.preview, self.draft
        shape = self._whole_shape() if draft.source is not None else None
        sizes = choices(shape) if shape is not None else ASIS
        asked = draft.run.get("shape")
        if draft.whole is not None and seen is not None and seen.y is not None:
            asked = (1, *seen.y.shape[-2:])
        now = ",".join(map(str, asked[1:])) if asked else ""
        self.wait()  # what is shown isn't what is chosen
        self.size.offer(sizes, now if now in sizes else "")
        self.size.set_visibility(len(sizes) > 1)
        coloured = shape is not None and len(shape) == 3 and shape[0] == 3
        self.gray.set_visibility(coloured and not draft.measured)
        self.gray.set_value(asked is not None and asked[0] == 1)
        self.size.enable()
        self.gray.enable()

    def _whole_shape(self) -> Shape | None:
        """Of the picture before it is brought to another size; None of what can't be."""
        seen, source = self.reading.preview, self.draft.whole or self.draft.source
        if seen is None or source is None:
            return None if source is None else extent(source)
        if seen.y is None:
            return seen.shape
        return extent(source) if seen.drawn else None

    def _sized(self) -> Awaitable[None] | None:
        if not self.size.enabled:
            return None
        shape, asked = self._whole_shape(), str(self.size.value or "")
        if shape is None or self.draft.source is None or len(shape) != 3:
            return None
        sides = tuple(map(int, asked.split(","))) if asked else shape[1:]
        if self.draft.measured:
            return self._reduce(sides if asked else None)
        wanted = (1 if self.gray.value else shape[0], *sides)
        if wanted == tuple(self.draft.run.get("shape") or shape):
            return None
        self.draft.run["shape"] = wanted
        if wanted == shape:
            del self.draft.run["shape"]
        self._changed()
        return None

    def _reduce(self, sides: Shape | None) -> Awaitable[None] | None:
        """Let a smaller copy of a measured picture be what is measured; None for the whole."""
        draft, seen = self.draft, self.reading.preview
        now = None if seen is None or seen.y is None else tuple(seen.y.shape[-2:])
        if sides == now or (sides is None and draft.whole is None):
            return None
        draft.source, draft.whole = draft.whole or draft.source, None
        return self.reading.read(sides=sides)
