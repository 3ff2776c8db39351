"""Alerts that belong together, from the first one to the resolution."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256

from responder.model.alert import Alert, AlertStatus
from responder.model.paged import PagedStatus

PAGERDUTY = "pagerduty"  # the kind of the link to a PagerDuty incident
WATCH = "watch"  # the kind of the link of a rule that looks by itself
PAGE = "page"  # the kind of the link to what responder opens at PagerDuty by itself; its key is the alert's there
BREACH = "breach"  # the state of such a link while it holds its incident open
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # https://www.crockford.com/base32.html
DRILL = "responder_drill"  # the label of alerts by which somebody tries out whether all of it works
MARKER = "[responder:{name}:{slug}]"
FIRST_START = datetime(1970, 1, 1, tzinfo=UTC)  # Go's zero time, in year 1, is a sender's way to say nothing
ANY_MARKER = r"\[responder:[^\[\]\s]{1,200}\]"  # of any installation or version: none may answer another's reports


class IncidentState(StrEnum):
    """`folded`: another incident carries on for it."""

    OPEN = "open"
    RESOLVED = "resolved"
    FOLDED = "folded"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldAlert:
    """An alert as we hold it, with the sender it came from and when we first and last heard of it."""

    alert: Alert
    kind: str
    source: str
    first_seen: datetime
    last_seen: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One foreign identity of an incident: an Alertmanager group, a PagerDuty incident …

    `state`: of a PagerDuty incident its status; `is_read`: PagerDuty was asked about it since it last began.
    """

    kind: str
    source: str
    key: bytes
    external_id: str = ""
    url: str = ""
    state: str = ""
    is_read: bool = False

    @property
    def is_open(self) -> bool:
        """Whether it is a PagerDuty incident that is not resolved, as far as we know."""
        return self.state in (PagedStatus.TRIGGERED, PagedStatus.ACKNOWLEDGED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One incident as the store holds it.

    `rule_set`: hash of the rule files that it started with, None until its first look.
    `run`: how many times it has been looked at; a look that was cut short keeps its number.
    `alerts`: at most a thousand, firing ones first; `more_firing` and `more_alerts` count what is not among them.
    `folded_into`: slug of the incident that carries on for this one. `settled_by`: who resolved it at PagerDuty.
    `awaits_until`: the webhook of its alerts' own sender may come until then. `priority`: given by a person there.
    """

    id: int
    slug: str
    state: IncidentState
    pack: str | None
    rule_set: bytes | None
    severity: str | None
    opened_at: datetime
    acknowledged_at: datetime | None
    resolved_at: datetime | None
    first_report_due: datetime
    run: int
    continues: str | None
    alerts: tuple[HeldAlert, ...]
    links: tuple[Link, ...]
    more_firing: int = 0
    more_alerts: int = 0
    folded_into: str | None = None
    settled_by: str = ""
    acknowledged_by: str = ""
    awaits_until: datetime | None = None
    priority: str = ""
    priority_by: str = ""

    @property
    def firing(self) -> tuple[Alert, ...]:
        """Alerts that are on now."""
        return tuple(it.alert for it in self.alerts if it.alert.status is AlertStatus.FIRING)

    @property
    def evidence(self) -> tuple[Alert, ...]:
        """What rules are matched against: the firing alerts, or, when none fires any more, all."""
        return self.firing or tuple(it.alert for it in self.alerts)

    @property
    def is_drill(self) -> bool:
        """Whether nothing but a drill is behind it: all that people see of it says so."""
        return bool(self.alerts) and all(DRILL in it.alert.labels for it in self.alerts)

    @property
    def watched(self) -> str:
        """The rule that holds it open, or that opened it where there never was an alert; empty for others."""
        links = [it for it in self.links if it.kind == WATCH]
        holding = [it for it in links if it.state == BREACH] or ([] if self.alerts else links)
        return holding[0].external_id if holding else ""

    @property
    def onset(self) -> datetime:
        """When the first of its alerts started; of those that say when."""
        starts = [it.alert.starts_at for it in self.alerts if it.alert.starts_at >= FIRST_START]
        return min(starts, default=self.opened_at)


def slug_of(number: int) -> str:
    """`inc-` and the number in upper-case Crockford base 32, at least four digits.

    >>> slug_of(1), slug_of(32), slug_of(1048576)
    ('inc-0001', 'inc-0010', 'inc-10000')
    """
    digits = ""
    while number:
        number, rest = divmod(number, 32)
        digits = CROCKFORD[rest] + digits
    return "inc-" + digits.rjust(4, "0")


def beginning_of_markers(name: str) -> str:
    """What the marker of every incident of one installation begins with."""
    return marker_of(name, "").removesuffix("]")


def key_of_page(marker: str) -> bytes:
    """Of the alert that we open at PagerDuty for the incident with this marker: as long as that of a group."""
    return sha256(marker.encode()).digest()


def marker_of(name: str, slug: str) -> str:
    """The words by which a report of ours is known again; they never change over edits."""
    return MARKER.format(name=name, slug=slug)
