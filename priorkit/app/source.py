"""The file of a form: dropped, read, and brought to a size."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import ui

from priorkit.app.aside import aside
from priorkit.app.components import HOW, painter, plain, read_fields
from priorkit.app.controls import Control
from priorkit.app.draft import Draft
from priorkit.app.drop import Drop
from priorkit.app.painting import Painting
from priorkit.app.preview import Preview, look, sample
from priorkit.app.sizing import Sizing
from priorkit.app.store import Store
from priorkit.app.words import said, warned
from priorkit.errors import PriorkitError
from priorkit.interfaces import Shape
from priorkit.interfaces.kinds import COMPLEX
from priorkit.registry import registry

__all__ = ["Source"]

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
        self.preview: Preview | None = sample() if draft.source is None else None
        self._reads = 0
        Drop(
            f"Drop a picture or measurements here, at most {megabytes:g} MB, or",
            self._take,
            most=int(megabytes * 2**20),
            begun=self._wait,
            refused=lambda: self._say("That file is too large."),
        )
        self.wrong = ui.label().classes("pk-wrong").props('role="alert"')
        self.what = ui.radio(WHAT, value=draft.measured, on_change=self._measured)
        self.what.props('dense aria-label="what the file is"').classes("pk-soft")
        self.meaning = ui.label().classes("pk-soft")
        with ui.element("div").classes("pk-fields") as self.how:
            self.controls = [Control(one, draft.run, self._read_again) for one in read_fields()]
            self.sides = ui.input("shape of the picture: C, H, W")
            self.sides.on_value_change(self._shaped).props("dense")
        self.said = ui.label(self.preview.said if self.preview else "reading the file").classes(
            "pk-soft"
        )
        self.warned = ui.label().classes("pk-warned").props('role="status"')
        self.painting = Painting(draft, store, changed, self._say)
        self.sizing = Sizing(
            draft,
            store,
            seen=lambda: self.preview,
            read=self.read,
            changed=changed,
            say=self._say,
        )
        # Until the file has been looked at, nobody knows which of these it needs.
        for part in (self.wrong, self.what, self.meaning, self.how, self.warned):
            part.set_visibility(False)

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
        self._reads += 1
        number, wrong, seen = self._reads, "", None
        if draft.source is None:
            seen = sample()
        else:
            try:
                seen = await aside(
                    look, draft.source, measured=draft.measured, settings=dict(draft.run)
                )
            except PriorkitError as error:
                wrong = self.store.hide(said(error))
        if number != self._reads:  # another file came meanwhile
            return
        self.preview = seen
        self._say(wrong)
        if seen is not None and seen.range is not None:
            draft.run.setdefault("range", seen.range)
        if seen is not None and seen.y is not None and seen.y.is_complex():
            draft.run["kind"] = draft.run.get("kind") or COMPLEX.name
        self.show()

    def show(self) -> None:
        """The picture, and what sizes it may be brought to."""
        seen, draft = self.preview, self.draft
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

    def _wait(self) -> None:
        self.said.set_text("reading the file")

    def _say(self, said: str) -> None:
        self.wrong.set_text(said)
        self.wrong.set_visibility(bool(said))

    async def _take(self, name: str, data: bytes) -> None:
        draft = self.draft
        try:
            kept = await aside(self.store.keep, name, data)
        except PriorkitError as error:
            self.said.set_text("" if self.preview is None else self.preview.said)
            self._say(self.store.hide(str(error)))
            return
        draft.forget()
        draft.source = kept
        self._wait()
        draft.measured = True
        self._as_measured()
        await self._begin()
        self._changed()

    def _as_measured(self) -> None:
        """What is chosen of a measurement where nobody has said how it was measured."""
        if self.draft.names.get("operator") in (registry().fallback("operator").name, painter()):
            self.draft.names["operator"] = plain()

    async def _begin(self) -> None:
        """Read a file for the first time, brought to a size that can be worked with."""
        draft = self.draft
        await self.sizing.begin()
        await self.read()
        if draft.measured and self.preview is not None and self.preview.drawn:
            draft.run.setdefault("sigma", "auto")

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
        if draft.measured:
            self._as_measured()
        elif draft.run.get("sigma") == "auto":
            del draft.run["sigma"]
        await self._begin()
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
