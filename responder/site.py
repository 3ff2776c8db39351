"""What the HTTP server shows and takes, wired to a desk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from responder.intake.registry import sources
from responder.intake.source import Credentials
from responder.reload.reloader import Reloader
from responder.settings import Settings, revealed
from responder.web.access import Access, is_loopback
from responder.web.api import Api
from responder.web.diagnose import DiagnoseApi
from responder.web.looking import LookingAt
from responder.web.pages import Pages
from responder.web.rules import RulesApi
from responder.web.server import MAX_BODY_BYTES, Site
from responder.web.views import Views
from responder.web.webhooks import Reception
from responder.work.by_hand import ask_again
from responder.work.vitals import Vitals


def site_of(settings: Settings, vitals: Vitals, reloader: Reloader) -> Site:
    """Everything behind the one address."""
    desk = vitals.desk
    access = Access(
        tokens=revealed(settings.api_tokens),
        open_to_all=settings.api_open,
        loopback=is_loopback(settings.host),
        proxy_header=settings.auth_proxy_header,
        trusted_proxies=settings.trusted_proxies,
    )
    metrics_token = settings.metrics_token
    looking = LookingAt(rules=desk.rules, doors=desk.doors, sinks=tuple(desk.sinks), store=desk.store)
    reception = Reception(
        sources=sources(),
        credentials=credentials_of(settings),
        acceptor=vitals.acceptor,
        redactor=desk.redactor,
        metrics=desk.metrics,
        rules=desk.rules,
        arrange=desk.arrange,
        ourselves=desk.pagerduty.ourselves if desk.pagerduty else frozenset(),
        max_body_bytes=MAX_BODY_BYTES,
    )
    return Site(
        reception=reception,
        views=Views(desk.store, Pages(settings.name, settings.public_url), desk.clock, looking),
        api=Api(desk.store, settings.name, looking),
        rules=RulesApi(desk.rules, reloader.reload),
        diagnose=DiagnoseApi(desk.store, partial(ask_again, desk)),
        metrics=desk.metrics,
        access=access,
        metrics_access=replace(access, tokens=(metrics_token.get_secret_value(),)) if metrics_token else access,
        ready=vitals.why_not_ready,
        measure=vitals.measure,
    )


def credentials_of(settings: Settings) -> Mapping[str, Credentials]:
    """By the kind of sender, what it must show."""
    anybody = settings.allow_unauthenticated_webhooks
    return {
        "alertmanager": Credentials(
            tokens=revealed(settings.alertmanager_tokens),
            username=settings.alertmanager_username,
            password=settings.alertmanager_password.get_secret_value(),
            allow_unauthenticated=anybody,
        ),
        "pagerduty": Credentials(secrets=revealed(settings.pagerduty_webhook_secrets), allow_unauthenticated=anybody),
        "grafana": Credentials(
            tokens=revealed(settings.grafana_tokens),
            secrets=revealed(settings.grafana_secrets),
            allow_unauthenticated=anybody,
        ),
        "generic": Credentials(
            tokens=revealed(settings.generic_tokens),
            secrets=revealed(settings.generic_secrets),
            allow_unauthenticated=anybody,
        ),
    }
