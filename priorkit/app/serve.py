"""The server: addresses of pages, pictures and downloads, and who may ask for them."""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import quote

from nicegui import app, ui
from starlette.datastructures import Headers
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from priorkit.app.draft import Draft
from priorkit.app.drafts import Drafts
from priorkit.app.offered import Offers
from priorkit.app.page import Pages
from priorkit.app.run import Run
from priorkit.app.runs import Runs
from priorkit.app.session import sweep
from priorkit.app.store import Store

__all__ = ["serve"]

HOST = "127.0.0.1"
ENVELOPE = 1 << 16  # bytes of a request beside the file that it sends
# Seconds without a connection after which a page begins anew, with what was filled in: a processor
# that is busy with somebody's picture mustn't be taken for a browser that has left.
PATIENCE = 120.0


def serve(*, port: int, seconds: float, megabytes: float) -> None:
    """Serve the pages to this machine alone, until Ctrl-C.

    Parameters
    ----------
    seconds : after which a run ends; the best so far is kept
    megabytes : largest size of a file that is sent
    """
    sweep()
    store = Store(megabytes)
    runs, drafts = Runs(store, seconds=seconds), Drafts(store)
    pages = Pages(runs, drafts, Offers(), megabytes=megabytes)
    app.add_middleware(_Bounded, most=store.most + ENVELOPE)
    # Other host names are refused, so that another site can't reach it by DNS rebinding.
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"])
    app.on_shutdown(runs.close)
    app.on_shutdown(store.clear)

    @ui.page("/", title="priorkit")
    def start(form: str = "") -> Response | None:
        draft = drafts.find(form)
        if draft is None:
            return _to("/", drafts.add(drafts.copied(form) or Draft.new()))
        pages.show(None, draft, form)
        return None

    @ui.page("/run/{id}", title="priorkit")
    def one(id: str, form: str = "") -> Response | None:
        run, draft = runs.find(id), drafts.find(form)
        if draft is None:
            new = Draft.new() if run is None else Draft.of(run.order)
            return _to(f"/run/{quote(id)}", drafts.add(drafts.copied(form) or new))
        pages.show(run, draft, form, missing=run is None)
        return None

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
        reconnect_timeout=PATIENCE,
    )


def _to(path: str, form: str) -> Response:
    """The same page with a form of its own, whose id a tab keeps in its address."""
    return RedirectResponse(f"{path}?form={form}", 303)


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
