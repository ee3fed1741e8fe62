"""The file of a draft as it is sent and read: of several that come one after the other the last."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from priorkit.app.aside import aside
from priorkit.app.components import painter, plain
from priorkit.app.draft import Draft
from priorkit.app.preview import Preview, look, sample
from priorkit.app.sizes import reduced, usual
from priorkit.app.store import Store
from priorkit.app.turns import Turns
from priorkit.app.words import said
from priorkit.errors import BadInputError
from priorkit.interfaces import Shape
from priorkit.interfaces.kinds import COMPLEX
from priorkit.registry import registry

__all__ = ["Reading"]


class Reading:
    """What is known of the file of a draft.

    ``preview`` is what it shows; None of a file that can't be read, and of one that is being read.
    ``wrong`` is why it, or the last that was sent, can't be; "" where nothing is.

    Parameters
    ----------
    changed : called after every change
    """

    def __init__(self, draft: Draft, store: Store, changed: Callable[[], None]) -> None:
        self.draft, self.store, self._changed = draft, store, changed
        self.preview: Preview | None = sample() if draft.source is None else None
        self.wrong = ""
        self.looking = draft.source is not None
        self._turns, self._coming = Turns(), 0  # files that are on their way
        self._wanted: tuple[bool, Shape | None] = False, None  # of the last reading
        self._operator: str | None = None  # as the last that is on its way found it
        self._keeping = asyncio.Lock()

    @property
    def on(self) -> bool:
        """Whether a file is on its way, or is looked at: nothing is known of it yet."""
        return self.looking or self._coming > 0

    @property
    def lacking(self) -> str | None:
        """Why nothing is known of the file; None where something is."""
        if self.on:
            return "The file is being read."
        return "There is no file that can be read." if self.preview is None else None

    @property
    def shape(self) -> Shape | None:
        """Of the picture that is recovered; None where nobody knows it yet, and where what is
        filled in can't be."""
        asked, kind = self.draft.run.get("shape"), self.draft.run.get("kind")
        if self.preview is None:
            return None
        if asked:
            return tuple(asked)
        try:
            return self.preview.shape_for(self.draft.component("operator"), kind)
        except BadInputError:
            return None

    def coming(self) -> None:
        """A file is on its way, which :meth:`take` or :meth:`lost` ends."""
        self._coming += 1
        self._operator = self.draft.names.get("operator")
        self._changed()

    def lost(self, wrong: str) -> None:
        """It didn't come."""
        self._coming = max(0, self._coming - 1)
        self.wrong = wrong
        self._changed()

    async def take(self, name: str, data: bytes) -> None:
        """Let a file that was sent be the one of the draft, a measurement until somebody says
        otherwise; what was said of the one before is forgotten."""
        async with self._keeping:  # in the order in which they came
            try:
                kept = await aside(self.store.keep, name, data)
            except Exception as error:
                self.lost(self.store.hide(said(error)))
                return
            self._coming = max(0, self._coming - 1)
            self.draft.forget()
            self.draft.source, self.draft.measured = kept, True
            if self._operator in (None, self.draft.names.get("operator")):  # not chosen since
                self._as_measured()
            reading = self.read(first=True)
        await reading

    def measured(self, measured: bool) -> Awaitable[None]:
        """Take it for a measurement, or for a picture to be measured."""
        draft = self.draft
        draft.measured = measured
        draft.source, draft.whole = draft.whole or draft.source, None
        for name in ("shape", "range"):
            draft.run.pop(name, None)
        if measured:
            self._as_measured()
        return self.read(first=True)

    def read(self, *, first: bool = False, sides: Shape | None = None) -> Awaitable[None]:
        """Look at the file. What was known is forgotten at once, and of several readings the last
        alone tells.

        Parameters
        ----------
        first : whether it is brought to a size that can be worked with, and σ estimated where it
            can be
        sides : rows and columns of the copy that takes the place of a measured picture
        """
        last = self._turns.begin()
        self._wanted = first, sides
        self.preview, self.looking = None, True
        if first and self.draft.run.get("sigma") == "auto":  # which not every file is asked for
            del self.draft.run["sigma"]
        self._changed()
        return self._read(last, first, sides)

    def again(self) -> Awaitable[None]:
        """Look at it otherwise: what is under way as well."""
        self.draft.run.pop("range", None)
        first, sides = self._wanted if self.looking else (False, None)
        return self.read(first=first, sides=sides)

    async def _read(self, last: Callable[[], bool], first: bool, sides: Shape | None) -> None:
        draft, wrong, seen = self.draft, "", None
        if not last():
            return
        if first and draft.source is not None:
            brought = usual(draft.source, measured=draft.measured)
            if brought is not None and draft.measured:
                sides = brought[1:]
            elif brought is not None:
                draft.run["shape"] = brought
        try:
            if sides is not None and draft.source is not None:
                copy = await aside(self._copy, draft.source, sides)
                if not last():
                    self.store.release(copy)
                    return
                draft.source, draft.whole = copy, draft.source
        except Exception as error:  # the whole is read
            wrong = self.store.hide(said(error))
        try:
            seen = await self._look() if last() else None
        except Exception as error:
            wrong = self.store.hide(said(error))
        if not last():  # it was asked for anew meanwhile
            return
        self.preview, self.looking, self.wrong = seen, False, wrong
        if seen is not None:
            self._found(seen, first)
        self._changed()

    async def _look(self) -> Preview:
        draft = self.draft
        if draft.source is None:
            return sample()
        return await aside(look, draft.source, measured=draft.measured, settings=dict(draft.run))

    def _copy(self, whole: Path, sides: Shape) -> Path:
        rows, columns = sides
        suffix, data = reduced(whole, columns, rows)
        return self.store.keep(f"{whole.stem}-{columns}x{rows}{suffix}", data)

    def _found(self, seen: Preview, first: bool) -> None:
        """Note what a file says of how it is recovered."""
        run = self.draft.run
        if seen.range is not None:
            run.setdefault("range", seen.range)
        if seen.y is not None and seen.y.is_complex():
            run["kind"] = run.get("kind") or COMPLEX.name
        if first and self.draft.measured and seen.drawn:
            run.setdefault("sigma", "auto")

    def _as_measured(self) -> None:
        """What is chosen of a measurement where nobody has said how it was measured."""
        if self.draft.names.get("operator") in (registry().fallback("operator").name, painter()):
            self.draft.names["operator"] = plain()
