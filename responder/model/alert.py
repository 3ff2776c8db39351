"""One condition at a sender, and what one webhook says about several of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import Any

from responder.model.paged import PagedEvent


class AlertStatus(IntEnum):
    """Firing sorts before resolved: at the same start, resolved is the newer news."""

    FIRING = 0
    RESOLVED = 1

    @property
    def word(self) -> str:
        """`firing` or `resolved`."""
        return "resolved" if self else "firing"


@dataclass(slots=True, kw_only=True)  # frozen ones take three times as long to make, and a storm is made of these
class Alert:
    """One alert as its sender states it, text fields already redacted; never changed.

    `fingerprint`: 16 hex digits that depend on the labels alone, hashed before redaction.
    `ends_at`: None while firing, unless it stated then when it will end. `starts_assumed`: its sender gave no start,
    `starts_at` is when it came in.
    """

    fingerprint: str
    status: AlertStatus
    starts_at: datetime
    ends_at: datetime | None
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    generator_url: str = ""
    starts_assumed: bool = False

    @property
    def name(self) -> str:
        """The label `alertname`, or the fingerprint where a sender gives none."""
        return self.labels.get("alertname") or self.fingerprint

    def with_labels(self, labels: Mapping[str, str]) -> Alert:
        """The same alert under other labels. Every alert needs it: `dataclasses.replace` takes four times as long."""
        return Alert(
            fingerprint=self.fingerprint,
            status=self.status,
            starts_at=self.starts_at,
            ends_at=self.ends_at,
            labels=labels,
            annotations=self.annotations,
            generator_url=self.generator_url,
            starts_assumed=self.starts_assumed,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """Something accepted but not understood: why, and its redacted text (at most 64 KiB).

    `alerts`: how many alerts of the body it stands for; more than 1 when a body is put aside as a whole.
    """

    reason: str
    text: str
    identities: Mapping[str, str] = field(default_factory=dict)
    alerts: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """What one authenticated request says, ready to be kept: one group of alerts at one source.

    `kind`: the sender's kind, also the kind of its link (`alertmanager`); `source`: which sender of that kind.
    `key`: 32 bytes, SHA-256 of the sender's own group identity, taken before redaction; b"" when there is none
    (then everything is in `quarantined`).
    `ends_others_until`: set when the sender cut its list of a resolved group: firing alerts of the group that
    started no later than this have ended too.
    `ignored`: alerts left out on purpose (`intake.ignore`), counted only. `unwanted`: fingerprints of those that are to
    be ignored as well, unless they end what was accepted before, or are about it.
    `receipts`: ids by which this very webhook is known again; one that was seen makes the whole a duplicate.
    `event`: what PagerDuty says happened to its incident; the whole then counts as one.
    `never_ends`: its sender cannot say that an alert ended.
    `others`: further groups of the same body, each to be accepted like this one (`intake/arrange.py` lines them up).
    `asked`: nobody sent it: its sender was asked. What the timeline says of that; an alert that was heard of anew
    since then is left as it is.
    """

    kind: str
    source: str
    key: bytes
    title: str = ""
    url: str = ""
    alerts: tuple[Alert, ...] = ()
    quarantined: tuple[Quarantined, ...] = ()
    ignored: int = 0
    unwanted: frozenset[str] = frozenset()
    ends_others_until: datetime | None = None
    receipts: tuple[str, ...] = ()
    event: PagedEvent | None = None
    never_ends: bool = False
    others: tuple[Webhook, ...] = ()
    asked: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """What became of one webhook's alerts; the counts add up to the alerts in the body."""

    accepted: int = 0
    duplicates: int = 0
    stale: int = 0
    ignored: int = 0
    quarantined: int = 0
    incidents: tuple[str, ...] = ()

    @classmethod
    def sum(cls, several: Sequence[Accepted]) -> Accepted:
        """All of them as one, each incident named once."""
        return cls(
            accepted=sum(it.accepted for it in several),
            duplicates=sum(it.duplicates for it in several),
            stale=sum(it.stale for it in several),
            ignored=sum(it.ignored for it in several),
            quarantined=sum(it.quarantined for it in several),
            incidents=tuple(dict.fromkeys(slug for it in several for slug in it.incidents)),
        )

    def as_json(self) -> dict[str, Any]:
        """The answer that its sender gets."""
        return {
            "accepted": self.accepted,
            "duplicates": self.duplicates,
            "stale": self.stale,
            "ignored": self.ignored,
            "quarantined": self.quarantined,
            "incidents": list(self.incidents),
        }
