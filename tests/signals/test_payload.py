"""The number that an alert carries."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from responder.clients.doors import Doors
from responder.model.alert import Alert, AlertStatus
from responder.model.pack import Signal
from responder.model.reading import AnyReading, NoReading, Reading
from responder.model.sources import PayloadSource, Unit
from responder.signals.read import read

NOW = datetime(2026, 11, 20, 3, 14, tzinfo=UTC)


def alert(number: int = 1, *, status: AlertStatus = AlertStatus.FIRING, **texts: Mapping[str, str]) -> Alert:
    return Alert(
        fingerprint=f"{number:08x}{0:08x}",
        status=status,
        starts_at=NOW,
        ends_at=None,
        labels={"alertname": "High", **texts.get("labels", {})},
        annotations=texts.get("annotations", {}),
    )


async def readings(source: PayloadSource, *alerts: Alert, unit: Unit = "percent") -> tuple[AnyReading, ...]:
    signal, doors = Signal(name="it", unit=unit, source=source), Doors({})
    found = await read({signal: 0.0}, [it.labels for it in alerts], {}, doors, NOW, within_seconds=1, payloads=alerts)
    return found["it"]


VALUE = PayloadSource(kind="annotations", name="value")


@pytest.mark.parametrize(
    ("source", "texts", "unit", "value"),
    [
        (VALUE, {"annotations": {"value": "7.3"}}, "percent", 7.3),
        (VALUE, {"annotations": {"value": "7.3%"}}, "percent", 7.3),
        (VALUE, {"annotations": {"value": " 7.3 % "}}, "ratio", 0.073),
        (VALUE, {"annotations": {"value": "340ms"}}, "seconds", 0.34),
        (VALUE, {"annotations": {"value": "1.2k"}}, "count", 1200.0),
        (PayloadSource(kind="values", name="A"), {"annotations": {"values.A": "812.5"}}, "count", 812.5),
        (PayloadSource(kind="labels", name="threshold"), {"labels": {"threshold": "5"}}, "count", 5.0),
    ],
)
async def test_a_number_is_read_where_it_stands(
    source: PayloadSource, texts: dict[str, dict[str, str]], unit: Unit, value: float
) -> None:
    (reading,) = await readings(source, alert(**texts), unit=unit)

    assert isinstance(reading, Reading)
    assert reading.value == pytest.approx(value)
    assert reading.origin == f"{source.text} of the alert High"


@pytest.mark.parametrize(
    ("alerts", "why"),
    [
        ((), "no alert fires, which would carry it"),
        ((alert(status=AlertStatus.RESOLVED, annotations={"value": "9"}),), "no alert fires, which would carry it"),
        ((alert(),), "the alert has no annotations.value"),
        ((alert(annotations={"value": ""}),), "the alert has no annotations.value"),
        ((alert(annotations={"value": "NaN"}),), 'expected percent such as 5%, got "NaN"'),
        ((alert(annotations={"value": "seven"}),), 'expected percent such as 5%, got "seven"'),
        ((alert(annotations={"value": "[redacted:phone]"}),), "annotations.value is redacted"),
    ],
)
async def test_without_a_number_it_is_unknown(alerts: tuple[Alert, ...], why: str) -> None:
    (reading,) = await readings(VALUE, *alerts)

    assert isinstance(reading, NoReading)
    assert reading.why == why


async def test_each_firing_alert_is_read_at_most_ten() -> None:
    alerts = [alert(it, annotations={"value": str(it)}) for it in range(12)]
    found = await readings(VALUE, *alerts)

    assert [it.value for it in found if isinstance(it, Reading)] == list(range(10))
    assert isinstance(found[-1], NoReading)
    assert found[-1].why == "read from 10 of 12 alerts"
    assert len({it.labels for it in found}) == 11
