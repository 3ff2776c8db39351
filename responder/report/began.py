"""When an incident began: earlier than its alert fired, which waits for its `for`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from responder.model.finding import Finding
from responder.model.incident import Incident
from responder.model.pack import Bound, Pack
from responder.model.report import Report
from responder.model.verdict import Breach, Pending, RuleVerdict
from responder.report.wording import decisive, rule_of

OWN_EXPRESSION = "prometheus.rules"  # the check that tells since when the alert's own expression holds
WAITS = 2.0  # an alert of the same kind may wait twice as long as the rule's own bound
BEYOND = timedelta(minutes=3)  # for scrapes and evaluations


def began_at(
    incident: Incident,
    pack: Pack,
    verdicts: Sequence[RuleVerdict],
    findings: Sequence[Finding],
    former: Report | None,
) -> datetime:
    """What changed while an alert waited for its `for` started nothing, however close to the alert it was.

    `verdicts`: gravest first. Once known it stays, though later looks do not reach back so far; what came back began
    anew.
    """
    came_back = former is not None and former.resolved_at is not None and incident.resolved_at is None
    known = [incident.onset] + ([former.onset] if former is not None and not came_back else [])
    return min([*known, *_by_signal(incident, pack, verdicts), *_by_expression(incident, findings)])


def _by_signal(incident: Incident, pack: Pack, verdicts: Sequence[RuleVerdict]) -> Iterator[datetime]:
    """Since when the signal that decides the gravest rule is over its bound, where the alert fits to that: one that
    fired far later is about something else, and the bound only looser."""
    signal = decisive(verdicts[0]) if verdicts else None
    rule = rule_of(verdicts[0], pack) if verdicts else None
    if signal is None or rule is None:
        return
    bounds = [bound for it in rule.thresholds if it.signal == signal.signal for bound in it.bounds]
    match signal.verdict:
        case Breach(since=datetime() as since, at_least=False) | Pending(since=since):
            if incident.onset - since <= _longest_wait(bounds, signal.bound):
                yield since


def _longest_wait(bounds: Sequence[Bound], text: str) -> timedelta:
    held = next((it.for_seconds for it in bounds if it.text == text), 0.0)
    return WAITS * timedelta(seconds=held) + BEYOND


def _by_expression(incident: Incident, findings: Sequence[Finding]) -> Iterator[datetime]:
    """As Prometheus says of the alert's own expression; of several alerts it could be any one's."""
    if len({it.alert.name for it in incident.alerts}) != 1:
        return
    for it in findings:
        if it.check == OWN_EXPRESSION and it.asked_at is not None and it.lasted_seconds is not None:
            yield it.asked_at - timedelta(seconds=it.lasted_seconds)
