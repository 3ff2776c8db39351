"""`responder trace`: by whatever name an alert is known."""

from __future__ import annotations

import hashlib
import json
import re

import pytest

from responder.intake.fingerprint import fingerprint_of
from tests.cli.conftest import Command
from tests.kept import BAD, FIRING, GROUP_KEY, Kept

FINGERPRINT = fingerprint_of(FIRING["labels"])  # type: ignore[arg-type]


async def linked(kept: Kept) -> None:
    """The incident is known to PagerDuty as well."""
    async with kept.daemon.desk.store.connection() as connection:
        await connection.execute(
            """insert into links (kind, source, key, incident, external_id, url)
               values ('pagerduty', '', 'Q2X9ABCDEF', 1, 'Q2X9ABCDEF', 'https://x.pagerduty.com/incidents/Q2X9ABCDEF')"""
        )


@pytest.mark.parametrize(
    ("name", "read_as"),
    [
        pytest.param(FINGERPRINT, "fingerprint", id="fingerprint"),
        pytest.param(GROUP_KEY, "group key", id="group key"),
        pytest.param(hashlib.sha256(GROUP_KEY.encode()).hexdigest(), "group key", id="its SHA-256"),
        pytest.param("Q2X9ABCDEF", "incident elsewhere", id="PagerDuty's incident"),
        pytest.param("inc-0001", "incident", id="ours"),
    ],
)
async def test_every_name_leads_to_the_same_incident(kept: Kept, command: Command, name: str, read_as: str) -> None:
    await linked(kept)

    traced = json.loads((await command("trace", name, "--json")).stdout)

    assert traced["read_as"] == [read_as]
    assert [it["incident"] for it in traced["incidents"]] == ["inc-0001"]


async def test_every_step_is_told(kept: Kept, command: Command) -> None:
    await kept.post(FIRING)
    await linked(kept)

    traced = await command("trace", GROUP_KEY)

    lines = [line.split(None, 1) for line in traced.stdout.splitlines() if not line.startswith(" ")]
    assert traced.returncode == 0
    assert [head for head, *_ in lines][:7] == [
        "inc-0001",
        "Known",
        "Known",
        "Accepted",
        "Accepted",
        "Matched",
        "Decided",
    ]
    assert "alertmanager default: 1 accepted, 1 quarantined" in lines[3][1]
    assert "alertmanager default: 1 duplicates" in lines[4][1]
    assert lines[6][1] == "P1 by Is it down?"
    assert kept.posts[0]["digest"][:16] in traced.stdout
    assert "Waits        respond: " in traced.stdout
    assert re.search(r"; asked\s+for\s+at\s+[\d:]{8},\s+(next\s+at|held\s+until)\s+[\d:]{8}", traced.stdout)
    assert "`responder quarantine show 1`" in " ".join(traced.stdout.split())


async def test_a_wait_is_told_with_its_reason_and_when_it_ends(kept: Kept, command: Command) -> None:
    kept.status = 429
    await kept.post(FIRING, group="another")
    await kept.report(2)

    (incident,) = json.loads((await command("trace", "another", "--json")).stdout)["incidents"]

    wait = next(it for it in incident["waits"] if it["work"] == "deliver:report_webhook")
    assert "answered 429" in wait["why"]
    assert (wait["held"], wait["since"] < wait["due_at"]) == (False, True)
    assert "canary-of-the-report-webhook" not in json.dumps(incident)


async def test_what_was_only_put_aside_is_found(kept: Kept, command: Command) -> None:
    traced = await command("trace", fingerprint_of(BAD["labels"]))  # type: ignore[arg-type]

    assert traced.returncode == 0
    assert traced.stdout.startswith("Quarantined")


async def test_a_resolve_that_nobody_had_heard_of_is_found(kept: Kept, command: Command) -> None:
    over = {**FIRING, "status": "resolved", "endsAt": "2026-11-21T03:20:00Z"}
    await kept.post(over, group="never fired")

    traced = await command("trace", "never fired")

    assert traced.returncode == 0
    assert "1 accepted; no incident came of it" in " ".join(traced.stdout.split())


async def test_what_was_never_heard_of_is_exit_1_and_says_where_to_look(kept: Kept, command: Command) -> None:
    traced, wrong = await command("trace", "0123456789abcdef"), await command("trace", " ")

    assert (traced.returncode, traced.stdout, wrong.returncode) == (1, "", 2)
    assert "request.refused" in traced.stderr
