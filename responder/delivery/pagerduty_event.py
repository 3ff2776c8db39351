"""Open an incident at PagerDuty for what only responder has seen, and resolve it when that is over.

Events v2 knows a repeated event again by its `dedup_key` while the incident is open, so what may have arrived is simply
sent once more. Nothing is ever acknowledged. https://developer.pagerduty.com/docs/send-alert-event
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from responder.clients.pagerduty import Answer, PagerDutyDoor, seconds_to_wait
from responder.delivery.ask_pagerduty import answered
from responder.delivery.sink import Outlets, Posted, Rendering, Sink
from responder.errors import DeliveryPostponed, DeliveryRefused, DeliveryUncertain
from responder.model.incident import PAGE, IncidentState
from responder.model.rate import Rate
from responder.model.report import Report

PATH = "/v2/enqueue"
PER_MINUTE = 110  # PagerDuty takes about 120 of one key
BURST = 80
SEVERITIES = ("critical", "error", "warning")  # by rank of our severity, gravest first; the rest is `info`
MAX_SUMMARY = 1024  # characters


def rate_of_events(routing_key: str) -> Rate:
    """What all processes with this routing key share; the name does not tell the key."""
    hashed = sha256(routing_key.encode()).hexdigest()[:32]
    return Rate(name=f"pagerduty-events/{hashed}", per_minute=PER_MINUTE, burst=BURST)


class PagerDutyEvent:
    """A trigger while the incident is open, a resolve once it is over. The object is the event's `dedup_key`."""

    name = "pagerduty_event"
    foreign_kind: str | None = PAGE
    reads_back = False
    repeats_safely = True

    def __init__(self, door: PagerDutyDoor, routing_key: str) -> None:
        self._door = door
        self._routing_key = routing_key

    def render(self, report: Report, said: Rendering) -> dict[str, Any]:
        """The event without its keys. A tag is not said, see `repeats_safely`."""
        if report.state != IncidentState.OPEN:
            return {"event_action": "resolve"}
        pages = [(report.page_url, f"responder {report.slug}"), (report.runbook, "Runbook")]
        rank = report.severity_rank
        return {
            "event_action": "trigger",
            "client": "responder",
            **({"client_url": report.page_url} if report.page_url else {}),
            "links": [{"href": href, "text": text} for href, text in pages if href],
            "payload": {
                "summary": _titled(f"{report.severity} · {report.title}", said.marker),
                "source": said.marker.strip("[]"),
                "severity": SEVERITIES[rank] if rank < len(SEVERITIES) else "info",
                "timestamp": report.onset.isoformat(),
                "custom_details": {"incident": report.slug, "severity": report.severity},
            },
        }

    async def find(self, object: str, markers: Sequence[str]) -> list[Posted]:  # noqa: A002 - the ledger's word
        """Nothing can be read back."""
        return []

    async def post(self, object: str, text: dict[str, Any], *, within: float) -> str:  # noqa: A002 - the ledger's word
        """Send the event; its id is the `dedup_key`."""
        event = {**text, "routing_key": self._routing_key, "dedup_key": object}
        _check(await answered(self._door, "POST", PATH, event, within=within))
        return object

    async def edit(self, object: str, id: str, text: dict[str, Any], *, within: float) -> None:  # noqa: A002 - the ledger's word
        """Say that it is over, or that it has begun again."""
        await self.post(object, text, within=within)

    async def delete(self, object: str, id: str) -> None:  # noqa: A002 - the ledger's word
        """There is never a second one."""

    async def close(self) -> None:
        """Close the connections."""
        await self._door.close()


def _check(answer: Answer) -> None:
    """Nothing for 202; what else a status means as the error that it is."""
    errors = answer.body.get("errors") if isinstance(answer.body, dict) else None
    words = f" ({', '.join(map(str, errors))[:200]})" if isinstance(errors, list) and errors else ""
    why = f"PagerDuty's Events API answered {answer.status}{words}"
    match answer.status:
        case 202:
            return
        case 429:
            raise DeliveryPostponed(why, after_seconds=seconds_to_wait(answer))
        case status if 400 <= status < 500 and status != 408:
            raise DeliveryRefused(why)
        case _:
            raise DeliveryUncertain(why)


def _titled(text: str, marker: str) -> str:
    """It becomes the incident's title, by whose end its webhooks are known to be of ours."""
    room = MAX_SUMMARY - len(marker) - 1
    return f"{text if len(text) <= room else text[: room - 1] + '…'} {marker}"


def SINK(outlets: Outlets) -> Sink | None:  # noqa: N802 - the name that the registry looks for
    """Made when a routing key is configured."""
    key = outlets.routing_key
    if outlets.events is None or key is None:
        return None
    return PagerDutyEvent(outlets.events, key.get_secret_value())
