"""Results as a page shows them: pictures, before and after under a wipe, numbers."""

from __future__ import annotations

import html

from nicegui import ui

from priorkit.app.result import Panel
from priorkit.app.run import Run
from priorkit.draw.html import scale_bar, table, wipe

__all__ = ["figure", "show"]

NAMED = ("measurement", "recovery")  # whose captions don't say what they are


def show(run: Run) -> None:
    """All that a run that is over has come to."""
    if len(run.panels) == 1:
        with ui.element("section").classes("pk-card"):
            _panel(run, 0, run.panels[0])
        return
    if run.panels:
        _beside(run)
    for number, panel in enumerate(run.panels):
        with ui.element("section").classes("pk-card"):
            if not panel.images:
                ui.label(f"{panel.label}: {panel.sentence}").classes("pk-soft")
                continue
            more = ui.expansion(panel.label).props("dense header-class=text-weight-medium")
            with more, ui.element("div").classes("pk-stack"):
                _panel(run, number, panel)


def figure(src: str, caption: str, alt: str = "", more: str = "") -> str:
    """A picture with its caption."""
    said, alt = html.escape(caption), html.escape(alt or caption)
    return f'<figure><img alt="{alt}" src="{src}"><figcaption>{said}</figcaption>{more}</figure>'


def _panel(run: Run, number: int, panel: Panel) -> None:
    """One recovery."""
    ui.label(panel.sentence).classes("pk-soft")
    for i, (name, cards) in enumerate(panel.images):
        if len(panel.images) > 1:
            ui.label(name).classes("text-weight-medium")
        _wipe(run, number, i)
        figures = [
            figure(
                _src(run, number, i, card.what),
                _caption(card.what, card.caption),
                f"{name}: {card.caption}",
                scale_bar(card.end) if card.end else "",
            )
            for card in cards
        ]
        _row(figures)
    if panel.numbers:
        _table(panel.head, panel.numbers)


def _beside(run: Run) -> None:
    """The truth with its measurement, and of every prior the recovery with its error."""
    with ui.element("section").classes("pk-card"):
        ui.html("<h2>Side by side</h2>", sanitize=False)
        done = [(n, panel) for n, panel in enumerate(run.panels) if panel.images]
        columns = [_column(run, *each, ("truth", "measurement")) for each in done[:1]]
        columns += [_column(run, *each, ("recovery", "error")) for each in done]
        _row(columns)
        _table(*run.cells)


def _column(run: Run, number: int, panel: Panel, shown: tuple[str, ...]) -> str:
    """Some pictures of the first image of a panel, one above the other."""
    cards = [card for what in shown if (card := panel.card(0, what)) is not None]
    label = panel.label if "recovery" in shown else "measured"
    figures = "".join(
        figure(_src(run, number, 0, card.what), card.caption, f"{label}: {card.caption}")
        for card in cards
    )
    return f'<div class="pk-column"><h3>{html.escape(label)}</h3>{figures}</div>'


def _wipe(run: Run, number: int, i: int) -> None:
    """Before and after: the measurement where it is a picture of that size, or the truth, under
    the recovery."""
    panel = run.panels[number]
    after = panel.card(i, "recovery")
    found = [panel.card(i, what) for what in ("measurement", "truth")]
    under = [card for card in found if card and after and card.size == after.size]
    if not under:
        return
    name = panel.images[i][0]

    def content(what: str) -> str:
        under, over = (
            f'<img alt="{each}" src="{_src(run, number, i, each)}">' for each in (what, "recovery")
        )
        return wipe(under, over, f"{what} | recovery", label=f"{name}: {what} or recovery")

    shown = ui.html(content(under[0].what), sanitize=False).classes("w-full")
    if len(under) > 1:
        words = {card.what: f"before: {card.what}" for card in under}
        toggle = ui.toggle(words, value=under[0].what)
        toggle.props("dense no-caps padding=2px:10px").classes("self-start")
        toggle.on_value_change(lambda event: shown.set_content(content(event.value)))


def _row(figures: list[str]) -> None:
    ui.html(f'<div class="pk-pictures">{"".join(figures)}</div>', sanitize=False).classes("w-full")


def _table(head: list[str], rows: list[list[str]]) -> None:
    ui.html(table(head, rows), sanitize=False).classes("pk-numbers")


def _src(run: Run, panel: int, image: int, what: str) -> str:
    return f"/run/{run.id}/{panel}/{image}/{what}.png"


def _caption(what: str, caption: str) -> str:
    return f"{what}, {caption}" if what in NAMED and caption != what else caption
