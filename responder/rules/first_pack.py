"""A first pack of rules from a Prometheus server's alerting rules: what can be told from them, to go on from."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import urlsplit

from responder.model.alerting_rule import AlertingRule
from responder.model.quantities import show_duration
from responder.rules.comparison import Comparison, comparison_in
from responder.rules.evaluate import CRITICAL_LABELS

ALWAYS_FIRING = ("Watchdog", "InfoInhibitor")  # of kube-prometheus: they say that alerting works
_TEMPLATE = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_HEAD = """\
# A first pack, made by `responder init` from the alerting rules of {shown}.
# Each bound is taken from an alert's expression, over all of its series: the worst one counts. Where an alert has
# labels, put them into the query, so that its own series is read: {{job="{{{{ labels.job }}}}"}}.
# Then say what is to be looked at (`diagnose`) and what a person may do (`suggest`): docs/rules.md.
pack: {name}
targets:
  prometheus: {{prometheus: {address}}}
"""


def first_pack(name: str, address: str, rules: Sequence[AlertingRule]) -> dict[str, str]:
    """File → text. `address`: how the target is written; the files hold no credential but by `${NAME}`."""
    shown = "$PROMETHEUS_URL" if "${" in address else urlsplit(address).netloc
    files = {"pack.yaml": _HEAD.format(name=quoted(name), address=quoted(address), shown=shown)}
    ignored = sorted({it.alert for it in rules} & set(ALWAYS_FIRING))
    if ignored:
        line = f'alertname=~"{"|".join(ignored)}"'
        files["pack.yaml"] += f"intake:\n  ignore: [{quoted(line)}]\n"
    together = _together(it for it in rules if it.alert not in ALWAYS_FIRING)
    names = _names(it[0].alert for it in together)
    groups: dict[str, list[str]] = {}
    signals: dict[str, list[str]] = {}
    for of_one, own in zip(together, names, strict=True):
        file = f"{_plain(of_one[0].group) or 'rules'}.yaml"
        signal, rule = _written(of_one, own, alone=Counter(it[0].alert for it in together)[of_one[0].alert] == 1)
        signals.setdefault(file, []).extend(signal)
        groups.setdefault(file, []).extend(rule)
    for file, lines in groups.items():
        head = ["signals:", *signals[file]] if signals[file] else []
        files[file if file != "pack.yaml" else "pack-rules.yaml"] = "\n".join([*head, "rules:", *lines]) + "\n"
    return files


def level_of(rule: AlertingRule) -> str:
    """`critical` or `warning`, as responder takes the alert's own severity."""
    return "critical" if rule.labels.get("severity") in CRITICAL_LABELS else "warning"


def _together(rules: Iterable[AlertingRule]) -> list[tuple[AlertingRule, ...]]:
    """Alerts of one name that hold the same value against two numbers, one critical and one warning, are one rule."""
    found: list[list[AlertingRule]] = []
    for rule in rules:
        partner = next((it for it in found if len(it) == 1 and _belong(it[0], rule)), None)
        if partner is None:
            found.append([rule])
        else:
            partner.append(rule)
    return [tuple(it) for it in found]


def _belong(one: AlertingRule, other: AlertingRule) -> bool:
    if one.alert != other.alert or level_of(one) == level_of(other):
        return False
    a, b = comparison_in(one.expression), comparison_in(other.expression)
    return a is not None and b is not None and (a.value, a.operator) == (b.value, b.operator)


def _names(alerts: Iterable[str]) -> list[str]:
    """A name for each, `high-error-rate`, with a number where it comes again."""
    seen: Counter[str] = Counter()
    names = []
    for alert in alerts:
        name = _plain(alert) or "alert"
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
    return names


