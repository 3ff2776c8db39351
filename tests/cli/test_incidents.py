"""`responder incidents`."""

from __future__ import annotations

import json
from datetime import timedelta

from responder.cli.incidents import deliveries, lines_of
from tests.cli.conftest import Command
from tests.conftest import START
from tests.kept import FIRING, Kept


async def test_they_are_listed_within_eighty_columns(kept: Kept, command: Command) -> None:
    listed = await command("incidents")

    head, first = listed.stdout.splitlines()[:2]
    assert (listed.returncode, listed.stderr) == (0, "")
    assert head.split() == ["ID", "STATE", "AGE", "FIRING", "TITLE"]
    assert first.split()[:3] == ["P1", "inc-0001", "open"]
    assert max(map(len, listed.stdout.splitlines())) <= 80
    assert "\x1b" not in listed.stdout


async def test_machines_are_told_the_same_as_by_the_api(kept: Kept, command: Command) -> None:
    listed = await command("incidents", "--json")
    shown = await command("incidents", "show", "inc-0001", "--json")

    one = await kept.json("/api/v1/incidents/inc-0001")
    timeline = await kept.json("/api/v1/incidents/inc-0001/timeline")
    report = await kept.json("/api/v1/incidents/inc-0001/report")
    assert json.loads(listed.stdout) == await kept.json("/api/v1/incidents")
    assert json.loads(shown.stdout) == one | timeline | {"report": report}


async def test_one_is_shown_whole(kept: Kept, command: Command) -> None:
    shown = await command("incidents", "show", "0001")

    assert shown.returncode == 0
    assert 'Why P1: "Is it down?" YES' in shown.stdout
    assert "[responder:test:inc-0001]" in shown.stdout
    assert "Alerts (1 of 1 firing)" in shown.stdout
    assert "report_webhook  –       visible" in shown.stdout
    assert "opened" in shown.stdout.partition("Timeline (UTC)")[2]
    assert "canary" not in shown.stdout


async def test_what_is_over_is_left_out_where_only_open_ones_are_asked_for(kept: Kept, command: Command) -> None:
    await kept.post(FIRING | {"status": "resolved", "endsAt": "2026-11-21T03:20:00Z"})

    assert (await command("incidents", "list", "--state", "open")).stdout == "No incident.\n"
    assert "resolved" in (await command("incidents", "list", "--state", "resolved")).stdout


async def test_one_that_is_not_there_is_exit_1_and_a_wrong_word_is_2(kept: Kept, command: Command) -> None:
    missing = await command("incidents", "show", "inc-ZZZZ")
    wrong = await command("incidents", "shwo")

    assert (missing.returncode, missing.stdout, wrong.returncode) == (1, "", 2)
    assert "there is no incident 'inc-ZZZZ' here" in missing.stderr


async def test_a_database_that_does_not_answer_is_exit_1_and_one_that_is_not_there_is_2(
    embedded_database: str, command: Command
) -> None:
    away = await command("incidents", RESPONDER_DATABASE_URL="postgresql://x@127.0.0.1:1/x")
    none = await command("incidents", RESPONDER_DATABASE_URL=embedded_database.replace("/responder_test", "/no_such"))

    assert (away.returncode, none.returncode) == (1, 2)
    assert "no answer from the database" in away.stderr


async def test_a_database_of_an_older_version_is_not_touched(kept: Kept, command: Command) -> None:
    async with kept.daemon.desk.store.connection() as connection:
        await connection.execute("delete from migrations where number = 2")

    listed = await command("incidents")

    async with kept.daemon.desk.store.connection() as connection:
        assert await connection.fetchval("select max(number) from migrations") != 2
    assert listed.returncode == 2
    assert "its schema is older than this version (paged is missing)" in listed.stderr


async def test_an_empty_database_is_not_made_into_a_store(embedded_database: str, command: Command) -> None:
    listed = await command("incidents", RESPONDER_DATABASE_URL=embedded_database)

    assert listed.returncode == 2
    assert "no responder has kept anything in this database" in listed.stderr


def test_open_ones_stand_before_others_and_hidden_characters_do_not_reach_the_screen() -> None:
    row = {
        "severity": "P1",
        "severity_rank": 0,
        "slug": "inc-0001",
        "state": "open",
        "opened_at": START,
        "alerts_firing": 2,
        "alerts_total": 3,
        "title": "down\x1b[2J \u202egnitirw",
    }

    lines = list(lines_of([row], START + timedelta(hours=3, minutes=20), 80, more=True))

    assert lines[1:] == ["P1  inc-0001  open   3h20m  2/3     down[2J gnitirw", "and more; --limit shows them"]


def test_a_deduplication_key_is_cut_and_what_goes_wrong_is_not() -> None:
    key = "f0378ee7" * 8
    row = {"sink": "pagerduty_event", "object": key, "state": "visible", "delivered_at": None}

    lines = list(deliveries([row | {"foreign_id": key, "tag": "", "why": "answered 429"}], START, 90))

    assert max(map(len, lines)) <= 90
    assert "f0378ee7f0378ee7…; answered 429" in lines[1]
    assert key not in lines[1]
