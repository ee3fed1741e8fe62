"""What came back of a run, as the pages of the app show it, and as a zip file."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copyfile, make_archive

from priorkit.app.order import Order
from priorkit.app.repeat import FOLDER, command, python, renamed, together
from priorkit.counted import counted
from priorkit.draw.tiles import png
from priorkit.io.folders import replacing
from priorkit.results import folder
from priorkit.results.comparison import Comparison
from priorkit.results.numbers import numbers
from priorkit.results.recovery import Recovery
from priorkit.results.views import Shown, columns, summary, unsure

__all__ = ["Card", "Panel", "archive", "panels"]

MOST_IMAGES = 8  # of a recovery that are shown; the folder has all


@dataclass(frozen=True)
class Card:
    """A picture that is shown: what it is, its caption, the PNG, and of sizes the one that has the
    brightest colour."""

    what: str
    caption: str
    picture: bytes
    size: tuple[int, int]
    end: float


@dataclass(frozen=True)
class Panel:
    """What is shown of one recovery: per image its name and its cards, a sentence, and numbers."""

    label: str
    sentence: str
    images: list[tuple[str, list[Card]]] = field(default_factory=list)
    head: list[str] = field(default_factory=list)
    numbers: list[list[str]] = field(default_factory=list)

    def card(self, image: int, what: str) -> Card | None:
        """The picture of an image that is that; None where there is none."""
        return next((c for c in self.images[image][1] if c.what == what), None)


def panels(result: Recovery | Comparison) -> list[Panel]:
    """A panel for a recovery, and for a comparison one for each prior, or the reason why it has no
    result."""
    if isinstance(result, Recovery):
        return [_panel("", result)]
    found = []
    for row in result.rows:
        if row.recovery is None:
            found.append(Panel(row.label, row.reason or ""))
        else:
            found.append(_panel(row.label, row.recovery))
    return found


def _panel(label: str, recovery: Recovery) -> Panel:
    shown = range(min(len(recovery.x), MOST_IMAGES))
    images = [(recovery.names[i], [_card(each) for each in columns(recovery, i)]) for i in shown]
    head, rows = numbers(recovery, most=MOST_IMAGES, brief=True)
    more = len(recovery.x) - len(shown)
    rest = f"And {counted(more, 'images')} more, in the folder." if more else ""
    said = " ".join(filter(None, [summary(recovery), unsure(recovery), rest]))
    return Panel(label, said, images, head, rows)


def _card(shown: Shown) -> Card:
    what = f"{shown.what}-of-{shown.of}" if shown.of else shown.what  # by which it has an address
    return Card(what, shown.caption, png(shown.picture), shown.picture.size, shown.end)


def archive(order: Order, result: Recovery | Comparison) -> bytes:
    """The folder of a finished run as a zip file: the inputs, the results, and what repeats them.

    Paths in it are relative to where it is unpacked.
    """
    files = renamed(order)
    with tempfile.TemporaryDirectory() as root:
        place = Path(root) / FOLDER
        with replacing(place) as stage:
            for recovery in _recoveries(result):
                recovery.record = together(recovery.record, files)
            if isinstance(result, Recovery):
                folder.write(result, stage, Path(FOLDER))
            else:
                result.write(stage, Path(FOLDER))
            for path, name in files.items():
                target = stage / Path(name).relative_to(FOLDER)
                target.parent.mkdir(exist_ok=True)
                copyfile(path, target)
            (stage / "repeat.sh").write_text(f"{command(order)}\n", encoding="utf-8")
            (stage / "repeat.py").write_text(f"{python(order)}\n", encoding="utf-8")
        return Path(make_archive(f"{root}/run", "zip", root, FOLDER)).read_bytes()


def _recoveries(result: Recovery | Comparison) -> list[Recovery]:
    if isinstance(result, Recovery):
        return [result]
    return [row.recovery for row in result.rows if row.recovery is not None]
