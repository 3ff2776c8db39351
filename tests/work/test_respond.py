"""The path of one alert, from the webhook to the note, seen from outside a daemon that runs in this process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from responder.demo.pagerduty import TOKEN
from tests.work.conftest import PACK, World

Start = Callable[..., Awaitable[World]]


async def test_an_alert_becomes_one_note_on_the_incident_of_its_group(world: Start) -> None:
    it = await world()
    other, incident = await it.page("another group"), await it.page()
    told = await it.post()
    await it.until(lambda: it.notes(incident))

    (note,) = it.notes(incident)
    assert told["incidents"] == ["inc-0001"]
    assert note.startswith("P1 · API does not answer: serving 0 % (critical: < 1 %")
    assert 'Why P1: "Is the API completely down?" YES (0 %) → P1' in note
    assert "  1. HTTP 503 in" in note
    assert note.splitlines()[-1].endswith("[responder:test:inc-0001]")
    assert it.notes(other) == []


async def test_the_note_says_when_it_is_over(world: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("responder.report.compare.BETWEEN_EDITS", timedelta(0))
    it = await world()
    incident = await it.page()
    await it.post()
    await it.until(lambda: it.notes(incident))
    it.target.status = 200
    await it.post(status="resolved")
    await it.until(lambda: "Resolved after" in it.notes(incident)[0])

    assert len(it.notes(incident)) == 1
    assert "Nothing unhealthy" in it.notes(incident)[0]


async def test_the_first_report_leaves_at_its_deadline_and_the_rest_comes_in_one_edit(world: Start) -> None:
    slow = (
        PACK.replace("signals:\n  serving: {unit: percent, http: {up: [/health]}}\n", "")
        .replace('    thresholds: {serving: {critical: "< 1%"}}\n', "    level: critical\n")
        .replace(
            '    - {ask: "Is the API completely down?", when: {serving: "< 1%"}, then: P1}\n',
            '    - {ask: "Any?", when: {labels: service="api"}, then: P1}\n',
        )
    )
    it = await world(slow, first_report_within="2s", diagnostic_timeout="5s")
    it.target.seconds = 3.5
    incident = await it.page()
    await it.post()
    await it.until(lambda: it.notes(incident))
    early = it.notes(incident)[0]
    await it.until(lambda: "Still looking" not in it.notes(incident)[0])

    assert "Still looking: http.status" in early
    assert "  1. HTTP 503 in" in it.notes(incident)[0]
    assert [request.method for request in it.pagerduty.asked("P* /incidents/*/notes*")] == ["POST", "PUT"]


async def test_a_pagerduty_incident_that_comes_later_gets_the_note(world: Start) -> None:
    it = await world()
    await it.post()
    await it.until(lambda: it.events("report.composed"))
    await it.until(lambda: it.pagerduty.asked("GET /incidents"))
    waiting = await it.rows("select state, why from deliveries")
    incident = await it.page()
    await it.until(lambda: it.notes(incident))

    assert [state for state, _ in waiting] in ([], ["waiting"])
    assert len(it.notes(incident)) == 1


async def test_without_an_incident_the_page_says_what_it_waits_for(world: Start) -> None:
    it = await world()
    await it.post()
    await it.until(lambda: len(it.pagerduty.asked("GET /incidents")) >= 2)

    assert "waiting for a PagerDuty incident, last looked" in await it.get("/incidents/inc-0001")


async def test_no_rule_no_report(world: Start) -> None:
    it = await world()
    incident = await it.page()
    await it.post(alertname="SomethingElse")
    await it.until(lambda: it.events("alert.handled"))

    assert it.notes(incident) == []
    assert await it.rows("select count(*) from reports") == [(0,)]
    assert "inc-0001" in await it.get("/")


async def test_a_private_incident_goes_to_no_sink(world: Start) -> None:
    it = await world(PACK.replace("  - name: down\n", "  - name: down\n    private: true\n"), report_stdout=True)
    incident = await it.page()
    await it.post()
    await it.until(lambda: it.events("incident.linked"))
    await it.until(lambda: it.events("alert.handled"))
    await it.until(
        lambda: (
            len([e for e in it.said if e["event"] == "work.finishing" and str(e["work"]).startswith("deliver:")]) >= 2
        )
    )

    assert (it.notes(incident), it.printed) == ([], [])
    assert "private: a rule keeps it to private channels" in await it.get("/incidents/inc-0001")


async def test_in_shadow_everything_is_done_but_nothing_is_delivered(world: Start) -> None:
    it = await world(shadow=True, report_stdout=True)
    incident = await it.page()
    await it.post()
    await it.until(lambda: it.events("alert.handled"))

    assert (it.notes(incident), it.printed) == ([], [])
    assert "API does not answer" in await it.get("/incidents/inc-0001")


async def test_an_incident_keeps_the_rules_that_it_started_with(world: Start) -> None:
    it = await world()
    incident = await it.page()
    await it.post()
    await it.until(lambda: it.notes(incident))
    it.daemon.desk.rules.packs = ()
    it.daemon.desk.former_packs.clear()
    await it.post(status="resolved")
    await it.until(lambda: it.events("report.composed")[1:])

    assert it.events("report.composed")[-1]["title"].startswith("Resolved after")


async def test_what_fires_and_ends_before_the_first_look_is_still_told(world: Start) -> None:
    it = await world()
    incident = await it.page()
    it.target.seconds = 0.3
    await it.post()
    await it.post(status="resolved")
    await it.until(lambda: it.notes(incident))

    assert len(it.notes(incident)) == 1


async def test_one_line_a_handled_alert_with_its_durations(world: Start) -> None:
    it = await world()
    await it.post()
    await it.until(lambda: it.events("alert.handled"))

    (line,) = it.events("alert.handled")
    assert {"alert", "incident", "rules", "verdict", "since_accepted_seconds", "read_seconds"} <= set(line)


async def test_canaries_reach_no_byte_that_is_stored_or_leaves(world: Start) -> None:
    it = await world(report_stdout=True)
    incident = await it.page()
    canaries = ["canary-pass-17", "canary-token-23", "canary.patient@example.com", "canary-url-31"]
    await it.post(
        password=canaries[0],
        note=f"Authorization: Bearer {canaries[1]}",
        owner=canaries[2],
        link=f"postgresql://app:{canaries[3]}@db/prod",
        group='{}:{password="canary-group-47"}',
    )
    await it.post(group="x", service="api password=canary-late-53")
    await it.until(lambda: len(it.events("alert.handled")) == 2)
    incident_of_group = await it.page('{}:{password="canary-group-47"}')
    await it.until(lambda: it.notes(incident_of_group))

    tables = await it.rows("select tablename from pg_tables where schemaname = 'public'")
    stored = "".join([str(await it.rows(f"select t::text from {name} t")) for (name,) in tables])
    left = (
        str(it.notes(incident_of_group)) + str(it.printed) + str(it.said) + await it.get("/") + await it.get("/metrics")
    )
    left += await it.get("/incidents/inc-0001") + str(
        [(r.path, r.body) for r in it.pagerduty.requests if r.method != "GET"]
    )
    for canary in [
        *canaries,
        "canary-group-47",
        "canary-late-53",
        "canary-target-token-81",
        TOKEN,
        "webhook-token-of-the-tests",
    ]:
        assert canary not in stored, canary
        assert canary not in left, canary
    assert "[redacted:" in stored
    assert it.notes(incident) == []


async def test_a_bound_that_must_last_is_pending_until_our_own_samples_cover_it(world: Start) -> None:
    lasting = PACK.replace('critical: "< 1%"}}', 'critical: "< 1% for 3s"}}').replace(
        "{up: [/health]}", "{up: [/health], step: 5s}"
    )
    it = await world(lasting)
    incident = await it.page()
    await it.post()
    await it.until(lambda: it.notes(incident))
    await it.until(lambda: len(it.events("report.composed")) >= 2)

    titles = [event["title"] for event in it.events("report.composed")]
    assert "; pending: " in titles[0]
    assert "breached for" in titles[1]


async def test_a_bug_in_responder_is_said_on_the_incident(world: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError("a bug")

    it = await world()
    incident = await it.page()
    with monkeypatch.context() as patched:
        patched.setattr("responder.work.situation.compose", broken)
        await it.post()
        await it.until(lambda: it.notes(incident))
    await it.until(lambda: "API does not answer" in it.notes(incident)[0])

    assert len(it.notes(incident)) == 1
    assert it.events("work.failed")[0]["why"] == "KeyError: 'a bug'"


async def test_a_group_that_fires_anew_on_the_same_pagerduty_incident_is_told_there(world: Start) -> None:
    it = await world(reopen_within="0s")
    incident = await it.page()
    await it.post()
    await it.until(lambda: it.notes(incident))
    await it.post(status="resolved")
    await it.until(lambda: len(it.events("alert.handled")) == 2)
    await it.post(starts="2026-11-21T03:30:00Z")
    await it.until(lambda: len(it.notes(incident)) == 2)

    assert [note.splitlines()[-1].rpartition("[")[2] for note in it.notes(incident)] == [
        "responder:test:inc-0001]",
        "responder:test:inc-0002]",
    ]
    assert "continues inc-0001" in it.notes(incident)[1]


async def test_the_end_is_told_though_the_next_incident_has_its_alerts_already(
    world: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who looks late finds no alert at the former one, nor a rule for it: its note would say "firing" for ever."""
    monkeypatch.setattr("responder.report.compare.BETWEEN_EDITS", timedelta(0))
    it = await world(reopen_within="0s")
    incident = await it.page()
    await it.post()
    await it.until(lambda: it.notes(incident))
    it.target.seconds, asked = 1.0, len(it.target.asked)
    await it.rows("update work set due_at = now() where kind = 'respond' returning id")
    await it.until(lambda: len(it.target.asked) > asked)

    await it.post(status="resolved")
    await it.post(starts="2026-11-21T03:30:00Z")
    await it.until(lambda: "Resolved after" in it.notes(incident)[0])

    assert await it.incidents() == [("inc-0001", "resolved"), ("inc-0002", "open")]
    assert "API does not answer" in it.notes(incident)[0]


async def test_a_warning_is_looked_at_again_when_it_may_have_become_critical(world: Start) -> None:
    both = PACK.replace('critical: "< 1%"}}', 'warning: "< 50%", critical: "< 1% for 4s"}}').replace(
        "{up: [/health]}", "{up: [/health], step: 60s}"
    )
    it = await world(both)
    await it.post()
    await it.until(lambda: len(it.events("report.composed")) >= 2, seconds=20)

    titles = [event["title"] for event in it.events("report.composed")]
    assert "(warning: < 50 %" in titles[0]
    assert "(critical: < 1 % for 4s" in titles[1]
