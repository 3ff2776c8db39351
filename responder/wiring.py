"""What is made from the settings, once, for the daemon and for its commands."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from responder.clients.alertmanager import AlertmanagerDoor
from responder.clients.doors import Doors
from responder.clients.known_secrets import secrets_of
from responder.clients.pagerduty import PagerDutyApi, PagerDutyDoor, rate_of
from responder.clients.pagerduty_around import LEFT_TO_REPORTS, Account
from responder.delivery.pagerduty_event import rate_of_events
from responder.delivery.sink import Outlets, Print, sinks
from responder.diagnostics.catalogue import catalogue, specs
from responder.errors import NotConfigured, UsageError
from responder.incidents.fold import fold
from responder.model.pack import Pack
from responder.printing import printing
from responder.redaction.redact import Redactor
from responder.reload.reloader import Reloader
from responder.rules.in_force import RulesInForce, with_clean_words
from responder.rules.packs import Loaded, load_packs
from responder.settings import Settings
from responder.store.accept import Acceptor
from responder.store.rates import SharedRate
from responder.store.store import Store
from responder.telemetry import Metrics
from responder.work.desk import Desk
from responder.work.work import kinds

AWAITS_ALERTS_FOR = timedelta(seconds=10)  # an incident that PagerDuty opened, for its alerts' own webhook
AWAITS_AT_MOST = 2 / 3  # of the time to the first report: the rest is for looking


def clock() -> datetime:
    """The one wall clock; everything below is handed it."""
    return datetime.now(UTC)  # noqa: TID251 - this is the clock that is handed in


def redactor_of(settings: Settings, packs: tuple[Pack, ...] = (), metrics: Metrics | None = None) -> Redactor:
    """Redaction that knows our own secrets: those of the settings, and those that targets take from the environment."""
    targets = (it for pack in packs for it in pack.targets.values())
    secrets = [*settings.secret_values(), *secrets_of(targets, os.environ)]
    counted = (lambda kind, n: metrics.redactions.labels(kind).inc(n)) if metrics else None
    return Redactor(secrets, counted)


def load_rules(settings: Settings) -> Loaded:
    """The rules in force; raises UsageError that names every mistake."""
    loaded = _read_rules(settings.rules)
    if loaded.problems:
        told = "\n".join(f"{it.position}: {it.text}" for it in loaded.problems)
        raise UsageError(
            f"the rules cannot be used:\n{told}\n`responder check {settings.rules}` shows them with their lines; "
            "RESPONDER_RULES says where the rules are"
        )
    return loaded


def _read_rules(path: Path) -> Loaded:
    return load_packs(path, specs(), os.environ)


def doors_of(settings: Settings, store: Store | None = None) -> Doors:
    """What checks and signals read through. `store`: where the rate of PagerDuty's key is shared with reports."""
    if not settings.pagerduty_token:
        return Doors(os.environ)
    token = settings.pagerduty_token.get_secret_value()
    turns = SharedRate(store, rate_of(token), leaves=LEFT_TO_REPORTS) if store else None
    return Doors(os.environ, Account(token=token, url=settings.pagerduty_url, turns=turns))


def desk_of(
    settings: Settings, loaded: Loaded, redactor: Redactor, metrics: Metrics, store: Store, write: Print
) -> Desk:
    def on_write(what: str) -> None:
        metrics.writes.labels("pagerduty", what).inc()

    pagerduty = _pagerduty(settings, store, on_write)
    return Desk(
        name=settings.name,
        store=store,
        doors=doors_of(settings, store),
        catalogue=specs(),
        diagnostics=catalogue(),
        sinks=sinks(
            Outlets(
                pagerduty=pagerduty,
                write=write if settings.prints_reports else None,
                report_webhook_url=settings.report_webhook_url,
                events=_events(settings, store, on_write),
                routing_key=settings.pagerduty_routing_key,
            )
        ),
        pagerduty=pagerduty,
        metrics=metrics,
        clock=clock,
        redactor=redactor,
        rules=RulesInForce.begin(settings.rules, with_clean_words(loaded, redactor.text), clock()),
        page_url=settings.public_url.rstrip("/"),
        first_report_within_seconds=settings.first_report_within.total_seconds(),
        diagnostic_timeout_seconds=settings.diagnostic_timeout.total_seconds(),
        reopen_within=settings.reopen_within,
        deliver=not settings.shadow,
        alertmanagers=_alertmanagers(settings),
        hears_pagerduty=bool(settings.pagerduty_webhook_secrets),
        heartbeat_url=settings.heartbeat_url.get_secret_value() if settings.heartbeat_url else "",
        retain={
            "webhooks": settings.retain_webhooks,
            "quarantine": settings.retain_quarantine,
            "samples": settings.retain_samples,
            "steps": settings.retain_samples,
            "findings": settings.retain_findings,
            "incidents": settings.retain_incidents,
        },
    )


def kinds_of_work(settings: Settings, loaded: Loaded, redactor: Redactor) -> list[str]:
    """What a daemon with these settings does; the rest it leaves to others. Nothing is connected to."""
    store = Store(redact=redactor.text)
    return [it.name for it in kinds(desk_of(settings, loaded, redactor, Metrics(), store, printing()))]


def reloader_of(desk: Desk, loaded: Loaded) -> Reloader:
    return Reloader(
        desk.rules,
        loaded.stamp,
        _read_rules,
        redactor=desk.redactor,
        doors=desk.doors,
        store=desk.store,
        metrics=desk.metrics,
        environment=os.environ,
        clock=clock,
    )


def _alertmanagers(settings: Settings) -> Mapping[str, tuple[AlertmanagerDoor, ...]]:
    try:
        return {
            source: tuple(AlertmanagerDoor.at(source, url) for url in urls)
            for source, urls in settings.alertmanagers.items()
        }
    except NotConfigured as wrong:
        raise UsageError(f"RESPONDER_ALERTMANAGER_URLS: {wrong}") from None


def _pagerduty(settings: Settings, store: Store, on_write: Callable[[str], None]) -> PagerDutyApi | None:
    if not settings.pagerduty_token:
        return None
    token = settings.pagerduty_token.get_secret_value()
    return PagerDutyApi(
        token=token,
        sender=settings.pagerduty_from,
        url=settings.pagerduty_url,
        turns=SharedRate(store, rate_of(token)),
        on_write=on_write,
    )


def _events(settings: Settings, store: Store, on_write: Callable[[str], None]) -> PagerDutyDoor | None:
    if not settings.pagerduty_routing_key:
        return None
    rate = rate_of_events(settings.pagerduty_routing_key.get_secret_value())
    turns = SharedRate(store, rate)
    return PagerDutyDoor(url=settings.pagerduty_events_url, rate=rate, turns=turns, on_write=on_write)


def acceptor_of(settings: Settings, store: Store, room: Callable[[], bool] = lambda: True) -> Acceptor:
    """The door for webhooks; `responder quarantine retry` goes through the same one."""
    return Acceptor(
        store,
        partial(fold, reopen_within=settings.reopen_within),
        first_report_within=settings.first_report_within,
        asks_pagerduty=settings.pagerduty_token is not None,
        awaits_alerts_for=min(AWAITS_ALERTS_FOR, settings.first_report_within * AWAITS_AT_MOST),
        room=room,
    )
