"""From an incident in the store to a test of rules that can be kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import pairwise

from responder.errors import ResponderError
from responder.model.alert import Alert
from responder.model.catalogue import Catalogue
from responder.model.incident import Incident
from responder.model.pack import Pack
from responder.model.reading import AnyReading
from responder.model.report import Report
from responder.model.verdict import RuleVerdict
from responder.rules.packs import pack_from_files
from responder.rules.recorded import Look, recorded
from responder.rules.rehearsals import parse_rehearsals
from responder.store import incidents, look_up
from responder.store import recorded as records
from responder.store.incidents import Seen
from responder.store.recorded import Moment
from responder.store.store import Store
from responder.work.rehearse import rehearse
from responder.work.replay import as_it_was
from responder.work.situation import Situation


async def test_of(store: Store, name: str, packs: Sequence[Pack], catalogue: Catalogue) -> str:
    """The text of a test file: the looks at an incident, decided by its pack as it is now, or else by the rules that it
    began with. Raises ResponderError where there is nothing to test."""
    number = await look_up.number_of(store, name)
    seen = await incidents.load(store, number) if number is not None else None
    if number is None or seen is None:
        raise ResponderError(f"there is no incident {name!r} here; `responder incidents` lists them")
    if seen.former is None or seen.incident.rule_set is None:
        raise ResponderError(f"{seen.incident.slug} has no report yet; there is nothing to test")
    pack = next((it for it in packs if it.name == seen.incident.pack), None)
    if pack is None:
        pack = pack_from_files(*await incidents.rule_files(store, seen.incident.rule_set), catalogue)
    found = await records.recorded(store, number)
    return text_of(seen, found.moments if found is not None else (), pack, catalogue)


def text_of(seen: Seen, moments: Sequence[Moment], pack: Pack, catalogue: Catalogue) -> str:
    """The looks at which something was decided anew. What does not come about from what was recorded alone (a severity
    that an earlier look had left behind, say) is told in a comment."""
    slug = seen.incident.slug
    looks = _telling(list(_looks(seen, moments, pack)))
    if not looks:
        raise ResponderError(f"{slug}: no rule of the pack {pack.name} matches its alerts")
    whole = parse_rehearsals(recorded(slug, looks, pack), slug, pack, catalogue)
    missed = {(it.at_seconds, it.expected.key) for test in whole.tests for it in rehearse(test, pack).failures}
    return recorded(slug, [replace(it, lost=_lost(it, looks[0], missed)) for it in looks], pack)


def _lost(look: Look, first: Look, missed: set[tuple[float, str]]) -> frozenset[str]:
    at = round((look.at - first.at).total_seconds())
    return frozenset(key for seconds, key in missed if round(seconds) == at)


def _looks(seen: Seen, moments: Sequence[Moment], pack: Pack) -> Iterator[Look]:
    """What the pack decides at each recorded look, what the former ones left behind included."""
    former: Report | None = None
    known: Sequence[RuleVerdict] = ()
    severities: Sequence[tuple[datetime, str]] = ()
    told: dict[str, Alert] = {}
    for moment in moments or (_last(seen),):
        incident = as_it_was(seen.incident, moment.at) if moments else seen.incident
        situation = Situation(
            pack=pack, incident=incident, now=moment.at, former=former, known=known, severities=severities,
            watched=incident.watched,
        )  # fmt: skip
        rules = situation.rules()
        if not rules:
            continue
        verdicts = situation.verdicts(rules, moment.readings)
        plan = situation.plan(rules, verdicts)
        asked = {it.name for it in plan.asks}
        findings = [it for it in moment.findings if it.name in asked]
        assessment = situation.assess(
            verdicts, moment.readings, frozenset(mark for it in findings for mark in it.marks)
        )
        former = situation.report(verdicts, assessment, plan, findings, at=moment.at)
        known, severities = situation.known_after(verdicts), situation.severities_after(assessment)
        alerts = [it for it in _alerts(incident) if told.get(it.fingerprint) != it]
        told |= {it.fingerprint: it for it in alerts}
        yield Look(at=moment.at, alerts=alerts, readings=moment.readings, findings=findings, report=former)


def _alerts(incident: Incident) -> list[Alert]:
    return [it.alert for it in incident.alerts]


def _last(seen: Seen) -> Moment:
    """The last look as far as its report tells, where the looks themselves are forgotten."""
    assert seen.former is not None
    readings: dict[str, tuple[AnyReading, ...]] = {
        it.signal: (it.reading,) for verdict in seen.former.verdicts for it in verdict.signals
    }
    return Moment(at=seen.former.at, readings=readings, findings=seen.former.findings)


def _telling(looks: list[Look]) -> list[Look]:
    """The first, and each at which something else was decided, or an alert came or went."""
    changed = [look for before, look in pairwise(looks) if look.alerts or look.decided != before.decided]
    return [*looks[:1], *changed]
