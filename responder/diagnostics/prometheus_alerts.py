"""What else fires now?"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar

from responder.clients.doors import Doors
from responder.clients.prometheus import ActiveAlert
from responder.diagnostics.diagnostic import Diagnostic
from responder.diagnostics.prometheus_matchers import Lines, in_quotes, selectors
from responder.diagnostics.text import moment, shortened, table
from responder.model.catalogue import Beside, Parameters
from responder.model.finding import Finding, Outcome
from responder.model.matchers import parse_line
from responder.model.pack import MatcherLine, Target

SHOWN_IN_HEADLINE = 3
MOST_ROWS = 200
MOST_NAME = 60  # characters
GRAVITY = 30  # other alerts are company, not a cause: whatever else is unhealthy goes first
REDACTED = "[redacted"

Labels = Mapping[str, str]


class Asked(Parameters):
    """`match`: lines of matchers, any of which; without one, every alert."""

    escapes: ClassVar[Mapping[str, Callable[[str], str]]] = {"match": in_quotes}

    match: Lines = ()

    def beside(self, it: Beside) -> AskedBeside:
        """The same, told which alerts are the incident's own and which lines the pack leaves out everywhere."""
        return AskedBeside(match=self.match, own=tuple(dict(one) for one in it.alerts), ignored=tuple(it.ignored))


class AskedBeside(Asked):
    """`own`: labels of the incident's alerts; `ignored`: the pack's `ignore`."""

    own: tuple[dict[str, str], ...] = ()
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The alerts of one name. `since`: the earliest of them."""

    name: str
    alerts: tuple[ActiveAlert, ...]
    since: datetime | None

    @property
    def shared(self) -> str:
        """`{service="api"}`: the labels that all of them have, without the name."""
        first, *others = [it.labels for it in self.alerts]
        common = {
            name: value
            for name, value in first.items()
            if name != "alertname" and all(it.get(name) == value for it in others)
        }
        return "{" + ", ".join(f'{name}="{value}"' for name, value in sorted(common.items())) + "}" if common else ""


class PrometheusAlerts:
    """Other alerts point at how far the trouble goes. The incident's own are left out, those that have all the labels
    of an alert that it holds: on its way to us an alert only gains labels, the external ones."""

    name = "prometheus.alerts"
    target_kind = "prometheus"
    question = "What else fires now?"
    parameters: type[Parameters] = Asked
    marks: frozenset[str] = frozenset()

    async def examine(self, target: Target, parameters: Asked, doors: Doors) -> Finding:
        """Raises CouldNotLook when there is no answer."""
        door = doors.prometheus(target)
        active = await door.alerts()
        lines = [parse_line(it) for it in parameters.match]
        wanted = [it for it in active.alerts if not lines or _fits(lines, it)]
        left_out = _left_out(parameters)
        others = [it for it in wanted if not left_out(it)]
        firing = [it for it in others if it.firing]
        groups = _grouped(firing)
        query = " or ".join(selectors("ALERTS", lines, 'alertstate="firing"'))  # the incident's own included
        return Finding(
            check=self.name,
            target=target.name,
            outcome=Outcome.UNHEALTHY if firing else Outcome.HEALTHY,
            headline=_headline(groups, len(firing), active.at, narrowed=bool(lines)),
            details=_details(len(wanted) - len(others), len(others) - len(firing)),
            table=table(
                ("alert", "firing", "since", "in common"), [_row(it, active.at) for it in groups], most=MOST_ROWS
            )
            if groups
            else None,
            gravity=GRAVITY if firing else 0,
            equivalent=f"promtool query instant {door.shown} {shlex.quote(query)}",
        )


def _fits(lines: Iterable[MatcherLine], alert: ActiveAlert) -> bool:
    return any(line.holds(alert.labels) for line in lines)


def _left_out(parameters: Asked) -> Callable[[ActiveAlert], bool]:
    """Whether an alert is one of the incident's own, or one that the pack ignores."""
    if not isinstance(parameters, AskedBeside):
        return lambda _: False
    own = _Own(parameters.own)
    ignored = [parse_line(it) for it in parameters.ignored]
    return lambda alert: own.holds(alert.labels) or _fits(ignored, alert)


class _Own:
    """Finds the incident's own alerts by all the labels that Prometheus gives; one look for each set of names."""

    def __init__(self, own: Sequence[Labels]) -> None:
        self._own = own
        self._exact: dict[tuple[str, ...], set[tuple[str, ...]]] = {}
        self._vague = [it for it in own if any(REDACTED in value for value in it.values())]

    def holds(self, labels: Labels) -> bool:
        names = tuple(sorted(labels))
        if names not in self._exact:
            having = (it for it in self._own if all(name in it for name in names))
            self._exact[names] = {tuple(it[name] for name in names) for it in having}
        return tuple(labels[name] for name in names) in self._exact[names] or any(
            all(name in it and (it[name] == value or REDACTED in it[name]) for name, value in labels.items())
            for it in self._vague
        )


def _grouped(firing: Sequence[ActiveAlert]) -> list[Group]:
    """By name: the most alerts first, then the one that began first."""
    by_name: dict[str, list[ActiveAlert]] = {}
    for alert in firing:
        by_name.setdefault(alert.labels.get("alertname", "without a name"), []).append(alert)
    groups = [
        Group(
            name=shortened(name, MOST_NAME),
            alerts=tuple(several),
            since=min((it.since for it in several if it.since is not None), default=None),
        )
        for name, several in by_name.items()
    ]
    latest = datetime.max.replace(tzinfo=UTC)
    return sorted(groups, key=lambda it: (-len(it.alerts), it.since or latest, it.name))


def _headline(groups: Sequence[Group], count: int, at: datetime | None, *, narrowed: bool) -> str:
    if not groups:
        return "no other alert that matches fires" if narrowed else "nothing else fires"
    shown = ", ".join(_shown(it, at) for it in groups[:SHOWN_IN_HEADLINE])
    more = f", and {len(groups) - SHOWN_IN_HEADLINE} more" if len(groups) > SHOWN_IN_HEADLINE else ""
    return f"{count} other alert{' fires' if count == 1 else 's fire'}: {shown}{more}"


def _shown(group: Group, at: datetime | None) -> str:
    times = f" ×{len(group.alerts)}" if len(group.alerts) > 1 else ""
    return f"{group.name}{times}" + (f" since {moment(group.since, at)}" if group.since is not None else "")


def _row(group: Group, at: datetime | None) -> tuple[str, ...]:
    since = moment(group.since, at) if group.since is not None else ""
    return (group.name, str(len(group.alerts)), since, group.shared)


def _details(left_out: int, pending: int) -> str:
    lines = [
        f"{pending} more pending, not firing yet" if pending else "",
        f"{left_out} of this incident, or ignored by its rules, not counted" if left_out else "",
    ]
    return "\n".join(it for it in lines if it)


DIAGNOSTIC: Diagnostic = PrometheusAlerts()
