"""PagerDuty's REST API, for reading: https://developer.pagerduty.com/api-reference/

`pdpyras` is discontinued and its successor retries POST after network errors, which doubles notes
(docs/decisions/0004-pagerduty-client.md). Writing lives with the sink, in `delivery/pagerduty_note.py`.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Protocol

import aiohttp
import structlog
from aiolimiter import AsyncLimiter

from responder.errors import Refused, StoreUnavailable, Throttled, Unreachable
from responder.model.asked import Scope, Subscription
from responder.model.paged import PagedIncident, PagedStatus
from responder.model.rate import MINUTE_SECONDS, Rate

PUBLIC_URL = "https://api.pagerduty.com"
ACCEPT = "application/vnd.pagerduty+json;version=2"
PER_MINUTE = 880  # PagerDuty allows a key 960; below 900 even where some of one minute arrive in the next
BURST = 750  # at once in a minute that began quiet; the others evenly, for whoever comes then
WITHIN_SECONDS = 8.0
TURN_SHARE = 2 / 3  # of the time for a request may go by until its turn; the rest is for its answer
LOOK_UP_TURN_SECONDS = 2.0  # less than a note waits: else look-ups in line would leave no note a turn in time
BUSY_SECONDS = 1.0  # after a 429 that says nothing
LONGEST_BUSY_SECONDS = 60.0  # its minute; what asks for more is not believed: it must not silence us
WRITES = (("note", re.compile(r"/incidents/\w+/notes(/\w+)?")), ("event", re.compile(r"/v2/enqueue")))
MAX_ANSWER_BYTES = 8 * 1024 * 1024
log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer: status, headers, decoded JSON (None where it was not JSON)."""

    status: int
    headers: Mapping[str, str]
    body: Any


class Turns(Protocol):
    """A rate that is shared with other processes; both raise StoreUnavailable."""

    async def take(self, *, within: float) -> float:
        """Seconds until a turn; it is ours where that is not more than `within`."""
        ...

    async def pause(self, seconds: float) -> None:
        """Nobody gets a turn for so long."""
        ...


def rate_of(token: str) -> Rate:
    """What all processes with this key share; the name does not tell the key."""
    return Rate(name=f"pagerduty/{sha256(token.encode()).hexdigest()[:32]}", per_minute=PER_MINUTE, burst=BURST)


