"""The forms that are being filled in, each with an address, until the app ends."""

from __future__ import annotations

import copy
import secrets
import threading
from collections.abc import Callable

from priorkit.app.draft import Draft
from priorkit.app.store import Store

__all__ = ["Drafts"]

MOST = 200  # that are kept; those that were opened longest ago are forgotten


class Drafts:
    """Drafts by their ids, which stand in a tab's address: a reload, a connection that was lost,
    and Back and Forward find what was filled in."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._drafts: dict[str, Draft] = {}
        self._open: dict[str, Callable[[], bool]] = {}  # whether a tab has it before it
        self._lock = threading.Lock()

    def add(self, draft: Draft) -> str:
        """Keep a draft; its id."""
        with self._lock:
            id = secrets.token_hex(8)
            self._drafts[id] = draft
            for old in list(self._drafts)[:-MOST]:
                del self._drafts[old]
                self._open.pop(old, None)
        return id

    def find(self, id: str) -> Draft | None:
        """The draft of that id, for one page alone; None of one that isn't here, or that another
        tab has before it: two that write in one form would each undo what the other does. What is
        still under way in a page that was left or reloaded goes nowhere."""
        with self._lock:
            found = self._drafts.pop(id, None)
            if found is None:
                return None
            self._drafts[id] = found  # the last that is forgotten
            taken = self._open.get(id)
            if taken is not None and taken():
                return None
            own = self._drafts[id] = self._copy(found)
        return own

    def copied(self, id: str) -> Draft | None:
        """A copy of what is filled in in a draft that another tab has; None where there is none."""
        with self._lock:
            found = self._drafts.get(id)
        return None if found is None else self._copy(found)

    def opened(self, id: str, shown: Callable[[], bool]) -> None:
        """Note that a tab has it, as long as ``shown()`` says so."""
        with self._lock:
            self._open[id] = shown

    def _copy(self, draft: Draft) -> Draft:
        self.store.hold(draft.files)  # of both from now on
        return copy.deepcopy(draft)
