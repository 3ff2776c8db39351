"""What Alertmanager has now, through its API v2: https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml

Read only. Its addresses come from the settings: the `externalURL` of a webhook is a stranger's text and never called.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, TypeVar

from pydantic import AwareDatetime, StringConstraints, TypeAdapter, ValidationError
from typing_extensions import TypedDict  # pydantic takes its own dependency here until Python 3.12

from responder.clients.budget import Budget
from responder.clients.http import Answer, HttpDoor
from responder.clients.resolve import resolve
from responder.errors import Refused, Unreachable
from responder.model.asked import Peer
from responder.model.pack import Target

ALERTS = "/api/v2/alerts"
STATUS = "/api/v2/status"
EVERY_STATE = {"active": "true", "silenced": "true", "inhibited": "true", "unprocessed": "true"}  # a silenced one fires
MAX_BODY_BYTES = 16 * 1024 * 1024  # about 16,000 alerts
WITHIN_SECONDS = 8.0
SCHEMES = frozenset({"http", "https"})
IN_STEP = ("ready", "disabled")  # else it settles: it has not heard of all that its peers know
T = TypeVar("T")


class _WireAlert(TypedDict):
    fingerprint: Annotated[str, StringConstraints(pattern="^[0-9a-f]{16}$")]


class _WireCluster(TypedDict):
    status: str


class _WireStatus(TypedDict):
    cluster: _WireCluster
    uptime: AwareDatetime  # the moment of its start


_ALERTS = TypeAdapter(list[_WireAlert])
_STATUS = TypeAdapter(_WireStatus)


class AlertmanagerDoor:
    """One Alertmanager."""

    def __init__(self, http: HttpDoor) -> None:
        self._http = http

    @classmethod
    def at(cls, source: str, address: str) -> AlertmanagerDoor:
        """`address`: as in the settings, a user and password in it are sent; raises NotConfigured."""
        target = Target(name=f"alertmanager/{source}", kind="http", address=address)
        budget = Budget(concurrency=target.concurrency, per_minute=target.per_minute)
        return cls(HttpDoor(resolve(target, {}, SCHEMES), budget, max_body_bytes=MAX_BODY_BYTES))

    @property
    def shown(self) -> str:
        """Scheme, host and port."""
        return self._http.shown

    async def ask(self) -> Peer:
        """Every alert that fires, and whether its list can be trusted; raises Unreachable or Refused."""
        alerts = self._read(_ALERTS, ALERTS, await self._get(ALERTS, EVERY_STATE))
        answer = await self._get(STATUS)  # after the alerts: one that was restarted in between must look young
        status = self._read(_STATUS, STATUS, answer)
        return Peer(
            fingerprints=frozenset(it["fingerprint"] for it in alerts),
            up_for=self._said_at(answer) - status["uptime"],
            in_step=status["cluster"]["status"] in IN_STEP,
        )

    async def close(self) -> None:
        """Close the session, if there is one."""
        await self._http.close()

    async def _get(self, path: str, params: Mapping[str, str] | None = None) -> Answer:
        answer = await self._http.get(path, params, "application/json", within_seconds=WITHIN_SECONDS)
        if answer.status in (401, 403, 404):
            raise Refused(f"{self.shown}{path} answered {answer.status}")
        if answer.status != 200:
            raise Unreachable(f"{self.shown}{path} answered {answer.status}")
        if answer.cut:
            raise Unreachable(f"{self.shown}{path} answered more than {MAX_BODY_BYTES >> 20} MiB")
        return answer

    def _read(self, shape: TypeAdapter[T], path: str, answer: Answer) -> T:
        try:
            return shape.validate_json(answer.body)
        except ValidationError:
            raise Unreachable(f"{self.shown}{path} did not answer as Alertmanager does") from None

    def _said_at(self, answer: Answer) -> datetime:
        """Its own clock: a difference to ours must not make it look older than it is."""
        if answer.sent_at is None:
            raise Unreachable(f"{self.shown}{STATUS} answered without a Date")
        return answer.sent_at
