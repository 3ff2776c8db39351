"""`responder drill` as a process, beside a daemon with real sinks: a receiver of reports, and PagerDuty's stand-in."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from responder.demo.alerting_plan import ROUTING_KEY
from responder.demo.pagerduty import TOKEN, StandInPagerDuty
from responder.demo.pagerduty_account import BOT_EMAIL
from responder.drill import Drill
from responder.model.incident import DRILL
from tests.cli.conftest import Command
from tests.contracts.pagerduty_openapi import PagerDutyContract
from tests.kept import WEBHOOK_TOKEN, Kept, kept_in

RULE = "alertname=KilledByADrill"


def given(kept: Kept) -> dict[str, str]:
    return {"RESPONDER_ALERTMANAGER_TOKENS": WEBHOOK_TOKEN, "COLUMNS": "200", "TARGET_URL": "http://127.0.0.1:1"}


async def test_a_drill_is_told_everywhere_marked_timed_and_resolved_again(kept: Kept, command: Command) -> None:
    done = await command("drill", RULE, "--url", kept.daemon.url, "--json", **given(kept))

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    (sink,) = told["sinks"]
    assert (told["told"], told["complete"], sink["sink"], sink["state"]) == (True, True, "report_webhook", "visible")
    assert 0 < sink["seconds"] < 60
    assert told["title"].startswith("TEST · ")
    report = next(it for it in kept.posts if it["incident"] == told["incident"])
    assert report["title"].startswith("TEST · ")
    listed = await kept.json(f"/api/v1/incidents/{told['incident']}")
    assert listed["alerts"]["firing"] == 0
    assert "canary" not in done.stdout + done.stderr


@pytest.fixture
async def paged(
    embedded_database: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Kept, StandInPagerDuty]]:
    server = await StandInPagerDuty.start(event_delay_seconds=0)
    settings: dict[str, Any] = {"pagerduty_token": TOKEN, "pagerduty_url": server.url, "pagerduty_from": BOT_EMAIL}
    async with kept_in(embedded_database, monkeypatch, **settings) as made:
        yield made, server
    await server.stop()


async def test_with_a_routing_key_pagerduty_is_paged_and_its_note_timed(
    paged: tuple[Kept, StandInPagerDuty], command: Command, pagerduty_contract: PagerDutyContract
) -> None:
    kept, server = paged
    where = given(kept) | {"RESPONDER_DATABASE_URL": kept.database, "RESPONDER_NAME": "test"}
    where |= {"RESPONDER_PAGERDUTY_EVENTS_URL": server.url}

    alone = await command("drill", RULE, "--url", kept.daemon.url, **where)
    both = await command("drill", RULE, "--url", kept.daemon.url, "--routing-key", ROUTING_KEY, **where)

    assert (alone.returncode, both.returncode) == (0, 0), both.stdout
    assert "nobody was paged, so there is no incident to write to; --routing-key pages" in alone.stdout
    rows = {line.split()[0]: line.split() for line in both.stdout.splitlines() if "visible" in line}
    assert set(rows) == {"pagerduty_note", "report_webhook"}
    (incident,) = server.account.incidents.values()
    assert incident.status == "resolved"
    (note,) = [it.content for it in incident.notes]
    assert " · TEST · " in note.splitlines()[0]
    for request in server.requests:
        if request.path.startswith("/v2"):
            pagerduty_contract.check(request)


@pytest.mark.parametrize(
    ("words", "variables", "code", "says"),
    [
        (("service=x",), {}, 2, "no rule takes an alert with alertname=ResponderDrill, severity=info, service=x"),
        ((RULE, "--url", "http://127.0.0.1:1"), {}, 1, "is the daemon running there? --url says where"),
        ((RULE,), {"RESPONDER_ALERTMANAGER_TOKENS": ""}, 2, "RESPONDER_ALERTMANAGER_TOKENS is not set"),
        ((RULE, "URL"), {"RESPONDER_ALERTMANAGER_TOKENS": "another"}, 1, "/webhooks/alertmanager: HTTP 401"),
        (("alertname",), {}, 2, "alertname: expected label=value"),
    ],
)
async def test_what_cannot_be_tried_is_said(
    words: tuple[str, ...], variables: dict[str, str], code: int, says: str, kept: Kept, command: Command
) -> None:
    arguments = [it for word in words for it in (("--url", kept.daemon.url) if word == "URL" else (word,))]

    done = await command("drill", *arguments, **(given(kept) | variables))

    assert done.returncode == code
    assert says in done.stderr


def test_what_is_posted_is_what_a_rule_of_ones_own_would_see() -> None:
    began = datetime(2026, 11, 21, 3, 12, tzinfo=UTC)
    drill = Drill(number="4f", labels={"alertname": "A"}, began=began, url="http://r", routing_key="k")

    assert drill.body()["alerts"][0]["labels"] == {"alertname": "A", DRILL: "4f"}
    assert drill.body(ended=began)["status"] == "resolved"
    assert drill.event("trigger")["dedup_key"] == drill.event("resolve")["dedup_key"]
