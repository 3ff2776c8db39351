"""The check refuses what PagerDuty would refuse, and the stand-in answers as PagerDuty describes it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp
import pytest

from responder.demo.pagerduty import TOKEN, StandInPagerDuty
from tests.contracts.pagerduty_openapi import EXTRACTS, ContractBroken, PagerDutyContract

HEADERS = {
    "Authorization": f"Token token={TOKEN}",
    "Accept": "application/vnd.pagerduty+json;version=2",
    "Content-Type": "application/json",
    "From": "responder-bot@example.com",
}
EVENT = {
    "routing_key": "0" * 32,
    "event_action": "trigger",
    "dedup_key": "key",
    "payload": {"summary": "down", "source": "a", "severity": "error", "custom_details": {"firing": "…"}},
    "client": "Alertmanager",
    "client_url": "http://alertmanager.example.com",
}


@dataclass(frozen=True)
class Sent:
    method: str = "POST"
    path: str = "/incidents/Q2STH1QX0AJT5J/notes"
    query: list[tuple[str, str]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=lambda: HEADERS)
    body: str = '{"note": {"content": "findings"}}'


NOTE = Sent()
LOOK_UP = Sent(
    method="GET",
    path="/incidents",
    query=[("incident_key", "k"), ("statuses[]", "triggered"), ("statuses[]", "acknowledged"), ("date_range", "all")],
    body="",
)


def lacking(name: str) -> dict[str, str]:
    return {key: value for key, value in HEADERS.items() if key != name}


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(NOTE, id="a note"),
        pytest.param(LOOK_UP, id="a look-up"),
        pytest.param(replace(NOTE, method="PUT", path="/incidents/Q/notes/P"), id="an edit"),
        pytest.param(
            replace(NOTE, method="DELETE", path="/incidents/Q/notes/P", headers=lacking("From"), body=""),
            id="a deletion",
        ),
        pytest.param(replace(LOOK_UP, path="/users/me", query=[]), id="who one is"),
        pytest.param(replace(NOTE, path="/v2/enqueue", headers={}, body=json.dumps(EVENT)), id="an event"),
    ],
)
def test_good_requests_pass(pagerduty_contract: PagerDutyContract, request_: Sent) -> None:
    pagerduty_contract.check(request_)


@pytest.mark.parametrize(
    ("request_", "complaint"),
    [
        pytest.param(replace(NOTE, headers=lacking("From")), "header From: missing", id="no From"),
        pytest.param(replace(NOTE, headers={**HEADERS, "From": "bot"}), "header From: expected an e-mail", id="From"),
        pytest.param(replace(NOTE, headers=lacking("Authorization")), "Authorization: missing", id="no key"),
        pytest.param(replace(NOTE, headers=lacking("Content-Type")), "Content-Type: missing", id="no content type"),
        pytest.param(replace(LOOK_UP, headers={**HEADERS, "Accept": "*/*"}), "header Accept: expected", id="Accept"),
        pytest.param(replace(NOTE, body='{"note": {}}'), "'content' is a required property", id="no content"),
        pytest.param(replace(NOTE, body='{"note": {"content": 7}}'), "is not of type 'string'", id="no text"),
        pytest.param(replace(NOTE, body="findings"), "expected JSON", id="no JSON"),
        pytest.param(replace(NOTE, path="/incidents/Q/comments"), "unknown path", id="unknown path"),
        pytest.param(replace(NOTE, method="PATCH"), "no such method", id="unknown method"),
        pytest.param(replace(LOOK_UP, query=[("key", "k")]), "query key: unknown", id="unknown parameter"),
        pytest.param(replace(LOOK_UP, query=[("statuses[]", "open")]), "'open' is not one of", id="unknown status"),
        pytest.param(replace(LOOK_UP, query=[("limit", "many")]), "is not of type 'integer'", id="a word as number"),
        pytest.param(replace(LOOK_UP, body="{}"), "body: none is described", id="a body where none belongs"),
        pytest.param(
            replace(NOTE, path="/v2/enqueue", body=json.dumps({**EVENT, "event_action": "open"})),
            "'open' is not one of",
            id="unknown action",
        ),
    ],
)
def test_wrong_requests_are_refused(pagerduty_contract: PagerDutyContract, request_: Sent, complaint: str) -> None:
    with pytest.raises(ContractBroken, match=r"^[A-Z]+ /") as broken:
        pagerduty_contract.check(request_)

    assert complaint in str(broken.value)


def test_the_sample_requests_pass_and_the_sample_answers_too(pagerduty_contract: PagerDutyContract) -> None:
    checked = 0
    for file in sorted((EXTRACTS / "rest-samples").glob("*.json")):
        sample = json.loads(file.read_text("utf-8"))
        if not isinstance(sample, dict):
            continue
        asked = sample["request"]
        body = json.dumps(asked["json"]) if "json" in asked else ""
        query = [(name, value) for name, value in asked.get("query", [])]
        pagerduty_contract.check(Sent(asked["method"], asked["path"], query, HEADERS, body))
        pagerduty_contract.check_response(asked["method"], asked["path"], sample["status"], sample["body"])
        checked += 1
    assert checked == 7


def test_an_answer_of_another_shape_is_refused(pagerduty_contract: PagerDutyContract) -> None:
    with pytest.raises(ContractBroken, match="answer"):
        pagerduty_contract.check_response("GET", "/incidents", 200, {"incidents": [{"incident_number": "4711"}]})


@pytest.fixture
async def pagerduty() -> AsyncIterator[StandInPagerDuty]:
    server = await StandInPagerDuty.start(event_delay_seconds=0)
    yield server
    await server.stop()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(headers=HEADERS) as session:
        yield session


async def answers_of(http: aiohttp.ClientSession, pagerduty: StandInPagerDuty) -> list[tuple[str, str, int, Any]]:
    """One answer of every kind."""
    answers = []

    async def ask(method: str, path: str, body: Any = None) -> Any:
        async with http.request(method, pagerduty.url + path, json=body) as answer:
            said = json.loads(await answer.text() or "null")
            answers.append((method, path.partition("?")[0], answer.status, said))
            return said

    await ask("POST", "/v2/enqueue", EVENT)
    await ask("POST", "/v2/enqueue", {**EVENT, "dedup_key": "second"})
    while len(pagerduty.account.incidents) < 2:
        await http.get(f"{pagerduty.url}/_state")
    first, second = pagerduty.account.incidents
    pagerduty.resolve(second)
    pagerduty.acknowledge(first)
    note = (await ask("POST", f"/incidents/{first}/notes", {"note": {"content": "x"}}))["note"]["id"]
    for path in ("/incidents", f"/incidents/{first}", f"/incidents/{first}/alerts", f"/incidents/{first}/notes"):
        await ask("GET", path)
    await ask("PUT", f"/incidents/{first}/notes/{note}", {"note": {"content": "y"}})
    await ask("GET", "/incidents/QNONE")
    await ask("POST", f"/incidents/{first}/notes", {"note": {}})
    await ask("GET", "/users/me")
    await ask("DELETE", f"/incidents/{first}/notes/{note}")
    return answers


async def test_the_stand_ins_answers_have_the_described_shapes(
    http: aiohttp.ClientSession, pagerduty: StandInPagerDuty, pagerduty_contract: PagerDutyContract
) -> None:
    answers = await answers_of(http, pagerduty)

    for method, path, status, body in answers:
        pagerduty_contract.check_response(method, path, status, body)
    assert [status for _, _, status, _ in answers] == [202, 202, 200, 200, 200, 200, 200, 200, 404, 400, 200, 204]


async def test_the_stand_ins_answers_have_the_keys_of_the_samples(
    http: aiohttp.ClientSession, pagerduty: StandInPagerDuty, pagerduty_contract: PagerDutyContract
) -> None:
    answers = {(method, path.rpartition("/")[2]): body for method, path, _, body in await answers_of(http, pagerduty)}

    def sample(name: str) -> Any:
        return json.loads((EXTRACTS / "rest-samples" / name).read_text("utf-8"))["body"]

    def keys(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: keys(it) for key, it in value.items() if key != "details"}
        return [keys(value[0])] if isinstance(value, list) and value else None

    for shown, name in (
        (answers["GET", "incidents"], "incidents_by_incident_key.json"),
        (answers["GET", "alerts"], "incident_alerts.json"),
        (answers["GET", "notes"], "list_notes.json"),
    ):
        of_stand_in, of_sample = keys(shown), keys(sample(name))
        of_stand_in.get("incidents", [{}])[0].pop("acknowledgements", None)
        of_sample.get("incidents", [{}])[0].pop("acknowledgements", None)
        assert of_stand_in == of_sample
