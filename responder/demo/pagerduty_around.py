"""The part of PagerDuty's REST API that tells what is around an incident: changes, related and past incidents.

The real one relates by machine learning; here incidents are related when they are open at the same time at another
service, and alike when their titles are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from responder.demo.pagerduty_account import Account
from responder.demo.pagerduty_checks import invalid, not_found
from responder.demo.pagerduty_records import ChangeEvent, PagedIncident
from responder.demo.pagerduty_rest import page
from responder.demo.pagerduty_shapes import API, incident_shape, moment, service_reference

WRITTEN = "%Y-%m-%dT%H:%M:%SZ"
REACH = timedelta(days=180)
ALIKE = 46.8249  # the score of the reference's example
MOST_RELATED, USUAL_PAST, MOST_PAST = 20, 5, 999


class AroundApi:
    """Reads one account."""

    def __init__(self, account: Account, clock: Callable[[], datetime]) -> None:
        self._account = account
        self._clock = clock

    def routes(self) -> Iterable[web.RouteDef]:
        """What is answered, and by whom."""
        return (
            web.get("/services/{id}/change_events", self._of_service),
            web.get("/incidents/{id}/related_change_events", self._of_incident),
            web.get("/incidents/{id}/related_incidents", self._related),
            web.get("/incidents/{id}/past_incidents", self._past),
        )

    async def _of_service(self, request: web.Request) -> web.StreamResponse:
        if request.match_info["id"] not in self._account.services:
            raise not_found()
        since, until = (_utc(request.query.get(name)) for name in ("since", "until"))
        found = [
            it
            for it in self._account.change_events
            if it.service.id == request.match_info["id"]
            and (since is None or it.at >= since)
            and (until is None or it.at <= until)
        ]
        return web.json_response(page("change_events", [_shape(it) for it in _newest(found)], request.query))

    async def _of_incident(self, request: web.Request) -> web.StreamResponse:
        incident = self._incident(request)
        found = [it for it in self._account.change_events if it.reason or it.service is incident.service]
        shapes = [{**_shape(it), "correlation_reason": {"reason": it.reason or "most_recent"}} for it in _newest(found)]
        return web.json_response(page("change_events", shapes, request.query))

    async def _related(self, request: web.Request) -> web.StreamResponse:
        mine = self._incident(request)
        others = (it for it in self._account.incidents.values() if it is not mine and it.status != "resolved")
        found = [it for it in others if it.service is not mine.service][-MOST_RELATED:]
        whole = "incident" in request.query.getall("additional_details[]", [])
        shapes = [
            {
                "incident": incident_shape(it) if whole else _brief(it),
                "relationships": [{"type": "machine_learning_inferred", "metadata": {}}],
            }
            for it in found
        ]
        return web.json_response({"related_incidents": shapes})

    async def _past(self, request: web.Request) -> web.StreamResponse:
        mine = self._incident(request)
        limit = int(request.query.get("limit", USUAL_PAST))
        if not 1 <= limit <= MOST_PAST:
            raise invalid(f"limit must be from 1 to {MOST_PAST}")
        found = [
            it
            for it in self._account.incidents.values()
            if it.status == "resolved" and it.service is mine.service and it.created_at >= self._clock() - REACH
        ]
        found.sort(key=lambda it: it.title != mine.title)
        shapes = [{"incident": _brief(it), "score": ALIKE if it.title == mine.title else 0} for it in found[:limit]]
        return web.json_response({"past_incidents": shapes, "total": None, "limit": limit})

    def _incident(self, request: web.Request) -> PagedIncident:
        found = self._account.incidents.get(request.match_info["id"])
        if found is None:
            raise not_found()
        return found


def _newest(found: Iterable[ChangeEvent]) -> list[ChangeEvent]:
    return sorted(found, key=lambda it: it.at, reverse=True)


def _brief(incident: PagedIncident) -> dict[str, Any]:
    return {
        "id": incident.id,
        "created_at": moment(incident.created_at),
        "self": f"{API}/incidents/{incident.id}",
        "title": incident.title,
    }


def _shape(it: ChangeEvent) -> dict[str, Any]:
    return {
        "id": it.id,
        "type": "change_event",
        "summary": it.summary,
        "timestamp": moment(it.at),
        "source": it.source,
        "integration": {"id": it.service.integration_id, "type": "inbound_integration_reference"},
        "services": [service_reference(it.service)],
        "custom_details": {},
        "links": [{"href": it.link, "text": "View more"}] if it.link else [],
    }


def _utc(text: str | None) -> datetime | None:
    """The reference: other than UTC is answered with 400."""
    if text is None:
        return None
    try:
        return datetime.strptime(text, WRITTEN).replace(tzinfo=UTC)
    except ValueError:
        raise invalid(f"expected a UTC time such as 2026-11-21T03:00:00Z, got {text!r}") from None
