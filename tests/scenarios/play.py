"""Walks one scenario through the same steps as the daemon does, with a clock that stands still."""

from __future__ import annotations

from collections.abc import Sequence

from responder.diagnostics.catalogue import catalogue, specs
from responder.diagnostics.examine import Examination
from responder.diagnostics.plan import Ask
from responder.model.finding import Finding
from responder.model.incident import HeldAlert, Incident, IncidentState, slug_of
from responder.model.report import Report
from responder.rules.match import windows
from responder.signals.read import read
from responder.work.situation import Situation
from tests.scenarios.played.doors import PlayedDoors
from tests.scenarios.played.findings import with_given
from tests.scenarios.played.world import World
from tests.scenarios.scenario import Scenario

LONGEST_SECONDS = 30.0  # nothing here waits for anything: longer is a bug


async def play(scenario: Scenario) -> Report:
    """What would be told. Raises ValueError when no rule of the pack takes the alerts."""
    pack, world = scenario.pack, scenario.world
    situation = Situation(pack=pack, incident=_incident(scenario), now=world.now)
    rules = situation.rules()
    if not rules:
        raise ValueError(f"{scenario.name}: no rule matches its alerts")
    doors = PlayedDoors(world)
    try:
        wanted = {pack.signals[name]: seconds for name, seconds in windows(pack, rules).items()}
        readings = await read(
            wanted,
            situation.labels,
            pack.targets,
            doors,
            world.now,
            within_seconds=LONGEST_SECONDS,
            payloads=situation.alerts,
        )
        verdicts = situation.verdicts(rules, readings)
        plan = situation.plan(rules, verdicts)
        findings = await _examined(plan.asks, doors, world)
    finally:
        await doors.close()
    marks = frozenset(mark for it in findings for mark in it.marks)
    assessment = situation.assess(verdicts, readings, marks)
    return situation.report(verdicts, assessment, plan, findings, at=world.now)


async def _examined(asks: Sequence[Ask], doors: PlayedDoors, world: World) -> tuple[Finding, ...]:
    async def told(_: Finding) -> None:
        """Nobody is told here."""

    diagnostics = with_given(catalogue(), specs(), world)
    async with Examination(
        asks, diagnostics, doors, timeout_seconds=LONGEST_SECONDS, clock=lambda: world.now, on_finding=told
    ) as examination:
        await examination.wait(LONGEST_SECONDS)
        return examination.findings


def _incident(scenario: Scenario) -> Incident:
    now, webhook = scenario.world.now, scenario.webhook
    held = [
        HeldAlert(alert=it, kind=webhook.kind, source=webhook.source, first_seen=now, last_seen=now)
        for it in webhook.alerts
    ]
    return Incident(
        id=1,
        slug=slug_of(1),
        state=IncidentState.OPEN,
        pack=scenario.pack.name,
        rule_set=None,
        severity=None,
        opened_at=now,
        acknowledged_at=None,
        resolved_at=None,
        first_report_due=now,
        run=1,
        continues=None,
        alerts=tuple(held),
        links=(),
    )
