import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from pydantic import ValidationError

from responder.clients.doors import Doors
from responder.diagnostics.http_json import DIAGNOSTIC, Asked
from responder.errors import Unreachable
from responder.model.finding import Outcome, Table
from responder.model.pack import Target
from tests.systems.servers import Handler

Serve = Callable[[Handler], Awaitable[str]]
Made = Callable[..., Target]
BODY = {
    "status": "degraded",
    "queue": {"waiting": 12, "ratio": 0.0731, "paused": True},
    "breakers": [{"name": "stripe", "state": "open"}, {"name": "hubspot", "state": "closed"}],
    "last_error": "no chart for Jane Doe",
    "user": "jane@example.org",
    "account": "4111111111111111",
    "empty": "",
}


async def health(request: web.Request) -> web.Response:
    status = 503 if request.path == "/broken" else 200
    return web.Response(
        status=status, body=b"\xef\xbb\xbf" + json.dumps(BODY).encode(), content_type="application/json"
    )


async def test_picked_values_are_shown_and_texts_that_are_anybodys_are_not(
    serve: Serve, doors: Doors, target: Made
) -> None:
    picks = {
        "status": "status",
        "waiting": "queue.waiting",
        "ratio": "queue.ratio",
        "paused": "queue.paused",
        "open": "breakers[?state=='open'].name | [0]",
        "breakers": "breakers",
        "error": "last_error",
        "user": "user",
        "account": "account",
        "none": "nothing",
        "nonsense": "length(queue.waiting)",
    }
    base = await serve(health)

    finding = await DIAGNOSTIC.examine(target("http", base), Asked(path="/health", pick=picks), doors)

    assert (finding.outcome, finding.gravity) == (Outcome.HEALTHY, 0)
    assert finding.headline == "status degraded, waiting 12, ratio 0.0731, paused yes, open stripe, and 6 more"
    assert isinstance(finding.table, Table)
    assert finding.table.rows[5:] == (
        ("breakers", "a list of 2"),
        ("error", "a text of 21 characters"),
        ("user", "a text of 16 characters"),
        ("account", "a text of 16 characters"),
        ("none", "nothing"),
        ("nonsense", "could not be picked: length() got a number"),
    )
    assert finding.equivalent == f"curl -sS {base}/health | jq ."
    assert not [it for it in ("Jane", "example.org", "4111") if it in repr(finding)]


async def test_a_body_is_read_whatever_the_status(serve: Serve, doors: Doors, target: Made) -> None:
    asked = Asked(path="/broken", pick={"status": "status"})

    finding = await DIAGNOSTIC.examine(target("http", await serve(health)), asked, doors)

    assert (finding.outcome, finding.headline, finding.gravity) == (
        Outcome.UNHEALTHY,
        "HTTP 503: status degraded",
        40,
    )


@pytest.mark.parametrize(
    ("body", "why"), [(b"<html>s3cret", "the answer is not JSON"), (b"[" * 1_100_000, "larger than 1 MiB")]
)
async def test_what_is_no_json_could_not_be_looked_at(
    body: bytes, why: str, serve: Serve, doors: Doors, target: Made
) -> None:
    async def page(_: web.Request) -> web.Response:
        return web.Response(body=body)

    with pytest.raises(Unreachable, match=why) as caught:
        await DIAGNOSTIC.examine(target("http", await serve(page)), Asked(path="/", pick={"a": "b"}), doors)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("asked", [{"path": "/"}, {"path": "/", "pick": {}}, {"path": "/", "pick": {"a": "b["}}])
def test_what_cannot_be_meant_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Asked(**asked)
