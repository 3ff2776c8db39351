"""Which rules an incident's alerts call for, and which signals must be read for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from responder.model.pack import Pack, Rule, Rules


def matching(rules: Sequence[Rule], alerts_labels: Sequence[Mapping[str, str]]) -> tuple[Rule, ...]:
    """Every rule that matches any alert, as written; the default rule alone when none does; else nothing."""
    asked, defaults = (
        ([rules[it] for it in rules.by_label.candidates(alerts_labels)], rules.defaults)
        if isinstance(rules, Rules)
        else (rules, [rule for rule in rules if rule.default])
    )
    found = tuple(rule for rule in asked if any(rule.matches(labels) for labels in alerts_labels))
    if found or not alerts_labels:
        return found
    return tuple(defaults[:1])


def windows(pack: Pack, rules: Sequence[Rule]) -> dict[str, tuple[float, ...]]:
    """Signal → seconds of every `for` that a bound of these rules, or of a question, holds it to.

    Signals of kinds that this version does not read are left out: their readings are unknown.
    """
    wanted: dict[str, set[float]] = {}
    for rule in rules:
        for it in rule.thresholds:
            wanted.setdefault(it.signal, set()).update(bound.for_seconds for bound in it.bounds)
    for question in pack.severity.decide:
        for part in question.when:
            for name, bound in part.signals:
                wanted.setdefault(name, set()).add(bound.for_seconds)
    if pack.severity.matrix is not None:
        fors = (cell.for_seconds for cell in pack.severity.matrix.cells)
        wanted.setdefault(pack.severity.matrix.signal, set()).update(fors)
    return {name: tuple(sorted(lasting - {0.0})) for name, lasting in wanted.items() if name in pack.signals}
