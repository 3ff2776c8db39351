"""What plays the part of everything that is asked by HTTP: an answer for each path."""

from __future__ import annotations

import json
from collections.abc import Mapping
from email.utils import format_datetime
from typing import Any

from yarl import URL

from responder.clients.certificate import Certificate
from responder.clients.http import Answer
from tests.scenarios.played.prometheus import prometheus
from tests.scenarios.played.vendors import github, sentry, statuspage
from tests.scenarios.played.world import World

Said = Mapping[str, Any]


def answer(kind: str, said: Said, world: World, path: str, url: URL) -> Answer:
    """`path`: below the target's address. A path that nobody speaks of is 404."""
    match kind:
        case "prometheus":
            document: Any = prometheus(said, world, path, url.query)
        case "statuspage":
            document = statuspage(said, world, path)
        case "github":
            document = github(said, world, path)
        case "sentry":
            document = sentry(said, world)
        case _:
            document = None
    if document is not None:
        return _answer(world, 200, json.dumps(document), "application/json")
    return _plain(said.get(path, 404), world)


def certificate(said: Said, world: World, host: str) -> Certificate:
    """`certificate: {until: …, since: …}`."""
    written = said["certificate"]
    since, until = world.moment(written.get("since", "60d ago")), world.moment(written["until"])
    return Certificate(
        host=host,
        issuer=written.get("issuer", "Let's Encrypt"),
        valid_from=since,
        valid_until=until,
        out_of_time=not since <= world.now <= until,
        seen_at=world.now,
    )


def _plain(written: Any, world: World) -> Answer:
    """A status alone, or `{status, json}`, or `{status, text}`."""
    if isinstance(written, int):
        return _answer(world, written, "", "text/plain")
    if "text" in written:
        return _answer(world, written.get("status", 200), written["text"], "text/plain")
    return _answer(world, written.get("status", 200), json.dumps(written["json"]), "application/json")


def _answer(world: World, status: int, body: str, kind: str) -> Answer:
    headers = {"date": format_datetime(world.now, usegmt=True), "content-type": kind}
    return Answer(status=status, headers=headers, body=body.encode(), cut=False, took_seconds=0.034)
