from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from responder.diagnostics.catalogue import catalogue
from responder.diagnostics.plan import Plan, plan
from responder.model.pack import Entry, Matcher, MatcherLine, Pack, Position, Rule, Target
from responder.model.verdict import Breach, Clear, Level, Pending, RuleVerdict, Unknown, Verdict

CHECKS = catalogue()
BREACH = Breach(level=Level.CRITICAL)


def entry(check: str, **more: Any) -> Entry:
    own = {
        name: more.pop(name) for name in ("target", "target_label", "when", "timeout_seconds", "name") if name in more
    }
    return Entry(check=check, parameters=CHECKS[check].parameters(**more), **own)


def rule(*entries: Entry, name: str = "rule", alertname: str = "", default: bool = False) -> Rule:
    matcher = Matcher(
        label="alertname", operator="=", value=alertname, fits=lambda it: not alertname or it == alertname
    )
    match = () if default else (MatcherLine(matchers=(matcher,), text=""),)
    at = Position(file="rules.yaml", line=1, column=1)
    return Rule(name=name, written_at=at, match=match, default=default, diagnose=entries)


def pack(**targets: str) -> Pack:
    made = {name: Target(name=name, kind=kind, address="x://x") for name, kind in targets.items()}
    return Pack(name="pack", hash=b"", files={}, targets=made)


def planned(pack: Pack, *rules: Rule, alerts: list[Mapping[str, str]] | None = None, verdict: Verdict = BREACH) -> Plan:
    judged = [(it, RuleVerdict(rule=it.name, verdict=verdict)) for it in rules]
    return plan(pack, judged, alerts if alerts is not None else [{"alertname": "A"}])


def names(plan: Plan) -> list[str]:
    return [ask.name for ask in plan.asks]


def test_a_kind_with_one_target_needs_none_to_be_named() -> None:
    made = planned(pack(api="http", db="postgres"), rule(entry("http.status"), entry("postgres.connections")))

    assert names(made) == ["http.status(api)", "postgres.connections(db)"]
    assert made.left_out == ()


@pytest.mark.parametrize(
    ("targets", "asked", "why"),
    [
        ({}, {}, ("http.status", "no http target in this pack")),
        ({"a": "http", "b": "http"}, {}, ("http.status", "2 http targets, none is named")),
        ({"a": "redis"}, {"target": "a"}, ("http.status(a)", "a is no http target of this pack")),
        ({"a": "http"}, {"target": "x"}, ("http.status(x)", "x is no http target of this pack")),
    ],
)
def test_what_has_no_target_is_left_out_with_its_reason(
    targets: dict[str, str], asked: dict[str, str], why: tuple[str, str]
) -> None:
    assert planned(pack(**targets), rule(entry("http.status", **asked))) == Plan(left_out=(why,))


def test_the_same_question_of_several_rules_is_asked_once_with_the_longer_deadline() -> None:
    one = rule(entry("http.status", timeout_seconds=5.0), name="one")
    two = rule(entry("http.status", target="api", timeout_seconds=20.0), entry("http.status", paths=["/x"]), name="two")

    made = planned(pack(api="http"), one, two)

    assert [(ask.name, ask.timeout_seconds) for ask in made.asks] == [
        ("http.status(api)", 20.0),
        ("http.status(api #2)", None),
    ]


@pytest.mark.parametrize(
    ("when", "verdict", "asked"),
    [
        (None, Clear(), True),
        (None, Unknown(why="x"), True),
        (Level.CRITICAL, Breach(level=Level.CRITICAL), True),
        (Level.CRITICAL, Breach(level=Level.WARNING), False),
        (Level.WARNING, Breach(level=Level.CRITICAL), True),
        (Level.WARNING, Breach(level=Level.WARNING), True),
        (Level.WARNING, Clear(), False),
        (Level.WARNING, Unknown(why="x"), False),
    ],
)
def test_when_asks_for_a_breach_of_the_rule(when: Level | None, verdict: Verdict, asked: bool) -> None:
    made = planned(pack(api="http"), rule(entry("http.status", when=when)), verdict=verdict)

    assert bool(made.asks) is asked
    assert made.left_out == ()


def test_pending_is_no_breach() -> None:
    now = datetime(2026, 11, 20, tzinfo=UTC)
    pending = Pending(level=Level.CRITICAL, since=now, needed_seconds=60, due=now)

    assert planned(pack(api="http"), rule(entry("http.status", when=Level.WARNING)), verdict=pending) == Plan()


def test_a_label_chooses_among_targets() -> None:
    alerts = [{"region": "eu"}, {"region": "us"}, {"region": "eu"}]
    made = planned(pack(eu="http", us="http"), rule(entry("http.status", target_label="region")), alerts=alerts)

    assert [(ask.name, ask.target and ask.target.name) for ask in made.asks] == [
        ("http.status(eu)", "eu"),
        ("http.status(us)", "us"),
    ]


@pytest.mark.parametrize("value", ["http://evil", "cache", "nowhere"])
def test_a_label_never_spells_a_target(value: str) -> None:
    made = planned(pack(eu="http", cache="redis"), rule(entry("http.status", target_label="r")), alerts=[{"r": value}])

    assert made.asks == ()
    assert made.left_out == ((f"http.status({value})", f'label r is "{value}", which is no http target of this pack'),)


