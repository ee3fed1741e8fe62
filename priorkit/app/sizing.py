"""The size that a picture of a form is brought to, and whether it loses its colour."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from nicegui import ui

from priorkit.app.aside import aside
from priorkit.app.draft import Draft
from priorkit.app.preview import Preview
from priorkit.app.sizes import choices, extent, reduced, scaled
from priorkit.app.store import Store
from priorkit.app.words import said
from priorkit.errors import PriorkitError
from priorkit.interfaces import Shape

__all__ = ["Sizing"]

# The longest side that a picture has where nobody says, and to what a larger one is brought: what
# is simulated is for looking, what was measured is kept as far as it can be worked with.
MOST = {False: 512, True: 1024}
USUAL = {False: 256, True: 512}


class Sizing:
    """A choice of sizes, and a switch for gray. A picture to be measured here is brought to its
    size when it is read; of a measured one a smaller copy takes its place.

    Parameters
    ----------
    seen : what the file shows now; None of one that can't be read
    read : looks at the file again
    changed : called after every change
    say : shows what is wrong
    """

    def __init__(
        self,
        draft: Draft,
        store: Store,
        *,
        seen: Callable[[], Preview | None],
        read: Callable[[], Awaitable[None]],
        changed: Callable[[], None],
        say: Callable[[str], None],
    ) -> None:
        self.draft, self.store = draft, store
        self._seen, self._read, self._changed, self._say = seen, read, changed, say
        with ui.element("div").classes("pk-fields"):
            self.size = ui.select({"": "as it is"}, label="size", value="", on_change=self._sized)
            self.size.props("dense")
            self.gray = ui.switch("gray", on_change=self._sized)
        self.size.set_visibility(False)
        self.gray.set_visibility(False)

    def show(self) -> None:
        """What sizes the picture may be brought to, and which it has."""
        seen, draft = self._seen(), self.draft
        shape = self._whole_shape() if draft.source is not None else None
        sizes = choices(shape) if shape is not None else {"": "as it is"}
        asked = draft.run.get("shape")
        if draft.whole is not None and seen is not None and seen.y is not None:
            asked = (1, *seen.y.shape[-2:])
        now = ",".join(map(str, asked[1:])) if asked else ""
        self.size.set_options(sizes, value=now if now in sizes else "")
        self.size.set_visibility(len(sizes) > 1)
        coloured = shape is not None and len(shape) == 3 and shape[0] == 3
        self.gray.set_visibility(coloured and not draft.measured)
        self.gray.set_value(asked is not None and asked[0] == 1)

    async def begin(self) -> None:
        """Bring a file that nobody has looked at to a size that can be worked with."""
        draft = self.draft
        whole = None if draft.source is None else extent(draft.source)
        if whole is None or max(whole[1:]) <= MOST[draft.measured]:
            return
        brought = scaled(whole, USUAL[draft.measured])
        if draft.measured:
            await self._copy(brought[1:])
        else:
            draft.run["shape"] = brought

    def _whole_shape(self) -> Shape | None:
        """Of the picture before it is brought to another size; None of what can't be."""
        seen, source = self._seen(), self.draft.whole or self.draft.source
        if seen is None or source is None:
            return None if source is None else extent(source)
        if seen.y is None:
            return seen.shape
        return extent(source) if seen.drawn else None

    async def _sized(self) -> None:
        shape, asked = self._whole_shape(), str(self.size.value or "")
        if shape is None or self.draft.source is None or len(shape) != 3:
            return
        sides = tuple(map(int, asked.split(","))) if asked else shape[1:]
        if self.draft.measured:
            await self._reduce(sides if asked else None)
            return
        wanted = (1 if self.gray.value else shape[0], *sides)
        if wanted == tuple(self.draft.run.get("shape") or shape):
            return
        self.draft.run["shape"] = wanted
        if wanted == shape:
            del self.draft.run["shape"]
        self._changed()

    async def _reduce(self, sides: Shape | None) -> None:
        """Let a smaller copy of a measured picture be what is measured; None for the whole."""
        draft, seen = self.draft, self._seen()
        now = None if seen is None or seen.y is None else tuple(seen.y.shape[-2:])
        if sides == now or (sides is None and draft.whole is None):
            return
        draft.source, draft.whole = draft.whole or draft.source, None
        if sides is not None:
            await self._copy(sides)
        await self._read()
        self._changed()

    async def _copy(self, sides: Shape) -> None:
        """Let a copy of a measured picture be what is measured."""
        draft, whole = self.draft, self.draft.source
        assert isinstance(whole, Path), "there is no file"
        rows, columns = sides
        try:
            suffix, data = await aside(reduced, whole, columns, rows)
            name = f"{whole.stem}-{columns}x{rows}{suffix}"
            draft.source, draft.whole = await aside(self.store.keep, name, data), whole
        except PriorkitError as error:
            self._say(self.store.hide(said(error)))
