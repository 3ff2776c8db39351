"""Signals of the kinds `metrics`, `redis`, `postgres` and `payload`, as they are written."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from responder.model.pack import Pack
from responder.model.sources import MetricsSource, PayloadSource, PostgresSource, RedisSource
from responder.rules.packs import Loaded

Complaints = Callable[[str], list[str]]


def test_each_kind_is_filled_with_what_was_written(pack: Callable[[str], Pack]) -> None:
    made = pack(
        """\
targets: {queues: {redis: "redis://q", allow: [scan]}}
defaults: {http: {target: api, step: 20s}, metrics: {step: 30s}, redis: {target: queues}}
signals:
  fallback: {unit: percent, metrics: {ratio: ['scored{how="fallback"}', scored]}}
  requests: {unit: per_second, metrics: {path: /m, rate: 'requests_total{service="{{ labels.x }}"}', step: 5s}}
  waiting_now: {unit: count waiting, redis: {length: ["bull:*:wait"], of: sum}}
  clients: {unit: count, redis: {target: cache, info: connected_clients, step: 1m}}
  pool_used: {unit: percent, postgres: connections_used}
  oldest: {unit: milliseconds, postgres: {target: database, reading: oldest_transaction, step: 30s}}
  told: {unit: percent, payload: annotations.value}
  measured: {unit: count, payload: values.A}
rules: [{name: one, match: ['a="b"'], thresholds: {fallback: {warning: "> 30% for 5m"}}}]
"""
    )

    assert {name: made.signals[name].source for name in ("fallback", "requests")} == {
        "fallback": MetricsSource(
            target="api",
            path="/metrics",
            how="ratio",
            selectors=('scored{how="fallback"}', "scored"),
            step_seconds=30.0,
        ),
        "requests": MetricsSource(
            target="api",
            path="/m",
            how="rate",
            selectors=('requests_total{service="{{ labels.x }}"}',),
            step_seconds=5.0,
        ),
    }
    assert made.signals["waiting_now"].source == RedisSource(target="queues", length=("bull:*:wait",), of="sum")
    assert made.signals["clients"].source == RedisSource(target="cache", info="connected_clients", step_seconds=60.0)
    assert made.signals["pool_used"].source == PostgresSource(target="database", reading="connections_used")
    assert made.signals["oldest"].source == PostgresSource(
        target="database", reading="oldest_transaction", step_seconds=30.0
    )
    assert made.signals["told"].source == PayloadSource(kind="annotations", name="value")
    assert made.signals["measured"].source == PayloadSource(kind="values", name="A")
    assert not any(made.signals[it].source.has_past for it in ("fallback", "waiting_now", "pool_used", "told"))


@pytest.mark.parametrize(
    ("signal", "said"),
    [
        ("metrics: {}", "expected exactly one of value, rate, increase, ratio, got none"),
        ("metrics: {value: a, rate: b}", "expected exactly one of value, rate, increase, ratio, got value and rate"),
        ("metrics: {rate: 'rate(x[5m])'}", "`rate`: expected a metric such as"),
        ("metrics: {ratio: [a]}", "`ratio`"),
        ("metrics: {ratio: [a, 'b{c']}", "`ratio`: expected a metric such as"),
        ("metrics: {increase: 'x{a=~\"{{ labels.a }}\"}'}", "may stand only after = or !="),
        ("metrics: {increase: 'x{a=\"{{ found.a }}\"}'}", "expected {{ labels.name }}"),
        ("metrics: {ratio: [a, b]}", "it is read in ratio; expected unit percent or ratio"),
        ("metrics: {value: a, path: m}", "expected a path that starts with /"),
        ("metrics: {value: a, target: cache}", "target `cache` is of kind redis; expected one of kind http"),
        ("metrics: {valeu: a}", "unknown key `valeu`; did you mean `value`?"),
        ("redis: {}", "expected `length: [keys]` or `info: field`, got none"),
        ("redis: {length: a, info: b}", "expected `length: [keys]` or `info: field`, got both"),
        ("redis: {length: a, of: mean}", "`of`: expected max or sum"),
        ("redis: {length: 'q:{{ found.a }}'}", "expected {{ labels.name }}"),
        ("redis: bull", "`redis`: expected a mapping such as {length: [bull:mail:wait]}"),
        ("postgres: conections_used", "unknown reading `conections_used`; did you mean `connections_used`?"),
        ("postgres: blocked, unit: percent", "it is read in count; expected unit count"),
        ("postgres: {}", "expected `reading` or `query`, got none"),
        ("postgres: {reading: blocked, query: select 1}", "expected `reading` or `query`, got both"),
        ("postgres: {query: delete from jobs}", "`query`: expected one SELECT, got DELETE"),
        ("postgres: {query: 'select pg_sleep(9)'}", "`query`: found the function `pg_sleep`; expected one of those"),
        ("postgres: {query: 'select {{ labels.a }}'}", "`query`: {{ labels.a }} stands outside quotes; expected '{{"),
        ("postgres: {query: 'select \"{{ found.a }}\"'}", "expected {{ labels.name }}"),
        ("payload: value", 'expected values.A, annotations.value or labels.x, got "value"'),
        ("payload: annotation.value", "expected values.A, annotations.value or labels.x"),
        ("payload: labels.", "expected values.A, annotations.value or labels.x"),
    ],
)
def test_what_is_wrong_is_said_at_its_place(signal: str, said: str, complaints: Complaints) -> None:
    unit = "" if "unit:" in signal else "unit: count, "
    found = complaints(f"signals: {{x: {{{unit}{signal}}}}}\n")

    assert any(said in it for it in found if "warning:" not in it), found
    assert all(it.startswith("1:") for it in found)


@pytest.mark.parametrize(
    ("signal", "said"),
    [
        (
            "redis: {length: 'bull:*:wait'}",
            "warning: `bull:*:wait` is a pattern, which is unknown without `allow: [scan]` on `cache`",
        ),
        (
            "postgres: {query: select count(*) from jobs}",
            "warning: a `query` is unknown without `allow: [custom_sql]` on `database`",
        ),
    ],
)
def test_what_will_be_unknown_is_warned_of(signal: str, said: str, complaints: Complaints) -> None:
    (found,) = complaints(f"signals: {{x: {{unit: count, {signal}}}}}\n")

    assert found.endswith(said)


def test_a_query_of_ones_own(load: Callable[..., Loaded]) -> None:
    query = "select count(*) from jobs where queue = '{{ labels.queue }}'"
    loaded = load(
        {
            "pack.yaml": "targets: {db: {postgres: 'postgresql://db', allow: [custom_sql]}}\n"
            f'signals: {{jobs: {{unit: count, postgres: {{query: "{query}", step: 1m}}}}}}\n'
            "rules: [{name: one, match: ['a=\"b\"'], thresholds: {jobs: {critical: '> 5'}}}]\n"
        }
    )

    assert [it.text for it in loaded.problems] == []
    source = loaded.packs[0].signals["jobs"].source
    assert source == PostgresSource(target="db", query=query, step_seconds=60)
    assert source.templates == (query,)


def test_where_the_parser_is_missing_a_query_is_judged_before_it_runs(
    complaints: Complaints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "postgast", None)

    found = complaints("signals: {x: {unit: count, postgres: {query: delete from jobs}}}\n")

    said = "warning: `query` was not looked at: queries of one's own need `pip install 'responder[sql]'`"
    assert found[0].endswith(said)
    assert "warning" in found[1]
