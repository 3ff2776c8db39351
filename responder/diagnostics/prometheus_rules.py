"""Since when does the alert's own expression hold, and how often has it in the last hour?"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from pydantic import Field

from responder.clients.doors import Doors
from responder.clients.prometheus import PrometheusDoor, Series
from responder.diagnostics.diagnostic import Diagnostic
from responder.diagnostics.prometheus_curves import chart, clock, known, step_of
from responder.diagnostics.text import age, number, shortened, table
from responder.errors import CouldNotLook, Refused, Unreachable
from responder.model.alerting_rule import AlertingRule
from responder.model.catalogue import Beside, Parameters
from responder.model.finding import Finding, Outcome
from responder.model.pack import Target

RANGE_SECONDS = 3600.0
MOST_RULES = 5
GRAVITY = 20  # it says again that the alert fires; whatever else is unhealthy goes first
CANNOT_BE_EVALUATED = 60

Labels = Mapping[str, str]


class Asked(Parameters):
    """`alert`: the name of an alert; without one, the alerts of the incident."""

    alert: Annotated[str, Field(max_length=200)] = ""

    def beside(self, it: Beside) -> AskedBeside:
        """The same, told what the incident's own alerts are."""
        return AskedBeside(alert=self.alert, own=tuple(dict(one) for one in it.alerts))


class AskedBeside(Asked):
    """`own`: labels of the incident's alerts."""

    own: tuple[dict[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """How one rule's expression went. `spells`: (first, last second) at which any series of it had a sample, oldest
    first; `last_at`: the server's time when it was asked."""

    rule: AlertingRule
    series: tuple[Series, ...]
    step_seconds: int
    spells: tuple[tuple[float, float], ...]
    last_at: float

    @property
    def holds(self) -> bool:
        """Whether it held at the newest step."""
        return bool(self.spells) and self.spells[-1][1] >= self.last_at - 1.5 * self.step_seconds


class PrometheusRules:
    """The expression has samples only while it holds, so that its samples say when it did."""

    name = "prometheus.rules"
    target_kind = "prometheus"
    question = "Since when does the alert's own expression hold, and how often has it in the last hour?"
    parameters: type[Parameters] = Asked
    marks: frozenset[str] = frozenset()

    async def examine(self, target: Target, parameters: Asked, doors: Doors) -> Finding:
        """Raises CouldNotLook when there is no answer, or no such rule at this Prometheus."""
        door = doors.prometheus(target)
        rules = await _rules(door, parameters)
        now = _value(await door.instant("time()"))
        held = [await _held(door, it, now) for it in rules if not it.failing]
        failing = [it for it in rules if it.failing]
        shown = max(held, key=lambda it: (it.holds, len(it.spells)), default=None)
        return Finding(
            check=self.name,
            target=target.name,
            outcome=Outcome.UNHEALTHY if failing or any(it.holds for it in held) else Outcome.HEALTHY,
            headline=_headline(shown, failing),
            table=table(("rule", "now", "times", "in all", "expression"), [_row(it) for it in held])
            if len(held) > 1
            else None,
            details="\n".join(f"{it.alert} cannot be evaluated: {it.expression}" for it in failing),
            chart=chart(shown.series, shown.step_seconds) if shown and shown.series else None,
            lasted_seconds=_lasted(shown) if not failing else None,
            gravity=CANNOT_BE_EVALUATED if failing else GRAVITY if any(it.holds for it in held) else 0,
            equivalent=f"promtool query range {door.shown} {shlex.quote(rules[0].expression)}",
        )


async def _rules(door: PrometheusDoor, parameters: Asked) -> list[AlertingRule]:
    own = parameters.own if isinstance(parameters, AskedBeside) else ()
    names = [parameters.alert] if parameters.alert else list(dict.fromkeys(it.get("alertname", "") for it in own))
    names = [it for it in names if it]
    if not names:
        raise Refused("there is no alert to look for; say which with `alert`")
    found = [it for name in names[:MOST_RULES] for it in await door.alerting_rules(name)]
    if not found:
        raise Unreachable(
            f"{door.shown}: it has no rule for {', '.join(shortened(it, 60) for it in names[:MOST_RULES])}"
        )
    fitting = [it for it in found if any(_made_by(it, labels) for labels in own)]
    return (fitting or found)[:MOST_RULES]


def _made_by(rule: AlertingRule, alert: Labels) -> bool:
    """Whether an alert has the labels that a rule adds, as far as these are written out."""
    plain = {name: value for name, value in rule.labels.items() if "{{" not in value}
    return alert.get("alertname") == rule.alert and all(alert.get(name) == value for name, value in plain.items())


async def _held(door: PrometheusDoor, rule: AlertingRule, now: float) -> Held:
    step = step_of(RANGE_SECONDS)
    try:
        series = await door.past(rule.expression, RANGE_SECONDS, step)
    except Refused as reason:
        raise CouldNotLook(f"{rule.alert}: {reason}") from None
    times = sorted({it.at.timestamp() for one in series for it in one.samples})
    spells: list[tuple[float, float]] = []
    for at in times:
        if spells and at - spells[-1][1] <= 1.5 * step:
            spells[-1] = (spells[-1][0], at)
        else:
            spells.append((at, at))
    return Held(rule=rule, series=series, step_seconds=step, spells=tuple(spells), last_at=now)


def _headline(held: Held | None, failing: Sequence[AlertingRule]) -> str:
    """`HighErrorRate holds since 03:08 UTC (4m), highest 0.073; 3 times in the last hour, 12m in all`."""
    if failing:
        return f"{failing[0].alert} cannot be evaluated by Prometheus" + (", among others" if len(failing) > 1 else "")
    assert held is not None  # there is a rule, and it is not failing
    if not held.spells:
        return f"{held.rule.alert} has not held in the last hour"
    began, ended = held.spells[-1]
    times = len(held.spells)
    often = f"; {times} times in the last hour, {age(_in_all(held))} in all" if times > 1 else ""
    if not held.holds:
        return f"{held.rule.alert} does not hold any more, last at {clock(_at(ended))}{often}"
    if _fills(held):
        return f"{held.rule.alert} holds for an hour or longer{_highest(held)}"
    return f"{held.rule.alert} holds since {clock(_at(began))} ({age(held.last_at - began)}){_highest(held)}{often}"


def _lasted(held: Held | None) -> float | None:
    """At least so long; what fires has held for the rule's own `for`, though we look back for an hour only."""
    if held is None or not held.holds:
        return None
    lasted = max(held.last_at - held.spells[-1][0], 0.0)
    return max(lasted, held.rule.for_seconds) if _fills(held) else lasted


def _fills(held: Held) -> bool:
    """Whether the newest spell is as long as we look back."""
    return held.last_at - held.spells[-1][0] >= RANGE_SECONDS - 1.5 * held.step_seconds


def _in_all(held: Held) -> float:
    """Seconds; a single sample counts as one step."""
    return sum(ended - began + held.step_seconds for began, ended in held.spells)


def _highest(held: Held) -> str:
    now = [values[-1][1] for values in (known(it.samples) for it in held.series) if values]
    many = f", {len(held.series)} series" if len(held.series) > 1 else ""
    return f"{many}, highest now {number(max(now))}" if now else many


def _row(held: Held) -> tuple[str, ...]:
    state = "holds" if held.holds else "does not hold"
    return (held.rule.alert, state, str(len(held.spells)), age(_in_all(held)), held.rule.expression)


def _at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _value(series: Sequence[Series]) -> float:
    return (series[0].samples[-1].value or 0.0) if series and series[0].samples else 0.0


DIAGNOSTIC: Diagnostic = PrometheusRules()
