"""The one HTTP server: webhooks in, pages, metrics and health out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import structlog
from aiohttp import web
from prometheus_client.exposition import choose_encoder

from responder.telemetry import Metrics
from responder.web.access import Access
from responder.web.api import Api
from responder.web.views import Views
from responder.web.webhooks import Reception, Refused, receive

MAX_BODY_BYTES = 1024 * 1024
STATIC = Path(__file__).parent / "static"
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
    metrics: Metrics
    access: Access
    metrics_access: Access
    ready: Callable[[], Awaitable[str | None]]
    measure: Callable[[], Awaitable[None]]


def application(site: Site) -> web.Application:
    """All routes."""
    pages = _guarded(site.access)
    app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[_answers_errors])
    app.router.add_get("/healthz", _healthz)
    app.router.add_get("/readyz", _readyz(site))
    app.router.add_get("/metrics", _guarded(site.metrics_access)(_metrics(site)))
    app.router.add_get("/", pages(_page(site.views.listing)))
    app.router.add_get("/incidents/{slug}", pages(_page(site.views.incident)))
    app.router.add_get("/quarantine", pages(_page(site.views.quarantine)))
    app.router.add_static("/static", STATIC)
    site.api.add_to(app.router, pages)
    for path in ("/webhooks/{kind:grafana}", "/webhooks/{kind:grafana}/{source}"):
        app.router.add_put(path, _webhook(site.reception))  # it can be told to
    for path in ("/webhooks/{kind}", "/webhooks/{kind}/{source}"):
        app.router.add_post(path, _webhook(site.reception))
    return app


def problem(status: int, text: str, extra: dict[str, str] | None = None) -> web.Response:
    """RFC 9457 problem details."""
    body = {"type": "about:blank", "title": web.Response(status=status).reason, "status": status, "detail": text}
    return web.Response(status=status, text=json.dumps(body), content_type="application/problem+json", headers=extra)


@web.middleware
async def _answers_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except Refused as refused:
        log.warning("request.refused", path=request.path, status=refused.status, why=str(refused))
        return problem(refused.status, str(refused), refused.extra)
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
        return web.Response(status=202, text=json.dumps(accepted.as_json()), content_type="application/json")

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


def _page(view: Callable[[web.Request], Awaitable[tuple[int, str]]]) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        status, html = await view(request)
        return web.Response(status=status, text=html, content_type="text/html", headers=SECURITY)

    return handle


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
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(site.metrics.registry), headers={"Content-Type": content_type})

    return handle
