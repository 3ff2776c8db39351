"""What every sender is answered by the running daemon, and that each thing that it says is accounted for."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from tests.intake.conftest import CONTRACTS
from tests.work.conftest import PACK, World

Start = Callable[..., Awaitable[World]]
SECRET = "signing-secret-of-the-tests"
GRAFANA_SECRET = "grafana-hmac-secret"
COUNTS = ("accepted", "duplicates", "stale", "ignored", "quarantined")
GENERIC = """
intake:
  generic:
    sentry: {key: data.issue.id, labels: {alertname: "'SentryErrorSpike'", project: data.issue.project}}
"""


def event(kind: str = "incident.triggered", number: int = 1, **data: Any) -> bytes:
    """One v3 body about Q0000000000001."""
    incident = {
        "id": "Q0000000000001",
        "type": "incident",
        "status": "triggered",
        "title": "Checkout fails",
        "created_at": "2026-11-21T02:57:42Z",
        "service": {"id": "PF9KMXH", "summary": "checkout-api", "type": "service_reference"},
    }
    said = {
        "id": f"E{number:03}",
        "event_type": kind,
        "resource_type": "incident",
        "occurred_at": f"2026-11-21T03:00:{number:02}Z",
        "agent": None,
        "client": None,
        "data": incident | data,
    }
    return json.dumps({"event": said}).encode()


def signed(body: bytes, secret: str = SECRET, webhook: str = "") -> dict[str, str]:
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"X-PagerDuty-Signature": f"v1={digest}"} | ({"X-Webhook-Id": webhook} if webhook else {})


async def posted(
    it: World, path: str, body: bytes, headers: Mapping[str, str], *, method: str = "POST"
) -> tuple[int, Any, Mapping[str, str]]:
    async with it.http.request(method, f"{it.daemon.url}/webhooks/{path}", data=body, headers=headers) as answer:
        return answer.status, await answer.json(content_type=None), answer.headers


async def told(it: World, body: bytes, **more: str) -> dict[str, int]:
    """The counts of a signed body of PagerDuty that are not 0; they make one."""
    status, answer, _ = await posted(it, "pagerduty", body, signed(body, **more))
    assert status == 202, answer
    assert sum(answer[name] for name in COUNTS) == 1
    return {name: answer[name] for name in COUNTS if answer[name]}


@pytest.fixture
async def listening(world: Start) -> World:
    return await world(
        PACK + GENERIC,
        pagerduty=False,
        pagerduty_webhook_secrets=f"retired-secret,{SECRET}",
        grafana_secrets=GRAFANA_SECRET,
        grafana_tokens="grafana-token",
        generic_tokens="generic-token",
    )


@pytest.mark.skipif(not CONTRACTS.exists(), reason="the captured bodies are not here")
async def test_every_body_of_pagerduty_is_accepted_and_accounted_for(listening: World) -> None:
    bodies = sorted((CONTRACTS / "pagerduty" / "webhooks").glob("*.json"))
    answers = {it.stem: await told(listening, it.read_bytes()) for it in bodies}

    assert len(answers) >= 33
    assert all("quarantined" not in it for it in answers.values())
    assert answers["pagey.ping"] == answers["unknown.future_event"] == {"ignored": 1}
    assert answers["incident.annotated.own_note"] == {"ignored": 1}
    assert answers["incident.triggered.manual"] == {"accepted": 1}


@pytest.mark.skipif(not CONTRACTS.exists(), reason="the captured bodies are not here")
async def test_every_body_of_grafana_is_accepted_and_accounted_for(listening: World) -> None:
    for it in sorted((CONTRACTS / "grafana" / "webhooks").glob("*.json")):
        body = it.read_bytes()
        digest = hmac.new(GRAFANA_SECRET.encode(), body, hashlib.sha256).hexdigest()
        status, answer, _ = await posted(listening, "grafana", body, {"X-Grafana-Alerting-Signature": digest})

        assert status == 202
        assert sum(answer[name] for name in COUNTS) == len(json.loads(body)["alerts"])
        assert answer["quarantined"] == 0


async def test_a_copy_is_known_by_its_webhook_and_by_its_event(listening: World) -> None:
    it = listening
    first = await told(it, event(), webhook="w1")
    same_webhook = await told(it, event(), webhook="w1")
    same_event = await told(it, event(), webhook="w2")
    another_event = await told(it, event("incident.acknowledged", 2, status="acknowledged"), webhook="w3")

    assert [first, same_webhook, same_event, another_event] == [
        {"accepted": 1},
        {"duplicates": 1},
        {"duplicates": 1},
        {"accepted": 1},
    ]
    assert await it.incidents() == [("inc-0001", "open")]


async def test_old_news_is_stale(listening: World) -> None:
    await told(listening, event(number=1))
    await told(listening, event("incident.resolved", 9, status="resolved"))

    assert await told(listening, event("incident.acknowledged", 5, status="acknowledged")) == {"stale": 1}
    assert await listening.incidents() == [("inc-0001", "resolved")]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"rubbish",
        b"[]",
        b"null",
        b'{"event": null}',
        b'{"event": {}}',
        b'{"event":{"a":1,"a":2}}',
        b"\xff\xfe",
        b"[" * 100_000,
        event(status="exploded"),
        event(created_at=None),
        event().replace(b"E001", b""),
    ],
    ids=lambda it: repr(it[:24]),
)
async def test_a_signed_body_that_is_not_understood_is_kept_aside(listening: World, body: bytes) -> None:
    assert await told(listening, body) == {"quarantined": 1}
    assert len(await listening.rows("select 1 from quarantine where kind = 'pagerduty'")) == 1


async def test_null_everywhere_is_no_reason_to_refuse(listening: World) -> None:
    bare = event(
        service=None, priority=None, urgency=None, assignees=None, teams=None, html_url=None, resolve_reason=None
    )

    assert await told(listening, bare) == {"accepted": 1}


async def test_an_unsigned_or_forged_body_is_403_and_names_in_the_path_404(listening: World) -> None:
    body = event()
    assert (await posted(listening, "pagerduty", body, {}))[0] == 403
    assert (await posted(listening, "pagerduty", body, signed(body, secret="guessed")))[0] == 403
    assert (await posted(listening, "pagerduty", body + b" ", signed(body)))[0] == 403
    assert (await posted(listening, "pagerduty/second", body, signed(body)))[0] == 404
    assert (await posted(listening, "pagerduty", body, signed(body, secret="retired-secret")))[0] == 202


async def test_without_a_secret_the_sender_keeps_it(world: Start) -> None:
    it = await world(pagerduty=False)
    body = event()
    for path in ("pagerduty", "grafana", "generic/sentry"):
        status, _, headers = await posted(it, path, body, signed(body))
        assert status == 503
        assert int(headers["Retry-After"]) > 0


async def test_grafana_by_token_and_by_put(listening: World) -> None:
    alert = {"status": "firing", "labels": {"alertname": "ApiDown"}, "startsAt": "2026-11-21T02:51:00Z", "values": None}
    body = json.dumps({"version": "1", "groupKey": "g", "status": "firing", "orgId": 1, "alerts": [alert]}).encode()
    for token in ("grafana-token", "guessed"):
        headers = {"Authorization": f"Bearer {token}"}
        status, answer, _ = await posted(listening, "grafana/eu", body, headers, method="PUT")
        assert status == (202 if token == "grafana-token" else 401), answer
    assert await listening.rows("select labels->>'source' from alerts") == [("grafana",)]


async def test_any_json_by_the_words_of_a_pack(listening: World) -> None:
    issues = [{"data": {"issue": {"id": number, "project": "checkout"}}} for number in ("a", "b")]
    headers = {"Authorization": "Bearer generic-token"}
    for issue in (*issues, issues[0]):
        status, answer, _ = await posted(listening, "generic/sentry", json.dumps(issue).encode(), headers)
        assert (status, sum(answer[name] for name in COUNTS)) == (202, 1)
    unknown = await posted(listening, "generic/nobody", b"{}", headers)
    unnamed = await posted(listening, "generic", b"{}", headers)

    assert (unknown[0], unnamed[0]) == (404, 404)
    assert await listening.rows("select distinct labels->>'source', labels->>'project' from alerts") == [
        ("sentry", "checkout")
    ]
    assert [state for _, state in await listening.incidents()] == ["open", "open"]
