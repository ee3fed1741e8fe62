"""The button that begins a run, and beside it why it can't."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from nicegui import ui

__all__ = ["Begin"]


class Begin:
    """A button; while it can't run, a screen reader says so with the reason, and pressing it leads
    to that."""

    def __init__(self, verb: str, begin: Callable[[], Awaitable[None]]) -> None:
        self.button = ui.button(verb, on_click=begin, color=None).props("no-caps")
        self.button.classes("w-full pk-go")
        self.wrong = ui.label().classes("pk-wrong").props('role="status" aria-live="polite"')
        self.wrong.props("tabindex=-1")
        self.button.props["aria-describedby"] = self.wrong.html_id
        self.warned = ui.label().classes("pk-warned")
        self.say("")
        self.warn("")

    def say(self, wrong: str) -> None:
        """Say why it can't run, or that it can."""
        self.wrong.set_text(f"This can't run: {wrong}" if wrong else "")
        self.wrong.set_visibility(bool(wrong))
        if self.button.props.get("aria-disabled") != (now := "true" if wrong else "false"):
            self.button.props["aria-disabled"] = now
            self.button.classes(**{"add" if wrong else "remove": "pk-not"})
            self.button.update()

    def wait(self, waits: bool) -> None:
        """Tell a screen reader whether it is still looked at what can run."""
        if self.button.props.get("aria-busy") != (now := "true" if waits else "false"):
            self.button.props["aria-busy"] = now
            self.button.update()

    def warn(self, warning: str) -> None:
        """What the library says of a run that can be."""
        self.warned.set_text(warning)
        self.warned.set_visibility(bool(warning))

    def lead(self) -> None:
        """Go to the reason."""
        ui.run_javascript(f"document.getElementById('{self.wrong.html_id}')?.focus()")
