"""The stand-in answers, refuses and forgets nothing, as PagerDuty does."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from responder.demo.pagerduty import TOKEN, StandInPagerDuty
from responder.demo.pagerduty_account import BOT_EMAIL, PERSON_EMAIL

ACCEPT = "application/vnd.pagerduty+json;version=2"
HEADERS = {
    "Authorization": f"Token token={TOKEN}",
    "Accept": ACCEPT,
    "Content-Type": "application/json",
    "From": BOT_EMAIL,
}
KEY = "2c214e69c4c57320756c8ba5c3eb304ed9aa8d296d53afccd82ea40172143fca"


def without(name: str) -> dict[str, str]:
    return {key: value for key, value in HEADERS.items() if key != name}


async def test_an_event_is_accepted_at_once_and_becomes_an_incident_later(
    http: aiohttp.ClientSession, until: Any
) -> None:
    pagerduty = await StandInPagerDuty.start(event_delay_seconds=0.2)
    event = {
        "routing_key": "0" * 32,
        "event_action": "trigger",
        "dedup_key": KEY,
        "payload": {"summary": "down", "source": "a", "severity": "error"},
    }

    async with http.post(pagerduty.events_url, json=event) as answer:
        accepted = answer.status, await answer.json()
    before = len(pagerduty.account.incidents)
    await until(lambda: pagerduty.account.incidents)

    assert accepted == (202, {"status": "success", "message": "Event processed", "dedup_key": KEY})
    assert before == 0
    await pagerduty.stop()


async def test_an_incident_is_found_by_the_key_of_its_alert_and_has_none_itself(caller: Any) -> None:
    incident = await caller.incident()

    status, found = await caller.ask("GET", f"/incidents?incident_key={KEY}&statuses[]=triggered&date_range=all")
    _, none = await caller.ask("GET", f"/incidents?incident_key={'0' * 64}&date_range=all")

    assert status == 200
    assert [(it["id"], it["incident_key"]) for it in found["incidents"]] == [(incident, None)]
    assert none == {"incidents": [], "limit": 25, "offset": 0, "total": None, "more": False}


async def test_an_empty_incident_key_is_ignored_and_gives_everything(caller: Any) -> None:
    await caller.incident("one")
    await caller.incident("two")

    _, found = await caller.ask("GET", "/incidents?incident_key=&date_range=all")

    assert len(found["incidents"]) == 2


async def test_incidents_are_filtered_by_status_and_service_and_come_in_pages(caller: Any, pagerduty: Any) -> None:
    first, second = await caller.incident("one"), await caller.incident("two")
    pagerduty.resolve(first)

    async def ids(query: str) -> list[str]:
        return [it["id"] for it in (await caller.ask("GET", f"/incidents?{query}"))[1]["incidents"]]

    assert await ids("statuses[]=triggered&statuses[]=acknowledged") == [second]
    assert await ids("statuses[]=resolved") == [first]
    assert await ids("service_ids[]=PF9KMXH") == [first, second]
    assert await ids("service_ids[]=PNOBODY") == []
    _, page = await caller.ask("GET", "/incidents?limit=1&offset=0&total=true")
    assert (len(page["incidents"]), page["more"], page["total"]) == (1, True, 2)
    assert (await caller.ask("GET", "/incidents?limit=100&offset=9999"))[0] == 400
    assert (await caller.ask("GET", "/incidents?statuses[]=open"))[0] == 400


async def test_an_old_incident_is_seen_only_with_date_range_all(http: aiohttp.ClientSession, until: Any) -> None:
    now = datetime(2026, 9, 1, tzinfo=UTC)
    pagerduty = await StandInPagerDuty.start(event_delay_seconds=0, clock=lambda: now)
    payload = {"summary": "down", "source": "a", "severity": "error"}
    event = {"routing_key": "0" * 32, "event_action": "trigger", "dedup_key": KEY, "payload": payload}
    await (await http.post(pagerduty.events_url, json=event)).read()
    await until(lambda: pagerduty.account.incidents)
    now += timedelta(days=60)

    async def count(query: str) -> int:
        async with http.get(f"{pagerduty.url}/incidents?{query}", headers=HEADERS) as answer:
            return len((await answer.json())["incidents"])

    assert [await count(""), await count("date_range=all"), await count("since=2026-08-31T00:00:00Z")] == [0, 1, 1]
    await pagerduty.stop()


async def test_a_second_trigger_is_folded_and_a_resolved_incident_never_reopens(
    caller: Any, pagerduty: Any, until: Any
) -> None:
    first = await caller.incident()
    await caller.event()
    await until(lambda: pagerduty.account.incidents[first].alerts[0].events == 2)
    await caller.event("resolve")
    await until(lambda: pagerduty.account.incidents[first].status == "resolved")

    second = await caller.incident()

    assert list(pagerduty.account.incidents) == [first, second]
    assert pagerduty.account.incidents[first].status == "resolved"


async def test_an_event_can_acknowledge_and_one_for_an_unknown_key_changes_nothing(
    caller: Any, pagerduty: Any, until: Any
) -> None:
    incident = await caller.incident()
    await caller.event("resolve", key="unknown")
    await caller.event("acknowledge")

    await until(lambda: pagerduty.account.incidents[incident].status == "acknowledged")


async def test_one_key_may_be_open_at_two_services(caller: Any, pagerduty: Any, until: Any) -> None:
    ledger = pagerduty.account.add_service("ledger", routing_key="f" * 32)
    await caller.incident()
    await caller.event(routing_key="f" * 32)
    await until(lambda: len(pagerduty.account.incidents) == 2)

    assert [it.service.id for it in pagerduty.account.incidents.values()] == ["PF9KMXH", ledger.id]


async def test_ids_are_the_same_in_every_run_and_look_like_pagerdutys(caller: Any) -> None:
    incident = await caller.incident()
    _, made = await caller.note(incident)

    assert (incident, made["note"]["id"]) == ("Q0AYLCPK7J6F67", "PMLJ9IL")


async def test_a_note_is_made_listed_edited_and_deleted(caller: Any) -> None:
    incident = await caller.incident()
    _, made = await caller.note(incident, "first\nfindings")
    path = f"/incidents/{incident}/notes/{made['note']['id']}"

    edited = await caller.ask("PUT", path, json={"note": {"content": "second"}})
    listed = await caller.ask("GET", f"/incidents/{incident}/notes")
    deleted = await caller.ask("DELETE", path)
    empty = await caller.ask("GET", f"/incidents/{incident}/notes")
    again = await caller.ask("DELETE", path)

    assert edited[0] == 200
    assert [it["content"] for it in listed[1]["notes"]] == ["second"]
    assert listed[1]["notes"][0]["user"]["id"] == "PRESP0B"
    assert (deleted, empty) == ((204, None), (200, {"notes": []}))
    assert again == (404, {"error": {"message": "Not Found", "code": 2100}})


async def test_alerts_are_filtered_by_their_key_and_users_me_is_the_bot(caller: Any) -> None:
    incident = await caller.incident()

    _, found = await caller.ask("GET", f"/incidents/{incident}/alerts?alert_key={KEY}")
    _, none = await caller.ask("GET", f"/incidents/{incident}/alerts?alert_key=other")
    _, me = await caller.ask("GET", "/users/me")

    assert [(it["alert_key"], it["body"]["details"]) for it in found["alerts"]] == [(KEY, {"num_firing": "1"})]
    assert none["alerts"] == []
    assert (me["user"]["id"], me["user"]["email"]) == ("PRESP0B", BOT_EMAIL)


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        pytest.param(without("Authorization"), 401, 2006, id="no key"),
        pytest.param({**HEADERS, "Authorization": "Token token=other"}, 401, 2006, id="another key"),
        pytest.param({**HEADERS, "Authorization": f"Bearer {TOKEN}"}, 401, 2006, id="a key in another form"),
        pytest.param({**HEADERS, "Accept": "application/json"}, 406, 2001, id="no version"),
        pytest.param({**HEADERS, "Content-Type": "text/plain"}, 400, 2001, id="another content type"),
        pytest.param(without("From"), 400, 2016, id="no From"),
        pytest.param({**HEADERS, "From": "responder"}, 400, 1028, id="a From that is no address"),
        pytest.param({**HEADERS, "From": "nobody@example.com"}, 400, 1008, id="a From that nobody has"),
    ],
)
async def test_a_write_with_wrong_headers_is_refused_and_stores_nothing(
    caller: Any, pagerduty: Any, headers: dict[str, str], status: int, code: int
) -> None:
    incident = await caller.incident()

    answered, body = await caller.ask(
        "POST", f"/incidents/{incident}/notes", headers=headers, data='{"note": {"content": "x"}}'
    )

    assert (answered, body["error"]["code"]) == (status, code)
    assert pagerduty.account.incidents[incident].notes == []


async def test_a_get_needs_its_content_type_too(caller: Any) -> None:
    status, body = await caller.ask("GET", "/incidents", headers=without("Content-Type"))

    assert (status, body["error"]["errors"]) == (400, ["Content-Type must be application/json"])


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param('{"note": {"content": "x"}}', 200, id="a note"),
        pytest.param('{"note": {"content": "' + "ä" * 32_767 + '"}}', 200, id="as long as it may be, in bytes"),
        pytest.param('{"note": {"content": "' + "ä" * 32_768 + '"}}', 400, id="one byte too long"),
        pytest.param('{"note": {"content": " "}}', 400, id="empty"),
        pytest.param('{"note": {"content": 7}}', 400, id="no text"),
        pytest.param('{"note": {}}', 400, id="no content"),
        pytest.param('{"content": "x"}', 400, id="no note"),
        pytest.param("not JSON", 400, id="no JSON"),
    ],
)
async def test_note_bodies_are_checked(caller: Any, body: str, status: int) -> None:
    incident = await caller.incident()

    answered, _ = await caller.ask("POST", f"/incidents/{incident}/notes", data=body.encode())

    assert answered == status


async def test_an_incident_takes_2000_notes_and_no_more(caller: Any, pagerduty: Any) -> None:
    incident = await caller.incident()
    for number in range(1999):
        pagerduty.add_note(incident, f"note {number}")

    answers = [(await caller.note(incident))[0] for _ in range(2)]

    assert answers == [200, 400]


@pytest.mark.parametrize(
    "path",
    ["/incidents/QNONE", "/incidents/QNONE/alerts", "/incidents/QNONE/notes", "/incidents/custom/fields", "/nowhere"],
)
async def test_what_is_unknown_is_not_found(caller: Any, path: str) -> None:
    assert await caller.ask("GET", path) == (404, {"error": {"message": "Not Found", "code": 2100}})


def payload(**other: str) -> dict[str, str]:
    return {"summary": "down", "source": "a", "severity": "error", **other}


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"routing_key": "short"}, "Length of 'routing_key' is incorrect (should be 32 characters)"),
        ({"action": "open"}, "'event_action' is invalid"),
        ({"action": "resolve", "key": ""}, "'dedup_key' is missing or blank"),
        ({"key": "k" * 256}, "'dedup_key' is not a string of at most 255 characters"),
        ({"payload": None}, "'payload' is missing or blank"),
        ({"payload": payload(summary="")}, "'payload.summary' is missing or blank"),
        ({"payload": payload(source="")}, "'payload.source' is missing or blank"),
        ({"payload": payload(severity="page")}, "'payload.severity' is invalid"),
        ({"payload": payload(summary="a" * 1025)}, "'payload.summary' is too long (maximum is 1024 characters)"),
    ],
)
async def test_wrong_events_are_refused(caller: Any, wrong: dict[str, Any], complaint: str) -> None:
    status, body = await caller.event(**wrong)

    assert (status, body["status"], len(body["errors"])) == (400, "invalid event", 1)
    assert body["errors"][0].startswith(complaint)


async def test_over_the_rate_limit_it_says_when_to_come_again(http: aiohttp.ClientSession) -> None:
    pagerduty = await StandInPagerDuty.start(per_minute=2)
    seen = []
    for _ in range(3):
        async with http.get(f"{pagerduty.url}/incidents", headers=HEADERS) as answer:
            seen.append((answer.status, answer.headers["ratelimit-limit"], answer.headers["ratelimit-remaining"]))
            reset = int(answer.headers["ratelimit-reset"])

    assert seen == [(200, "2", "1"), (200, "2", "0"), (429, "2", "0")]
    assert 0 < reset <= 61
    await pagerduty.stop()


async def test_an_accounts_key_is_nobodys_and_its_writes_are_the_senders(
    http: aiohttp.ClientSession, pagerduty_contract: Any
) -> None:
    pagerduty = await StandInPagerDuty.start(event_delay_seconds=0, account_key=True)
    incident = pagerduty.create_incident("customers cannot pay")
    subscription = pagerduty.subscribe("http://127.0.0.1:9/hook")

    async def ask(method: str, path: str, headers: dict[str, str], **more: Any) -> tuple[int, Any]:
        async with http.request(method, pagerduty.url + path, headers=headers, **more) as answer:
            return answer.status, await answer.json(content_type=None)

    status, said = await ask("GET", "/users/me", HEADERS)
    path, note = f"/incidents/{incident}/notes", {"note": {"content": "findings"}}
    refused, complaint = await ask("POST", path, without("From"), json=note)
    await ask("POST", path, {**HEADERS, "From": PERSON_EMAIL}, json=note)
    await ask("POST", f"/webhook_subscriptions/{subscription.id}/ping", without("From"))

    assert (status, said["error"]["code"]) == (400, 2001)
    pagerduty_contract.check_response("GET", "/users/me", status, said)
    assert (refused, complaint["error"]["code"]) == (400, 2016)
    assert [it.user.email for it in pagerduty.account.incidents[incident].notes] == [PERSON_EMAIL]
    bodies = [json.loads(it.body)["event"] for it in pagerduty.webhooks.waiting]
    assert [(it["event_type"], (it["agent"] or {}).get("id")) for it in bodies] == [
        ("incident.annotated", "PTUXL6G"),
        ("pagey.ping", None),
    ]
    await pagerduty.stop()


async def test_an_incident_says_when_its_status_changed_and_what_became_of_it(http: aiohttp.ClientSession) -> None:
    now = datetime(2026, 11, 21, 3, tzinfo=UTC)
    pagerduty = await StandInPagerDuty.start(clock=lambda: now)
    incident = pagerduty.create_incident("customers cannot pay")
    seen = []

    async def look() -> None:
        async with http.get(f"{pagerduty.url}/incidents/{incident}", headers=HEADERS) as answer:
            shown = (await answer.json())["incident"]
        priority, at = shown["priority"], shown["last_status_change_at"]
        seen.append((shown["status"], at[14:16], shown["updated_at"][14:16], priority and priority["summary"]))
        assert (shown["resolved_at"] or "").startswith(at if shown["status"] == "resolved" else "")
        assert shown["resolve_reason"] is None

    for act in (
        lambda: None,
        lambda: pagerduty.acknowledge(incident),
        lambda: pagerduty.set_priority(incident, "P1"),
        lambda: pagerduty.resolve(incident),
        lambda: pagerduty.set_priority(incident, None),
        lambda: pagerduty.reopen(incident),
    ):
        act()
        await look()
        now += timedelta(minutes=1)

    assert seen == [
        ("triggered", "00", "00", None),
        ("acknowledged", "01", "01", None),
        ("acknowledged", "01", "02", "P1"),
        ("resolved", "03", "03", "P1"),
        ("resolved", "03", "04", None),
        ("triggered", "05", "05", None),
    ]
    await pagerduty.stop()


async def test_who_takes_an_incident_on_becomes_its_assignee_until_it_is_handed_over(
    caller: Any, pagerduty: Any
) -> None:
    incident = await caller.incident()
    sam = pagerduty.add_user("Sam Secondary", "sam@example.com")

    async def look() -> tuple[str, list[str], list[str]]:
        shown = (await caller.ask("GET", f"/incidents/{incident}"))[1]["incident"]
        assigned = [it["assignee"]["id"] for it in shown["assignments"]]
        return shown["status"], assigned, [it["acknowledger"]["id"] for it in shown["acknowledgements"]]

    seen = [await look()]
    pagerduty.acknowledge(incident, by=sam)
    seen.append(await look())
    pagerduty.reassign(incident, PERSON_EMAIL, by=sam)
    seen.append(await look())
    pagerduty.resolve(incident)
    seen.append(await look())

    assert seen == [
        ("triggered", ["PTUXL6G"], []),
        ("acknowledged", [sam.id], [sam.id]),
        ("triggered", ["PTUXL6G"], []),
        ("resolved", [], []),
    ]


async def test_every_request_is_written_down_and_can_be_counted_from_outside(caller: Any, pagerduty: Any) -> None:
    incident = await caller.incident()
    await caller.note(incident, "findings")

    _, requests = await caller.ask("GET", "/_requests")
    _, state = await caller.ask("GET", "/_state")

    assert [(it["method"], it["path"], it["answered"]) for it in requests] == [
        ("POST", "/v2/enqueue", 202),
        ("POST", f"/incidents/{incident}/notes", 200),
    ]
    assert pagerduty.asked("POST /incidents/*/notes")[0].json == {"note": {"content": "findings"}}
    assert pagerduty.asked("POST /incidents/*/notes")[0].header("from") == BOT_EMAIL
    assert [note["content"] for note in state["incidents"][0]["notes"]] == ["findings"]


async def test_a_person_acts_by_http(caller: Any, pagerduty: Any) -> None:
    incident = await caller.incident()

    await caller.ask("POST", "/_do", json={"do": "add_note", "incident": incident, "content": "rolled back"})
    await caller.ask("POST", "/_do", json={"do": "acknowledge", "incident": incident})
    acknowledged = pagerduty.account.incidents[incident].status
    await caller.ask("POST", "/_do", json={"do": "resolve", "incident": incident})
    unknown = await caller.ask("POST", "/_do", json={"do": "resolve", "incident": "QNONE"})

    held = pagerduty.account.incidents[incident]
    assert (acknowledged, held.status, held.notes[0].user.email) == ("acknowledged", "resolved", PERSON_EMAIL)
    assert unknown[0] == 400


async def test_a_browser_sees_the_note_escaped_and_without_scripts(caller: Any, http: Any, pagerduty: Any) -> None:
    incident = await caller.incident()
    pagerduty.add_note(incident, "<script>alert(1)</script>\nsecond line")

    pages = []
    for path in ("/", f"/incidents/{incident}"):
        async with http.get(pagerduty.url + path, headers={"Accept": "text/html,*/*"}) as answer:
            assert (answer.status, answer.content_type) == (200, "text/html")
            pages.append(await answer.text())

    assert f"/incidents/{incident}" in pages[0]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\nsecond line" in pages[1]
    assert "<script" not in "".join(pages)
    assert 'name="viewport"' in pages[1]
    assert pagerduty.asked("GET *") == []


async def test_it_runs_as_a_program_of_its_own() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "responder.demo.pagerduty", "--port", "0", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    url = (await process.stdout.readline()).decode().strip()

    async with aiohttp.ClientSession() as http, http.get(f"{url}/users/me", headers=HEADERS) as answer:
        status = answer.status
    process.terminate()
    await process.wait()

    assert status == 200
