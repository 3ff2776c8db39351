"""What `world.yaml` says: the moment, and what each target answers then."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from responder.model.quantities import parse_duration

CLOCK = re.compile(r"(\d\d):(\d\d)(?::(\d\d))?")
SAYS_NOTHING = "world.yaml says nothing of"


class _Plain(yaml.SafeLoader):
    """Texts, numbers, true and false; `12:30` stays a text, and so does a date."""


_Plain.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag.rpartition(":")[2] in ("bool", "null", "float")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Plain.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"[-+]?[0-9]+$"), list("-+0123456789"))


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """`targets`: what each answers, by its name in the pack; `findings`: what a check finds whose door cannot be
    played, by the check's name."""

    now: datetime
    targets: Mapping[str, Mapping[str, Any]]
    findings: Mapping[str, Mapping[str, Any]]
    onset: datetime

    def of(self, target: str) -> Mapping[str, Any] | None:
        """What is said of one target; None when nothing is."""
        return self.targets.get(target)

    def moment(self, text: str) -> datetime:
        """`03:04`, `03:04:10` (of the day of `now`, or the day before when that is later), `3d ago`, or RFC 3339."""
        return _moment(text, self.now)

    def ago(self, text: str) -> float:
        """Seconds before now of such a moment."""
        return (self.now - self.moment(text)).total_seconds()


def read_world(file: Path) -> World:
    """Raises ValueError and KeyError for what is missing or not understood."""
    written = yaml.load(file.read_text(encoding="utf-8"), _Plain)
    now = datetime.fromisoformat(written.pop("now")).astimezone(UTC)
    onset = _moment(written.pop("onset", "0s ago"), now)
    return World(now=now, onset=onset, findings=written.pop("findings", {}), targets=written)


def seconds(text: str | float) -> float:
    """`14m`, or a number of seconds."""
    return parse_duration(text) if isinstance(text, str) else float(text)


def _moment(text: str, now: datetime) -> datetime:
    if text.endswith(" ago"):
        return now - timedelta(seconds=parse_duration(text.removesuffix(" ago")))
    clock = CLOCK.fullmatch(text)
    if clock is None:
        return datetime.fromisoformat(text).astimezone(UTC)
    at = now.replace(hour=int(clock[1]), minute=int(clock[2]), second=int(clock[3] or 0), microsecond=0)
    return at if at <= now + timedelta(hours=12) else at - timedelta(days=1)
