"""Unresolved issues of a project at Sentry: https://docs.sentry.io/api/events/list-an-organizations-issues/"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, TypeAdapter, ValidationError

from responder.clients.api import ask, not_an_answer
from responder.clients.http import HttpDoor
from responder.errors import Unreachable

MAX_BODY_BYTES = 4 * 1024 * 1024
MOST = 50
# A class and nothing that somebody wrote; names of exceptions are code, but `Error: no chart for Jane` is not one.
CLASS = re.compile(r"[A-Za-z_$][\w$]*(?:(?:\.|::|\\|/)[A-Za-z_$][\w$]*)*")
LONGEST_CLASS = 100
SHORT_ID = re.compile(r"[A-Z0-9][A-Z0-9_-]{0,80}")
LONG_NUMBER = re.compile(r"\d{6,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """`kind`: the class of the exception, or empty where there is none that is one; `short`: Sentry's id, `API-1F`;
    `events`, `users`: within the time that was asked for; `began`: when the first event ever came."""

    kind: str
    short: str
    events: int
    users: int
    began: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Issues:
    """The most frequent first; `now` by the server's clock; `cut` when there may be more."""

    listed: tuple[Issue, ...]
    now: datetime
    cut: bool


class SentryDoor:
    """Reads issues; every method raises CouldNotLook. `project`: empty for all of the organization."""

    def __init__(self, http: HttpDoor, organization: str, project: str) -> None:
        self._http = http
        self._organization = organization
        self._project = project

    @property
    def shown(self) -> str:
        """Scheme, host and port."""
        return self._http.shown

    @property
    def path(self) -> str:
        """Where the issues are."""
        return f"/api/0/organizations/{self._organization}/issues/"

    async def issues(self, within_seconds: float) -> Issues:
        """Unresolved ones of which an event came within so many seconds."""
        project = f" project:{self._project}" if self._project else ""
        params = {
            "project": "-1",  # all that the token may see, not those that its owner is a member of
            "query": f"is:unresolved issue.category:error{project}",
            "statsPeriod": f"{max(math.ceil(within_seconds / 60), 1)}m",
            "sort": "freq",
            "limit": str(MOST),
        }
        told = await ask(self._http, self.path, params)
        if told.at is None:
            raise Unreachable(f"{self.shown}{self.path}: the answer has no date, so what is new is not known")
        try:
            given = _ISSUES.validate_python(told.document)
        except ValidationError:
            raise not_an_answer(self._http, self.path, "Sentry") from None
        listed = sorted((it.read() for it in given), key=lambda it: -it.events)
        return Issues(listed=tuple(listed), now=told.at, cut=len(listed) >= MOST)


class _Wire(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)


class _Lifetime(_Wire):
    firstSeen: AwareDatetime | None = None  # noqa: N815 - the name on the wire


class _Issue(_Wire):
    """`count` is text; `lifetime` is there where the other figures are those of the time that was asked for."""

    shortId: str | None = None  # noqa: N815 - the name on the wire
    count: int
    userCount: int = 0  # noqa: N815 - the name on the wire
    firstSeen: AwareDatetime  # noqa: N815 - the name on the wire
    lifetime: _Lifetime | None = None
    metadata: dict[str, Any] = {}

    def read(self) -> Issue:
        kind, short = self.metadata.get("type"), self.shortId or ""
        ever = self.lifetime.firstSeen if self.lifetime else None
        return Issue(
            kind=kind if isinstance(kind, str) and _is_class(kind) else "",
            short=short if SHORT_ID.fullmatch(short) else "",
            events=self.count,
            users=self.userCount,
            began=ever or self.firstSeen,
        )


_ISSUES = TypeAdapter(list[_Issue])


def _is_class(text: str) -> bool:
    return len(text) <= LONGEST_CLASS and CLASS.fullmatch(text) is not None and LONG_NUMBER.search(text) is None
