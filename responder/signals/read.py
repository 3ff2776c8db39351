"""Reads every signal that is wanted, all at once, in time; a failure is a reading that says why there is none."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from responder.clients.doors import Doors
from responder.errors import CouldNotLook
from responder.model.alert import Alert
from responder.model.pack import Signal, Target
from responder.model.reading import AnyReading, NoReading
from responder.model.sources import (
    HttpSource,
    JsonSource,
    MetricsSource,
    PayloadSource,
    PostgresSource,
    PrometheusSource,
    RedisSource,
)
from responder.signals.http import read_http
from responder.signals.json_path import read_json
from responder.signals.label_values import Alerts, combinations
from responder.signals.metrics import read_metrics
from responder.signals.payload import read_payload
from responder.signals.postgres import read_postgres
from responder.signals.prometheus import read_prometheus
from responder.signals.redis import read_redis
from responder.signals.signal import Reader, Wanted, own_step

READERS: dict[type, Reader] = {
    PrometheusSource: read_prometheus,
    HttpSource: read_http,
    JsonSource: read_json,
    MetricsSource: read_metrics,
    RedisSource: read_redis,
    PostgresSource: read_postgres,
}

Fors = float | Sequence[float]


async def read(
    wanted: Mapping[Signal, Fors],
    alerts_labels: Alerts,
    targets: Mapping[str, Target],
    doors: Doors,
    now: datetime,
    *,
    within_seconds: float,
    payloads: Sequence[Alert] = (),
) -> dict[str, tuple[AnyReading, ...]]:
    """Readings by the signal's name, one for each combination of label values in its query.

    `wanted`: each signal with the seconds of its bounds' `for`, or of the longest alone.
    `alerts_labels`: labels of the alerts that may fill `{{ labels.x }}`; `payloads`: those alerts whole.
    Never raises for a signal; what could not be read within `within_seconds` is a NoReading that says so.
    """
    async with asyncio.TaskGroup() as group:
        tasks = {
            signal.name: [
                group.create_task(_one(it, doors)) if isinstance(it, Wanted) else it
                for it in (
                    read_payload(signal, payloads, now, own_step(signal.source, _seconds(fors)))
                    if isinstance(signal.source, PayloadSource)
                    else _each(signal, fors, alerts_labels, targets, now, within_seconds)
                )
            ]
            for signal, fors in wanted.items()
        }
    return {
        name: tuple(it.result() if isinstance(it, asyncio.Task) else it for it in several)
        for name, several in tasks.items()
    }


def _each(
    signal: Signal, fors: Fors, alerts: Alerts, targets: Mapping[str, Target], now: datetime, within_seconds: float
) -> list[Wanted | NoReading]:
    """One for each combination of label values; what cannot be read at all is a NoReading already."""
    target = targets.get(signal.source.target)
    if target is None:
        return [_unread(signal, now, f"target {signal.source.target} is not defined", fors=_seconds(fors))]
    basis = Wanted(
        signal=signal,
        target=target,
        fors=_seconds(fors),
        now=now,
        within_seconds=within_seconds,
    )
    chosen, complaints = combinations(signal, alerts)
    return [
        *(replace(basis, labels=labels) for labels in chosen),
        *(_unread(signal, now, why, labels, fors=basis.fors) for why, labels in complaints),
    ]


def _seconds(fors: Fors) -> tuple[float, ...]:
    return tuple(float(it) for it in ((fors,) if isinstance(fors, int | float) else fors) if it > 0)


async def _one(wanted: Wanted, doors: Doors) -> AnyReading:
    signal = wanted.signal
    try:
        async with asyncio.timeout(wanted.within_seconds):
            return await READERS[type(signal.source)](wanted, doors)
    except CouldNotLook as reason:
        why = str(reason)
    except TimeoutError:
        why = f"no answer from {wanted.target.name} within {wanted.within_seconds:g} s"
    except Exception as bug:  # noqa: BLE001 - the one boundary: a bug in one reading must not cost the others
        why = f"bug in reading {signal.name}: {type(bug).__name__}: {str(bug)[:200]}"
    return _unread(signal, wanted.now, why, wanted.labels, fors=wanted.fors)


def _unread(
    signal: Signal, now: datetime, why: str, labels: Mapping[str, str] | None = None, *, fors: Sequence[float]
) -> NoReading:
    step = own_step(signal.source, fors)
    return NoReading(signal=signal.name, why=why, at=now, step_seconds=step, labels=tuple((labels or {}).items()))
