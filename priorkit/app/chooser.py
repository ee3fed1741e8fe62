"""The choice of a component: the names that fit, its options, and why the others don't."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import ui

from priorkit.app.choice import Choice
from priorkit.app.components import about, fields
from priorkit.app.controls import Control, Keep
from priorkit.app.draft import Draft
from priorkit.app.fields import first_of
from priorkit.app.offered import Offer

__all__ = ["Chooser"]


class Chooser:
    """A select for one kind of component, and below it the options of the one that is chosen.

    Parameters
    ----------
    optional : whether it may be left to the prior, or to priorkit
    changed : called after every change
    keep : what files that are sent for options are kept by
    """

    def __init__(
        self, kind: str, draft: Draft, changed: Callable[[], None], keep: Keep, *, optional: bool
    ) -> None:
        self.kind, self.draft, self.optional, self._keep = kind, draft, optional, keep
        self._changed = changed
        self._fits: list[str] = []
        self._needs: dict[str, str] = {}
        self._usual: str | None = None
        self.select = Choice({"": ""}, label=kind, value="", on_change=self._take)
        self._list()
        self.select.props("dense").classes("w-full")
        self.about = ui.label().classes("pk-soft")
        self.options = ui.element("div").classes("pk-fields")
        self.help = ui.expansion("What these mean").props("dense").classes("pk-soft")
        self.why = ui.expansion("Looking what fits …").props("dense").classes("pk-soft")
        self._shown: object = None
        self.why.set_visibility(False)
        self.show()

    def show(self) -> None:
        """What is chosen, and its options."""
        name = self.draft.names.get(self.kind)
        if (self.select.value or None) != name:
            self._list()
        drawn = self.draft.painted if self.kind == "operator" else None
        now = (name, drawn is not None, self.draft.measured)
        if now == self._shown:
            return
        self._shown = now
        known = fields(self.kind, name) if name else []
        self.options.clear()
        with self.options:
            for field in known:
                Control(field, self.draft.filled(self.kind, name or ""), self._changed, self._keep)
        self.options.set_visibility(bool(known))
        self.help.clear()
        long = [field for field in known if field.help not in ("", first_of(field.help))]
        self.help.set_visibility(bool(long))
        with self.help:
            for field in long:
                ui.label(f"{field.label}: {field.help}").classes("pk-soft")
        told = about(self.kind, name, measured=self.draft.measured) if name else ""
        self.about.set_text(told)
        self.about.set_visibility(bool(told))

    def offer(self, offer: Offer, usual: str | None) -> None:
        """Offer what fits, and say why the rest doesn't; ``usual`` is what is taken where nothing
        is chosen."""
        self._fits, self._usual, self._needs = offer.fits, usual, offer.needs
        self._list()
        count = len(offer.reasons)
        verb = "doesn't" if count == 1 else "don't"
        self.why.set_text(f"{count} {verb} fit: why" if count else f"Every {self.kind} fits")
        self.why.set_visibility(bool(count))
        self.why.clear()
        with self.why:
            for name, reason in offer.reasons.items():
                ui.label(f"{name}: {reason}").classes("pk-soft")

    def _list(self) -> None:
        """The names that fit, and what is chosen, whether it does or not."""
        own = self.draft.names.get(self.kind) or ""
        usual = f"as usual: {self._usual}" if self._usual else "as usual"
        words = {"": usual} if self.optional or not own else {}
        words |= {name: name for name in (*self._fits, own) if name}
        words |= {n: f"{n} ({what})" for n, what in self._needs.items() if n != own}
        self.select.offer(words, own)

    def _take(self) -> None:
        chosen = self.select.value or None
        if chosen == self.draft.names.get(self.kind):
            return
        self.draft.names[self.kind] = chosen
        self.show()
        self._changed()
