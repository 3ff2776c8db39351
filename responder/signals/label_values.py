"""For which values of labels a signal is read: one number for each that fires."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from responder.model.pack import Signal
from responder.model.template import names_in

MAX_COMBINATIONS = 10
REDACTED = "[redacted"

Alerts = Sequence[Mapping[str, str]]


def combinations(
    signal: Signal, alerts_labels: Alerts
) -> tuple[list[dict[str, str]], list[tuple[str, dict[str, str]]]]:
    """Distinct values in order of appearance, `{}` alone for a signal without labels; and why it cannot be read for
    others, with the values that are known."""
    names = _label_names(signal)
    return _combinations(names, alerts_labels) if names else ([{}], [])


def _label_names(signal: Signal) -> tuple[str, ...]:
    return tuple(name for kind, name in names_in("\n".join(signal.source.templates)) if kind == "labels")


def _combinations(
    names: tuple[str, ...], alerts: Alerts
) -> tuple[list[dict[str, str]], list[tuple[str, dict[str, str]]]]:
    """Distinct values in order of appearance, and the complaints with the values that are known."""
    chosen: dict[tuple[str, ...], dict[str, str]] = {}
    complaints: dict[str, dict[str, str]] = {}
    for labels in alerts or ({},):
        values = {name: labels[name] for name in names if labels.get(name)}
        why = _why_not(names, values)
        if why:
            complaints.setdefault(why, {name: it for name, it in values.items() if REDACTED not in it})
        else:
            chosen.setdefault(tuple(values.values()), values)
    several = list(chosen.values())
    if len(several) > MAX_COMBINATIONS:
        left_out = "; ".join(", ".join(it.values()) for it in several[MAX_COMBINATIONS:])
        complaints[f"read for {MAX_COMBINATIONS} of {len(several)} label values, not for: {left_out[:500]}"] = {}
    return several[:MAX_COMBINATIONS], list(complaints.items())


def _why_not(names: tuple[str, ...], values: Mapping[str, str]) -> str:
    for name in names:
        if name not in values:
            return f"label {name} is missing"
        if REDACTED in values[name]:
            return f"label {name} is redacted"
    return ""
