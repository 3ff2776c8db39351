"""The part of PagerDuty's REST API that responder meets: incidents, their alerts and notes, and who one is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

from responder.demo import pagerduty_page as pages
from responder.demo.pagerduty_account import Account
from responder.demo.pagerduty_checks import invalid, not_found, note_content, sender
from responder.demo.pagerduty_records import Note, PagedIncident
from responder.demo.pagerduty_shapes import TEAM, alert_shape, incident_shape, note_shape, user_shape
from responder.demo.pagerduty_webhooks import Webhooks

MAX_NOTES = 2000
MAX_PAGE, USUAL_PAGE, LAST_ROW = 100, 25, 10_000
USUAL_WINDOW = timedelta(days=30)


class RestApi:
    """Reads and writes one account. `account_key`: the key is nobody's own, so that nobody is `me`."""

    def __init__(
        self, account: Account, webhooks: Webhooks, clock: Callable[[], datetime], *, account_key: bool
    ) -> None:
        self.account = account
        self._webhooks = webhooks
        self._clock = clock
        self._account_key = account_key

    def routes(self) -> Iterable[web.RouteDef]:
        """What is answered, and by whom."""
        return (
            web.get("/incidents", self._list_incidents),
            web.get("/incidents/{id}", self._one_incident),
            web.get("/incidents/{id}/alerts", self._list_alerts),
            web.get("/incidents/{id}/notes", self._list_notes),
            web.post("/incidents/{id}/notes", self._create_note),
            web.put("/incidents/{id}/notes/{note_id}", self._update_note),
            web.delete("/incidents/{id}/notes/{note_id}", self._delete_note),
            web.get("/users", self._list_users),
            web.get("/users/me", self._me),
            web.get("/abilities", self._list_abilities),
        )

    async def _list_incidents(self, request: web.Request) -> web.StreamResponse:
        query = request.query
        found = list(self.account.incidents.values())
        if key := query.get("incident_key"):  # an empty one is ignored, and all incidents come back
            found = [incident for incident in found if incident.has_key(key)]
        if statuses := _statuses(query.getall("statuses[]", [])):
            found = [incident for incident in found if incident.status in statuses]
        if service_ids := query.getall("service_ids[]", []):
            found = [incident for incident in found if incident.service.id in service_ids]
        if team_ids := query.getall("team_ids[]", []):
            found = found if TEAM[0] in team_ids else []
        found = _sorted(found, query.get("sort_by", ""))
        if query.get("date_range") != "all":
            found = [incident for incident in found if self._is_in_window(incident, query)]
        return web.json_response(page("incidents", [incident_shape(incident) for incident in found], query))

    def _is_in_window(self, incident: PagedIncident, query: Mapping[str, str]) -> bool:
        since = _moment_of(query.get("since"), self._clock() - USUAL_WINDOW)
        until = _moment_of(query.get("until"), self._clock())
        return since <= incident.created_at <= until

    async def _one_incident(self, request: web.Request) -> web.StreamResponse:
        incident = self._find(request)
        if wants_page(request):
            text = pages.incident_page(incident, self._webhooks.told_of(incident.id))
            return web.Response(text=text, content_type="text/html")
        return web.json_response({"incident": {"priority": None, "resolve_reason": None, **incident_shape(incident)}})

    async def _list_alerts(self, request: web.Request) -> web.StreamResponse:
        incident, key = self._find(request), request.query.get("alert_key")
        alerts = [alert_shape(alert, incident) for alert in incident.alerts if not key or alert.key == key]
        return web.json_response(page("alerts", alerts, request.query))

    async def _list_notes(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({"notes": [note_shape(note) for note in self._find(request).notes]})

    async def _create_note(self, request: web.Request) -> web.StreamResponse:
        incident, user = self._find(request), sender(request.headers, self.account.users)
        content = note_content(await request.read())
        if len(incident.notes) >= MAX_NOTES:
            raise invalid(f"Incident cannot have more than {MAX_NOTES} notes")
        note = self.account.add_note(incident, user, content, self._clock())
        return web.json_response({"note": note_shape(note)})

    async def _update_note(self, request: web.Request) -> web.StreamResponse:
        note = self._find_note(request)
        sender(request.headers, self.account.users)
        note.content = note_content(await request.read())
        note.updated_at = self._clock()
        return web.json_response({"note": note_shape(note)})

    async def _delete_note(self, request: web.Request) -> web.StreamResponse:
        incident, note = self._find(request), self._find_note(request)
        if "From" in request.headers:  # the schema does not ask for it here
            sender(request.headers, self.account.users)
        incident.notes.remove(note)
        return web.Response(status=204)

    async def _list_users(self, request: web.Request) -> web.StreamResponse:
        wanted = request.query.get("query", "").lower()
        found = [it for it in self.account.users.values() if wanted in it.name.lower() or wanted in it.email.lower()]
        return web.json_response(page("users", [user_shape(it) for it in found], request.query))

    async def _list_abilities(self, _: web.Request) -> web.StreamResponse:
        return web.json_response({"abilities": ["teams", "read_only_users", "urgencies"]})

    async def _me(self, _: web.Request) -> web.StreamResponse:
        if self._account_key:  # the status is documented, the words are ours
            raise invalid("This endpoint needs a user-level API key")
        return web.json_response({"user": user_shape(self.account.bot)})

    def _find(self, request: web.Request) -> PagedIncident:
        incident = self.account.incidents.get(request.match_info["id"])
        if incident is None:
            raise not_found()
        return incident

    def _find_note(self, request: web.Request) -> Note:
        note = self._find(request).note(request.match_info["note_id"])
        if note is None:
            raise not_found()
        return note


def wants_page(request: web.Request) -> bool:
    """Browsers say text/html; whoever names PagerDuty's own type wants JSON at the same path."""
    is_incident = request.path.startswith("/incidents/") and request.path.count("/") == 2
    return request.path == "/" or (is_incident and "text/html" in request.headers.get("Accept", ""))


def _sorted(found: list[PagedIncident], by: str) -> list[PagedIncident]:
    """By one of the fields that incidents are sorted by here; in the order of their numbers when none is named."""
    field, _, direction = by.partition(":")
    if not by:
        return found
    if field not in ("incident_number", "created_at") or direction not in ("asc", "desc", ""):
        raise invalid(f"sort_by: expected incident_number or created_at, with :asc or :desc, got {by!r}")
    return sorted(found, key=lambda it: (it.created_at, it.number), reverse=direction == "desc")


def _statuses(asked: list[str]) -> list[str]:
    known = ("triggered", "acknowledged", "resolved")
    if wrong := [status for status in asked if status not in known]:
        raise invalid(f"statuses[]: expected {', '.join(known)}, got {', '.join(wrong)}")
    return asked


def _moment_of(text: str | None, otherwise: datetime) -> datetime:
    if not text:
        return otherwise
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise invalid(f"expected a time such as 2026-11-21T03:00:00Z, got {text!r}") from None
    return at if at.tzinfo else at.replace(tzinfo=otherwise.tzinfo)


def page(name: str, rows: list[dict[str, Any]], query: Mapping[str, str]) -> dict[str, Any]:
    """The rows that a list's `limit` and `offset` ask for, and whether there are more. Raises Complaint."""
    try:
        limit, offset = min(int(query.get("limit", USUAL_PAGE)), MAX_PAGE), int(query.get("offset", 0))
    except ValueError:
        raise invalid("limit and offset must be integers") from None
    if offset < 0 or limit < 1 or offset + limit > LAST_ROW:
        raise invalid(f"offset + limit must be from 1 to {LAST_ROW}")
    total = len(rows) if query.get("total") == "true" else None
    more = offset + limit < len(rows)
    return {name: rows[offset : offset + limit], "limit": limit, "offset": offset, "total": total, "more": more}
