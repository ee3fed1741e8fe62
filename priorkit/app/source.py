"""The file of a form: dropped, read, and brought to a size."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from nicegui import events, ui

from priorkit.app.controls import Control
from priorkit.app.draft import Draft
from priorkit.app.offered import HOW, painter, plain, read_fields
from priorkit.app.painting import Painting
from priorkit.app.preview import Preview, look, reduced, sample
from priorkit.app.store import Store
from priorkit.errors import PriorkitError
from priorkit.io.listing import PICTURES

__all__ = ["Source"]

SIDES = (64, 128, 256, 512, 1024)  # to which a picture may be brought
USUAL = 256  # to which one of more than twice as much is, where nobody says
WHAT = {
    False: "a picture, to be measured here",
    True: "a measurement: noisy, damaged or incomplete",
}

Shape = tuple[int, ...]


class Source:
    """What is recovered, and how it is read.

    ``preview`` is what it shows; None of a file that can't be read.

    Parameters
    ----------
    changed : called after every change
    """

    def __init__(
        self, draft: Draft, store: Store, changed: Callable[[], None], *, megabytes: float
    ) -> None:
        self.draft, self.store, self._changed = draft, store, changed
        self.preview: Preview | None = sample()
        self._whole: Shape | None = None
        self.upload = ui.upload(
            label=f"Drop a picture or measurements here, at most {megabytes:g} MB",
            max_file_size=int(megabytes * 2**20),
            auto_upload=True,
            on_upload=self._take,
            on_rejected=lambda: self._say("That file is too large."),
        )
        self.upload.props("flat").classes("w-full")
        self.wrong = ui.label().classes("pk-wrong").props('role="alert"')
        self.what = ui.radio(WHAT, value=draft.measured, on_change=self._measured)
        self.what.props('dense aria-label="what the file is"').classes("pk-soft")
        with ui.element("div").classes("pk-fields") as self.how:
            for field in read_fields():
                Control(field, draft.run, self._read_again)
            self.sides = ui.input("shape of the picture: C, H, W")
            self.sides.on_value_change(self._shaped).props("dense")
        self.said = ui.label().classes("pk-soft")
        self.painting = Painting(draft, store, changed, self._say)
        with ui.element("div").classes("pk-fields"):
            self.size = ui.select({"": "as it is"}, label="size", value="", on_change=self._sized)
            self.size.props("dense")
            self.gray = ui.switch("gray", on_change=self._sized)

    @property
    def shape(self) -> Shape | None:
        """Of the picture that is recovered; None where nobody knows it yet."""
        asked, kind = self.draft.run.get("shape"), self.draft.run.get("kind")
        if asked or self.preview is None:
            return tuple(asked) if asked else None
        return self.preview.shape_for(self.draft.component("operator"), kind)

    async def read(self) -> None:
        """Look at the file, and show it; or say why it can't be read."""
        draft = self.draft
        ui.run_javascript("nameUpload('a picture or measurements')")
        self._say("")
        self.preview = sample()
        if draft.source is not None:
            settings = dict(draft.run)
            try:
                self.preview = await asyncio.to_thread(
                    look, draft.source, measured=draft.measured, settings=settings
                )
            except PriorkitError as error:
                self.preview = None
                self._say(self.store.hide(str(error)))
        if self.preview is not None and self.preview.range is not None:
            draft.run.setdefault("range", self.preview.range)
        self.show()

    def show(self) -> None:
        """The picture, and what sizes it may be brought to."""
        seen, draft = self.preview, self.draft
        own = draft.source is not None
        self.painting.show(seen)
        self.said.set_text("" if seen is None else seen.said)
        self.what.set_visibility(own)
        self.what.set_value(draft.measured)
        named = any(draft.run.get(name) is not None for name in HOW)
        said = draft.run.get("shape") if draft.measured else None
        self.sides.set_value(", ".join(map(str, said)) if said else "")
        self.sides.set_visibility(draft.measured)
        self.how.set_visibility(own and (seen is None or not seen.drawn or named))
        shape = self._whole_shape() if own else None
        sizes = _sizes(shape) if shape is not None else {"": "as it is"}
        asked = draft.run.get("shape")
        if draft.whole is not None and seen is not None and seen.y is not None:
            asked = tuple(seen.y.shape[1:])
        now = ",".join(map(str, asked[1:])) if asked else ""
        self.size.set_options(sizes, value=now if now in sizes else "")
        self.size.set_visibility(len(sizes) > 1)
        coloured = shape is not None and len(shape) == 3 and shape[0] == 3
        self.gray.set_visibility(coloured and not draft.measured)
        self.gray.set_value(asked is not None and asked[0] == 1)

    def _whole_shape(self) -> Shape | None:
        """Of the picture before it is brought to another size; None of what can't be."""
        seen, source = self.preview, self.draft.source
        if seen is None or source is None or seen.y is None:
            return None if seen is None else seen.shape
        if self.draft.whole is None:
            readable = seen.drawn and source.suffix.lower() in PICTURES
            self._whole = tuple(seen.y.shape[1:]) if readable else None
        return self._whole

    def _say(self, said: str) -> None:
        self.wrong.set_text(said)
        self.wrong.set_visibility(bool(said))

    async def _take(self, event: events.UploadEventArguments) -> None:
        draft = self.draft
        self.upload.reset()
        try:
            draft.source = self.store.keep(event.file.name, await event.file.read())
        except PriorkitError as error:
            self._say(self.store.hide(str(error)))
            return
        draft.forget()
        await self.read()
        shape = None if self.preview is None else self.preview.shape
        if shape is not None and len(shape) == 3 and max(shape[1:]) > 2 * USUAL:
            draft.run["shape"] = _brought(shape, USUAL)
            self.show()
        self._changed()

    async def _read_again(self) -> None:
        self.draft.run.pop("range", None)
        await self.read()
        self._changed()

    async def _measured(self) -> None:
        draft = self.draft
        if bool(self.what.value) == draft.measured:
            return
        draft.measured = bool(self.what.value)
        draft.source, draft.whole = draft.whole or draft.source, None
        for name in ("shape", "range"):
            draft.run.pop(name, None)
        await self.read()
        if draft.measured:
            if draft.names.get("operator") != painter():
                draft.names["operator"] = plain()
            if self.preview is not None and self.preview.drawn:
                draft.run.setdefault("sigma", "auto")
        elif draft.run.get("sigma") == "auto":
            del draft.run["sigma"]
        self._changed()

    def _shaped(self) -> None:
        """What a measurement doesn't tell."""
        words = str(self.sides.value or "").replace("×", ",").split(",")
        try:
            shape = tuple(int(word) for word in words if word.strip())
        except ValueError:
            return
        if self.draft.measured and shape != tuple(self.draft.run.get("shape") or ()):
            self.draft.run["shape"] = shape or None
            self._changed()

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
        draft, seen = self.draft, self.preview
        now = None if seen is None or seen.y is None else tuple(seen.y.shape[2:])
        whole = draft.whole or draft.source
        if whole is None or sides == now or (sides is None and draft.whole is None):
            return
        draft.source, draft.whole = whole, None
        try:
            if sides is not None:
                rows, columns = sides
                name = f"{whole.stem}-{columns}x{rows}.png"
                draft.source = self.store.keep(name, reduced(whole, columns, rows))
                draft.whole = whole
        except PriorkitError as error:
            self._say(self.store.hide(str(error)))
        await self.read()
        self._changed()


def _brought(shape: Shape, side: int) -> Shape:
    """The shape of a picture whose longer side is brought to that."""
    longer = max(shape[1:])
    return (shape[0], *(max(1, round(s * side / longer)) for s in shape[1:]))


def _sizes(shape: Shape) -> dict[str, str]:
    """What a picture may be brought to, by its rows and columns."""
    if len(shape) != 3:
        return {"": "as it is"}
    found = {"": f"as it is, {shape[2]}×{shape[1]}"}
    for side in SIDES:
        if side < max(shape[1:]):
            rows, columns = _brought(shape, side)[1:]
            found[f"{rows},{columns}"] = f"{columns}×{rows}"
    return found
