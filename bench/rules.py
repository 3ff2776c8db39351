"""How rules scale: one alert against 10 to 10,000 of them, and how long 5,000 take to load and check.

Everything is CPU time of this process, the best of several rounds, so that a busy machine tells the same. Run it alone
by `python bench/rules.py`; it ends with 1 when one of its two bounds is broken.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from responder.diagnostics.catalogue import specs
from responder.model.matchers import parse_line
from responder.model.pack import Position, Rule, Rules
from responder.rules.match import matching
from responder.rules.packs import load_packs

SIZES = (10, 100, 1_000, 10_000)
MOST_TIMES_SLOWER = 3.0  # 10,000 rules beside 10
LOADED, MOST_LOAD_SECONDS = 5_000, 1.0
ALERTS = 2_000

# What rules are found by in the wild: mostly a name, often several, sometimes how it begins.
KINDS = (
    'alertname="HighErrorRate{n}", environment="prod"',
    'alertname="Latency{n}", service=~"api|gateway|payments"',
    'alertname=~"Queue{n}|Backlog{n}|Lag{n}", environment!="dev"',
    'alertname=~"Postgres{n}.*"',
    'service="payments-{n}", severity=~"critical|page"',
)
HEAD = """\
targets: {prometheus: {prometheus: "http://p:9090"}, api: {http: "http://a"}, database: {postgres: "postgresql://d"}}
signals: {error_rate: {unit: percent, prometheus: {query: errors}}}
bundles: {triage: [postgres.connections]}
"""
RULE = """\
  - name: rule-{n}
    summary: Service {n} answers 5xx
    match:
      - {match}
    thresholds:
      error_rate: {{warning: "> 1% for 5m", critical: "> 5% for 2m", resolve: "< 0.5% for 5m"}}
    runbook: https://runbooks.example.com/api-{n}
    diagnose:
      - triage
      - http.status: {{paths: [/health], when: critical}}
    suggest:
      - {{do: Roll back, run: "kubectl rollout undo -n {{{{ labels.namespace }}}} deployment/api", when: failing}}
"""


def main() -> int:
    """Measure, print the table; 1 when a bound is broken."""
    times = {size: _alert_seconds(size) for size in SIZES}
    print("\n## Rules\n\n| rules | one alert | beside 10 rules |\n| ---: | ---: | ---: |")
    for size, seconds in times.items():
        print(f"| {size:,} | {seconds * 1e6:.1f} µs | {seconds / times[SIZES[0]]:.2f} × |")
    load = _load_seconds()
    slower = times[SIZES[-1]] / times[SIZES[0]]
    print(f"\n{LOADED:,} rules are loaded and checked in {load:.2f} s of CPU (bound: {MOST_LOAD_SECONDS:g} s).")
    print(f"10,000 rules take {slower:.2f} times as long as 10 (bound: {MOST_TIMES_SLOWER:g}).")
    return 0 if slower <= MOST_TIMES_SLOWER and load <= MOST_LOAD_SECONDS else 1


def _alert_seconds(size: int) -> float:
    """Seconds for one alert; half of them are known to a rule, the others to none."""
    rules = Rules(_rule(n) for n in range(size))
    alerts = [_labels(n * 7919 % size, known=n % 2 == 0) for n in range(ALERTS)]
    assert sum(bool(matching(rules, [it])) for it in alerts) == ALERTS // 2

    def ask() -> None:
        for labels in alerts:
            matching(rules, [labels])

    return _best(ask) / ALERTS


def _rule(n: int) -> Rule:
    line = parse_line(KINDS[n % len(KINDS)].format(n=n))
    return Rule(name=f"rule-{n}", written_at=Position(file="bench", line=n, column=1), match=(line,))


def _labels(n: int, *, known: bool) -> dict[str, str]:
    """What Kubernetes and Prometheus put on an alert; one that only rule n knows, or none."""
    names = (f"HighErrorRate{n}", f"Latency{n}", f"Backlog{n}", f"Postgres{n}xDown", f"Other{n}")
    kind = n % len(KINDS)
    return {
        "alertname": names[kind] if known else f"Unknown{n}",
        "service": f"payments-{n}" if known and kind == 4 else "api",
        "environment": "prod",
        "severity": "critical",
        "namespace": "shop",
        "pod": f"api-{n}",
        "job": "api",
        "instance": f"10.0.0.{n}:8080",
    }


def _load_seconds() -> float:
    catalogue = specs()
    with tempfile.TemporaryDirectory() as folder:
        _write(Path(folder), range(LOADED))

        def load() -> None:
            loaded = load_packs(Path(folder), catalogue)
            assert not loaded.problems
            assert len(loaded.packs[0].rules) == LOADED

        return _best(load, rounds=3)


def _write(folder: Path, numbers: Sequence[int], a_file: int = 250) -> None:
    (folder / "pack.yaml").write_text(HEAD)
    for start in range(0, len(numbers), a_file):
        some = numbers[start : start + a_file]
        rules = (RULE.format(n=n, match=KINDS[n % len(KINDS)].format(n=n)) for n in some)
        (folder / f"rules-{start}.yaml").write_text("rules:\n" + "".join(rules))


def _best(work: Callable[[], None], rounds: int = 7) -> float:
    found = []
    for _ in range(rounds):
        began = time.process_time()
        work()
        found.append(time.process_time() - began)
    return min(found)


if __name__ == "__main__":
    sys.exit(main())
