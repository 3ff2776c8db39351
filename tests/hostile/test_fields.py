"""S5: more labels, longer values and more alerts than anybody honest sends; characters that lie. And text of nothing
but secrets, which takes the longest to read."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import asyncpg
import pytest

from responder.intake.cutting import CUT, CUT_NOTE
from responder.intake.source import Limits
from tests.faults.daemon import Daemon
from tests.hostile.attack import MB, all_of, ask, attacked, bearer, request

PATH = "/webhooks/alertmanager"
LIMITS = Limits()

pytestmark = [pytest.mark.faults, pytest.mark.alone]


def alert(number: int = 0, labels: Mapping[str, str] | None = None, **annotations: str) -> dict[str, Any]:
    return {
        "status": "firing",
        "labels": {"alertname": "HostileFields", "n": str(number), **(labels or {})},
        "annotations": annotations,
        "startsAt": "2026-11-21T03:12:00Z",
    }


def body_of(group: str, *alerts: Mapping[str, Any]) -> bytes:
    body = {"version": "4", "groupKey": group, "status": "firing", "alerts": alerts}
    return json.dumps(body, ensure_ascii=False).encode()


async def stored(daemon: Daemon, number: str) -> tuple[dict[str, str], dict[str, str]]:
    """Labels and annotations of the one alert with this label `n`."""
    connection = await asyncpg.connect(daemon.dsn)
    try:
        [row] = await connection.fetch(
            "select labels, annotations from alerts where labels->>'alertname' = 'HostileFields' and labels->>'n' = $1",
            number,
        )
    finally:
        await connection.close()
    return json.loads(row["labels"]), json.loads(row["annotations"])


async def test_ten_thousand_labels_are_cut_and_say_so(daemon: Daemon) -> None:
    raw = body_of("labels", alert(1, {f"label_{number}": "x" for number in range(10_000)}))

    async with attacked(daemon, "10,000 labels", most_mb=40) as attack:
        answer = await ask(daemon, request(PATH, raw, bearer()))
        attack.saw(answer)

    labels, annotations = await stored(daemon, "1")
    assert (answer.status, answer.json["accepted"]) == (202, 1)
    assert len(labels) == LIMITS.labels + 1  # `source` is ours
    assert annotations[CUT_NOTE] == f"{10_002 - LIMITS.labels} labels cut"


async def test_a_label_of_a_megabyte_is_cut_and_says_so(daemon: Daemon) -> None:
    raw = body_of("long", alert(2, {"long": "x" * (MB - 1000)}))

    async with attacked(daemon, "a label value of 1 MB", most_mb=40) as attack:
        answer = await ask(daemon, request(PATH, raw, bearer()))
        attack.saw(answer)

    labels, _ = await stored(daemon, "2")
    assert (answer.status, answer.json["accepted"]) == (202, 1)
    assert (len(labels["long"]), labels["long"][-len(CUT) :]) == (LIMITS.label_chars, CUT)


@pytest.mark.parametrize("number", [1_000, 5_000, 7_000])
async def test_as_many_alerts_as_a_body_can_hold_are_accounted_for(daemon: Daemon, number: int) -> None:
    raw = body_of(f"many-{number}", *(alert(number * 10 + it) for it in range(number)))
    assert len(raw) <= MB

    async with attacked(daemon, f"{number} alerts in a body of {len(raw) // 1000} kB", most_mb=120) as attack:
        answer = await ask(daemon, request(PATH, raw, bearer()))
        attack.saw(answer)

    assert (answer.status, answer.json["accepted"]) == (202, number)


async def test_more_alerts_than_the_bound_are_put_aside_and_counted(daemon: Daemon) -> None:
    raw = b'{"groupKey": "tiny", "alerts": [' + b",".join([b"{}"] * 100_000) + b"]}"

    async with attacked(daemon, "100,000 alerts in a body", most_mb=120) as attack:
        answer = await ask(daemon, request(PATH, raw, bearer()))
        attack.saw(answer)

    assert (answer.status, answer.json["quarantined"]) == (202, 100_000)


async def test_a_hundred_thousand_whole_alerts_are_over_the_size(daemon: Daemon) -> None:
    answer = await ask(daemon, request(PATH, body_of("whole", *([alert()] * 100_000)), bearer()))

    assert answer.status == 413


async def test_characters_that_lie_are_taken_out(daemon: Daemon) -> None:
    lies = "\x1b[31mred\x1b[0m \u202eesrever\u202c zero\u200bwidth\ufeff \x07bell \x9b1mC1 a\rb \u2028line"
    raw = body_of("lies", alert(3, {"lies": lies}, summary=lies))

    answer = await ask(daemon, request(PATH, raw, bearer()))

    labels, annotations = await stored(daemon, "3")
    assert answer.json["accepted"] == 1
    assert labels["lies"] == annotations["summary"] == "red esrever zerowidth bell C1 a\nb \nline"
    listing = await ask(daemon, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert not any(it in listing.body.decode() for it in "\x1b\u202e\u200b\x07")


@pytest.mark.parametrize("size", [30, 100])
async def test_bodies_of_nothing_but_short_secrets_delay_nobody(daemon: Daemon, size: int) -> None:
    short = [base64.b64encode(f"password={number:04}".encode()).decode() for number in range(50 * size)]
    raw = json.dumps(short).encode()
    number = 1200 // size

    async with attacked(daemon, f"{number} × {size} kB of short secrets in base64", most_mb=60) as attack:
        answers = await all_of(ask(daemon, request(PATH, raw, bearer()), within_seconds=60) for _ in range(number))
        attack.saw(*answers)

    assert {it.status for it in answers} <= {202, 503}
    assert 202 in {it.status for it in answers}


@pytest.mark.parametrize(
    "hit",
    [
        "password=a ",
        "password=x,",
        'token="x" ',
        "token: abc\n",
        "a@b.co ",
        "password%3Dx ",
        "+a %41 ",
        "4111111111111111 ",
    ],
)
async def test_a_body_of_nothing_but_secrets_delays_nobody(daemon: Daemon, hit: str) -> None:
    raw = body_of(f"hits {hit}", alert(4, summary=hit * (900_000 // (len(json.dumps(hit)) - 2))))
    assert len(raw) <= MB

    async with attacked(daemon, f"3 × 900 kB of {hit!r}", most_mb=60) as attack:
        answers = await all_of(ask(daemon, request(PATH, raw, bearer()), within_seconds=60) for _ in range(3))
        attack.saw(*answers)

    assert {it.status for it in answers} <= {202, 503}
    assert 202 in {it.status for it in answers}
