"""The number that an alert itself carries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from responder.model.alert import Alert, AlertStatus
from responder.model.pack import Signal
from responder.model.quantities import parse_number
from responder.model.reading import AnyReading, NoReading, Reading, Sample
from responder.model.sources import PayloadSource

MOST_ALERTS = 10
REDACTED = "[redacted"
NAMED_BY = "alert"  # the label by which readings of several alerts are told apart


def read_payload(signal: Signal, alerts: Sequence[Alert], now: datetime, step_seconds: float) -> tuple[AnyReading, ...]:
    """One reading for each firing alert, at most ten; of what rang no alert there is none."""
    firing = [it for it in alerts if it.status is AlertStatus.FIRING]
    if not firing:
        return (_none(signal, now, step_seconds, "no alert fires, which would carry it"),)
    return tuple(_each(signal, firing, now, step_seconds))


def _each(signal: Signal, firing: Sequence[Alert], now: datetime, step_seconds: float) -> Iterator[AnyReading]:
    for alert in firing[:MOST_ALERTS]:
        try:
            value = _number(signal, alert)
        except ValueError as why:
            yield _none(signal, now, step_seconds, str(why), alert)
        else:
            yield Reading(
                signal=signal.name,
                value=value,
                at=now,
                past=(Sample(at=now, value=value),),
                step_seconds=step_seconds,
                origin=f"{_source(signal).text} of the alert {alert.name}",
                labels=_labels(alert),
            )
    if len(firing) > MOST_ALERTS:
        yield _none(signal, now, step_seconds, f"read from {MOST_ALERTS} of {len(firing)} alerts")


def _number(signal: Signal, alert: Alert) -> float:
    """In the signal's unit, whether or not a unit stands behind it; raises ValueError with the reason."""
    source = _source(signal)
    texts = alert.labels if source.kind == "labels" else alert.annotations
    # Grafana's numbers, as intake keeps them, are annotations that are called `values.A`.
    text = texts.get(source.text if source.kind == "values" else source.name, "")
    if not text.strip():
        raise ValueError(f"the alert has no {source.text}")
    if REDACTED in text:
        raise ValueError(f"{source.text} is redacted")
    return parse_number(text, signal.unit, signal.noun)


def _source(signal: Signal) -> PayloadSource:
    assert isinstance(signal.source, PayloadSource)
    return signal.source


def _labels(alert: Alert) -> tuple[tuple[str, str], ...]:
    return ((NAMED_BY, f"{alert.name} {alert.fingerprint[:8]}"),)


def _none(signal: Signal, now: datetime, step_seconds: float, why: str, alert: Alert | None = None) -> NoReading:
    labels = _labels(alert) if alert is not None else ()
    return NoReading(signal=signal.name, why=why, at=now, step_seconds=step_seconds, labels=labels)
