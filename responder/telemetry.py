"""Metrics of responder about itself (spec: "Self metrics"), and how its log is set up.

One `Metrics` is made by the command that serves, and handed down; nothing is created at import.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from responder import __version__
from responder.spool import Spool

STANDARD_ERROR = 2
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0, 60.0)
REFUSALS = ("400", "401", "403", "404", "413", "415", "503")
REFUSED_BECAUSE = ("not_configured", "store", "full", "disk", "slow")  # 503
REPORT_OUTCOMES = ("delivered", "edited", "postponed", "uncertain", "refused", "gone")


class Metrics:
    """Every metric of responder, on a registry of its own. Label values never come from alerts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.webhooks = self._counter("responder_webhooks", "Webhooks answered", "source", "outcome")
        self.webhooks_refused = self._counter("responder_webhooks_refused", "Webhooks sent away", "source", "reason")
        self.webhooks_waiting = self._gauge("responder_webhooks_waiting", "Webhooks not committed or refused yet")
        self.webhook_seconds = self._seconds("responder_webhook_seconds", "Time from request to answer", "source")
        self.alerts = self._counter("responder_alerts", "Alerts accepted", "source", "status")
        self.incidents = self._gauge("responder_incidents", "Incidents held", "state", "severity")
        self.evaluations = self._counter("responder_rule_evaluations", "Rules evaluated", "rule", "verdict")
        self.evaluation_seconds = self._seconds("responder_rule_evaluation_seconds", "Time to read and judge all rules")
        self.diagnostics = self._counter("responder_diagnostics", "Diagnostics run", "check", "outcome")
        self.diagnostic_seconds = self._seconds("responder_diagnostic_seconds", "Time of one diagnostic", "check")
        self.reports = self._counter("responder_reports", "Reports handed to a sink", "sink", "outcome")
        self.first_report_seconds = self._seconds("responder_first_report_seconds", "Acceptance to first report")
        self.first_reports_overdue = self._gauge("responder_first_reports_overdue", "First reports past their deadline")
        self.deliveries = self._gauge("responder_deliveries", "Deliveries by what became of them", "sink", "state")
        self.duplicates = self._counter(
            "responder_duplicates", "Second notes of ours that were found", "sink", "outcome"
        )
        self.deliveries_pending = self._gauge("responder_deliveries_pending", "Deliveries not yet visible", "sink")
        self.oldest_pending = self._gauge("responder_oldest_pending_seconds", "Age of the oldest overdue work")
        self.quarantined = self._counter("responder_quarantined", "Accepted, not understood", "source", "reason")
        self.rules_loaded = self._gauge("responder_rules_loaded", "Rules in force")
        self.reload_success = self._gauge("responder_rules_last_reload_success", "1 when the last load was good")
        self.reload_time = self._gauge("responder_rules_last_reload_timestamp_seconds", "When rules were last loaded")
        self.timers_overdue = self._gauge("responder_timers_overdue", "Work rows overdue by more than a lease")
        self.work_failures = self._counter("responder_work_failures", "Pieces of work that failed by a bug", "kind")
        self.work_found_again = self._counter("responder_work_found_again", "Work that nobody would have done")
        self.leases_lost = self._counter(
            "responder_leases_lost", "Work that another took over while it was held", "kind"
        )
        self.store_writable = self._gauge("responder_store_writable", "1 while the store takes what is written")
        self.ready = self._gauge("responder_ready", "1 while /readyz says so")
        self.writes = self._counter("responder_writes", "Requests to elsewhere that change something", "to", "object")
        self.target_up = self._gauge("responder_target_up", "1 when the last look at the target was answered", "target")
        self.subscription_active = self._gauge(
            "responder_pagerduty_subscription_active", "1 while PagerDuty's webhook subscription sends", "subscription"
        )
        self.redactions = self._counter("responder_redactions", "Pieces of text taken out", "kind")
        self.loop_lag = self._seconds("responder_loop_lag_seconds", "How long the event loop let its callers wait")
        ProcessCollector(registry=self.registry)
        self._gauge("responder_build_info", "Always 1", "version").labels(__version__).set(1)

    def begin_at_zero(
        self, *, sources: Iterable[str], sinks: Iterable[str], kinds: Iterable[str], redactions: Iterable[str]
    ) -> None:
        """Have the counters that alerts watch there before they count: Prometheus sees no step from nothing to one."""
        for source in sources:
            for status in REFUSALS:
                self.webhooks.labels(source, status)
            for reason in REFUSED_BECAUSE:
                self.webhooks_refused.labels(source, reason)
        for sink in sinks:
            for outcome in REPORT_OUTCOMES:
                self.reports.labels(sink, outcome)
            for outcome in ("deleted", "stays"):
                self.duplicates.labels(sink, outcome)
        for kind in kinds:
            self.leases_lost.labels(kind)
            self.work_failures.labels(kind)
        for kind in redactions:
            self.redactions.labels(kind)
        for what in ("note", "event", "other"):
            self.writes.labels("pagerduty", what)

    def forget_target(self, name: str) -> None:
        """The rules in force do not name it any more."""
        with contextlib.suppress(KeyError):
            self.target_up.remove(name)

    def _counter(self, name: str, says: str, *labels: str) -> Counter:
        return Counter(name, says, labels, registry=self.registry)

    def _gauge(self, name: str, says: str, *labels: str) -> Gauge:
        return Gauge(name, says, labels, registry=self.registry)

    def _seconds(self, name: str, says: str, *labels: str) -> Histogram:
        return Histogram(name, says, labels, buckets=SECONDS, registry=self.registry)