def _written(rules: Sequence[AlertingRule], name: str, *, alone: bool) -> tuple[list[str], list[str]]:
    """The lines of the signal, none where the alert is the evidence, and those of the rule."""
    first = rules[0]
    compared = [comparison_in(it.expression) for it in rules]
    lines = [f"  - name: {quoted(name)}", f"    summary: {quoted(_summary(first))}"]
    lines.append(f"    match: [{quoted(', '.join(_matchers(rules, alone=alone)))}]")
    signal: list[str] = []
    known = compared[0]
    if known is None:
        lines.append(f"    level: {level_of(first)}  # its expression has no single bound: the alert is the evidence")
        lines.append(f"    # {' '.join(first.expression.split())[:300]}")
    else:
        own = name.replace("-", "_")
        signal = [f"  {own}:", *_signal(known)]
        bounds = (f"{level_of(it)}: {quoted(_bound(by, it))}" for it, by in zip(rules, compared, strict=True) if by)
        lines.append(f"    thresholds: {{{own}: {{{', '.join(bounds)}}}}}")
    lines += [f"    runbook: {quoted(it)}" for it in [_runbook(first)] if it]
    return signal, lines


def _signal(by: Comparison) -> list[str]:
    """Where the value is read: the worst of all series; for equality how many series are so."""
    if by.operator in ("==", "!="):
        query, unit = f"count(({by.value}) {by.operator} {_number(by.number)})", "count series"
        extra = f", empty: '0', present: {quoted(f'count({by.value})')}"
    else:
        query, unit, extra = f"{'max' if '>' in by.operator else 'min'}({by.value})", unit_of(by), ""
    return [f"    unit: {unit}", f"    prometheus: {{query: {quoted(query)}{extra}}}"]


def _bound(by: Comparison, rule: AlertingRule) -> str:
    lasting = f" for {_duration(rule.for_seconds)}" if rule.for_seconds else ""
    if by.operator in ("==", "!="):
        return f"> 0{lasting}"
    return f"{by.operator} {_number(by.number)}{lasting}"


def unit_of(by: Comparison) -> str:
    """`percent`, `ratio`, `seconds` or `bytes` where the expression says so, else `count`."""
    value = by.value
    if re.search(r"(^|[^.\w])100\s*\*|\*\s*100\s*\)*$", value):
        return "percent"
    if re.search(r"_ratio\b", value) or ("/" in value and 0 < by.number <= 1):
        return "ratio" if "histogram_quantile" not in value else "seconds"
    if "histogram_quantile" in value and "_seconds" in value:
        return "seconds"
    return "bytes" if re.fullmatch(r"[a-z_:0-9]*_bytes(\{[^}]*\})?", value) else "count"


def _matchers(rules: Sequence[AlertingRule], *, alone: bool) -> Iterator[str]:
    """The alert's name, and where another rule has it too, the labels that this one gives."""
    yield f'alertname="{_escaped(rules[0].alert)}"'
    if alone or len(rules) > 1:
        return
    for label, value in sorted(rules[0].labels.items()):
        if "{{" not in value and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", label):
            yield f'{label}="{_escaped(value)}"'


def _summary(rule: AlertingRule) -> str:
    told = rule.annotations.get("summary") or rule.annotations.get("message") or rule.annotations.get("description", "")
    line = " ".join(_TEMPLATE.sub("…", told).split())
    return (line[:140].rstrip() + "…" if len(line) > 141 else line) or rule.alert


def _runbook(rule: AlertingRule) -> str:
    address = rule.annotations.get("runbook_url") or rule.annotations.get("runbook", "")
    return address if address.startswith(("http://", "https://")) and "{{" not in address else ""


def _duration(seconds: float) -> str:
    return show_duration(seconds) if seconds < 600 or seconds % 60 == 0 else f"{seconds:.0f}s"


def _number(number: float) -> str:
    return f"{number:.12g}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def quoted(text: str) -> str:
    """As a YAML scalar in single quotes, on one line."""
    return "'" + text.replace("\n", " ").replace("'", "''") + "'"


def _plain(text: str) -> str:
    """`KubePodCrashLooping` → `kube-pod-crash-looping`."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", text)
    return re.sub(r"[^a-z0-9]+", "-", apart.lower()).strip("-")[:80]
