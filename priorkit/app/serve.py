"""The server: addresses of pages, pictures and downloads, and who may ask for them."""

from __future__ import annotations

import logging
from typing import Any

from nicegui import app, ui
from starlette.datastructures import Headers
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse, Response

from priorkit.app.offered import Offers
from priorkit.app.page import show
from priorkit.app.run import Run
from priorkit.app.runs import Runs
from priorkit.app.store import Store

__all__ = ["serve"]

HOST = "127.0.0.1"
ENVELOPE = 1 << 16  # bytes of a request beside the file that it sends


def serve(*, port: int, seconds: float, megabytes: float) -> None:
    """Serve the pages to this machine alone, until Ctrl-C.

    Parameters
    ----------
    seconds : after which a run ends; the best so far is kept
    megabytes : largest size of a file that is sent
    """
    store = Store(megabytes)
    runs, offers = Runs(store, seconds=seconds), Offers()
    app.add_middleware(_Bounded, most=store.most + ENVELOPE)
    # Other host names are refused, so that another site can't reach it by DNS rebinding.
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"])
    app.on_shutdown(runs.close)
    app.on_shutdown(store.clear)

    @ui.page("/", title="priorkit")
    def start() -> None:
        show(runs, offers, None, megabytes=megabytes, missing=False)

    @ui.page("/run/{id}", title="priorkit")
    def one(id: str) -> None:
        run = runs.find(id)
        show(runs, offers, run, megabytes=megabytes, missing=run is None)

    _files(runs)
    logging.getLogger("uvicorn.error").addFilter(_finished)
    ui.run(
        host=HOST,
        port=port,
        show=False,
        reload=False,
        dark=None,
        language="en-US",
        show_welcome_message=False,
    )


def _files(runs: Runs) -> None:
    """The pictures of runs, and their folders."""

    @app.get("/run/{id}/now.png")
    def now(id: str) -> Response:
        run = runs.find(id)
        return _png(None if run is None else run.watched.shown)

    @app.get("/run/{id}/{panel}/{image}/{what}.png")
    def picture(id: str, panel: int, image: int, what: str) -> Response:
        run = runs.find(id)
        return _png(None if run is None else run.picture(panel, image, what))

    @app.get("/run/{id}/priorkit-out.zip")
    def folder(id: str) -> Response:
        run: Run | None = runs.find(id)
        if run is None or run.result is None:
            return PlainTextResponse("There is no such result.", 404)
        saved = {"Content-Disposition": 'attachment; filename="priorkit-out.zip"'}
        return Response(run.archive(), media_type="application/zip", headers=saved)


def _png(found: bytes | None) -> Response:
    if found is None:
        return PlainTextResponse("There is no such picture.", 404)
    return Response(found, media_type="image/png", headers={"Cache-Control": "no-store"})


def _finished(record: logging.LogRecord) -> bool:
    """Whether a message is worth saying: not that a browser left before its answer came."""
    error = record.exc_info[1] if record.exc_info else None
    return not (isinstance(error, RuntimeError) and str(error) == "No response returned.")


class _Bounded:
    """Refuses requests that are larger than a file may be, or don't say how large they are."""

    def __init__(self, app: Any, most: int) -> None:
        self.app, self.most = app, most

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["method"] in ("POST", "PUT", "PATCH"):
            said = Headers(scope=scope).get("content-length", "")
            if not said.isdecimal() or int(said) > self.most:
                await PlainTextResponse("That file is too large.", 413)(scope, receive, send)
                return
        await self.app(scope, receive, send)
