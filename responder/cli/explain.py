"""`responder explain ALERT.json`: every decision for these alerts and its reason. Reads real sources, sends nothing."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

import click

from responder import terminal, wiring
from responder.clients.doors import Doors
from responder.delivery.plain_text import plain_text
from responder.diagnostics.catalogue import catalogue
from responder.diagnostics.examine import examined
from responder.diagnostics.plan import Ask, Plan
from responder.errors import UsageError
from responder.intake.arrange import arrange
from responder.intake.registry import sources
from responder.intake.source import DEFAULT_SOURCE, Limits, Post, UnknownSender, UnreadableBody
from responder.model.alert import Alert, AlertStatus, Webhook
from responder.model.finding import Finding
from responder.model.incident import HeldAlert, Incident, IncidentState, marker_of, slug_of
from responder.model.intake import Intake, merged
from responder.model.pack import Pack, Rule
from responder.model.quantities import show_duration
from responder.model.report import Report
from responder.model.verdict import Breach, Clear, Pending, RuleVerdict, SignalVerdict, Unknown, Verdict
from responder.redaction.redact import Redactor
from responder.report.promised import promised
from responder.rules.evaluate import pending_beyond
from responder.rules.match import windows
from responder.rules.packs import is_ignored, pack_for
from responder.settings import Settings, load_settings
from responder.signals.read import read
from responder.telemetry import log_everything
from responder.terminal_finding import WORDS
from responder.work.situation import Situation

READ_WITHIN_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Every decision on the way. `pack` None: no pack takes the alerts; `report` None: no rule matches."""

    webhook: Webhook
    ignored: tuple[Alert, ...]
    pack: Pack | None
    rules: tuple[Rule, ...] = ()
    verdicts: tuple[RuleVerdict, ...] = ()
    plan: Plan | None = None
    report: Report | None = None


