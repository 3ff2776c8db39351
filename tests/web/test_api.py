"""The API, asked over HTTP of a daemon that was told of an alert."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from responder.errors import StoreUnavailable
from responder.web.api import _markdown
from responder.web.pages import Pages
from tests.conftest import START
from tests.kept import BAD, FIRING, GROUP_KEY, URL_SECRET, Kept, kept_in

API = "/api/v1"


@pytest.fixture
async def kept(embedded_database: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Kept]:
    async with kept_in(embedded_database, monkeypatch) as made:
        yield made


@pytest.fixture
async def told(kept: Kept) -> Kept:
    """One incident, reported; one alert in quarantine."""
    assert (await kept.post(FIRING, BAD))["incidents"] == ["inc-0001"]
    await kept.report()
    return kept


async def test_the_report_is_what_the_webhook_was_sent(told: Kept) -> None:
    asked = await told.json(f"{API}/incidents/inc-0001/report")

    sent = told.posts[-1]
    assert told.keys[-1] == f"[responder:test:inc-0001]:{sent['digest']}"
    assert {**asked, "digest": ""} == {**sent, "digest": ""}
    assert (asked["severity"], asked["marker"], asked["alerts"]["names"]) == (
        "P1",
        "[responder:test:inc-0001]",
        ["KilledNobody"],
    )
    assert "canary-5519" not in json.dumps(asked)


async def test_an_edit_is_posted_with_the_same_marker_and_another_digest(told: Kept) -> None:
    over = FIRING | {"status": "resolved", "endsAt": "2026-11-21T03:20:00Z"}
    async with told.daemon.desk.store.connection() as connection:  # edits are at least a minute apart
        await connection.execute("update deliveries set delivered_at = now() - interval '2 minutes'")
    await told.post(over)
    await told.report(len(told.posts) + 1)

    assert told.posts[-1]["state"] == "resolved"
    assert {key.rpartition(":")[0] for key in told.keys} == {"[responder:test:inc-0001]"}
    assert told.keys[-1] != told.keys[0]


async def test_incidents_are_listed_newest_first_in_pages(told: Kept) -> None:
    for group in ("g2", "g3"):
        await told.post(FIRING, group=group)

    first = await told.json(f"{API}/incidents?limit=2")
    rest = await told.json(f"{API}/incidents?limit=2&before=inc-0002")

    assert [it["incident"] for it in first["incidents"]] == ["inc-0003", "inc-0002"]
    assert ([it["incident"] for it in rest["incidents"]], first["more"], rest["more"]) == (["inc-0001"], True, False)
    one = rest["incidents"][0]
    assert (one["state"], one["severity"], one["alerts"]) == ("open", "P1", {"firing": 1, "total": 1})
    assert [(it["sink"], it["state"]) for it in one["deliveries"]] == [("report_webhook", "visible")]
    assert (await told.json(f"{API}/incidents?state=resolved,folded"))["incidents"] == []


async def test_one_incident_with_its_alerts_links_and_deliveries(told: Kept) -> None:
    body = await told.json(f"{API}/incidents/0001")

    (alert,), (link,), (delivery,) = body["alerts"]["list"], body["links"], body["deliveries"]
    assert (alert["status"], alert["starts_at"], alert["ends_at"]) == ("firing", "2026-11-21T02:51:38.961Z", None)
    assert alert["labels"]["password"] == "[redacted:secret]"
    assert (link["kind"], link["source"], len(link["key"])) == ("alertmanager", "default", 64)
    assert told.posts[0]["digest"].startswith(delivery["id_there"])
    assert URL_SECRET not in json.dumps(body)


async def test_the_timeline_is_told_oldest_first(told: Kept) -> None:
    body = await told.json(f"{API}/incidents/inc-0001/timeline")

    assert body["incident"] == "inc-0001"
    assert body["timeline"][0]["what"] == "opened"
    assert [it["at"] for it in body["timeline"]] == sorted(it["at"] for it in body["timeline"])


@pytest.mark.parametrize(
    ("query", "headers", "kind"),
    [
        pytest.param("?format=markdown", {}, "text/markdown", id="asked for"),
        pytest.param("", {"Accept": "text/markdown, application/json;q=0.5"}, "text/markdown", id="accepted first"),
        pytest.param("", {"Accept": "text/html, text/plain"}, "text/plain", id="plain text"),
        pytest.param("?format=json", {"Accept": "text/plain"}, "application/json", id="the address wins"),
        pytest.param("", {"Accept": "*/*"}, "application/json", id="anything"),
    ],
)
async def test_the_report_for_people(told: Kept, query: str, headers: dict[str, str], kind: str) -> None:
    status, content_type, text = await told.get(f"{API}/incidents/inc-0001/report{query}", **headers)

    assert (status, content_type) == (200, kind)
    assert "Serving 0 %" in text


def test_nothing_in_a_note_is_taken_for_markup() -> None:
    note = "P1 · <img src=x> [a](javascript:b)\n  1. `x` *y*\n# z"

    assert _markdown(note) == ("P1 · \\<img src=x\\> \\[a\\]\\(javascript:b\\)  \n1\\. \\`x\\` \\*y\\*  \n\\# z  \n")


async def test_the_quarantine_is_listed_and_shown(told: Kept) -> None:
    listed = await told.json(f"{API}/quarantine")
    (entry,) = listed["quarantine"]
    shown = await told.json(f"{API}/quarantine/{entry['id']}")
    status, kind, page = await told.get("/quarantine")

    assert entry["reason"].startswith("alert: `status`")
    assert json.loads(shown["text"])["status"] == "smouldering"
    assert (status, kind) == (200, "text/html")
    assert entry["reason"].replace("'", "&#39;") in page


async def test_a_trace_leads_from_the_alert_to_the_delivery(told: Kept) -> None:
    fingerprint = (await told.json(f"{API}/incidents/inc-0001"))["alerts"]["list"][0]["fingerprint"]

    by_alert = await told.json(f"{API}/trace?id={fingerprint}")
    async with told.http.get(f"{told.daemon.url}{API}/trace", params={"id": GROUP_KEY}) as answer:
        by_group = await answer.json()

    (one,) = by_alert["incidents"]
    assert (by_alert["read_as"], by_group["read_as"]) == (["fingerprint"], ["group key"])
    assert (one["webhooks"][0]["accepted"], one["webhooks"][0]["quarantined"]) == (1, 1)
    assert (sorted(one["matched"]), one["decided_by"]) == (["alerted", "serving"], "Is it down?")
    assert [(it["work"], bool(it["why"])) for it in one["waits"]] == [("respond", True)]
    assert [it["id"] for it in by_group["quarantine"]] == [1]


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/incidents/inc-ZZZZ", 404, 'there is no incident "inc-ZZZZ" here'),
        ("/incidents/%00", 404, "there is no incident"),
        ("/incidents/inc-ZZZZ/report", 404, "there is no incident"),
        ("/incidents?limit=0", 400, "limit: expected 1 to 1000, got 0"),
        ("/incidents?limit=x", 400, 'limit: expected a number, got "x"'),
        ("/incidents?state=closed", 400, 'state: expected open, resolved, folded, got "closed"'),
        ("/incidents?before=inc-ZZZZ", 400, "before: there is no incident"),
        ("/quarantine/7", 404, "nothing under 7"),
        ("/quarantine?before=a", 400, "before: expected a number"),
        ("/trace", 400, "names nothing"),
        ("/trace?id=%00", 400, "names nothing"),
        ("/trace?id=nobody", 404, "nothing was kept of 'nobody'"),
    ],
)
async def test_problems_say_what_was_expected(kept: Kept, path: str, status: int, says: str) -> None:
    body = await kept.json(API + path, expect=status)

    assert says in body["detail"]


async def test_a_page_of_what_can_be_no_incident_is_not_found(kept: Kept) -> None:
    assert (await kept.get("/incidents/%00"))[0] == 404


async def test_before_the_first_report_there_is_none(kept: Kept) -> None:
    async with kept.daemon.desk.store.connection() as connection:
        await connection.execute("insert into incidents (id, slug, first_report_due) values (7, 'inc-0007', now())")

    body = await kept.json(f"{API}/incidents/inc-0007/report", expect=404)
    wrong = await kept.json(f"{API}/incidents/inc-0007/report?format=pdf", expect=404)

    assert "no report yet" in body["detail"]
    assert "no report yet" in wrong["detail"]


async def test_it_is_guarded_like_the_pages(kept: Kept) -> None:
    paths = ("/incidents", "/incidents/inc-0001", "/incidents/inc-0001/report", "/quarantine", "/trace?id=x")

    refused = [(await kept.get(API + it, Host="evil.example"))[0] for it in paths]
    refused.append((await kept.get("/quarantine", Host="evil.example"))[0])

    assert refused == [403] * 6


async def test_a_store_that_is_away_is_503_and_come_again(told: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: object, **__: object) -> None:
        raise StoreUnavailable("store: ConnectionRefusedError")

    monkeypatch.setattr("responder.store.look_up.listing", away)
    async with told.http.get(f"{told.daemon.url}{API}/incidents") as answer:
        body = await answer.json()

    assert (answer.status, answer.headers["Retry-After"], body["detail"]) == (503, "5", "store: ConnectionRefusedError")


def test_the_quarantine_page_shows_what_a_stranger_wrote_as_text() -> None:
    entry = {
        "id": 7,
        "at": START,
        "kind": "alertmanager",
        "source": "default",
        "reason": "<script>alert(1)</script>\u202e",
        "retried_at": None,
    }

    page = Pages("test").quarantine([entry], START + timedelta(minutes=4), more=True)

    assert "&lt;script&gt;alert(1)&lt;/script&gt;</td>" in page
    assert "<script" not in page
    assert "(1 and more)" in page
    assert "Nothing is in quarantine." in Pages("test").quarantine([], START)


async def test_a_folded_incident_leads_to_the_one_that_goes_on(told: Kept) -> None:
    await told.post(FIRING, group="elder")
    async with told.daemon.desk.store.connection() as connection:
        await connection.execute("update incidents set state = 'folded', folded_into = 2 where id = 1")

    body = await told.json(f"{API}/incidents/inc-0001/report")
    _, _, text = await told.get(f"{API}/incidents/inc-0001/report?format=text")

    assert (body["state"], body["continued_in"]) == ("folded", "inc-0002")
    assert "Continued in inc-0002" in text
