"""``priorkit app``."""

from __future__ import annotations

from typing import Annotated

import typer

from priorkit.cli.console import out
from priorkit.errors import MismatchError

__all__ = ["app"]


def app(
    port: Annotated[int, typer.Option(min=1, max=65535, help="of this machine")] = 8088,
    seconds: Annotated[float, typer.Option(min=1, help="that a run may take")] = 300.0,
    megabytes: Annotated[float, typer.Option(min=0.01, help="that a picture may have")] = 20.0,
) -> None:
    """Try recoveries in the browser of this machine, and watch them iterate.

    Nobody else can reach the page. Needs the extra app.
    """
    try:
        from priorkit.app.page import serve
    except ImportError as error:
        raise MismatchError(
            "priorkit app needs the package nicegui.", try_="pip install 'priorkit[app]'"
        ) from error
    out.print(f"Open http://127.0.0.1:{port} — Ctrl-C ends it.")
    serve(port=port, seconds=seconds, megabytes=megabytes)
