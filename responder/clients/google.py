"""One service at Google: what Cloud Run says of it and what Cloud Logging holds of it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from responder.clients.api import Told, ask, not_an_answer, told
from responder.clients.budget import Budget
from responder.clients.google_credentials import Credentials
from responder.clients.google_entries import ENTRIES, ENTRY_FIELDS, Entries, LogEntry
from responder.clients.google_run import (
    REVISION_FIELDS,
    REVISIONS,
    SERVICE,
    SERVICE_FIELDS,
    Revision,
    Revisions,
    Service,
)
from responder.clients.http import Answer, HttpDoor
from responder.clients.locate import GooglePlace
from responder.clients.resolve import Resolved
from responder.errors import NotConfigured, Refused, Unreachable

T = TypeVar("T")

MAX_BODY_BYTES = 8 * 1024 * 1024
PAGE = 100  # revisions
MOST_PAGES = 10  # Cloud Run keeps a thousand revisions of a service
ENTRIES_LIST = "/v2/entries:list"
ROLES = {"run": "roles/run.viewer", "logging": "roles/logging.viewer"}
LONGEST_COMPLAINT = 200
ELSEWHERE = re.compile(r"\bresource\.|\blogName\b|\blog_id\b")


class GoogleHttp(HttpDoor):
    """A door whose questions say who asks."""

    def __init__(self, resolved: Resolved, budget: Budget, credentials: Credentials) -> None:
        super().__init__(resolved, budget, max_body_bytes=MAX_BODY_BYTES)
        self._credentials = None if "authorization" in {it.lower() for it in resolved.headers} else credentials

    def clean(self, text: str) -> str:
        """Without our token either."""
        token = self._credentials.token if self._credentials else ""
        return super().clean(text.replace(token, "***") if token else text)

    async def _authorized(self) -> Mapping[str, str]:
        return {"Authorization": await self._credentials.authorization()} if self._credentials else {}


class EntriesHttp(GoogleHttp):
    """Log entries are listed by POST and no other way; it reads, and needs no more than the right to read."""

    _read_by_post: ClassVar[frozenset[str]] = frozenset({ENTRIES_LIST})

    async def list_entries(self, wanted: Mapping[str, Any]) -> Answer:
        """`wanted`: a ListLogEntriesRequest."""
        body = json.dumps(wanted).encode()
        return await self._ask("POST", ENTRIES_LIST, {"fields": ENTRY_FIELDS}, "application/json", None, body)


class Apis:
    """Both APIs, for one target and within one budget."""

    def __init__(self, run: GoogleHttp, entries: EntriesHttp) -> None:
        self.run, self.entries = run, entries

    async def close(self) -> None:
        """Close both."""
        await self.run.close()
        await self.entries.close()


class GoogleDoor:
    """Reads one service; every method raises CouldNotLook. `may_log`: whether the target allows `logs`."""

    def __init__(self, apis: Apis, place: GooglePlace, *, may_log: bool) -> None:
        self._apis = apis
        self.place = place
        self._may_log = may_log

    async def service(self) -> Service:
        """What is wanted of it and how far that is."""
        path = self._service_path()
        given = await self._run(path, {"fields": SERVICE_FIELDS})
        return _read(self._apis.run, path, SERVICE, given).read(_now(self._apis.run, path, given))

    async def revisions(self) -> Revisions:
        """All of them; Google does not say in which order they come."""
        path = f"{self._service_path()}/revisions"
        params = {"fields": REVISION_FIELDS, "pageSize": str(PAGE)}
        found: list[Revision] = []
        for _ in range(MOST_PAGES):
            given = await self._run(path, params)
            page = _read(self._apis.run, path, REVISIONS, given)
            found += [it.read() for it in page.revisions]
            if not page.nextPageToken:
                break
            params = {**params, "pageToken": page.nextPageToken}
        newest = tuple(sorted(found, key=lambda it: it.at, reverse=True))
        return Revisions(listed=newest, now=_now(self._apis.run, path, given), cut=bool(page.nextPageToken))

    def narrowed(self, wanted: str) -> str:
        """`wanted`, in the Logging query language, of this service alone, unless it says itself which resource or
        which log it is about."""
        whole = f"({wanted}\n)" if "--" in wanted else f"({wanted})"  # a comment ends with its line
        return " AND ".join([whole, *([] if ELSEWHERE.search(wanted) else _of(self.place))])

    async def entries(self, wanted: str, since_seconds: float, limit: int) -> Entries:
        """The newest `limit` that fit; raises Refused unless the target allows `logs`."""
        if not self._may_log:
            raise Refused("the target does not allow it; add `allow: [logs]` to the target")
        # The same clock has signed the token that goes with it: Google takes none that is minutes off.
        since = datetime.now(UTC) - timedelta(seconds=since_seconds)  # noqa: TID251 - see above
        asked: dict[str, Any] = {
            "resourceNames": [f"projects/{self.place.project}"],
            "filter": " AND ".join(
                it for it in (self.narrowed(wanted), f'timestamp>="{since:%Y-%m-%dT%H:%M:%SZ}"') if it
            ),
            "orderBy": "timestamp desc",
            "pageSize": limit,
        }
        found: list[LogEntry] = []
        for _ in range(MOST_PAGES):  # a page with a token and without entries: the search is not yet at its end
            given = await self._listed(asked)
            page = _read(self._apis.entries, ENTRIES_LIST, ENTRIES, given)
            found += [it.read() for it in page.entries]
            if not page.nextPageToken or len(found) >= limit:
                break
            asked["pageToken"] = page.nextPageToken
        if page.nextPageToken and not found:
            raise Unreachable(f"{self._apis.entries.shown}: nothing found, and the search is not at its end")
        now = _now(self._apis.entries, ENTRIES_LIST, given)
        return Entries(listed=tuple(found[:limit]), now=now, cut=bool(page.nextPageToken))

    async def _listed(self, asked: Mapping[str, Any]) -> Told:
        door = self._apis.entries
        answer = await door.list_entries(asked)
        if answer.status == 400:
            raise Unreachable(f"{door.shown}{ENTRIES_LIST}: HTTP 400: {door.clean(_complaint(answer))}")
        try:
            return await told(door, ENTRIES_LIST, answer)
        except Refused as reason:
            raise Refused(f"{reason}; it takes {ROLES['logging']}") from None

    def _service_path(self) -> str:
        place = self.place
        if not place.region or not place.service:
            raise NotConfigured("the target names no region or no service: {project: …, region: …, service: …}")
        return f"/v2/projects/{place.project}/locations/{place.region}/services/{place.service}"

    async def _run(self, path: str, params: Mapping[str, str]) -> Told:
        try:
            return await ask(self._apis.run, path, params)
        except Refused as reason:
            raise Refused(f"{reason}; it takes {ROLES['run']}") from None


def _of(place: GooglePlace) -> list[str]:
    service = f'resource.type="cloud_run_revision" AND resource.labels.service_name="{place.service}"'
    return ([service] if place.service else []) + (
        [f'resource.labels.location="{place.region}"'] if place.service and place.region else []
    )


def _read(door: HttpDoor, path: str, shape: TypeAdapter[T], told: Told) -> T:
    try:
        return shape.validate_python(told.document)
    except ValidationError:
        raise not_an_answer(door, path, "Google") from None


def _now(door: HttpDoor, path: str, told: Told) -> datetime:
    if told.at is None:
        raise Unreachable(f"{door.shown}{path}: the answer has no date, so what is recent is not known")
    return told.at


def _complaint(answer: Answer) -> str:
    """Google's own words about a filter: they say where in it the mistake is."""
    try:
        return _PROBLEM.validate_json(answer.body).error.message[:LONGEST_COMPLAINT]
    except ValidationError:
        return "the filter is not understood"


class _Error(BaseModel):
    message: str = ""


class _Problem(BaseModel):
    error: _Error


_PROBLEM = TypeAdapter(_Problem)
