"""PagerDuty's REST API, for reading: https://developer.pagerduty.com/api-reference/

`pdpyras` is discontinued and its successor retries POST after network errors, which doubles notes
(docs/decisions/0004-pagerduty-client.md). Writing lives with the sink, in `delivery/pagerduty_note.py`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import aiohttp
from aiolimiter import AsyncLimiter

from responder.errors import Refused, Unreachable
from responder.model.paged import PagedIncident, PagedStatus

PUBLIC_URL = "https://api.pagerduty.com"
ACCEPT = "application/vnd.pagerduty+json;version=2"
PER_MINUTE = 900  # PagerDuty allows 960 a minute a key
BURST = 30
WITHIN_SECONDS = 8.0
MAX_ANSWER_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer: status, headers, decoded JSON (None where it was not JSON)."""

    status: int
    headers: Mapping[str, str]
    body: Any


class PagerDutyApi:
    """One key's door; every caller shares its rate. `sender`: the `From` address that account-level keys need.

    `ourselves`: ids of the users that our own writes come from, as far as they are known by now.
    """

    def __init__(self, *, token: str, sender: str = "", url: str = PUBLIC_URL) -> None:
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Token token={token}", "Accept": ACCEPT, "Content-Type": "application/json"}
        self._sender = {"From": sender} if sender else {}
        self._limiter = AsyncLimiter(BURST, 60 * BURST / PER_MINUTE)
        self._session: aiohttp.ClientSession | None = None
        self.ourselves: set[str] = set()

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Sequence[tuple[str, str]] = (),
        body: Any = None,
        within: float = WITHIN_SECONDS,
    ) -> Answer:
        """One request, never repeated, all of it `within` so many seconds, waiting for the rate included.

        aiohttp's errors and TimeoutError pass to who knows what they mean.
        """
        async with asyncio.timeout(within), self._limiter:
            headers = self._headers | (self._sender if method != "GET" else {})
            async with self._open().request(
                method,
                self._url + path,
                params=list(query),
                headers=headers,
                allow_redirects=False,
                data=json.dumps(body).encode() if body is not None else None,
                timeout=aiohttp.ClientTimeout(total=within),
            ) as response:
                return Answer(status=response.status, headers=response.headers, body=_decoded(await _whole(response)))

    async def get(self, path: str, query: Sequence[tuple[str, str]] = ()) -> Any:
        """The JSON of a successful GET; raises Unreachable or Refused otherwise."""
        try:
            answer = await self.request("GET", path, query=query)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise Unreachable(f"PagerDuty: {type(error).__name__}") from error
        if answer.status in (401, 402, 403, 404):
            raise Refused(f"PagerDuty answered {answer.status} {message_of(answer)}")
        if answer.status != 200 or not isinstance(answer.body, dict):
            raise Unreachable(f"PagerDuty answered {answer.status} {message_of(answer)}")
        return answer.body

    async def learn_who_we_are(self) -> None:
        """Ask whose key this is. An account's key belongs to nobody (400): the answers to our writes will tell.

        https://developer.pagerduty.com/api-reference/2395ca1feb25e-get-the-current-user
        """
        try:
            answer = await self.request("GET", "/users/me")
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise Unreachable(f"PagerDuty: {type(error).__name__}") from error
        if answer.status not in (200, 400):
            raise Unreachable(f"PagerDuty answered {answer.status} {message_of(answer)}")
        self.note_writer(answer.body.get("user") if isinstance(answer.body, dict) else None)

    def note_writer(self, user: Any) -> None:
        """Remember a user of PagerDuty's answer as one of ourselves."""
        if isinstance(user, dict) and isinstance(user.get("id"), str):
            self.ourselves.add(user["id"])

    async def incidents_of(self, dedup_key: str) -> list[PagedIncident]:
        """Incidents that hold an alert with this key, open ones first, then newest first.

        An empty `incident_key` is ignored by PagerDuty and returns every incident: it is refused here.
        """
        if not dedup_key:
            raise ValueError("an empty incident_key would return every incident")
        found = await self.get(
            "/incidents",
            [("incident_key", dedup_key), ("date_range", "all"), ("limit", "100"), ("sort_by", "created_at:desc")],
        )
        incidents = [_incident(it) for it in found.get("incidents", [])]
        return sorted(incidents, key=lambda it: (it.status is not PagedStatus.RESOLVED, it.created_at), reverse=True)

    async def incident(self, id: str) -> tuple[PagedIncident, Mapping[str, Any]]:  # noqa: A002 - PagerDuty's word
        """One incident, and the JSON that it was read from."""
        found = await self.get(f"/incidents/{id}")
        raw = found.get("incident")
        if not isinstance(raw, dict):
            raise Unreachable("PagerDuty answered without an incident")
        return _incident(raw), raw

    async def alerts(self, incident: str) -> list[Mapping[str, Any]]:
        """The alerts of an incident, at most a hundred."""
        found = await self.get(f"/incidents/{incident}/alerts", [("limit", "100")])
        return [it for it in found.get("alerts", []) if isinstance(it, dict)]

    async def notes(self, incident: str) -> list[dict[str, Any]]:
        """All notes of an incident, oldest first; PagerDuty gives them in one answer."""
        found = await self.get(f"/incidents/{incident}/notes")
        return sorted(found.get("notes", []), key=lambda it: (str(it.get("created_at", "")), str(it.get("id", ""))))

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(trust_env=False, cookie_jar=aiohttp.DummyCookieJar())
        return self._session


def _incident(raw: Mapping[str, Any]) -> PagedIncident:
    """Raises Unreachable for what has no id, status or time."""
    try:
        created_at = datetime.fromisoformat(raw["created_at"])
        changed_at = raw.get("last_status_change_at")
        return PagedIncident(
            id=raw["id"],
            status=PagedStatus(raw["status"]),
            created_at=created_at,
            as_of=datetime.fromisoformat(changed_at) if changed_at else created_at,
            url=raw.get("html_url") or "",
            merged_into=_merged_into(raw.get("resolve_reason")),
        )
    except (KeyError, TypeError, ValueError) as wrong:
        raise Unreachable("PagerDuty answered an incident whose id, status or times cannot be read") from wrong


def _merged_into(reason: Any) -> str:
    """https://support.pagerduty.com/main/docs/merge-incidents: the incident that goes on."""
    if not isinstance(reason, dict) or reason.get("type") != "merge_resolve_reason":
        return ""
    target = reason.get("incident")
    return str(target.get("id") or "") if isinstance(target, dict) else ""


def message_of(answer: Answer) -> str:
    """PagerDuty's own words for an error, at most 200 characters; empty when there are none."""
    error = answer.body.get("error") if isinstance(answer.body, dict) else None
    return f"({str(error.get('message', ''))[:200]})" if isinstance(error, dict) else ""


async def _whole(response: aiohttp.ClientResponse) -> bytes:
    """The body in all its pieces; one that is too large counts as unreadable."""
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > MAX_ANSWER_BYTES:
            raise aiohttp.ClientPayloadError(f"an answer of more than {MAX_ANSWER_BYTES >> 20} MiB")
    return bytes(body)


def _decoded(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
