"""The picture or the measurement: dropped, looked at, and drawn over."""

from __future__ import annotations

import base64
import html
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from nicegui import events, run, ui

from priorkit.app.draft import Draft
from priorkit.app.offered import painter, plain
from priorkit.app.preview import Preview, look, sample
from priorkit.app.sketch import mask, stroke
from priorkit.app.store import Store
from priorkit.errors import PriorkitError

__all__ = ["Source"]

ACCEPTED = ".npy,.npz,.dcm,.nii,.gz,.h5,.hdf5,.fits,.mat,.tif,.tiff,image/*"
SIDES = (64, 128, 256, 512, 1024)  # to which a picture may be brought
USUAL = 256  # of a larger picture
KINDS = {
    True: "a measurement: noisy, damaged or incomplete",
    False: "a picture, to be measured here",
}


class Source:
    """What is recovered, and how it is read.

    ``preview`` is what it shows.

    Parameters
    ----------
    changed : called after every change
    """

    def __init__(
        self, draft: Draft, store: Store, changed: Callable[[], None], *, megabytes: float
    ) -> None:
        self.draft, self.store, self._changed = draft, store, changed
        self.preview: Preview = sample()
        label = f"Drop a picture or measurements here, at most {megabytes:g} MB"
        ui.upload(
            label=label,
            max_file_size=int(megabytes * 2**20),
            auto_upload=True,
            on_upload=self._take,
            on_rejected=lambda: self._say("That file is too large."),
        ).props(f'accept="{ACCEPTED}" flat').classes("w-full")
        self.wrong = ui.label().classes("pk-wrong").props('role="alert"')
        self.measured = ui.radio(KINDS, value=draft.measured, on_change=self._measured)
        self.measured.props('dense aria-label="what the file is"').classes("pk-soft")
        self.said = ui.label().classes("pk-soft")
        with ui.element("div").classes("pk-brushed w-full"):
            self.picture = ui.html("", sanitize=False).classes("w-full")
            with ui.element("div").classes("pk-brush") as self.brush:
                ui.html(
                    '<label>brush <input class="wide" type="range" min="1" max="25" value="4" '
                    'aria-label="width of the brush, percent of the picture"></label> '
                    '<label><input class="erase" type="checkbox"> erase</label>',
                    sanitize=False,
                )
                ui.button("Undo", on_click=self._undo).props("flat dense")
                ui.button("Clear", on_click=self._clear).props("flat dense")
        self.hint = ui.label(
            "Draw over the picture what is missing. With keys: arrows move the brush, space paints."
        ).classes("pk-soft")
        with ui.element("div").classes("pk-fields"):
            self.size = ui.select({"": "as it is"}, label="size", value="", on_change=self._sized)
            self.gray = ui.switch("gray", on_change=self._sized)
        ui.on("stroke", self._stroke)

    @property
    def shape(self) -> tuple[int, ...] | None:
        """Of the picture that is recovered; None where nobody knows it yet."""
        asked = self.draft.run.get("shape")
        if asked:
            return tuple(asked)
        kind = self.draft.run.get("kind")
        return self.preview.shape_for(self.draft.component("operator"), kind)

    async def read(self) -> None:
        """Look at the file, and show it."""
        draft = self.draft
        self._say("")
        if draft.source is None:
            self.preview = sample()
        else:
            try:
                self.preview = await run.io_bound(
                    look, draft.source, measured=draft.measured, settings=dict(draft.run)
                )
            except PriorkitError as error:
                self._say(self.store.hide(str(error)))
                return
            if self.preview.range is not None:
                draft.run.setdefault("range", self.preview.range)
        self.show()

    def show(self) -> None:
        """The picture with what is drawn over it, and what sizes it may be brought to."""
        seen, draft = self.preview, self.draft
        drawn = mask(draft.strokes, seen.size) if draft.strokes else None
        if drawn is None and draft.painted is not None and not draft.strokes:
            drawn = draft.painted.read_bytes()
        over = f'<img class="mask" alt="" src="{_url(drawn)}">' if drawn else ""
        canvas = (
            '<canvas tabindex="0" role="img" aria-label="Draw what is missing: arrow keys move the '
            'brush, space paints"></canvas>'
            if seen.drawn
            else ""
        )
        self.picture.set_content(
            f'<div class="pk-paint"><img alt="{html.escape(seen.said)}" src="{_url(seen.picture)}">'
            f"{over}{canvas}</div>"
        )
        self.said.set_text(seen.said)
        self.measured.set_visibility(draft.source is not None)
        self.measured.set_value(draft.measured)
        for part in (self.brush, self.hint):
            part.set_visibility(seen.drawn and painter() is not None)
        shape = seen.shape
        sizes = (
            _sizes(shape) if shape is not None and draft.source is not None else {"": "as it is"}
        )
        asked = draft.run.get("shape")
        now = ",".join(map(str, asked[1:])) if asked else ""
        self.size.set_options(sizes, value=now if now in sizes else "")
        self.size.set_visibility(len(sizes) > 1)
        self.gray.set_visibility(len(sizes) > 1 and shape is not None and shape[0] == 3)
        self.gray.set_value(bool(asked) and asked[0] == 1)

    def _say(self, said: str) -> None:
        self.wrong.set_text(said)
        self.wrong.set_visibility(bool(said))

    async def _take(self, event: events.UploadEventArguments) -> None:
        draft = self.draft
        event.sender.reset()
        try:
            source = self.store.keep(event.file.name, await event.file.read())
            fresh = replace(draft, source=source, run={})
            seen = await run.io_bound(look, source, measured=draft.measured, settings=fresh.run)
        except PriorkitError as error:
            self._say(self.store.hide(str(error)))
            return
        draft.source, draft.strokes, draft.painted = source, [], None
        for name in ("shape", "range", "kind", "dataset", "slice"):
            draft.run.pop(name, None)
        self.preview = seen
        if seen.range is not None:
            draft.run["range"] = seen.range
        large = seen.shape is not None and len(seen.shape) == 3 and max(seen.shape[1:]) > 2 * USUAL
        if large and seen.shape is not None:
            draft.run["shape"] = _brought(seen.shape, USUAL)
        self._say("")
        self.show()
        self._changed()

    async def _measured(self) -> None:
        draft = self.draft
        if bool(self.measured.value) == draft.measured:
            return
        draft.measured = bool(self.measured.value)
        draft.run.pop("shape", None)
        if draft.measured:
            draft.beside = []
            if draft.names.get("operator") != painter():
                draft.names["operator"] = plain()
        elif draft.run.get("sigma") == "auto":
            del draft.run["sigma"]
        await self.read()
        if draft.measured and self.preview.drawn:
            draft.run.setdefault("sigma", "auto")
        self._changed()

    def _sized(self) -> None:
        shape, asked = self.preview.shape, str(self.size.value or "")
        if shape is None or self.draft.source is None or len(shape) != 3:
            return
        sides = tuple(map(int, asked.split(","))) if asked else shape[1:]
        wanted = (1 if self.gray.value else shape[0], *sides)
        if wanted == tuple(self.draft.run.get("shape") or shape):
            return
        self.draft.run["shape"] = wanted
        if wanted == shape:
            del self.draft.run["shape"]
        self._changed()

    def _stroke(self, event: events.GenericEventArguments) -> None:
        try:
            self.draft.strokes.append(stroke(event.args, self.preview.size))
        except PriorkitError as error:
            self._say(str(error))
            return
        self.draft.names["operator"] = painter()
        self._painted()

    def _undo(self) -> None:
        if self.draft.strokes:
            self.draft.strokes.pop()
            self._painted()

    def _clear(self) -> None:
        self.draft.strokes = []
        self._painted()

    def _painted(self) -> None:
        """Keep what is drawn as the mask of the operator."""
        drawn = mask(self.draft.strokes, self.preview.size)
        self.draft.painted = None if drawn is None else self.store.keep("mask.png", drawn)
        self.show()
        ui.run_javascript("strokeTaken()")
        self._changed()


def _url(picture: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(picture).decode()}"


def _brought(shape: tuple[int, ...], side: int) -> tuple[int, ...]:
    """The shape of a picture whose longer side is brought to that."""
    longer = max(shape[1:])
    return (shape[0], *(max(1, round(s * side / longer)) for s in shape[1:]))


def _sizes(shape: tuple[int, ...]) -> dict[str, str]:
    if len(shape) != 3:
        return {"": "as it is"}
    found = {"": f"as it is, {shape[2]}×{shape[1]}"}
    for side in SIDES:
        if side < max(shape[1:]):
            rows, columns = _brought(shape, side)[1:]
            found[f"{rows},{columns}"] = f"{columns}×{rows}"
    return found
