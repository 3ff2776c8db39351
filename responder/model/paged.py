"""What PagerDuty says of its own incidents: one event of a webhook, and one incident as its REST API shows it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

SINGLE_SOURCE = ""  # there is one PagerDuty account: its links and webhooks need no name


class PagedStatus(StrEnum):
    """The states of a PagerDuty incident."""

    TRIGGERED = "triggered"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class PagedEvent:
    """One event of a v3 webhook, texts already redacted.

    `status`: of the incident after the event; None where the event does not carry the incident (a note, a ping …).
    `opened_at`: when PagerDuty made the incident; None with the status.
    `line`: what the timeline says of it, such as `acknowledged by Alex Oncall`; empty: nothing worth a line.
    `agent`: id of the user who did it, empty when nobody did. `by_person`: the agent is a user.
    `priority`: the incident's priority (`P1`), empty for none; None where the event does not carry the incident.
    `note`: id of the note that the event is about, empty otherwise; `trimmed`: its text came cut.
    `is_ours`: our marker stands in its text.
    `merged_into`: id of the incident that goes on for this one, which is resolved by that.
    `page_key`: of the page that it was made for, where its title ends with a marker of ours; empty otherwise.
    """

    id: str
    type: str
    at: datetime
    status: PagedStatus | None = None
    opened_at: datetime | None = None
    line: str = ""
    agent: str = ""
    agent_name: str = ""
    by_person: bool = False
    priority: str | None = None
    note: str = ""
    trimmed: bool = False
    is_ours: bool = False
    merged_into: str = ""
    page_key: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class PagedIncident:
    """One incident as the REST API shows it; `as_of`: the moment of its last change of status."""

    id: str
    status: PagedStatus
    created_at: datetime
    as_of: datetime
    url: str = ""
    merged_into: str = ""
