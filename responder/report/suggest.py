"""What a person may do next: the rules' suggestions whose marks were found, with names put in their places."""

from __future__ import annotations

import shlex
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

from responder.model.alert import Alert
from responder.model.finding import Finding
from responder.model.pack import Rule, Suggest
from responder.model.report import Suggestion
from responder.model.template import Missing, fill, names_in

PHASES = ("now", "verify", "after")
CUT = " (first "
VARIANTS_MOST = 5  # commands from one suggestion; more say so


def suggestions_of(
    rules: Sequence[Rule], findings: Sequence[Finding], alerts: Sequence[Alert], *, resolved: bool
) -> tuple[Suggestion, ...]:
    """`now` first, then in the order of the rules; each once. `findings` come most telling first.

    Of a resolved incident only what is to be verified or done afterwards.
    """
    wanted = [
        suggestion
        for rule in rules
        for suggest in rule.suggest
        for suggestion in _variants(suggest, findings, _labels_for(rule, alerts))
    ]
    once: dict[tuple[str, str, str], Suggestion] = {}
    for it in wanted:
        once.setdefault((it.phase, it.do, it.run), it)  # the gravest rule's own caution and link win
    kept = [it for it in once.values() if not (resolved and it.phase == "now")]
    return tuple(sorted(kept, key=lambda it: PHASES.index(it.phase)))


def _variants(
    suggest: Suggest, findings: Sequence[Finding], labels: Sequence[Mapping[str, str]]
) -> tuple[Suggestion, ...]:
    """One for each distinct command; none when a mark was not given; without `run` when a name is missing."""
    if not set(suggest.when) <= {mark for it in findings for mark in it.marks}:
        return ()
    commands = _commands(suggest, findings, labels)
    cut = f"{CUT}{VARIANTS_MOST} of {len(commands)})" if len(commands) > VARIANTS_MOST else ""
    return tuple(
        Suggestion(do=suggest.do + cut, run=command, caution=suggest.caution, see=suggest.see, phase=suggest.phase)
        for command in commands[:VARIANTS_MOST] or ("",)
    )


def _commands(suggest: Suggest, findings: Sequence[Finding], labels: Sequence[Mapping[str, str]]) -> tuple[str, ...]:
    """Every way to fill the names, each once; names of one command come from one finding and one alert."""
    kinds = {kind for kind, _ in names_in(suggest.run)}
    founds = _founds(suggest, findings) if "found" in kinds else ({},)
    named = labels if "labels" in kinds else ({},)
    filled = (_filled(suggest.run, found, one) for found in founds for one in named)
    return tuple(dict.fromkeys(it for it in filled if it))


def _filled(run: str, found: Mapping[str, str], labels: Mapping[str, str]) -> str:
    try:
        return fill(run, {"found": _safe(found), "labels": _safe(labels)}, shlex.quote)
    except Missing:
        return ""


def _safe(values: Mapping[str, str]) -> dict[str, str]:
    """Without values that quoting cannot make harmless: options (`--all`) and what a terminal does not show."""
    return {name: value for name, value in values.items() if not value.startswith("-") and _is_visible(value)}


def _is_visible(value: str) -> bool:
    return not any(unicodedata.category(it) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for it in value)


def _founds(suggest: Suggest, findings: Sequence[Finding]) -> tuple[Mapping[str, str], ...]:
    """What the findings with all marks named, or, where no finding has them all, what those with any agree on."""
    wanted = set(suggest.when)
    whole = [it.found for it in findings if it.found and wanted <= set(it.marks)]
    return tuple(whole) or (_agreed(it.found for it in findings if wanted & set(it.marks)),)


def _agreed(founds: Iterable[Mapping[str, str]]) -> Mapping[str, str]:
    """Names that stand for one value only: a command that mixes two findings would hit neither or the wrong one."""
    values: dict[str, set[str]] = {}
    for found in founds:
        for name, value in found.items():
            values.setdefault(name, set()).add(value)
    return {name: next(iter(several)) for name, several in values.items() if len(several) == 1}


def _labels_for(rule: Rule, alerts: Sequence[Alert]) -> tuple[Mapping[str, str], ...]:
    """Labels of the alerts that the rule matches (of all for a rule that is there for the rest), in a fixed order."""
    matched = [it.labels for it in alerts if rule.matches(it.labels)] or [it.labels for it in alerts]
    return tuple(sorted(matched, key=lambda it: sorted(it.items())))