class PagerDutyDoor:
    """One key's door to one of PagerDuty's APIs; every caller shares its rate.

    `turns`: the rate that other processes with this key share; without it, and while the store is away, this process
    keeps to the rate alone, one after the other. `headers`: of each request, `sender`: beside them of each that writes.
    `on_write`: told of each request that changes something there, what: `note`, `event` or `other`.
    """

    def __init__(
        self,
        *,
        url: str,
        rate: Rate,
        headers: Mapping[str, str] | None = None,
        sender: Mapping[str, str] | None = None,
        turns: Turns | None = None,
        on_write: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._url = url.rstrip("/")
        self._headers = {"Content-Type": "application/json"} | dict(headers or {})
        self._sender = dict(sender or {})
        self._turns = turns
        self._on_write = on_write
        self._alone = AsyncLimiter(1, MINUTE_SECONDS / rate.per_minute)
        self._session: aiohttp.ClientSession | None = None

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Sequence[tuple[str, str]] = (),
        body: Any = None,
        within: float = WITHIN_SECONDS,
        turn_within: float | None = None,
    ) -> Answer:
        """One request, all of it `within` so many seconds, waiting for its turn included, which may come `turn_within`.

        A POST is never repeated; aiohttp sends others once more where the connection is dropped, in a turn of its own.

        Raises Throttled when no turn comes in time: then nothing was sent. aiohttp's errors and TimeoutError pass to
        who knows what they mean.
        """
        until = asyncio.get_running_loop().time() + within
        await self._wait_for_turn(within * TURN_SHARE if turn_within is None else turn_within)
        left = until - asyncio.get_running_loop().time()
        if left <= 0:
            raise Throttled("PagerDuty: the time was over when our turn came", after_seconds=0)
        answer = await self._send(method, path, query, body, left)
        if answer.status == 429:
            await self._pause(seconds_to_wait(answer))
        return answer

    async def _send(self, method: str, path: str, query: Sequence[tuple[str, str]], body: Any, within: float) -> Answer:
        if method != "GET":
            self._on_write(next((what for what, where in WRITES if where.fullmatch(path)), "other"))
        async with (
            asyncio.timeout(within),
            self._open().request(
                method,
                self._url + path,
                params=list(query),
                headers=self._headers | (self._sender if method != "GET" else {}),
                allow_redirects=False,
                data=json.dumps(body).encode() if body is not None else None,
                timeout=aiohttp.ClientTimeout(total=within),
                middlewares=(self._in_turn(within * TURN_SHARE),),
            ) as response,
        ):
            return Answer(status=response.status, headers=response.headers, body=await _body_of(response))

    def _in_turn(self, within: float) -> aiohttp.ClientMiddlewareType:
        """For one request: what aiohttp sends a second time counts as one more in the rate."""
        sent = False

        async def send(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
            nonlocal sent
            if sent:
                await self._wait_for_turn(within)
            sent = True
            return await handler(request)

        return send

    async def _wait_for_turn(self, within: float) -> None:
        try:
            async with asyncio.timeout(within):
                waits = await self._turn(within)
        except TimeoutError as late:
            raise Throttled(f"PagerDuty: no turn within {within:.1f} s", after_seconds=0) from late
        if waits > within:
            raise Throttled(f"PagerDuty: our turn comes in {waits:.0f} s", after_seconds=waits)
        await asyncio.sleep(waits)  # not within the time for asking the store: the turn is ours by now

    async def _turn(self, within: float) -> float:
        """Seconds until our turn."""
        if self._turns is not None:
            try:
                return await self._turns.take(within=within)
            except StoreUnavailable as away:
                log.warning("pagerduty.rate_not_shared", why=str(away))
        await self._alone.acquire()
        return 0.0

    async def _pause(self, seconds: float) -> None:
        """Whoever shares the key waits as well; who cannot be told in time is told by a 429 of their own."""
        if self._turns is None:
            return
        try:
            async with asyncio.timeout(BUSY_SECONDS):
                await self._turns.pause(seconds or BUSY_SECONDS)
        except (StoreUnavailable, TimeoutError) as away:
            log.warning("pagerduty.rate_not_shared", why=str(away) or "no answer in time")

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(trust_env=False, cookie_jar=aiohttp.DummyCookieJar())
        return self._session


class PagerDutyApi(PagerDutyDoor):
    """The REST API by one key. `sender`: the `From` address that account-level keys need. `ourselves`: ids of the users
    that our own writes come from, as far as they are known."""

    def __init__(
        self,
        *,
        token: str,
        sender: str = "",
        url: str = PUBLIC_URL,
        turns: Turns | None = None,
        on_write: Callable[[str], None] = lambda _: None,
    ) -> None:
        super().__init__(
            url=url,
            rate=rate_of(token),
            headers={"Authorization": f"Token token={token}", "Accept": ACCEPT},
            sender={"From": sender} if sender else {},
            turns=turns,
            on_write=on_write,
        )
        self.ourselves: set[str] = set()

    async def get(
        self,
        path: str,
        query: Sequence[tuple[str, str]] = (),
        *,
        turn_within: float | None = LOOK_UP_TURN_SECONDS,
    ) -> Any:
        """The JSON of a successful GET; raises Throttled, Unreachable or Refused otherwise."""
        try:
            answer = await self.request("GET", path, query=query, turn_within=turn_within)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise Unreachable(f"PagerDuty: {type(error).__name__}") from error
        if answer.status in (401, 402, 403, 404):
            raise Refused(f"PagerDuty answered {answer.status} {message_of(answer)}")
        if answer.status != 200 or not isinstance(answer.body, dict):
            raise Unreachable(f"PagerDuty answered {answer.status} {message_of(answer)}")
        return answer.body

    async def learn_who_we_are(self) -> None:
        """Ask whose key this is; of an account's key the answers to our writes will tell."""
        self.note_writer(await self.whose_key())

    async def whose_key(self) -> Mapping[str, Any] | None:
        """The user whose key this is; None for an account's key, which belongs to nobody (400).

        https://developer.pagerduty.com/api-reference/2395ca1feb25e-get-the-current-user
        """
        try:
            answer = await self.request("GET", "/users/me")
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise Unreachable(f"PagerDuty: {type(error).__name__}") from error
        if answer.status in (401, 403):
            raise Refused(f"PagerDuty answered {answer.status} {message_of(answer)}")
        if answer.status not in (200, 400):
            raise Unreachable(f"PagerDuty answered {answer.status} {message_of(answer)}")
        user = answer.body.get("user") if isinstance(answer.body, dict) else None
        return user if answer.status == 200 and isinstance(user, dict) else None

    def note_writer(self, user: Any) -> None:
        """Remember a user of PagerDuty's answer as one of ourselves."""
        if isinstance(user, dict) and isinstance(user.get("id"), str):
            self.ourselves.add(user["id"])

    async def incidents_of(self, dedup_key: str) -> list[tuple[PagedIncident, Mapping[str, Any]]]:
        """Incidents that hold an alert with this key, with their JSON, open ones first, then newest first.

        An empty `incident_key` is ignored by PagerDuty and returns every incident: it is refused here.
        """
        if not dedup_key:
            raise ValueError("an empty incident_key would return every incident")
        found = await self.get(
            "/incidents",
            [("incident_key", dedup_key), ("date_range", "all"), ("limit", "100"), ("sort_by", "created_at:desc")],
        )
        incidents = [(_incident(it), it) for it in _list_of(found, "incidents")]
        return sorted(
            incidents, key=lambda it: (it[0].status is not PagedStatus.RESOLVED, it[0].created_at), reverse=True
        )

    async def incident(self, id: str) -> tuple[PagedIncident, Mapping[str, Any]]:  # noqa: A002 - PagerDuty's word
        """One incident, and the JSON that it was read from."""
        found = await self.get(f"/incidents/{id}")
        raw = found.get("incident")
        if not isinstance(raw, dict):
            raise Unreachable("PagerDuty answered without an incident")
        return _incident(raw), raw

    async def alerts(self, incident: str, *, key: str = "") -> list[Mapping[str, Any]]:
        """The alerts of an incident, or those with this key, at most MOST_ALERTS; the log says where there are more."""
        query = [("alert_key", key)] if key else []
        found: list[Mapping[str, Any]] = []
        for offset in range(0, MOST_ALERTS, PAGE):
            page = [*query, ("limit", str(PAGE)), *([("offset", str(offset))] if offset else [])]
            answer = await self.get(f"/incidents/{incident}/alerts", page)
            found += [it for it in _list_of(answer, "alerts") if isinstance(it, dict)]
            if not answer.get("more"):
                return found
        log.warning("pagerduty.alerts_cut", pagerduty=incident, at=MOST_ALERTS)
        return found

    async def notes(self, incident: str) -> list[dict[str, Any]]:
        """All notes of an incident, oldest first; PagerDuty gives them in one answer.

        Raises Unreachable for an answer that is no list of them: "none" would have the report posted once more.
        """
        answer = await self.get(f"/incidents/{incident}/notes", turn_within=None)  # before a note, or in place of one
        found = _list_of(answer, "notes")
        if not all(isinstance(it, dict) and it.get("id") for it in found):
            raise Unreachable("PagerDuty answered without a list of notes")
        return sorted(found, key=lambda it: (str(it.get("created_at", "")), str(it["id"])))


def _list_of(answer: Mapping[str, Any], name: str) -> list[Any]:
    """Raises Unreachable where there is none: an answer without a list says nothing, and not that there are none."""
    found = answer.get(name)
    if not isinstance(found, list):
        raise Unreachable(f"PagerDuty answered without a list of {name}")
    return found


def _incident(raw: Mapping[str, Any]) -> PagedIncident:
    """Raises Unreachable for what has no id, status or time."""
    try:
        created_at = _moment(raw["created_at"])
        changed_at = raw.get("last_status_change_at")
        return PagedIncident(
            id=_identity(raw["id"]),
            status=PagedStatus(raw["status"]),
            created_at=created_at,
            as_of=_moment(changed_at) if changed_at else created_at,
            url=raw.get("html_url") or "",
            merged_into=_merged_into(raw.get("resolve_reason")),
        )
    except (KeyError, TypeError, ValueError) as wrong:
        raise Unreachable("PagerDuty answered an incident whose id, status or times cannot be read") from wrong


def _identity(raw: Any) -> str:
    """Raises ValueError for what is no identity of PagerDuty's: it would stand in a path."""
    if not isinstance(raw, str) or not re.fullmatch(r"\w+", raw, re.ASCII):
        raise ValueError("no id")
    return raw


def _moment(raw: Any) -> datetime:
    """Raises ValueError also for one that says no zone: it cannot be compared with any other."""
    moment = datetime.fromisoformat(raw)
    if moment.tzinfo is None:
        raise ValueError("no zone")
    return moment


def _merged_into(reason: Any) -> str:
    """https://support.pagerduty.com/main/docs/merge-incidents: the incident that goes on."""
    if not isinstance(reason, dict) or reason.get("type") != "merge_resolve_reason":
        return ""
    target = reason.get("incident")
    return str(target.get("id") or "") if isinstance(target, dict) else ""


def seconds_to_wait(answer: Answer) -> float:
    """How long the headers of a 429 ask to wait, within reason; 0 when they say nothing that is a number."""
    said = (answer.headers.get(name, "").strip() for name in ("ratelimit-reset", "retry-after"))
    return max((min(float(it), LONGEST_BUSY_SECONDS) for it in said if it.isascii() and it.isdecimal()), default=0.0)


def message_of(answer: Answer) -> str:
    """PagerDuty's own words for an error, at most 200 characters; empty when there are none."""
    error = answer.body.get("error") if isinstance(answer.body, dict) else None
    if not isinstance(error, dict):
        return ""
    details = error.get("errors")
    words = [error.get("message"), *(details if isinstance(details, list) else ())]
    return f"({': '.join(str(it) for it in words if it)[:200]})"


async def _body_of(response: aiohttp.ClientResponse) -> Any:
    """Decoded; None where it is no JSON or ends early. Then the status says all that there is to know."""
    try:
        return _decoded(await _whole(response))
    except aiohttp.ClientError:
        return None


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
    except (ValueError, RecursionError):
        return None


MOST_PAGES = 10
PAGE = 100  # PagerDuty's most
MOST_ALERTS = MOST_PAGES * PAGE


async def open_incidents(
    api: PagerDutyApi, scope: Scope, *, since: datetime | None = None
) -> list[tuple[PagedIncident, Mapping[str, Any]]]:
    """The open incidents of a scope with their JSON, newest first, at most a thousand; `since`: none made before.

    What cannot be read is left out: one odd incident must not hide the others.
    """
    query = [("statuses[]", "triggered"), ("statuses[]", "acknowledged"), ("date_range", "all")]
    query += [("sort_by", "created_at:desc"), *([(f"{scope.kind}_ids[]", scope.id)] if scope.id else [])]
    found: list[tuple[PagedIncident, Mapping[str, Any]]] = []
    for number in range(MOST_PAGES):
        answer = await api.get("/incidents", [*query, ("limit", str(PAGE)), ("offset", str(number * PAGE))])
        page = [(it, raw) for raw in _list_of(answer, "incidents") if (it := _incident_or_none(raw)) is not None]
        found += [it for it in page if since is None or it[0].created_at >= since]
        if not answer.get("more") or (since is not None and page and page[-1][0].created_at < since):
            break
    return found


async def webhook_subscriptions(api: PagerDutyApi) -> list[Subscription]:
    """Every webhook subscription that the key may see, at most a thousand; those of other shapes are left out."""
    found: list[Subscription] = []
    for number in range(MOST_PAGES):
        answer = await api.get("/webhook_subscriptions", [("limit", str(PAGE)), ("offset", str(number * PAGE))])
        raw = _list_of(answer, "webhook_subscriptions")
        found += [it for it in map(_subscription, raw) if it is not None]
        if not answer.get("more"):
            break
    return found


def _incident_or_none(raw: Any) -> PagedIncident | None:
    try:
        return _incident(raw)
    except Unreachable:
        return None


def _subscription(raw: Any) -> Subscription | None:
    try:
        method, about = raw["delivery_method"], raw["filter"]
        return Subscription(
            id=str(raw["id"]),
            url=str(method["url"]),
            active=raw.get("active") is True and method.get("temporarily_disabled") is not True,
            scope=Scope(kind=str(about["type"]).removesuffix("_reference"), id=str(about.get("id") or "")),
            events=tuple(str(it) for it in raw.get("events", ())),
        )
    except (KeyError, TypeError, AttributeError):
        return None
