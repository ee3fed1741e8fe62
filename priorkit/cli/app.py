"""``priorkit app``."""

from __future__ import annotations

from typing import Annotated

import typer

from priorkit.cli.console import out
from priorkit.errors import needed

__all__ = ["app_"]


def app_(
    port: Annotated[int, typer.Option(min=1, max=65535, help="of this machine")] = 8088,
    seconds: Annotated[float, typer.Option(min=1, help="that a run may take")] = 300.0,
    megabytes: Annotated[float, typer.Option(min=0.01, help="that a file may have")] = 20.0,
) -> None:
    """Recover pictures in the browser of this machine: drop one, draw, choose, watch.

    Nobody else can reach the pages. Needs the extra app.
    """
    with needed("nicegui", "priorkit app needs", "app"):
        from priorkit.app.serve import serve
    out.print(f"Open http://127.0.0.1:{port} — Ctrl-C ends it.")
    serve(port=port, seconds=seconds, megabytes=megabytes)