@click.command("explain")
@click.argument("alert", type=click.File("r", encoding="utf-8"))
@click.option(
    "--kind",
    default="alertmanager",
    show_default=True,
    help="Whose webhook body this is; generic/NAME for a sender that a pack describes.",
)
@click.option("--diagnose", is_flag=True, help="Run the checks as well.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def command(alert: TextIO, kind: str, diagnose: bool, as_json: bool) -> None:
    """Tell every decision for an alert, and why; sends nothing.

    ALERT is the body of a webhook, - for standard input.
    """
    settings = load_settings()
    loaded = wiring.load_rules(settings)
    redactor = wiring.redactor_of(settings, loaded.packs)
    log_everything(as_json=False, level="error", redact=redactor.text)
    webhook = _webhook(alert, kind, redactor, merged(it.intake for it in loaded.packs))
    explained = asyncio.run(explain(webhook, loaded.packs, wiring.clock(), settings, diagnose=diagnose))
    if as_json:
        click.echo(redactor.text(json.dumps(_as_json(explained), default=str, indent=2, ensure_ascii=False)))
        return
    for line in _lines(explained, settings, diagnose=diagnose):
        click.echo(redactor.text(line))


async def explain(
    webhook: Webhook, packs: tuple[Pack, ...], now: datetime, settings: Settings, *, diagnose: bool
) -> Explanation:
    """Walk the same steps as the daemon does, for alerts that arrive now."""
    ignored = tuple(it for it in webhook.alerts if is_ignored(packs, it.labels))
    kept = dataclasses.replace(webhook, alerts=tuple(it for it in webhook.alerts if it not in ignored))
    pack = pack_for(packs, kept.alerts[0].labels) if kept.alerts else None
    if pack is None:
        return Explanation(webhook=webhook, ignored=ignored, pack=None)
    situation = Situation(pack=pack, incident=_incident(kept, now), now=now)
    rules = situation.rules()
    if not rules:
        return Explanation(webhook=webhook, ignored=ignored, pack=pack)
    doors = wiring.doors_of(settings)
    try:
        wanted = {pack.signals[name]: seconds for name, seconds in windows(pack, rules).items()}
        readings = await read(
            wanted,
            situation.labels,
            pack.targets,
            doors,
            now,
            within_seconds=READ_WITHIN_SECONDS,
            payloads=situation.alerts,
        )
        verdicts = tuple(situation.verdicts(rules, readings))
        asked = situation.plan(rules, verdicts)
        findings = await _findings(asked.asks, doors, settings) if diagnose else ()
    finally:
        await doors.close()
    marks = frozenset(mark for it in findings for mark in it.marks) if diagnose else None
    report = situation.report(
        verdicts,
        situation.assess(verdicts, readings, marks),
        asked,
        findings,
        at=now,
        still_looking=() if diagnose else tuple(it.name for it in asked.asks),
    )
    return Explanation(
        webhook=webhook, ignored=ignored, pack=pack, rules=rules, verdicts=verdicts, plan=asked, report=report
    )


async def _findings(asks: Sequence[Ask], doors: Doors, settings: Settings) -> tuple[Finding, ...]:
    waiting = [it.name for it in asks]

    async def heard(finding: Finding) -> None:
        waiting.remove(finding.name)

    seconds = settings.diagnostic_timeout.total_seconds()
    async with terminal.progress(lambda: f"asking {', '.join(waiting)}"):
        return await examined(asks, catalogue(), doors, timeout_seconds=seconds, clock=wiring.clock, on_finding=heard)


def _webhook(file: TextIO, sender: str, redactor: Redactor, intake: Intake) -> Webhook:
    known = sources()
    kind, _, name = sender.partition("/")
    if kind not in known:
        raise UsageError(f"--kind: unknown sender {kind!r}; expected one of {', '.join(sorted(known))}")
    try:
        post = Post(source=name or DEFAULT_SOURCE, headers={}, body=file.read().encode(), intake=intake)
        webhook = arrange(known[kind].parse(post, redactor, Limits()), intake)[0]
    except UnknownSender as unknown:
        raise UsageError(f"--kind: {unknown}") from unknown
    except (UnreadableBody, UnicodeDecodeError) as unreadable:
        raise UsageError(f"{Path(file.name)}: {unreadable}; expected a webhook body as {kind} sends it") from unreadable
    if not webhook.alerts:
        why = "; ".join(it.reason for it in webhook.quarantined) or "it holds no alert"
        raise UsageError(f"{Path(file.name)}: nothing to explain: {why}")
    return webhook


def _incident(webhook: Webhook, now: datetime) -> Incident:
    held = tuple(
        HeldAlert(alert=it, kind=webhook.kind, source=webhook.source, first_seen=now, last_seen=now)
        for it in webhook.alerts
    )
    return Incident(
        id=0,
        slug=slug_of(0),
        state=IncidentState.OPEN,
        pack=None,
        rule_set=None,
        severity=None,
        opened_at=now,
        acknowledged_at=None,
        resolved_at=None,
        first_report_due=now,
        run=0,
        continues=None,
        alerts=held,
        links=(),
    )


def _lines(it: Explanation, settings: Settings, *, diagnose: bool) -> Iterator[str]:
    webhook = it.webhook
    alerts = "1 alert" if len(webhook.alerts) == 1 else f"{len(webhook.alerts)} alerts"
    yield f"Webhook    {webhook.kind}, {alerts}; PagerDuty's incident_key {webhook.key.hex()}"
    for alert in it.webhook.alerts:
        ends = "ended" if alert.status is AlertStatus.RESOLVED else "to end by itself"
        ended = f", {ends} {alert.ends_at:%F %T}" if alert.ends_at else ""
        lasted = f"since {alert.starts_at:%F %T} UTC{ended}"
        yield f"  {alert.status.word:<8} {alert.fingerprint} {lasted}  {_shown(alert.labels)}"
    for aside in it.webhook.quarantined:
        yield f"  quarantined: {aside.reason}"
    for alert in it.ignored:
        yield f"  ignored by intake.ignore: {alert.fingerprint}"
    if it.pack is None:
        yield (
            "Pack       none: no pack's `for` holds for these labels"
            if len(it.ignored) < len(it.webhook.alerts)
            else "Pack       not asked"
        )
        return
    covers = " or ".join(line.text for line in it.pack.covers) or "takes what no other pack takes"
    yield f"Pack       {it.pack.name} ({covers})"
    yield from _rule_lines(it, it.pack)
    if it.report is None:
        yield "Report     none: stored, listed and counted only"
        return
    yield from _verdict_lines(it)
    yield from _severity_lines(it.report)
    yield from _people_lines(it, it.pack)
    yield from _check_lines(it, diagnose=diagnose)
    yield "Note       as it would read; nothing was sent"
    note = plain_text(it.report, marker=marker_of(settings.name, "not-sent"))
    yield from (f"  | {line}" for line in note.splitlines())


def _rule_lines(it: Explanation, pack: Pack) -> Iterator[str]:
    yield f"Rules      {len(it.rules)} of {len(pack.rules)} match"
    labels = [alert.labels for alert in it.webhook.alerts if alert not in it.ignored]
    for rule in pack.rules:
        lines = [line.text for line in rule.match if any(line.holds(one) for one in labels)]
        if rule in it.rules:
            yield f"  yes {rule.name}: {lines[0] if lines else 'default: no other rule matches'}  ({rule.written_at})"
        else:
            yield f"  no  {rule.name}: {_why_not(rule)}"


def _why_not(rule: Rule) -> str:
    if rule.default:
        return "default, and another rule matches"
    if not rule.match:
        return f"looked at each {show_duration(rule.watch_seconds or 0)}, whatever alerts there are"
    return f"no alert fits {' or '.join(it.text for it in rule.match)}"


def _verdict_lines(it: Explanation) -> Iterator[str]:
    yield "Verdicts"
    assert it.report is not None
    for verdict in it.report.verdicts:
        yield f"  {verdict.rule}: {_judged(verdict.verdict)}" + (
            "" if verdict.signals else " (the alert is the evidence)"
        )
        for signal in verdict.signals:
            bound = f", held against {signal.bound}" if signal.bound else ""
            yield f"    {signal.signal} {signal.shown}{bound}: {_judged(signal.verdict)}"
            for pending, graver in _graver(it.rules, verdict.rule, signal):
                yield f"      and held against {graver}: {_judged(pending)}"
            if signal.reading.origin:
                yield f"      from {signal.reading.origin}"


def _graver(rules: Sequence[Rule], name: str, signal: SignalVerdict) -> Iterator[tuple[Pending, str]]:
    """What this breach is about to become."""
    written = (it for rule in rules if rule.name == name for it in rule.thresholds if it.signal == signal.signal)
    yield from (found for it in written if (found := pending_beyond(it, signal)) is not None)


def _severity_lines(report: Report) -> Iterator[str]:
    because = f" ({report.assessment.because})" if report.assessment.because else ""
    yield f"Severity   {report.severity}, decided by {report.assessment.decided_by}{because}"
    for answer in report.assessment.answers:
        result = f" → {answer.result}" if answer.result else ""
        because = f" ({answer.because})" if answer.because else ""
        yield f"  {answer.said:<7} {answer.ask}{because}{result}"


def _people_lines(it: Explanation, pack: Pack) -> Iterator[str]:
    assert it.report is not None
    lines = list(promised(pack, it.rules, it.report.severity))
    if lines:
        yield f"People     as promised at {it.report.severity}"
    yield from (f"  {line}" for line in lines)


def _check_lines(it: Explanation, *, diagnose: bool) -> Iterator[str]:
    assert it.plan is not None
    assert it.report is not None
    found = {finding.name: finding for finding in it.report.findings}
    yield f"Checks     {len(it.plan.asks)}" + ("" if diagnose else ", not run (--diagnose runs them)")
    for ask in it.plan.asks:
        finding = found.get(ask.name)
        yield f"  {ask.name}" + (
            f": {WORDS.get(finding.outcome, finding.outcome)}, {finding.headline}" if finding else ""
        )
    for name, why in it.plan.left_out:
        yield f"  {name}: left out, {why}"


def _judged(verdict: Verdict) -> str:
    match verdict:
        case Breach():
            since = f", since {_time(verdict.since)}" if verdict.since else ""
            return f"breach ({verdict.level}{since}{' or earlier' if verdict.at_least else ''})"
        case Pending():
            return f"pending ({verdict.level}, since {_time(verdict.since)}, due {_time(verdict.due)})"
        case Unknown():
            return f"unknown ({verdict.why})"
        case Clear():
            return "clear"


def _time(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _shown(labels: Mapping[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in sorted(labels.items()))


def _as_json(it: Explanation) -> dict[str, Any]:
    return {
        "alerts": [dataclasses.asdict(alert) for alert in it.webhook.alerts],
        "incident_key": it.webhook.key.hex(),
        "ignored": [alert.fingerprint for alert in it.ignored],
        "pack": it.pack.name if it.pack else None,
        "rules": [rule.name for rule in it.rules],
        "checks": [ask.name for ask in it.plan.asks] if it.plan else [],
        "left_out": [list(pair) for pair in it.plan.left_out] if it.plan else [],
        "people": list(promised(it.pack, it.rules, it.report.severity)) if it.pack and it.report else [],
        "report": dataclasses.asdict(it.report) if it.report else None,
    }
