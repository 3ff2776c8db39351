"""From the documents of one pack to the pack itself: names resolved, units converted, every mistake noted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256

from responder.model.catalogue import Catalogue
from responder.model.located_yaml import Document
from responder.model.pack import Bound, MatcherLine, Pack, Rule, Rules, SeverityScheme, Target, Thresholds
from responder.model.verdict import Level
from responder.rules.bounds import Measured, odd, parse_bound
from responder.rules.complaints import At, Complaints, suggestion
from responder.rules.entries import Entries, Targets, parameter_names, suggestion_of
from responder.rules.include import Assembled
from responder.rules.intake_section import check_names, intake_of
from responder.rules.looked_at import Signals, target_of
from responder.rules.matrix import warn_of_impact
from responder.rules.people import people_of, time_zone_known
from responder.rules.promises import Promises
from responder.rules.questions import Breaches
from responder.rules.scheme import Known, lines_of, scheme_of
from responder.rules.sections import Sections, Written, gather
from responder.rules.shapes import ENTRY_KEYS, SERVED_BY, WITH_DEFAULTS, RuleShape, ThresholdShape


def parse_pack(name: str, assembled: Assembled, catalogue: Catalogue, complaints: Complaints) -> Pack:
    """The pack that these documents say; `name` stands where none of its own names it.

    Worth using only if `complaints` holds no problem afterwards.
    """
    sections = gather(assembled.own, assembled.included, complaints)
    compiled = {it: target_of(it, written, complaints) for it, written in sections.targets.items()}
    targets: dict[str, Target] = {it: target for it, target in compiled.items() if target is not None}
    refused = {*sections.broken_names("targets"), *(set(compiled) - set(targets))}
    resolver = Targets(targets, refused, complaints)
    signals = Signals(sections, resolver, complaints)
    entries = Entries(sections, resolver, catalogue, complaints)
    entries.all_bundles()
    _check_defaults(sections, catalogue, resolver, complaints)
    promises = Promises(sections, complaints)
    reader = _Rules(signals, entries, promises, marks_by_giver(catalogue), complaints)
    rules = Rules(reader.rule(written) for written in sections.rules.values())
    if not sections.broken_names("rules"):
        entries.warn_of_unused_bundles()
    _check_rules(sections, assembled.own, complaints)
    names = frozenset({*sections.rules, *sections.broken_names("rules")})
    givers = marks_by_giver(catalogue)
    known = Known(signals=signals, rules=names, marks=frozenset(reader.marks), givers=givers, breaches=Breaches(rules))
    severity = scheme_of(sections.severity, known, promises, complaints)
    if severity.matrix is not None:
        impacts = {name: _impact(it.shape) for name, it in sections.rules.items() if it.shape.impact is not None}
        severity = replace(severity, matrix=replace(severity.matrix, impacts=impacts))
    _check_impacts(sections, severity, complaints)
    return Pack(
        name=sections.pack.shape if sections.pack else name,
        hash=hash_of(assembled.texts),
        files=assembled.texts,
        covers=lines_of(tuple(sections.covers.shape), sections.covers.at, complaints) if sections.covers else (),
        time_zone=_time_zone(sections, complaints),
        targets=targets,
        signals=signals.compiled,
        rules=rules,
        severity=severity,
        people=people_of(sections, promises, severity.levels, signals, complaints),
        ignore=_ignored(sections, complaints),
        intake=intake_of(sections.intake, complaints),
    )


def hash_of(files: Mapping[str, str]) -> bytes:
    """SHA-256 over names and texts, in order of name, each with its length, so that no two sets share one."""
    digest = sha256()
    for name, text in sorted(files.items()):
        for part in (name.encode(), text.encode("utf-8", "surrogatepass")):
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
    return digest.digest()


def marks_by_giver(catalogue: Catalogue) -> dict[str, str]:
    """Every mark there is → the first check, by name, that gives it."""
    givers: dict[str, str] = {}
    for name, spec in sorted(catalogue.items()):
        for mark in sorted(spec.marks):
            givers.setdefault(mark, name)
    return givers


class _Rules:
    """Compiles rules, and remembers the marks that any of them may see."""

    def __init__(
        self,
        signals: Signals,
        entries: Entries,
        promises: Promises,
        givers: Mapping[str, str],
        complaints: Complaints,
    ) -> None:
        self._signals, self._entries, self._promises = signals, entries, promises
        self._givers, self._complaints = givers, complaints
        self.marks: set[str] = set()

    def rule(self, written: Written[RuleShape]) -> Rule:
        """One rule; what is wrong in it is noted and left out."""
        shape, at = written.shape, written.at
        asked = self._entries.compiled(shape.diagnose, at / "diagnose")
        self.marks |= asked.marks
        self._check(shape, at)
        return Rule(
            name=shape.name,
            written_at=at.value,
            summary=shape.summary or "",
            match=lines_of(tuple(shape.match or ()), at / "match", self._complaints),
            thresholds=self._thresholds(shape.thresholds or {}, at / "thresholds"),
            level=Level(shape.level) if shape.level else None,
            combine=shape.combine,
            default=shape.default,
            private=shape.private,
            notify=self._promises.notify(shape.notify, at / "notify"),
            watch_seconds=shape.watch,
            labels=dict(shape.labels),
            page=shape.page,
            runbook=shape.runbook or "",
            diagnose=asked.entries,
            suggest=tuple(
                suggestion_of(it, at / "suggest" / index, asked.marks, self._givers, self._complaints)
                for index, it in enumerate(shape.suggest)
            ),
        )

    def _check(self, shape: RuleShape, at: At) -> None:
        if shape.default and shape.match:
            self._complaints.error(
                at / "match", "a default rule takes what no other rule matches; leave `match` out", key=True
            )
        elif shape.match is not None and not shape.match:
            self._complaints.error(at / "match", 'empty match; expected lines such as alertname="HighErrorRate"')
        elif not shape.default and shape.match is None and shape.watch is None:
            self._complaints.error(at, f"rule `{shape.name}` has no `match`; expected one, or `default: true`")
        if shape.thresholds is not None and not shape.thresholds:
            self._complaints.error(at / "thresholds", "expected at least one signal with its bounds, got none")
        if shape.thresholds and shape.level:
            self._complaints.warn(at / "level", "`level` has no effect beside `thresholds`", key=True)

        self._check_watch(shape, at)

    def _check_watch(self, shape: RuleShape, at: At) -> None:
        """What only a rule that is looked at without an alert can have, or needs."""
        for key in ("labels", "page"):
            if getattr(shape, key) and shape.watch is None:
                self._complaints.warn(at / key, f"`{key}` has no effect without `watch`", key=True)
        if shape.watch is not None and not shape.thresholds:
            why = "without `thresholds` the alert is the evidence, and there is nothing to watch"
            self._complaints.error(at / "watch", why, key=True)
        if shape.watch is not None and shape.default:
            self._complaints.error(at / "watch", "a default rule waits for an alert; leave `watch` out", key=True)
        check_names(shape.labels, at / "labels", self._complaints)

    def _thresholds(self, found: Mapping[str, ThresholdShape], at: At) -> tuple[Thresholds, ...]:
        compiled = (self._threshold(name, shape, at / name) for name, shape in found.items())
        return tuple(it for it in compiled if it is not None)

    def _threshold(self, name: str, shape: ThresholdShape, at: At) -> Thresholds | None:
        if name in self._signals.refused:
            return None
        measured = self._signals.measured.get(name)
        if measured is None:
            self._complaints.unknown(at, "signal", name, self._signals.names(), key=True)
            return None
        if shape.warning is None and shape.critical is None:
            self._complaints.error(at, f"`{name}`: expected a `warning` or a `critical` bound, got none", key=True)
            return None
        thresholds = Thresholds(
            signal=name,
            warning=self._bound(shape.warning, measured, at / "warning"),
            critical=self._bound(shape.critical, measured, at / "critical"),
            resolve=self._bound(shape.resolve, measured, at / "resolve"),
        )
        for key, why in odd(thresholds, measured):
            self._complaints.warn(at / key, why)
        return thresholds

    def _bound(self, text: str | None, measured: Measured, at: At) -> Bound | None:
        if text is None:
            return None
        try:
            return parse_bound(text, measured)
        except ValueError as wrong:
            self._complaints.error(at, f"`{at.name}`: {wrong}")
            return None


def _impact(shape: RuleShape) -> dict[str, str]:
    """A verdict → its row of the matrix; one word stands for both."""
    if shape.impact is None:
        return {}
    if isinstance(shape.impact, str):
        return {"critical": shape.impact, "warning": shape.impact}
    return shape.impact.model_dump(exclude_none=True)


def _check_impacts(sections: Sections, scheme: SeverityScheme, complaints: Complaints) -> None:
    """Rows that rules name must be there; without a matrix none of them has an effect."""
    matrix = scheme.matrix
    written = sections.severity is not None and sections.severity.shape.matrix is not None
    doubtful = complaints.partial or any(where == "severity" for where, _ in sections.broken)
    for rule in sections.rules.values():
        impact, at = rule.shape.impact, rule.at / "impact"
        if impact is None:
            continue
        if matrix is None:
            if not written and not doubtful:
                complaints.warn(at, "`impact` has no effect without a `matrix` under `severity`", key=True)
            continue
        rows = {(): impact} if isinstance(impact, str) else {(key,): it for key, it in _impact(rule.shape).items()}
        for below, row in rows.items():
            if row not in matrix.rows:
                complaints.error(at.below(below), f"unknown row `{row}` of the matrix{suggestion(row, matrix.rows)}")
        warn_of_impact(rule.shape.name, matrix, scheme, at, complaints)


def _check_rules(sections: Sections, documents: Sequence[Document], complaints: Complaints) -> None:
    defaults = [it for it in sections.rules.values() if it.shape.default]
    for second in defaults[1:]:
        first = (defaults[0].at / "default").key
        complaints.error(second.at / "default", f"found a second default rule; first at {first}", key=True)
    if not sections.rules and not sections.broken and not complaints.partial:
        complaints.error(At(document=documents[0]), "no rules in this pack; expected at least one under `rules`")


def _check_defaults(sections: Sections, catalogue: Catalogue, targets: Targets, complaints: Complaints) -> None:
    """Kinds and checks that `defaults` names must be there, and so must the parameters and the target."""
    for name, written in (*sections.defaults.items(), *sections.inherited.items()):
        if name not in {*catalogue, *WITH_DEFAULTS}:
            complaints.unknown(written.at, "kind or check", name, (*catalogue, *WITH_DEFAULTS), key=True)
            continue
        specs = [spec for it, spec in catalogue.items() if it == name or it.split(".")[0] == name]
        known = {*ENTRY_KEYS, "step", *(key for spec in specs for key in parameter_names(spec))}
        if isinstance(written.shape.get("target"), str):
            kind = name.split(".")[0]
            targets.named(written.shape["target"], SERVED_BY.get(kind, kind), written.at / "target")
        for key in written.shape:
            if key not in known:
                complaints.error(written.at / key, f"unknown key `{key}`{suggestion(key, known)}", key=True)


def _time_zone(sections: Sections, complaints: Complaints) -> str:
    if sections.time_zone is None:
        return "UTC"
    time_zone_known(sections.time_zone.shape, sections.time_zone.at, complaints)
    return sections.time_zone.shape


def _ignored(sections: Sections, complaints: Complaints) -> tuple[MatcherLine, ...]:
    if sections.intake is None:
        return ()
    return lines_of(tuple(sections.intake.shape.ignore), sections.intake.at / "ignore", complaints)
