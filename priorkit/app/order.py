"""What somebody asks for: pictures or measurements, and settings, in data."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from priorkit.errors import BadInputError

__all__ = ["MOST_PRIORS", "Order"]

MOST_PRIORS = 4  # side by side


@dataclass(frozen=True)
class Order:
    """A recovery or a comparison that was asked for.

    Attributes
    ----------
    settings : those of :func:`priorkit.recover`; a Path in them is a file of the session
    source : the file of pictures or of measurements; None for the sample photograph
    measured : whether that file holds measurements y, rather than pictures to be measured
    priors : several to compare, each a name or a table; empty for a recovery
    whole : the file that ``source`` is a smaller copy of; None where it isn't
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    source: Path | None = None
    measured: bool = False
    priors: tuple[Any, ...] = ()
    whole: Path | None = None

    def check(self) -> None:
        """Raise BadInputError for what can't be asked for here: too many priors, or a path on the
        server."""
        if len(self.priors) > MOST_PRIORS:
            raise BadInputError(
                f"At most {MOST_PRIORS} priors are shown side by side.", got=len(self.priors)
            )
        for name, value in _said([self.settings, self.priors]):
            if isinstance(value, str) and _names_a_file(value):
                raise BadInputError(
                    f"{name}: a file is sent from the browser, not named.", got=repr(value[:80])
                )

    @property
    def files(self) -> list[Path]:
        """Every file that it names, each once."""
        named = [value for _, value in _said(self.settings) if isinstance(value, Path)]
        return list(dict.fromkeys([*([self.source] if self.source else []), *named]))

    def keywords(self) -> dict[str, Any]:
        """As keywords of :func:`priorkit.recover`, or of :func:`priorkit.compare` without x."""
        found = dict(self.settings)
        if self.priors:
            found["priors"] = list(self.priors)
        if self.measured and self.source is not None:
            found["y"] = self.source
        return found

    def going_on(self, start: Path, budget: int | None) -> Order:
        """The same from where another run has come to, a file of a latent or of images."""
        kept = {name: value for name, value in self.settings.items() if name != "restarts"}
        more = {"start": start} | ({} if budget is None else {"budget": budget})
        return replace(self, settings=kept | more)


def _said(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Everything in settings that isn't a table or a list, with the name of its option."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _said(inner, str(key))
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _said(inner, name)
    else:
        yield name, value


def _names_a_file(text: str) -> bool:
    return "/" in text or "\\" in text or "::" in text or ("." in text and os.path.isfile(text))
