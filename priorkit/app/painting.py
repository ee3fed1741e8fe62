"""The picture of a form, over which a hole or scratches are drawn."""

from __future__ import annotations

import base64
from collections.abc import Callable

from nicegui import events, ui

from priorkit.app.components import painter
from priorkit.app.draft import Draft
from priorkit.app.preview import Preview
from priorkit.app.sketch import mask, stroke
from priorkit.app.store import Store
from priorkit.errors import PriorkitError

__all__ = ["Painting"]

HINT = "Draw over the picture what is missing. With keys: arrows move the brush, space paints."
SPOKEN = "Draw what is missing: arrow keys move the brush, space paints"


class Painting:
    """A picture, and a brush for what is missing of it.

    The browser sends every stroke (``paint.js``); the mask that they are is made here.

    Parameters
    ----------
    changed : called after every stroke
    complain : called with what is wrong
    """

    def __init__(
        self,
        draft: Draft,
        store: Store,
        changed: Callable[[], None],
        complain: Callable[[str], None],
    ) -> None:
        self.draft, self.store = draft, store
        self._changed, self._complain = changed, complain
        self._seen: Preview | None = None
        self._own = draft.painted  # the mask that the strokes are
        self._number = 0  # of the picture, by which a stroke over another is told
        with ui.element("div").classes("pk-brushed w-full"):
            # These elements stay, whatever they show, so that focus and brush stay where they are.
            with ui.element("div").classes("pk-paint") as self.picture:
                self.below = ui.element("img")
                self.mask = ui.element("img").classes("mask").props('alt=""')
                self.canvas = ui.element("canvas").props('tabindex="0" role="img"')
                self.canvas.props["aria-label"] = SPOKEN
            with ui.element("div").classes("pk-brush") as self.brush:
                ui.html(
                    '<label>brush <input class="wide" type="range" min="1" max="25" value="4" '
                    'aria-label="width of the brush, percent of the picture"></label> '
                    '<label><input class="erase" type="checkbox"> erase</label>',
                    sanitize=False,
                )
                ui.button("Undo", on_click=self._undo).props("flat dense no-caps")
                ui.button("Clear", on_click=self._clear).props("flat dense no-caps")
        self.hint = ui.label(HINT).classes("pk-soft")
        ui.on("stroke", self._stroke)
        self.show(None)

    def show(self, seen: Preview | None) -> None:
        """A picture with what is drawn over it; nothing of None."""
        if seen is not self._seen:
            self._number += 1
        self._seen = seen
        _set(self.canvas, **{"data-picture": str(self._number)})
        drawn = seen is not None and seen.drawn and painter() is not None
        for part in (self.brush, self.hint):
            part.set_visibility(drawn)
        self.picture.set_visibility(seen is not None)
        self.canvas.set_visibility(drawn)
        if seen is not None:
            _set(self.below, src=_url(seen.picture), alt=seen.said)
        over = self.draft.painted if seen is not None else None
        self.mask.set_visibility(over is not None)
        _set(self.mask, src="" if over is None else _url(over.read_bytes()))

    def wait(self) -> None:
        """Let nothing be drawn: another picture is being read."""
        self._seen = None
        self.canvas.set_visibility(False)

    def refresh(self) -> None:
        """The same, after the mask was taken away or another was sent, over which the next stroke
        goes."""
        if self.draft.painted != self._own:
            self._own = self.draft.painted
            self.draft.strokes, self.draft.base = [], self._own
        if self._seen is not None:
            self.show(self._seen)

    def _stroke(self, event: events.GenericEventArguments) -> None:
        try:
            line = stroke(event.args)
            if self._seen is None or event.args.get("picture") != str(self._number):
                ui.run_javascript("strokeTaken()")  # it was drawn over a picture that has gone
                return
            self.draft.strokes.append(line)
            self._keep()
        except PriorkitError as error:
            self._complain(str(error))

    def _undo(self) -> None:
        if self.draft.strokes and self._seen is not None:
            self.draft.strokes.pop()
            self._keep()

    def _clear(self) -> None:
        if self._seen is not None:
            self.draft.strokes, self.draft.base = [], None
            self._keep()

    def _keep(self) -> None:
        """Let what is drawn be the mask of the operator."""
        draft, seen = self.draft, self._seen
        assert seen is not None, "nothing is shown"
        drawn, before = mask(draft.strokes, seen.size, draft.base), draft.painted
        draft.paint(None if drawn is None else self.store.keep("mask.png", drawn))
        self._own = draft.painted
        if before is not None and before not in (draft.base, draft.painted):
            self.store.release(before)
        ui.run_javascript("strokeTaken()")
        self._changed()


def _set(element: ui.element, **props: str) -> None:
    """Change what an element shows, where it isn't that already."""
    if any(element.props.get(name) != value for name, value in props.items()):
        element.props.update(props)
        element.update()


def _url(picture: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(picture).decode()}"
