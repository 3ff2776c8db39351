"""Incidents that a link shows to be one, and what is to become of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from responder.model.alert import Alert


@dataclass(frozen=True, slots=True, kw_only=True)
class Joining:
    """One of them, as it is held."""

    id: int
    open_now: bool
    opened_at: datetime
    resolved_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinPlan:
    """`folds`: into the elder; `reopens`: the elder was settled and goes on; `leaves`: settled long ago, lose links."""

    elder: int
    folds: tuple[int, ...] = ()
    reopens: bool = False
    leaves: tuple[int, ...] = ()


Join = Callable[[Sequence[Joining], datetime], JoinPlan]


@dataclass(frozen=True, slots=True, kw_only=True)
class PagedAlerts:
    """What a PagerDuty incident holds under one alert key: its alerts as PagerDuty tells them.

    `is_group`: the key is that of an Alertmanager or Grafana group, whose own webhook may come. `is_ignored`: it holds
    nothing but what `intake.ignore` names.
    """

    key: str
    alerts: tuple[Alert, ...] = ()
    is_group: bool = False
    is_ignored: bool = False

    @property
    def group(self) -> bytes:
        """The key as the links hold it: a group's own hash, else the hash of whatever text a sender chose."""
        try:
            given = bytes.fromhex(self.key)
        except ValueError:
            given = b""
        return given if len(given) == 32 else sha256(self.key.encode("utf-8", "surrogatepass")).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """What came of telling the store about a PagerDuty incident.

    `incident`: the one that reports to it now; `folded`: slugs of those that it goes on for; `awaits`: group keys
    whose own webhook has not come.
    """

    incident: int
    folded: tuple[str, ...] = ()
    awaits: bool = False
