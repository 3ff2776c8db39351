"""The one HTTP server: webhooks in, pages, metrics and health out."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import structlog
from aiohttp import web
from aiohttp.http import HttpProcessingError
from aiohttp.typedefs import Middleware
from prometheus_client.exposition import choose_encoder
from pydantic_core import to_json

from responder.errors import StoreUnavailable
from responder.telemetry import Metrics
from responder.web.access import Access
from responder.web.api import PREFIX, Api, answer
from responder.web.diagnose import DiagnoseApi
from responder.web.openapi import openapi
from responder.web.pages import STATIC
from responder.web.room import Room
from responder.web.rules import RulesApi
from responder.web.views import Views
from responder.web.webhooks import RETRY_AFTER_SECONDS, Reception, Refused, receive

MAX_BODY_BYTES = 1024 * 1024
READ_WITHIN_SECONDS = 3.0
STYLE = STATIC / "responder.css"
SECURITY = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Everything that the server shows and takes. `ready`: why work does not move, None when all is well."""

    reception: Reception
    views: Views
    api: Api
    rules: RulesApi
    diagnose: DiagnoseApi
    metrics: Metrics
    access: Access
    metrics_access: Access
    ready: Callable[[], Awaitable[str | None]]
    measure: Callable[[], Awaitable[None]]


def application(site: Site) -> web.Application:
    """All routes."""
    guarded = _guarded(site.access)

    def pages(handler: Handler) -> Handler:
        return guarded(_in_time(handler))

    app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[_in(site.reception.room), _answers_errors])
    app.router.add_get("/healthz", _healthz)
    app.router.add_get("/readyz", _readyz(site))
    app.router.add_get("/metrics", _guarded(site.metrics_access)(_metrics(site)))
    app.router.add_get("/", pages(_page(site.views.listing)))
    app.router.add_get("/incidents/{slug}", pages(_page(site.views.incident)))
    app.router.add_get("/targets", pages(_page(site.views.targets)))
    app.router.add_get("/rules", pages(_page(site.views.rules)))
    app.router.add_get("/quarantine", pages(_page(site.views.quarantine)))
    app.router.add_get(f"/static/{STYLE.name}", _style())
    site.api.add_to(app.router, pages)
    site.rules.add_to(app.router, guarded)
    site.diagnose.add_to(app.router, guarded)
    app.router.add_get(f"{PREFIX}/openapi.json", guarded(_described))
    for path in ("/webhooks/{kind:grafana}", "/webhooks/{kind:grafana}/{source}"):
        app.router.add_put(path, _webhook(site.reception))  # it can be told to
    for path in ("/webhooks/{kind}", "/webhooks/{kind}/{source}"):
        app.router.add_post(path, _webhook(site.reception))
    return app


def malformed_requests() -> logging.Logger:
    """For what the HTTP parser refuses, and who goes in the middle, which no handler sees: its own log would quote
    the request, credentials included."""
    logger = logging.Logger(__name__)
    logger.addHandler(_Refusals())
    return logger


class _Refusals(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        """One line, in words that no sender chose."""
        kind = record.exc_info[0] if record.exc_info else None
        if kind is not None and issubclass(kind, HttpProcessingError):
            log.warning("request.refused", path="", status=400, why=f"malformed HTTP: {kind.__name__}")
        elif kind is not None and issubclass(kind, ConnectionError):
            log.debug("request.gone", why=kind.__name__)
        else:
            log.error("request.failed", path="", why=kind.__name__ if kind else record.levelname)


def problem(
    status: int, text: str, extra: dict[str, str] | None = None, more: Mapping[str, object] | None = None
) -> web.Response:
    """RFC 9457 problem details; `more`: members beside them."""
    body = {
        "type": "about:blank",
        "title": web.Response(status=status).reason,
        "status": status,
        "detail": text,
        **(more or {}),
    }
    return web.Response(status=status, text=json.dumps(body), content_type="application/problem+json", headers=extra)


def _in(room: Room) -> Middleware:
    @web.middleware
    async def handle(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.content.is_eof():
            room.answer(request)
        try:
            return await handler(request)
        finally:
            room.answered(request)

    return handle


@web.middleware
async def _answers_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except Refused as refused:
        log.warning("request.refused", path=request.path, status=refused.status, why=str(refused))
        return problem(refused.status, str(refused), refused.extra, refused.more)
    except StoreUnavailable as away:
        return problem(503, str(away), {"Retry-After": RETRY_AFTER_SECONDS})
    except web.HTTPException as refused:
        return problem(refused.status, refused.reason, {k: v for k, v in refused.headers.items() if k == "Allow"})
    except (asyncio.CancelledError, ConnectionError):
        raise
    except Exception as bug:  # the one boundary of a request: the sender keeps what we could not take
        log.exception("request.failed", path=request.path, why=type(bug).__name__)
        return problem(503, "a bug in responder; its log says more", {"Retry-After": "30"})


def _webhook(reception: Reception) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        accepted = await receive(request, reception)
        return web.Response(status=202, text=to_json(accepted.as_json()).decode(), content_type="application/json")

    return handle


def _guarded(access: Access) -> Callable[[Handler], Handler]:
    def guard(handler: Handler) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            refusal = access.refusal(request.headers, request.remote or "")
            if refusal is not None:
                status, text = refusal
                return problem(status, text, {"WWW-Authenticate": 'Basic realm="responder"'} if status == 401 else None)
            return await handler(request)

        return handle

    return guard


def _in_time(handler: Handler) -> Handler:
    """A database that hangs must not keep whoever looks waiting."""

    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            async with asyncio.timeout(READ_WITHIN_SECONDS):
                return await handler(request)
        except TimeoutError:
            raise StoreUnavailable(f"store: no answer within {READ_WITHIN_SECONDS:.0f} s") from None

    return handle


def _page(view: Callable[[web.Request], Awaitable[tuple[int, str]]]) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        status, html = await view(request)
        return web.Response(status=status, text=html, content_type="text/html", headers=SECURITY)

    return handle


def _style() -> Handler:
    """As it was at the start: a file server would also take ranges and dates, which strangers can choose."""
    text = STYLE.read_text()

    async def handle(_: web.Request) -> web.StreamResponse:
        headers = {"Cache-Control": "max-age=300", "X-Content-Type-Options": "nosniff"}
        return web.Response(text=text, content_type="text/css", headers=headers)

    return handle


async def _described(_: web.Request) -> web.StreamResponse:
    return answer(openapi())


async def _healthz(_: web.Request) -> web.StreamResponse:
    return web.json_response({"status": "alive"})


def _readyz(site: Site) -> Handler:
    async def handle(_: web.Request) -> web.StreamResponse:
        why = await site.ready()
        return web.json_response({"status": "ready"}) if why is None else problem(503, why)

    return handle


def _metrics(site: Site) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        await site.measure()
        try:
            body, content_type = _exposition(site.metrics, request.headers.get("Accept", ""))
        except TypeError:  # it compares versions by their numbers, whatever stands there
            body, content_type = _exposition(site.metrics, "")
        return web.Response(body=body, headers={"Content-Type": content_type})

    return handle


def _exposition(metrics: Metrics, accept: str) -> tuple[bytes, str]:
    encode, content_type = choose_encoder(accept)
    return encode(metrics.registry), content_type