def set_up_log(
    *, as_json: bool, level: str, redact: Callable[[str], str], also: Callable[[dict[str, Any]], None] | None = None
) -> None:
    """Log to stderr; every text that is handed in passes `redact`, the text of exceptions included.

    `also` is shown each event as a dict (the demo draws from it).
    """

    def redacted(_: Any, __: str, event: Any) -> Any:
        return {key: _clean(value, redact) for key, value in event.items()}

    def shown(_: Any, __: str, event: Any) -> Any:
        if also is not None:
            also(dict(event))
            raise structlog.DropEvent
        return event

    renderer: Any = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    lines = _Lines(Spool(STANDARD_ERROR, say_lost=_say_lost))
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.format_exc_info,
            redacted,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            shown,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=False,
    )


def log_everything(
    *, as_json: bool, level: str, redact: Callable[[str], str], also: Callable[[dict[str, Any]], None] | None = None
) -> None:
    """The log of a whole process: `set_up_log`, and all that others say in it too. Every command starts with it."""
    set_up_log(as_json=as_json, level=level, redact=redact, also=also)
    _hear_everything(level=level)


def _hear_everything(*, level: str) -> None:
    """Have what libraries log, warnings, and exceptions that nobody caught pass through the log that was set up, and so
    through redaction: their texts quote addresses, statements and bodies.

    Libraries are heard from warning on, at level debug from info on; their own debug lines hold whole answers.
    """
    root = logging.getLogger()
    root.handlers = [_Heard()]
    root.setLevel(logging.INFO if level.lower() == "debug" else logging.WARNING)
    logging.captureWarnings(True)
    sys.excepthook = lambda _kind, error, _trace: _uncaught(error, "main")
    threading.excepthook = lambda it: _uncaught(it.exc_value, it.thread.name if it.thread else "a thread")
    sys.unraisablehook = lambda it: _uncaught(it.exc_value, it.err_msg or "while something was thrown away")


class _Heard(logging.Handler):
    """A line of a library becomes an event of ours."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            said = record.getMessage()
        except Exception as bug:  # noqa: BLE001 - a library's own mistake in a line of its log
            said = f"a line that cannot be put together: {type(bug).__name__}"
        error = record.exc_info or None
        structlog.get_logger().log(record.levelno, "library.said", library=record.name, said=said, exc_info=error)


def _uncaught(error: BaseException | None, where: str) -> None:
    if isinstance(error, KeyboardInterrupt):
        return
    structlog.get_logger().critical("bug.uncaught", where=where, exc_info=error)


class _Lines:
    """Standard error, less what it does not take: neither a full disk nor a reader that stalls may stop the work."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool

    def msg(self, line: str) -> None:
        """One event."""
        self._spool.write(line + "\n")

    debug = info = warning = error = critical = msg


def _say_lost(lines: int) -> None:
    structlog.get_logger().error("log.lost", lines=lines, why="standard error was not read, or its disk was full")


def _clean(value: Any, redact: Callable[[str], str]) -> Any:
    match value:
        case str():
            return redact(value)
        case bool() | int() | float() | None:
            return value
        case dict():
            return {redact(str(key)): _clean(it, redact) for key, it in value.items()}
        case list() | tuple():
            return [_clean(it, redact) for it in value]
        case _:
            return redact(str(value))
