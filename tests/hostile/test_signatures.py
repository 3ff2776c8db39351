"""S6: who is not PagerDuty, and what is PagerDuty's but was sent before."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from typing import Any

import asyncpg
import pytest

from tests.faults.daemon import Daemon
from tests.faults.world import until
from tests.hostile.attack import SECRET, Answer, all_of, ask, attacked, request, signed
from tests.hostile.test_json import EVENT

PATH = "/webhooks/pagerduty"
HEADER = "X-PagerDuty-Signature"

pytestmark = pytest.mark.faults


def event(name: str) -> bytes:
    return json.dumps(EVENT).replace("HOSTILE", name).encode()


def digest(body: bytes, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


async def post(daemon: Daemon, body: bytes, *lines: str) -> Answer:
    return await ask(daemon, request(PATH, body, *lines))


async def test_what_does_not_prove_itself_is_403(daemon: Daemon) -> None:
    body = event("FORGED")
    right = digest(body)
    shown = {
        "nothing": (),
        "empty": (f"{HEADER}: ",),
        "no version": (f"{HEADER}: {right}",),
        "another version": (f"{HEADER}: v2={right}",),
        "the secret": (f"{HEADER}: v1={SECRET}",),
        "another secret": (f"{HEADER}: v1={digest(body, 'other')}",),
        "another body": (f"{HEADER}: v1={digest(b'other')}",),
        "one digit off": (f"{HEADER}: v1={right[:-1]}{'0' if right[-1] != '0' else '1'}",),
        "too short": (f"{HEADER}: v1={right[:-1]}",),
        "too long": (f"{HEADER}: v1={right}0",),
        "upper case": (f"{HEADER}: v1={right.upper()}",),
        "no hex": (f"{HEADER}: v1={'é' * 64}",),
        "a thousand": (f"{HEADER}: {','.join(['v1=' + '0' * 64] * 110)}",),
        "of the body written anew": (f"{HEADER}: v1={digest(json.dumps(json.loads(body), indent=1).encode())}",),
        "as a bearer token": (f"Authorization: Bearer {SECRET}",),
    }

    async with attacked(daemon, f"{len(shown)} kinds of no or forged signature") as attack:
        answers = dict(zip(shown, await all_of(post(daemon, body, *it) for it in shown.values()), strict=True))
        attack.saw(*answers.values())

    assert {name: it.status for name, it in answers.items() if it.status != 403} == {}
    assert (await post(daemon, body, f"{HEADER}: v1={right}")).json["accepted"] == 1  # nothing of it was remembered


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param("{header}: v1={zero},v1={right}", id="two, the second fits"),
        pytest.param("{header}: v1={right}, v1={zero}", id="two, the first fits"),
        pytest.param("{header}: v1={other}", id="of the secret before the rotation"),
        pytest.param("x-pagerduty-signature: v1={right}", id="header in small letters"),
        pytest.param("X-PAGERDUTY-SIGNATURE: v1={right}", id="header in capitals"),
        pytest.param("{header}: v2={zero},v1={right}", id="beside another version"),
    ],
)
async def test_one_signature_that_fits_is_enough(daemon: Daemon, lines: str) -> None:
    body = event(hashlib.sha256(lines.encode()).hexdigest()[:10].upper())
    other = digest(body, f"another-{SECRET}")

    answer = await post(daemon, body, lines.format(header=HEADER, right=digest(body), zero="0" * 64, other=other))

    assert (answer.status, answer.json["accepted"]) == (202, 1)


@pytest.mark.parametrize(("seconds", "name"), [(1, "SECOND"), (49 * 3600, "HOURS"), (6 * 86400, "DAYS")])
async def test_what_is_sent_again_starts_nothing(daemon: Daemon, seconds: int, name: str) -> None:
    body = event(name)
    first = await post(daemon, body, signed(body), f"X-Webhook-Id: webhook-{name}")
    assert first.json["accepted"] == 1
    await until(lambda: looked_at(daemon), 30)
    before = await counts(daemon)
    await make_older(daemon, seconds)

    again = await all_of(post(daemon, body, signed(body), *it) for it in ((f"X-Webhook-Id: webhook-{name}",), ()))

    assert [(it.status, it.json["accepted"], it.json["duplicates"]) for it in again] == [(202, 0, 1)] * 2
    assert await counts(daemon) == before


async def test_a_receipt_outlives_six_days_of_sweeps_and_no_longer_than_needed(daemon: Daemon) -> None:
    """The sweep that would forget is made to run, and seen to."""
    body = event("SWEPT")
    await post(daemon, body, signed(body), "X-Webhook-Id: webhook-swept")
    await make_older(daemon, 6 * 86400)
    connection = await asyncpg.connect(daemon.dsn)
    try:
        await connection.execute("insert into receipts values ('pagerduty', '\\x00', now() - interval '8 days')")
        await connection.execute("update work set due_at = now() where kind = 'sweep'")
        await until(lambda: _none_left(connection), 30)
    finally:
        await connection.close()

    again = await post(daemon, body, signed(body), "X-Webhook-Id: webhook-swept")

    assert (again.json["accepted"], again.json["duplicates"]) == (0, 1)


async def _none_left(connection: Any) -> bool:
    return not await connection.fetchval("select count(*) from receipts where id = '\\x00'")


async def looked_at(daemon: Daemon) -> bool:
    """Whether no incident waits for a look or has one now: looks write to timelines."""
    connection = await asyncpg.connect(daemon.dsn)
    try:
        return not await connection.fetchval(
            "select count(*) from work where kind = 'respond' and (held or due_at <= now())"
        )
    finally:
        await connection.close()


async def make_older(daemon: Daemon, seconds: int) -> None:
    connection = await asyncpg.connect(daemon.dsn)
    try:
        await connection.execute("update receipts set at = at - $1 * interval '1 second'", seconds)
    finally:
        await connection.close()


async def counts(daemon: Daemon) -> tuple[int, int, int]:
    """Incidents, alerts, lines of timelines."""
    connection = await asyncpg.connect(daemon.dsn)
    try:
        row = await connection.fetchrow(
            "select (select count(*) from incidents), (select count(*) from alerts), (select count(*) from timeline)"
        )
    finally:
        await connection.close()
    return tuple(row)


async def test_the_time_of_a_refusal_does_not_tell_how_far_a_signature_fits(daemon: Daemon) -> None:
    """Coarse: a comparison byte by byte of 64 digits is far below what a network shows; a look-up would not be."""
    body = event("TIMED")
    right = digest(body)
    almost, nothing = f"{HEADER}: v1={right[:-1]}g", f"{HEADER}: v1={'g' * 64}"
    times: dict[str, list[float]] = {almost: [], nothing: []}
    for _ in range(60):
        for line, taken in times.items():
            began = time.perf_counter()
            assert (await post(daemon, body, line)).status == 403
            taken.append(time.perf_counter() - began)

    medians = sorted(sorted(taken)[len(taken) // 2] for taken in times.values())
    assert medians[1] <= 3 * medians[0], medians
