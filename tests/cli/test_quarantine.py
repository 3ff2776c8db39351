"""`responder quarantine`: what was not understood is shown, and read again through the door it came by."""

from __future__ import annotations

import json
from typing import Any

from responder.intake.fingerprint import fingerprint_of
from tests.cli.conftest import Command
from tests.kept import BAD, FIRING, Kept

PAUSED_KEY = "ab" * 32


async def put_aside(kept: Kept, body: Any, identities: dict[str, str], kind: str = "alertmanager") -> int:
    """As an older version did, which did not understand what this one does."""
    text = body if isinstance(body, str) else json.dumps(body)
    async with kept.daemon.desk.store.connection() as connection:
        number: int = await connection.fetchval(
            """insert into quarantine (kind, source, reason, body, identities)
               values ($1, 'default', 'alert: `x`', $2, $3) returning id""",
            kind,
            text,
            identities,
        )
        return number


async def alerts(kept: Kept) -> list[tuple[str, str]]:
    async with kept.daemon.desk.store.connection() as connection:
        rows = await connection.fetch(
            """select encode(a.fingerprint, 'hex') as alert, encode(l.key, 'hex') as key
               from alerts a join links l on l.id = a.link order by l.id, 1"""
        )
        return [(row["alert"], row["key"]) for row in rows]


async def left(kept: Kept) -> list[int]:
    async with kept.daemon.desk.store.connection() as connection:
        return [row["id"] for row in await connection.fetch("select id from quarantine where retried_at is null")]


async def test_it_is_listed_and_shown_with_its_redacted_text(kept: Kept, command: Command) -> None:
    listed, shown = await command("quarantine"), await command("quarantine", "show", "1")

    assert (listed.returncode, shown.returncode) == (0, 0)
    assert listed.stdout.splitlines()[0].split() == ["ID", "AT", "(UTC)", "FROM", "WHY"]
    assert "`status`" in listed.stdout
    assert max(map(len, listed.stdout.splitlines())) <= 80
    assert '"status": "smouldering"' in shown.stdout


async def test_machines_are_told_the_same_as_by_the_api(kept: Kept, command: Command) -> None:
    listed, shown = await command("quarantine", "--json"), await command("quarantine", "show", "1", "--json")

    assert json.loads(listed.stdout) == await kept.json("/api/v1/quarantine")
    assert json.loads(shown.stdout) == await kept.json("/api/v1/quarantine/1")


async def test_what_is_understood_now_is_accepted_with_the_identities_that_were_kept(
    kept: Kept, command: Command
) -> None:
    known = {"key": PAUSED_KEY, "fingerprint": "c0ffee00c0ffee00"}
    number = await put_aside(kept, FIRING | {"labels": {"alertname": "KilledLater", "user": "[redacted:email]"}}, known)

    retried = await command("quarantine", "retry", str(number))

    assert (retried.returncode, retried.stderr) == (0, "")
    assert retried.stdout == f"{number}: 1 accepted → inc-0002\n"
    assert (await alerts(kept))[-1] == ("c0ffee00c0ffee00", PAUSED_KEY)
    assert number not in await left(kept)
    await kept.report(2)
    assert kept.posts[-1]["alerts"]["names"] == ["KilledLater"]


async def test_a_second_retry_accepts_nothing(kept: Kept, command: Command) -> None:
    number = await put_aside(kept, FIRING, {"key": PAUSED_KEY})
    await command("quarantine", "retry", str(number))

    again = await command("quarantine", "retry", str(number))

    assert again.returncode == 1
    assert f"{number}: stays: it was accepted at" in again.stdout


async def test_one_that_was_cut_off_before_its_mark_is_a_duplicate_the_next_time(kept: Kept, command: Command) -> None:
    number = await put_aside(kept, FIRING, {"key": PAUSED_KEY})
    await command("quarantine", "retry", str(number))
    async with kept.daemon.desk.store.connection() as connection:
        await connection.execute("update quarantine set retried_at = null where id = $1", number)

    again = await command("quarantine", "retry", str(number))

    assert (again.returncode, again.stdout) == (0, f"{number}: 1 duplicates → inc-0002\n")


async def test_all_are_retried_in_order_and_what_is_refused_again_stays(kept: Kept, command: Command) -> None:
    good = await put_aside(kept, FIRING, {"key": PAUSED_KEY})
    whole = await put_aside(kept, {"groupKey": "whole", "alerts": [FIRING, BAD]}, {})
    cut = await put_aside(kept, '{"status": "firing", "lab…[cut]', {"key": PAUSED_KEY})
    lost = await put_aside(kept, "", {"key": PAUSED_KEY})
    foreign = await put_aside(kept, FIRING, {}, kind="nagios")

    retried = await command("quarantine", "retry", "--all", "--json")

    told = {it["id"]: it for it in json.loads(retried.stdout)["retried"]}
    assert retried.returncode == 1
    assert list(told) == [1, good, whole, cut, lost, foreign]
    assert [told[it]["understood"] for it in told] == [False, True, True, False, False, False]
    assert (told[whole]["accepted"], told[whole]["quarantined"]) == (1, 1)
    assert told[1]["why"].startswith("alert: `status`")
    assert "too long" in told[cut]["why"]
    assert "nothing of it was kept" in told[lost]["why"]
    assert "reads nothing from nagios" in told[foreign]["why"]
    assert await left(kept) == [1, cut, lost, foreign, foreign + 1]  # the last one: the bad alert of the whole body


async def test_a_daemon_s_own_quarantine_keeps_the_fingerprint_of_the_original(kept: Kept, command: Command) -> None:
    shown = json.loads((await command("quarantine", "show", "1", "--json")).stdout)

    assert shown["identities"]["fingerprint"] == fingerprint_of(BAD["labels"])  # type: ignore[arg-type]
    assert len(shown["identities"]["key"]) == 64


async def test_retry_wants_one_or_all(kept: Kept, command: Command) -> None:
    neither, both = await command("quarantine", "retry"), await command("quarantine", "retry", "1", "--all")
    missing = await command("quarantine", "show", "99")

    assert (neither.returncode, both.returncode, missing.returncode) == (2, 2, 1)
    assert "expected an ID, or --all" in neither.stderr
