"""`responder replay [RULES]`: what edited rules would have said of the incidents of late."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from responder import terminal, wiring
from responder.attach import Attached, with_store
from responder.diagnostics.catalogue import specs
from responder.errors import UsageError
from responder.intake.arrange import arranged
from responder.model.incident import Incident
from responder.model.intake import merged
from responder.model.pack import Pack
from responder.model.quantities import parse_duration, several
from responder.rules.packs import is_ignored, pack_for, pack_from_files
from responder.store.incidents import rule_files
from responder.store.recorded import Recorded, numbers, recorded
from responder.work.replay import Said, differences, replayed


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """One incident. `then`: by the rules that it began with, None where those cannot be read any more."""

    recorded: Recorded
    then: Said | None
    now: Said

    @property
    def differs(self) -> Mapping[str, object]:
        """What would have been different."""
        return differences(self.then, self.now) if self.then is not None else {"rules it began with": "cannot be read"}


@click.command("replay")
@click.argument("rules", required=False, type=click.Path(path_type=Path))
@click.option("--since", default="7d", show_default=True, help="How far back: 12h, 3d, 2w.")
@click.option("--all", "wants_all", is_flag=True, help="Also incidents for which nothing is different.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def command(rules: Path | None, since: str, wants_all: bool, as_json: bool) -> int:
    """Tell what edited rules would have changed of late.

    RULES (default: RESPONDER_RULES) against the incidents; nothing is read from your systems or sent.

    Of each incident: what the rules that it began with say of what was recorded, and what these say of the same. What
    was not read or asked then is unknown, and said so.
    """
    try:
        span = timedelta(seconds=parse_duration(since))
    except ValueError as wrong:
        raise UsageError(f"--since: {wrong}") from None

    async def do(attached: Attached) -> int:
        settings = attached.settings.model_copy(update={"rules": rules}) if rules else attached.settings
        packs = wiring.load_rules(settings).packs
        told = [await _replayed(attached, number, packs) for number in await numbers(attached.store, span)]
        found = [it for it in told if it is not None]
        if as_json:
            terminal.say_json({"since": since, "incidents": [_as_json(it) for it in found]})
        else:
            for line in lines_of(found, since, wants_all=wants_all):
                click.echo(line)
        return 0

    return with_store(do)


async def _replayed(attached: Attached, number: int, packs: Sequence[Pack]) -> Replayed | None:
    found = await recorded(attached.store, number)
    if found is None:
        return None
    then = await _pack_then(attached, found.incident)
    began = found.incident.rule_set is None or then is not None
    again = _as_taken_in(found, packs)
    return Replayed(
        recorded=found,
        then=replayed(found, then, then) if began else None,
        now=replayed(again, _pack_now(again.incident, packs), then),
    )


async def _pack_then(attached: Attached, incident: Incident) -> Pack | None:
    """The set that it began with, as this version reads it."""
    if incident.rule_set is None:
        return None
    try:
        return pack_from_files(*await rule_files(attached.store, incident.rule_set), specs())
    except UsageError:
        return None


def _as_taken_in(found: Recorded, packs: Sequence[Pack]) -> Recorded:
    """With the labels that `intake` of these packs gives, less the alerts that it leaves out."""
    intake = merged(pack.intake for pack in packs)
    alerts = [
        replace(it, alert=replace(it.alert, labels=arranged(it.alert.labels, intake))) for it in found.incident.alerts
    ]
    kept = tuple(it for it in alerts if not is_ignored(packs, it.alert.labels))
    return replace(found, incident=replace(found.incident, alerts=kept))


def _pack_now(incident: Incident, packs: Sequence[Pack]) -> Pack | None:
    first = min(incident.alerts, key=lambda it: (it.first_seen, it.alert.fingerprint), default=None)
    if first is not None:
        return pack_for(packs, first.alert.labels)
    return next((pack for pack in packs if incident.watched and pack.name == incident.pack), None)


def lines_of(found: Sequence[Replayed], since: str, *, wants_all: bool) -> Iterator[str]:
    """A table of the incidents for which something is different, what it is, and how many there are."""
    different = [it for it in found if it.differs]
    shown = found if wants_all else different
    if shown:
        rows = [(it.recorded.incident.slug, _severities(it), what) for it in shown for what in _whats(it)]
        yield from terminal.table(("incident", "severity", "what"), _once(rows), wide=terminal.width())
    untold = sum(bool(it.now.unknown) for it in found)
    whole = several(len(found), "incident")
    yield f"{whole} of the last {since}: {len(different)} different, {untold} not to be told whole"


def _once(rows: Sequence[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    """The incident and its severity stand in their first row only."""
    return [
        ("", "", row[2]) if before is not None and before[0] == row[0] else row
        for before, row in zip([None, *rows], rows, strict=False)
    ]


def _severities(it: Replayed) -> str:
    now = it.now.severity or "no report"
    if it.then is None:
        return f"{it.recorded.incident.severity or 'none'} → {now}"
    then = it.then.severity or "no report"
    return then if then == now else f"{then} → {now}"


def _whats(it: Replayed) -> Iterator[str]:
    """One line for each thing that is different, then what cannot be told."""
    differs = it.differs
    for theme, value in differs.items():
        match theme, value:
            case "rules", dict():
                yield from (f"rule {name}: {then or '–'} → {now or '–'}" for name, (then, now) in value.items())
            case (("checks" | "suggestions"), {"more": more, "fewer": fewer}):
                yield f"{theme}: {', '.join([*(f'+ {x}' for x in more), *(f'- {x}' for x in fewer)])}"
            case "severity", _:
                yield f"decided by {it.now.decided_by or 'nothing: no rule matches'}"
            case _, [then, now]:
                yield f"{theme.replace('_', ' ')}: {then or 'none'} → {now or 'none'}"
            case _:
                yield f"{theme}: {value}"
    yield from (f"unknown: {name} {why}" for name, why in sorted(it.now.unknown.items()))
    if not differs and not it.now.unknown:
        yield "the same"


def _as_json(it: Replayed) -> dict[str, Any]:
    return {
        "incident": it.recorded.incident.slug,
        "looks": len(it.recorded.moments),
        "severity_then": it.recorded.incident.severity,
        "then": _said(it.then) if it.then else None,
        "now": _said(it.now),
        "different": it.differs,
    }


def _said(said: Said) -> dict[str, Any]:
    return {
        "pack": said.pack or None,
        "rules": said.rules,
        "severity": said.severity,
        "decided_by": said.decided_by or None,
        "checks": sorted(said.checks),
        "suggestions": sorted(said.suggestions),
        "unknown": said.unknown,
    }
