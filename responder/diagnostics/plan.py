"""Which checks to ask: the union over the rules in force, each question once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from responder.model.catalogue import Beside, Parameters
from responder.model.pack import Entry, Pack, Rule, Target
from responder.model.template import fill, names_in
from responder.model.verdict import Breach, Level, RuleVerdict, Verdict

MAX_COMBINATIONS = 10
REDACTED = "[redacted"
WITHOUT_TARGET = frozenset({"pagerduty"})  # asked through responder's own account

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One question. `name`: `check(target)` or the entry's `as`; `target` None where the check needs none;
    `timeout_seconds` None leaves it to the setting. `subject`: what stands in the brackets of the name; `called`:
    the entry's `as`, else empty."""

    name: str
    check: str
    target: Target | None
    parameters: Parameters
    timeout_seconds: float | None = None
    subject: str = ""
    called: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to ask, in order of the rules, and (name, why) of what cannot be asked."""

    asks: tuple[Ask, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class _Draft:
    beside: Beside
    asks: dict[tuple[str, str, str], Ask] = field(default_factory=dict)
    left_out: dict[tuple[str, str], None] = field(default_factory=dict)

    def leave_out(self, name: str, why: str) -> None:
        self.left_out[name, why] = None


def plan(
    pack: Pack,
    rules_with_verdicts: Sequence[tuple[Rule, RuleVerdict]],
    alerts_labels: Sequence[Labels],
    *,
    onset: datetime | None = None,
    pagerduty: Sequence[str] = (),
) -> Plan:
    """The union over rules, gravest first as they are given. Labels come from the alerts that a rule matches.

    `onset`, `pagerduty`: of the incident, for checks that look around it."""
    ignored = [line.text for line in pack.ignore]
    draft = _Draft(Beside(alerts=alerts_labels, ignored=ignored, onset=onset, pagerduty=pagerduty))
    for rule, verdict in rules_with_verdicts:
        alerts = _alerts_of(rule, alerts_labels)
        for entry in rule.diagnose:
            if _is_due(entry.when, verdict.verdict):
                _add(draft, pack, entry, alerts)
    return Plan(asks=tuple(_named_apart(draft.asks.values())), left_out=tuple(draft.left_out))


def _alerts_of(rule: Rule, alerts_labels: Sequence[Labels]) -> list[Labels]:
    """Those that the rule matches; all for a default rule, and for a watched one that no alert has joined."""
    matched = [it for it in alerts_labels if rule.matches(it)]
    return list(alerts_labels) if rule.default or (rule.watch_seconds is not None and not matched) else matched


def _is_due(when: Level | None, verdict: Verdict) -> bool:
    """`critical`: in critical breach; `warning`: in any breach."""
    if when is None:
        return True
    return isinstance(verdict, Breach) and (when is Level.WARNING or verdict.level is Level.CRITICAL)


def _add(draft: _Draft, pack: Pack, entry: Entry, alerts: list[Labels]) -> None:
    texts = list(_texts(entry.parameters.model_dump()))
    names = list(dict.fromkeys(name for text in texts for kind, name in names_in(text) if kind == "labels"))
    if entry.target_label is not None:
        names.insert(0, entry.target_label)
    names = list(dict.fromkeys(names))
    why = _why_not_fillable(entry)
    if why:
        draft.leave_out(_called(entry, ""), why)
        return
    if not names:
        _ask(draft, pack, entry, {}, "")
        return
    for labels in _combinations(draft, entry, names, alerts):
        _ask(draft, pack, entry, labels, ", ".join(labels.values()))


def _combinations(draft: _Draft, entry: Entry, names: list[str], alerts: list[Labels]) -> list[dict[str, str]]:
    """Distinct label values in order of appearance, at most 10; what is missing or too many is left out by name."""
    chosen: dict[tuple[str, ...], dict[str, str]] = {}
    for labels in alerts or [{}]:
        bad = next((it for it in names if not labels.get(it) or REDACTED in labels[it]), None)
        if bad is not None:
            state = "redacted" if labels.get(bad) else "missing"
            draft.leave_out(_called(entry, ""), f"label {bad} is {state}")
        else:
            values = {name: labels[name] for name in names}
            chosen.setdefault(tuple(values.values()), values)
    several = list(chosen.values())
    for left in several[MAX_COMBINATIONS:]:
        draft.leave_out(
            _called(entry, ", ".join(left.values())),
            f"asked for {MAX_COMBINATIONS} of {len(several)} label values",
        )
    return several[:MAX_COMBINATIONS]


def _ask(draft: _Draft, pack: Pack, entry: Entry, labels: Labels, subject: str) -> None:
    target, why = _target(pack, entry, labels)
    parameters = entry.parameters
    if not why and labels:
        parameters, why = _filled(entry.parameters, labels)
    name = _called(entry, subject or (target.name if target else entry.target or ""))
    if why:
        draft.leave_out(name, why)
        return
    key = (entry.check, target.name if target else "", f"{parameters.model_dump_json()}{entry.excerpts}")
    former = draft.asks.get(key)
    if former is not None:
        draft.asks[key] = replace(former, timeout_seconds=_longer(former.timeout_seconds, entry.timeout_seconds))
        return
    draft.asks[key] = Ask(
        name=name,
        check=entry.check,
        target=target,
        parameters=_beside(parameters, replace(draft.beside, excerpts=entry.excerpts)),
        timeout_seconds=entry.timeout_seconds,
        subject=subject or (target.name if target else ""),
        called=entry.name,
    )


def _target(pack: Pack, entry: Entry, labels: Labels) -> tuple[Target | None, str]:
    """The target and "", or None and why there is none; a label chooses among targets, it never spells one."""
    kind = entry.check.partition(".")[0]
    if entry.target_label is not None:
        value = labels[entry.target_label]
        chosen = pack.targets.get(value)
        if chosen is None or chosen.kind != kind:
            return None, f'label {entry.target_label} is "{value[:80]}", which is no {kind} target of this pack'
        return chosen, ""
    if entry.target is not None:
        named = pack.targets.get(entry.target)
        if named is None or named.kind != kind:
            return None, f"{entry.target} is no {kind} target of this pack"
        return named, ""
    if kind in WITHOUT_TARGET:
        return None, ""
    of_kind = [it for it in pack.targets.values() if it.kind == kind]
    if len(of_kind) == 1:
        return of_kind[0], ""
    return None, f"no {kind} target in this pack" if not of_kind else f"{len(of_kind)} {kind} targets, none is named"


def _why_not_fillable(entry: Entry) -> str:
    """A template may only stand where its kind of parameter says how values are escaped."""
    kind = type(entry.parameters)
    escapes, why_not = getattr(kind, "escapes", {}), getattr(kind, "why_not", {})
    for name, value in entry.parameters.model_dump().items():
        for text in _texts(value):
            if not names_in(text):
                continue
            if name not in escapes or any(which != "labels" for which, _ in names_in(text)):
                return f"{name} takes no such template"
            why = why_not[name](text) if name in why_not else None
            if why:
                return f"{name}: {why}"
    return ""


def _filled(parameters: Parameters, labels: Labels) -> tuple[Parameters, str]:
    escapes = getattr(type(parameters), "escapes", {})
    given = parameters.model_dump()
    for name, escape in escapes.items():
        given[name] = _each_text(given[name], lambda text, escape=escape: fill(text, {"labels": labels}, escape))
    try:
        return type(parameters).model_validate(given), ""
    except ValidationError as reason:
        return parameters, f"with its labels: {reason.errors(include_input=False)[0]['msg']}"


def _beside(parameters: Parameters, incident: Beside) -> Parameters:
    """A check that looks around the incident must know what the incident itself is, whichever rule asks."""
    beside: Callable[[Beside], Parameters] | None = getattr(parameters, "beside", None)
    return parameters if beside is None else beside(incident)


def _each_text(value: Any, change: Any) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {name: _each_text(it, change) for name, it in value.items()}
    if isinstance(value, list | tuple):
        return [_each_text(it, change) for it in value]
    return value


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for it in value.values():
            yield from _texts(it)
    elif isinstance(value, list | tuple):
        for it in value:
            yield from _texts(it)


def _called(entry: Entry, subject: str) -> str:
    if entry.name:
        return entry.name
    return f"{entry.check}({subject})" if subject else entry.check


def _named_apart(asks: Any) -> Iterator[Ask]:
    """Two questions never share a name: the later one gets its target or a number beside it."""
    taken: set[str] = set()
    for ask in asks:
        chosen = ask
        for number in range(2, len(taken) + 3):
            if chosen.name not in taken:
                break
            chosen = _renamed(ask, number)
        taken.add(chosen.name)
        yield chosen


def _renamed(ask: Ask, number: int) -> Ask:
    if ask.called:
        called = f"{ask.called} #{number}"
        return replace(ask, name=called, called=called)
    subject = f"{ask.subject} #{number}"
    return replace(ask, name=f"{ask.check}({subject})", subject=subject)


def _longer(one: float | None, other: float | None) -> float | None:
    """The longer of two deadlines; None, the setting, gives way to what is said."""
    said = [it for it in (one, other) if it is not None]
    return max(said) if said else None