def test_templates_are_filled_once_for_each_distinct_value_and_escaped() -> None:
    given = entry("prometheus.query", query='up{pod="{{ labels.pod }}", job="{{ labels.job }}"}')
    alerts = [{"pod": 'a"b', "job": "x"}, {"pod": 'a"b', "job": "x", "other": "1"}, {"pod": "c", "job": "y"}]

    made = planned(pack(prom="prometheus"), rule(given), alerts=alerts)

    assert names(made) == ['prometheus.query(a"b, x)', "prometheus.query(c, y)"]
    assert [getattr(ask.parameters, "query", "") for ask in made.asks] == [
        'up{pod="a\\x22b", job="x"}',
        'up{pod="c", job="y"}',
    ]


@pytest.mark.parametrize(
    ("check", "kind", "key", "template", "filled"),
    [
        ("google.logs", "google", "filter", 'x="{{ labels.pod }}"', r'x="a\") OR (\"b"'),
        ("loki.errors", "loki", "query", '{pod="{{ labels.pod }}"}', r'{pod="a\") OR (\"b"}'),
    ],
)
def test_a_value_in_a_query_for_logs_stays_inside_its_quotes(
    check: str, kind: str, key: str, template: str, filled: str
) -> None:
    made = planned(pack(it=kind), rule(entry(check, **{key: template})), alerts=[{"pod": 'a") OR ("b'}])

    assert [getattr(ask.parameters, key) for ask in made.asks] == [filled]


def test_what_is_no_id_of_a_trace_is_left_out_and_said() -> None:
    given = entry("tempo.trace", id="{{ labels.trace }}")
    alerts = [{"trace": "4BF92F"}, {"trace": "../metrics"}]

    made = planned(pack(it="tempo"), rule(given), alerts=alerts)

    assert [getattr(ask.parameters, "id", "") for ask in made.asks] == ["4bf92f"]
    why = "with its labels: Value error, expected the id of a trace, at most 32 hexadecimal digits"
    assert made.left_out == (("tempo.trace(../metrics)", why),)


def test_a_value_in_a_path_is_one_part_of_it() -> None:
    given = entry("http.status", paths=["/pods/{{ labels.pod }}"])
    made = planned(pack(api="http"), rule(given), alerts=[{"pod": "../../x?y@z"}])

    assert getattr(made.asks[0].parameters, "paths", ()) == ("/pods/..%2F..%2Fx%3Fy%40z",)


@pytest.mark.parametrize(
    ("labels", "why"),
    [
        ({}, "label pod is missing"),
        ({"pod": ""}, "label pod is missing"),
        ({"pod": "[redacted]"}, "label pod is redacted"),
    ],
)
def test_without_its_label_an_entry_is_left_out_and_named(labels: dict[str, str], why: str) -> None:
    given = entry("http.status", paths=["/{{ labels.pod }}"])

    assert planned(pack(api="http"), rule(given), alerts=[labels]) == Plan(left_out=(("http.status", why),))


def test_at_most_ten_values_are_asked_and_the_others_named() -> None:
    given = entry("http.status", paths=["/{{ labels.pod }}"])
    made = planned(pack(api="http"), rule(given), alerts=[{"pod": f"p{number}"} for number in range(12)])

    assert len(made.asks) == 10
    assert made.left_out == (
        ("http.status(p10)", "asked for 10 of 12 label values"),
        ("http.status(p11)", "asked for 10 of 12 label values"),
    )


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (entry("http.status", paths=["/{{ found.pod }}"]), "paths takes no such template"),
        (entry("prometheus.query", query="up{pod={{ labels.pod }}}"), "query: {{ labels.pod }} stands outside quotes"),
    ],
)
def test_a_template_where_none_may_stand_is_left_out(given: Entry, why: str) -> None:
    made = planned(pack(api="http", prom="prometheus"), rule(given), alerts=[{"pod": "x"}])

    assert made == Plan(left_out=((given.check, why),))


def test_labels_come_from_the_alerts_that_the_rule_matches() -> None:
    given = entry("http.status", paths=["/{{ labels.pod }}"])
    alerts = [{"alertname": "A", "pod": "a"}, {"alertname": "B", "pod": "b"}]

    only = planned(pack(api="http"), rule(given, alertname="B"), alerts=alerts)
    default = planned(pack(api="http"), rule(given, default=True), alerts=alerts)

    assert names(only) == ["http.status(b)"]
    assert names(default) == ["http.status(a)", "http.status(b)"]


def test_as_is_the_whole_name() -> None:
    made = planned(pack(api="http"), rule(entry("http.status", name="front door")))

    assert [(ask.name, ask.called, ask.check) for ask in made.asks] == [("front door", "front door", "http.status")]


def test_a_check_that_looks_around_is_told_of_its_incident() -> None:
    onset = datetime(2026, 11, 20, 3, 8, 20, tzinfo=UTC)
    asking = rule(
        entry("kubernetes.logs"),
        replace(entry("kubernetes.logs"), excerpts=True),
        entry("pagerduty.related"),
        entry("pagerduty.changes", incident="Q9"),
    )

    made = plan(
        pack(cluster="kubernetes"),
        [(asking, RuleVerdict(rule="rule", verdict=BREACH))],
        [{"alertname": "A"}],
        onset=onset,
        pagerduty=["Q1", "Q2"],
    )

    logs, excerpts, related, changes = (ask.parameters.model_dump() for ask in made.asks)
    assert (logs["onset"], logs["excerpts"]) == (onset.replace(second=0), False)
    assert excerpts["excerpts"] is True
    assert related["incident"] == ("Q1", "Q2")
    assert changes["incident"] == ("Q9",)
    assert names(made)[2:] == ["pagerduty.related", "pagerduty.changes"]
