"""Bundles and defaults: what rules ask for without saying it again."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from responder.diagnostics.plan import plan
from responder.model.pack import Entry, Pack
from responder.model.verdict import Clear, RuleVerdict

Complaints = Callable[[str], list[str]]


def asked(pack: Pack, name: str) -> list[tuple[str, str | None]]:
    entries: tuple[Entry, ...] = next(it.diagnose for it in pack.rules if it.name == name)
    return [(it.check, it.target) for it in entries]


def rule(name: str, *diagnose: str) -> str:
    return f"  - {{name: {name}, match: ['alertname=\"A\"'], diagnose: [{', '.join(diagnose)}]}}\n"


def test_bundles_hold_every_form_of_an_entry_and_other_bundles(pack: Callable[[str], Pack]) -> None:
    made = pack(
        """\
targets: {web: {http: "https://web"}}
bundles:
  triage: [front, data, postgres.connections]
  front: [{http.status: web}, {http.status: {target: api, paths: [/ready], when: critical}}]
  data: [redis.info, {postgres.connections: database}]
rules:
"""
        + rule("one", "triage")
        + rule("two", "redis.info", "front")
    )

    front = [("http.status", "web"), ("http.status", "api")]
    assert asked(made, "one") == [*front, ("redis.info", "cache"), ("postgres.connections", "database")]
    assert asked(made, "two") == [("redis.info", "cache"), *front]


def test_what_several_rules_ask_by_several_bundles_is_asked_once(pack: Callable[[str], Pack]) -> None:
    made = pack(
        "bundles: {data: [redis.info, postgres.connections], all: [data, {http.status: api}]}\nrules:\n"
        + rule("one", "all")
        + rule("two", "data", "redis.info")
    )

    planned = plan(made, [(it, RuleVerdict(rule=it.name, verdict=Clear())) for it in made.rules], [{"alertname": "A"}])

    assert [it.name for it in planned.asks] == [
        "redis.info(cache)",
        "postgres.connections(database)",
        "http.status(api)",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(
            "bundles: {a: [b], b: [redis.info, c], c: [a]}\nrules:\n" + rule("one", "a"),
            ["1:43: the bundle `a` names itself: a → b → c → a"],
            id="around a corner",
        ),
        pytest.param(
            "bundles: {a: [a]}\nrules:\n" + rule("one", "a"),
            ["1:15: the bundle `a` names itself: a → a"],
            id="directly",
        ),
        pytest.param(
            "bundles: {triage: [redis.inf]}\nrules:\n" + rule("one", "triage"),
            ["1:20: unknown check or bundle `redis.inf`; did you mean `redis.info`?"],
            id="unknown check in a bundle",
        ),
        pytest.param(
            "bundles: {triage: [redis.info]}\nrules:\n" + rule("one", "triag") + rule("two", "triage"),
            ["3:54: unknown check or bundle `triag`; did you mean `triage`?"],
            id="unknown bundle in a rule",
        ),
        pytest.param(
            "bundles: {triage: [redis.info]}\nrules:\n" + rule("one", "{triage: {when: critical}}"),
            ["3:63: the bundle `triage` takes no parameters"],
            id="parameters",
        ),
        pytest.param(
            "bundles: {triage: [redis.info], more: [triage]}\n",
            ["1:33: warning: no rule asks for the bundle `more`"],
            id="named nowhere",
        ),
        pytest.param(
            "bundles: {triage: [redis.info]}\nrules: [{match: ['a=\"b\"'], diagnose: [triage]}]\n",
            ["2:9: missing required key `name`"],
            id="a rule that was refused may have named it",
        ),
    ],
)
def test_what_is_wrong_with_bundles_is_said(text: str, said: list[str], complaints: Complaints) -> None:
    assert complaints(text) == said


def test_the_entry_wins_over_the_checks_default_and_that_over_the_kinds(pack: Callable[[str], Pack]) -> None:
    made = pack(
        """\
targets: {web: {http: "https://web"}}
defaults:
  http: {target: web, timeout: 3s, paths: [/kind]}
  http.status: {timeout: 4s, expect: "200", paths: [/check]}
  postgres: {timeout: 9s}
rules:
"""
        + rule(
            "one", "http.status", "{http.status: {paths: [/entry], timeout: 5s, target: api}}", "postgres.connections"
        )
    )

    entries = made.rules[0].diagnose
    assert [(it.target, it.timeout_seconds, it.parameters.model_dump()) for it in entries] == [
        ("web", 4.0, {"paths": ["/check"], "expect": "200"}),
        ("api", 5.0, {"paths": ["/entry"], "expect": "200"}),
        ("database", 9.0, {}),
    ]


def test_a_default_of_several_targets_is_asked_of_each_unless_the_entry_names_one(pack: Callable[[str], Pack]) -> None:
    made = pack(
        """\
targets: {web: {http: "https://web"}}
defaults: {http.status: {targets: [api, web]}}
rules:
"""
        + rule("one", "http.status")
        + rule("two", "{http.status: web}")
    )

    assert asked(made, "one") == [("http.status", "api"), ("http.status", "web")]
    assert asked(made, "two") == [("http.status", "web")]


@pytest.mark.parametrize(
    ("defaults", "said"),
    [
        ("{redis: {target: cach}}", "1:28: unknown target `cach`; did you mean `cache`?"),
        ("{json: {target: cache}}", "1:27: target `cache` is of kind redis; expected one of kind http"),
        ("{redis: {step: 15s, tagret: cache}}", "1:31: unknown key `tagret`; did you mean `target`?"),
        ("{json: {stop: 15s}}", "1:19: unknown key `stop`; did you mean `step`?"),
    ],
)
def test_a_default_that_nobody_uses_is_checked_too(defaults: str, said: str, complaints: Complaints) -> None:
    assert complaints(f"defaults: {defaults}\n") == [said]


def test_signals_take_target_and_step_from_their_kind(pack: Callable[[str], Pack]) -> None:
    made = pack(
        """\
targets: {web: {http: "https://web"}, second: {prometheus: "http://second"}}
defaults:
  http: {target: web, step: 20s}
  json: {step: 40s}
  prometheus: {target: second, step: 10s}
signals:
  up: {unit: percent, http: {up: [/health]}}
  open: {unit: count, json: {path: /breakers, count: "@"}}
  own: {unit: count, json: {path: /breakers, count: "@", target: api, step: 5s}}
  rate: {unit: count, prometheus: {query: rate}}
rules: [{name: one, default: true}]
"""
    )

    sources = {name: made.signals[name].source for name in ("up", "open", "own", "rate")}
    assert {name: (it.target, it.step_seconds) for name, it in sources.items()} == {
        "up": ("web", 20.0),
        "open": ("web", 40.0),
        "own": ("api", 5.0),
        "rate": ("second", 10.0),
    }


def test_a_watched_rule_needs_no_match(pack: Callable[[str], Pack]) -> None:
    made = pack(
        "rules:\n  - name: latency-watch\n    watch: 30s\n    labels: {service: api}\n    page: true\n"
        "    thresholds: {latency: {warning: '> 500ms for 5m', resolve: '< 400ms for 5m'}}\n"
    )

    rule = made.rules[0]
    assert (rule.match, rule.watch_seconds, rule.labels, rule.page) == ((), 30.0, {"service": "api"}, True)
