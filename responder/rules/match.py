"""Which rules an incident's alerts call for, and which signals must be read for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from responder.model.pack import Pack, Rule


def matching(rules: Sequence[Rule], alerts_labels: Sequence[Mapping[str, str]]) -> tuple[Rule, ...]:
    """Every rule that matches any alert, as written; the default rule alone when none does; else nothing."""
    found = tuple(rule for rule in rules if any(rule.matches(labels) for labels in alerts_labels))
    if found or not alerts_labels:
        return found
    return tuple(rule for rule in rules if rule.default)[:1]


def window_seconds(pack: Pack, rules: Sequence[Rule]) -> dict[str, float]:
    """Signal → seconds of the longest `for` that any bound of these rules, or of a question, holds it to.

    Signals of kinds that this version does not read are left out: their readings are unknown.
    """
    wanted: dict[str, float] = {}
    for rule in rules:
        for it in rule.thresholds:
            wanted[it.signal] = max(wanted.get(it.signal, 0.0), it.longest_for)
    for question in pack.severity.decide:
        for part in question.when:
            for name, bound in part.signals:
                wanted[name] = max(wanted.get(name, 0.0), bound.for_seconds)
    return {name: seconds for name, seconds in wanted.items() if name in pack.signals}


def signals_needed(pack: Pack, rules: Sequence[Rule]) -> frozenset[str]:
    """The signals that these rules and the pack's questions are decided by."""
    return frozenset(window_seconds(pack, rules))
