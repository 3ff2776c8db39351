"""The checks of an incident, asked because a person wants to know; the work on it goes its own way."""

from __future__ import annotations

from responder.diagnostics.examine import examined, not_asked
from responder.errors import UsageError
from responder.model.finding import Finding
from responder.model.verdict import RuleVerdict, Unknown
from responder.store import incidents
from responder.work.began_with import pack_or_present
from responder.work.desk import Desk
from responder.work.situation import Situation

NOT_YET = RuleVerdict(rule="", verdict=Unknown(why="not looked at yet"))


async def ask_again(desk: Desk, number: int) -> tuple[Finding, ...]:
    """Ask what the last look would have asked; nothing is kept. Raises UsageError where there is nothing to ask."""
    seen = await incidents.load(desk.store, number)
    if seen is None or seen.former is None:
        raise UsageError("no look was made at it yet; its timeline says why")
    pack = await pack_or_present(desk, seen.incident)
    if pack is None:
        raise UsageError("no pack takes it, so there is nothing to ask")
    situation = Situation(
        pack=pack,
        incident=seen.incident,
        now=seen.now,
        former=seen.former,
        known=seen.known,
        severities=seen.severities,
        watched=seen.incident.watched,
    )
    last = {it.rule: it for it in seen.former.verdicts}
    rules = situation.rules()
    asked = situation.plan(rules, [last.get(it.name, NOT_YET) for it in rules])
    found = await examined(
        asked.asks,
        desk.diagnostics,
        desk.doors,
        timeout_seconds=desk.diagnostic_timeout_seconds,
        clock=desk.clock,
        on_finding=_told,
        shared=desk.shared,
    )
    return (*found, *not_asked(asked))


async def _told(_: Finding) -> None:
    """All are handed back at the end."""
