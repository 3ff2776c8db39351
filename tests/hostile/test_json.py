"""S4: JSON that is none, or that two readers would read differently, from every sender."""

from __future__ import annotations

import json

import pytest

from tests.faults.daemon import Daemon
from tests.faults.world import Case
from tests.hostile.attack import Answer, all_of, ask, attacked, bearer, request, signed

pytestmark = pytest.mark.faults

GOOD = Case(name="HostileJson").body
EVENT = {
    "event": {
        "id": "01HOSTILE",
        "event_type": "incident.triggered",
        "resource_type": "incident",
        "occurred_at": "2026-11-21T03:12:00Z",
        "agent": None,
        "client": None,
        "data": {
            "id": "QHOSTILE",
            "type": "incident",
            "status": "triggered",
            "title": "TITLE",
            "created_at": "2026-11-21T03:12:00Z",
            "html_url": "https://example.pagerduty.com/incidents/QHOSTILE",
        },
    }
}


def around(value: bytes) -> bytes:
    """The value as one more field of an Alertmanager body in order."""
    return GOOD.rstrip()[:-1] + b', "more": ' + value + b"}"


# No reader takes these.
UNPARSABLE = {
    "empty": b"",
    "cut in the middle": GOOD[: len(GOOD) // 2],
    "no JSON": b"no json",
    "trailing comma": b'{"a": 1,}',
    "single quotes": b"{'a': 1}",
    "comment": b"{} // a",
    "two values": b"{} {}",
    "UTF-16": GOOD.decode().encode("utf-16"),
    "UTF-8 cut": b'{"a": "\xe2\x82"}',
    "overlong UTF-8": b'{"a": "\xc0\x80"}',
    "surrogate in UTF-8": b'{"a": "\xed\xa0\x80"}',
    "NUL outside of text": b'{"a": \x00}',
    "bare NUL in text": b'{"a": "\x00"}',
    "depth 100,000, lists": b"[" * 100_000 + b"]" * 100_000,
    "depth 100,000, objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "depth 100,000, open": b"[" * 100_000,
    "leading zeros": b'{"a": 007}',
    "hex": b'{"a": 0x10}',
    "half an escape": b'{"a": "\\u12"}',
}
# The grammar allows these, or readers are known to.
ODD = {
    "byte order mark": b"\xef\xbb\xbf" + GOOD,
    "NaN": around(b"NaN"),
    "Infinity": around(b"-Infinity"),
    "1e999": around(b"1e999"),
    "lone surrogate": around(b'"\\ud800"'),
    "lone low surrogate": around(b'"a\\udc00b"'),
    "escaped NUL": around(b'"a\\u0000b"'),
    "2^64": around(b"18446744073709551616"),
    "4,000 digits": around(b"9" * 4000),
    "name twice": around(b'{"a": 1, "a": 2}'),
    "no object": b"[1, 2]",
    "null": b"null",
    "text": b'"text"',
    "empty object": b"{}",
    "alerts null": b'{"groupKey": "g", "alerts": null}',
    "depth 150": around(b"[" * 150 + b"]" * 150),
    "labels a list": GOOD.replace(b'"labels": {', b'"labels": [], "x": {').replace(b'"labels":{', b'"labels":[],"x":{'),
}


async def test_a_known_sender_of_no_json_is_400(daemon: Daemon) -> None:
    paths = ("/webhooks/alertmanager", "/webhooks/grafana", "/webhooks/generic/custom")

    async with attacked(daemon, f"{len(UNPARSABLE)} kinds of malformed JSON × {len(paths)} senders") as attack:
        answers = {
            (path, name): await ask(daemon, request(path, body, bearer()))
            for path in paths
            for name, body in UNPARSABLE.items()
        }
        attack.saw(*answers.values())

    assert {which: it.status for which, it in answers.items() if it.status != 400} == {}


async def test_odd_json_is_taken_or_put_aside_and_counted(daemon: Daemon) -> None:
    paths = ("/webhooks/alertmanager", "/webhooks/grafana", "/webhooks/generic/custom")

    async with attacked(daemon, f"{len(ODD)} kinds of odd JSON × {len(paths)} senders") as attack:
        answers = {
            (path, name): await ask(daemon, request(path, body, bearer()))
            for path in paths
            for name, body in ODD.items()
        }
        attack.saw(*answers.values())

    assert {which: it.status for which, it in answers.items() if it.status != 202} == {}
    assert {name for (path, name), it in answers.items() if not total(it)} == {"alerts null"}  # there is none in it


def total(answer: Answer) -> int:
    """How many alerts an answer accounts for."""
    return sum(value for value in answer.json.values() if isinstance(value, int))


async def test_a_signed_body_is_202_and_put_aside_whatever_it_is(daemon: Daemon) -> None:
    bodies = UNPARSABLE | ODD | {f"event with {name}": body for name, body in odd_events().items()}

    async with attacked(daemon, f"{len(bodies)} kinds of malformed or odd JSON, signed") as attack:
        answers = {
            name: await ask(daemon, request("/webhooks/pagerduty", body, signed(body))) for name, body in bodies.items()
        }
        attack.saw(*answers.values())

    assert {name: it.status for name, it in answers.items() if it.status != 202} == {}
    assert {name for name, it in answers.items() if total(it) != 1} == set()
    for name in UNPARSABLE:
        assert answers[name].json["quarantined"] == 1, name
    assert answers["event with duplicate names"].json["quarantined"] == 1
    assert answers["event with NUL in the title"].json["accepted"] == 1
    assert not daemon.events("webhook.not_kept")
    assert not daemon.events("request.failed")
    assert not daemon.events("webhook.quarantined")  # PostgreSQL itself refused nothing


def odd_events() -> dict[str, bytes]:
    """PagerDuty events of which one thing is odd, each of another incident."""

    def event(number: int, title: str = "TITLE") -> bytes:
        text = json.dumps(EVENT).replace("HOSTILE", f"HOSTILE{number}")
        return text.replace("TITLE", title).encode()

    return {
        "NUL in the title": event(1, "a\\u0000b"),
        "lone surrogate in the title": event(2, "a\\ud800b"),
        "duplicate names": event(3).replace(b'"status": "triggered"', b'"status": "resolved", "status": "triggered"'),
        "NUL in the id": event(4).replace(b'"01HOSTILE4"', b'"01\\u0000HOSTILE4"'),
        "NUL in the incident": event(5).replace(b'"QHOSTILE5"', b'"Q\\u0000HOSTILE5"'),
        "5,000 digits": event(6).replace(b'"client": null', b'"client": ' + b"9" * 5000),
        "a year of 99999": event(7).replace(b"2026-11-21", b"99999-11-21"),
        "year 1 east of Greenwich": event(8).replace(b"2026-11-21T03:12:00Z", b"0001-01-01T00:00:00+14:00"),
        "a number as the title": event(9).replace(b'"TITLE"', b"7"),
        "1e999 as the client": event(10).replace(b'"client": null', b'"client": 1e999'),
        "a path as the incident": event(11).replace(b'"QHOSTILE11"', b'"../../users"'),
    }


async def test_a_stranger_learns_nothing_of_how_a_body_reads(daemon: Daemon) -> None:
    bodies = list((UNPARSABLE | ODD).values())
    unsigned = [request("/webhooks/pagerduty", body) for body in bodies]
    forged = [request("/webhooks/pagerduty", body, signed(body, "not the secret")) for body in bodies]

    async with attacked(daemon, f"the same {len(bodies)}, unsigned and forged") as attack:
        answers = await all_of(ask(daemon, it) for it in unsigned + forged)
        attack.saw(*answers)

    assert {it.status for it in answers} == {403}
    assert len({it.body for it in answers}) == 2
