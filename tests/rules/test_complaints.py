"""Every kind of mistake, at its place, with the way out."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from responder.rules.packs import Loaded

Complaints = Callable[[str], list[str]]


def rule(more: str) -> str:
    return f"rules:\n  - name: one\n    match: ['alertname=\"A\"']\n    {more}\n"


def question(when: str, then: str = "P1", more: str = "") -> str:
    return f"severity:\n  decide:\n    - {{ask: q, when: {when}, then: {then}{more}}}\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("rule: []\n", "1:1: unknown key `rule`; did you mean `rules`?", id="section"),
        pytest.param("- a\n", "1:1: expected sections such as `rules:`, got a list", id="no mapping"),
        pytest.param("rules: {a: b}\n", "1:8: `rules`: expected a list, got a mapping", id="rules as mapping"),
        pytest.param("rules:\n  - {match: ['a=\"b\"']}\n", "2:5: missing required key `name`", id="missing key"),
        pytest.param(rule("treshold: {}"), "4:5: unknown key `treshold`; did you mean `thresholds`?", id="rule key"),
        pytest.param(
            "rules:\n  - name: known\n    match: ['a=\"b\"']\n",
            "p/rule.yaml:1:10: found the rule `known` twice; first at p/pack.yaml:2:5",
            id="rule twice",
        ),
        pytest.param(
            "targets: {api: {http: 'https://x'}}\n",
            "p/base.yaml:3:3: found the target `api` twice; first at p/pack.yaml:1:11",
            id="target twice",
        ),
        pytest.param(
            "rules:\n  - name: one\n", "2:5: rule `one` has no `match`; expected one, or `default: true`", id="no match"
        ),
        pytest.param(
            "rules:\n  - {name: one, match: []}\n",
            '2:24: empty match; expected lines such as alertname="HighErrorRate"',
            id="empty match",
        ),
        pytest.param(
            "rules:\n  - {name: one, match: ['{}']}\n",
            '2:25: `match`: expected a matcher such as alertname="HighErrorRate", got `{}`',
            id="empty matcher",
        ),
        pytest.param(
            "rules:\n  - {name: one, default: yes}\n  - {name: two, default: yes}\n",
            "3:17: found a second default rule; first at p/pack.yaml:2:17",
            id="two defaults",
        ),
        pytest.param(
            "rules:\n  - {name: one, default: yes, match: ['a=\"b\"']}\n",
            "2:31: a default rule takes what no other rule matches; leave `match` out",
            id="default with match",
        ),
        pytest.param(rule("default: maybe"), '4:14: `default`: expected yes or no, got "maybe"', id="yes or no"),
        pytest.param(
            rule("level: severe"), '4:12: `level`: expected warning or critical, got "severe"', id="level of a rule"
        ),
        pytest.param(
            rule("thresholds: {eror_rate: {warning: '> 1%'}}"),
            "4:18: unknown signal `eror_rate`; did you mean `error_rate`?",
            id="unknown signal",
        ),
        pytest.param(
            rule("thresholds: {error_rate: {}}"),
            "4:18: `error_rate`: expected a `warning` or a `critical` bound, got none",
            id="no bound",
        ),
        pytest.param(
            rule("thresholds: {error_rate: {warning: '1%'}}"),
            '4:40: `warning`: expected a bound such as "> 5% for 2m", got "1%"',
            id="no operator",
        ),
        pytest.param(
            rule("thresholds: {error_rate: {warning: '> 2s'}}"),
            '4:40: `warning`: expected percent such as 5%, got "2s"',
            id="unit",
        ),
        pytest.param(
            rule("thresholds: {error_rate: {warning: '> 1% 5m'}}"),
            '4:40: `warning`: expected percent such as 5%, got "1% 5m"; a duration stands after `for`: 1% for 5m',
            id="duration without for",
        ),
        pytest.param(
            rule("thresholds: {error_rate: '> 1%'}"),
            '4:30: `error_rate`: expected a mapping such as {critical: "> 5% for 2m"}, got "> 1%"',
            id="bound without its level",
        ),
        pytest.param(
            "targets: {prom: 'http://user:secret@x'}\n",
            "1:17: `prom`: expected a mapping such as {http: https://…}, got a value that is not shown",
            id="address without its kind",
        ),
        pytest.param(
            rule("thresholds: {waiting: {warning: '> 5 running'}}"),
            '4:37: `warning`: expected a number such as 500 or 1k waiting, got "5 running"',
            id="noun",
        ),
        pytest.param(
            rule("thresholds: {error_rate: {warning: '> 1% for 5 mins ago'}}"),
            '4:40: `warning`: expected a duration such as 30s, 5m or 1h30m, got "5 mins ago"',
            id="duration",
        ),
        pytest.param(
            rule("thresholds: {serving: {warning: '> 100%'}}"),
            '4:37: warning: "> 100%" can never hold: `serving` lies between 0 and 100 %',
            id="never holds",
        ),
        pytest.param(
            rule("thresholds: {error_rate: {warning: '>= 0%'}}"),
            '4:40: warning: ">= 0%" always holds: `error_rate` is never below 0',
            id="always holds",
        ),
        pytest.param(
            rule("thresholds: {error_rate: {warning: '> 5%', critical: '> 1%'}}"),
            '4:40: warning: warning "> 5%" never shows: critical "> 1%" holds whenever it does',
            id="never differ",
        ),
        pytest.param(
            rule("thresholds: {error_rate: {warning: '> 5%', critical: '< 1%'}}"),
            '4:40: warning: warning "> 5%" and critical "< 1%" can never both hold',
            id="never both",
        ),
        pytest.param(
            rule("thresholds: {error_rate: {warning: '> 5%', resolve: '< 6%'}}"),
            '4:57: warning: "< 6%" and warning "> 5%" can hold at the same time',
            id="resolve overlaps",
        ),
        pytest.param(
            rule("thresholds: {error_rate: {warning: '> 5%'}}\n    level: critical"),
            "5:5: warning: `level` has no effect beside `thresholds`",
            id="level beside thresholds",
        ),
        pytest.param(
            rule("diagnose: [http.statsu]"),
            "4:16: unknown check or bundle `http.statsu`; did you mean `http.status`?",
            id="unknown check",
        ),
        pytest.param(
            rule("diagnose: [kubernetes.pods]"),
            "4:16: warning: the check `kubernetes.pods` is not built yet; it is left out",
            id="not built",
        ),
        pytest.param(
            rule("diagnose: [{http.status: {pathes: [/]}}]"),
            "4:31: unknown key `pathes`; did you mean `paths`?",
            id="parameter",
        ),
        pytest.param(
            rule("diagnose: [prometheus.query]"), "4:16: missing required key `query`", id="missing parameter"
        ),
        pytest.param(
            rule("diagnose: [{http.status: , redis.info: }]"),
            "4:16: expected one check an entry, got 2 keys; parameters go below its name",
            id="two checks",
        ),
        pytest.param(
            rule("diagnose: [{http.status: apo}]"), "4:30: unknown target `apo`; did you mean `api`?", id="target"
        ),
        pytest.param(
            rule("diagnose: [{http.status: database}]"),
            "4:30: target `database` is of kind postgres; expected one of kind http",
            id="kind of target",
        ),
        pytest.param(
            rule("diagnose: [http.status]\ntargets: {web: {http: 'https://x'}}"),
            "4:16: several targets of kind http (`web`, `api`); say which with `target`",
            id="which target",
        ),
        pytest.param(
            rule("diagnose: [{prometheus.query: up}]"),
            '4:35: `prometheus.query`: a text alone names a target; expected parameters such as {query: …}, got "up"',
            id="query in the place of a target",
        ),
        pytest.param(
            rule("diagnose: [{http.status: {timeout: soon}}]"),
            '4:40: `timeout`: expected a duration such as 30s, 5m or 1h30m, got "soon"',
            id="timeout",
        ),
        pytest.param(
            rule("diagnose: [{http.status: {paths: ['{{ alert.x }}']}}]"),
            '4:39: `paths`: expected {{ labels.name }}, got "{{ alert.x }}"',
            id="template",
        ),
        pytest.param(
            "bundles: {a: [b], b: [a]}\n", "1:23: the bundle `a` names itself: a → b → a", id="bundle in itself"
        ),
        pytest.param(
            rule("suggest: [{do: x, when: failing}]"),
            "4:29: no check of this rule gives the mark `failing`; add one to `diagnose` that does, "
            "such as `http.status`",
            id="mark",
        ),
        pytest.param(
            rule("diagnose: [http.status]\n    suggest: [{do: x, when: faling}]"),
            "5:29: unknown mark `faling`; did you mean `failing`?",
            id="unknown mark",
        ),
        pytest.param(
            "signals: {x: {unit: secs, prometheus: {query: y}}}\n",
            "1:21: unknown unit `secs`; did you mean `seconds`?",
            id="unit of a signal",
        ),
        pytest.param(
            "signals: {x: {unit: count}}\n",
            "1:11: expected exactly one of prometheus, http, json, metrics, redis, postgres, payload, got none",
            id="kind of a signal",
        ),
        pytest.param(
            "signals: {x: {unit: count, prometheus: {query: 'up{job=\"a\"} or on() x{y={{ labels.y }}}'}}}\n",
            "1:48: `query`: a label's value may stand only inside quotes; expected quotes around it: "
            'x="{{ labels.x }}"',
            id="label outside quotes",
        ),
        pytest.param(
            "signals: {x: {unit: count, prometheus: {query: 'x{y=`{{ labels.y }}`}'}}}\n",
            "1:48: `query`: a label's value may stand only inside quotes; in backquotes nothing can be escaped",
            id="label in backquotes",
        ),
        pytest.param(
            "signals: {x: {unit: count, http: {up: [/]}}}\n",
            "1:39: `up` is read in percent; expected unit percent or ratio",
            id="unit of up",
        ),
        pytest.param(
            "signals: {x: {unit: count, prometheus: {query: y, step: 1s}}}\n",
            "1:57: `step`: expected at least 5s, got 1s",
            id="step",
        ),
        pytest.param(
            "signals: {labels: {unit: count, prometheus: {query: y}}}\n",
            "1:11: `labels` is a key of questions; expected another name",
            id="reserved name",
        ),
        pytest.param(
            "targets: {x: {loki: 'ftp://user:secret@host'}}\n",
            "1:21: expected an address that starts with http:// or https://, or ${NAME}",
            id="address",
        ),
        pytest.param(
            "targets: {x: {loki: '${LOKI URL}'}}\n",
            "1:21: expected ${NAME} or ${file:/path}, found a `${` that is neither",
            id="variable",
        ),
        pytest.param(
            "targets: {x: {http: 'https://a', redis: 'redis://b'}}\n",
            "1:11: expected exactly one kind such as `http: https://…`, got http and redis",
            id="two kinds",
        ),
        pytest.param(
            "targets: {x: {loki: 'https://a', concurrency: secret}}\n",
            "1:47: `concurrency`: expected a whole number, got a value that is not shown",
            id="values of targets are not quoted",
        ),
        pytest.param(
            "time_zone: Europe/Bukarest\n",
            "1:12: unknown time zone `Europe/Bukarest`; did you mean `Europe/Bucharest`?",
            id="time zone",
        ),
        pytest.param(
            "defaults: {http.staus: {}}\n",
            "1:12: unknown kind or check `http.staus`; did you mean `http.status`?",
            id="default of what",
        ),
        pytest.param(
            "defaults: {http.status: {pahts: [/]}}\n", "1:26: unknown key `pahts`; did you mean `paths`?", id="default"
        ),
        pytest.param("for: ['a=\"b\" c']\n", "1:7: `for`: expected a comma between two matchers, got `c`", id="for"),
        pytest.param(rule("page: true"), "4:5: warning: `page` has no effect without `watch`", id="page without watch"),
        pytest.param(
            "severity:\n  levels: {S1: {acknowlege: 5m}}\n",
            "2:17: unknown key `acknowlege`; did you mean `acknowledge`?",
            id="key of a level",
        ),
        pytest.param(
            question("{error_rate: '> 1%'}", "P5"),
            "3:50: unknown level `P5`; expected one of `P1`, `P2`, `P3`, `P4`",
            id="level",
        ),
        pytest.param(question("{rule: nown}"), "3:29: unknown rule `nown`; did you mean `known`?", id="rule"),
        pytest.param(
            question("{mark: faling}"), "3:29: unknown mark `faling`; did you mean `failing`?", id="question's mark"
        ),
        pytest.param(
            question("{mark: oom_killed}"),
            "3:29: warning: no rule of this pack asks a check that gives the mark `oom_killed`, "
            "such as `kubernetes.pods`",
            id="mark that nobody gives",
        ),
        pytest.param(
            question("{}"), '3:22: expected a condition such as `error_rate: "> 50%"`, got nothing', id="when"
        ),
        pytest.param(
            question("{rule: known}", "{at_most: P4, critical: P1}"),
            "3:43: found levels by verdict beside `at_least` or `at_most`; expected one of the two",
            id="then",
        ),
        pytest.param(
            question("{rule: known}", "{critical: P3, warning: P2}"),
            "3:43: warning: critical gives a milder level than warning: a graver reading lowers the severity",
            id="milder when graver",
        ),
        pytest.param(
            rule("thresholds: {error_rate: {critical: '> 5%'}}") + question("{error_rate: '> 1%'}", "{at_most: P4}"),
            '7:50: warning: a reading "> 1%" is grave by its rule and lowers the severity',
            id="cap by a signal",
        ),
    ],
)
def test_a_mistake_is_named_with_its_place_and_its_cure(complaints: Complaints, text: str, said: str) -> None:
    assert complaints(text) == [said]


def test_two_questions_where_a_graver_reading_ends_at_a_milder_level(complaints: Complaints) -> None:
    text = """\
severity:
  decide:
    - {ask: a, when: {error_rate: "> 50%"}, then: P2}
    - {ask: b, when: {error_rate: "> 10%"}, then: P1}
    - {ask: c, when: {error_rate: "> 60%"}, then: P1}
"""

    assert complaints(text) == [
        '4:51: warning: "> 50%" gives P2: a graver reading lowers the severity',
        '5:7: warning: never decides: "> 50%" was asked before and holds whenever "> 60%" does',
    ]


def test_all_mistakes_of_a_folder_are_found_in_one_run(load: Callable[..., Loaded]) -> None:
    files = {
        "pack.yaml": "pack: p\nfro: x\n",
        "a/targets.yaml": "targets:\n  api: {http: 'nowhere', concurency: 3}\n",
        "b/rules.yaml": (
            "rules:\n"
            "  - {match: ['a=\"b\"']}\n"
            "  - name: two\n"
            "    match: ['a=']\n"
            "    suggest: [{run: x}]\n"
            "    diagnose: [{http.status: nowhere}, http.staus]\n"
        ),
        "c/broken.yaml": "a: [\n",
        "d/twice.yaml": "rules: []\nrules: []\n",
    }

    loaded = load(files)

    assert [str(it) for it in loaded.problems] == [
        "p/a/targets.yaml:2:15: expected an address that starts with http:// or https://, or ${NAME}",
        "p/a/targets.yaml:2:26: unknown key `concurency`; did you mean `concurrency`?",
        "p/b/rules.yaml:2:5: missing required key `name`",
        "p/b/rules.yaml:5:15: missing required key `do`",
        "p/c/broken.yaml:2:1: not YAML: did not find expected node content",
        "p/d/twice.yaml:2:1: found the key `rules` twice; first at p/d/twice.yaml:1:1",
        "p/pack.yaml:2:1: unknown key `fro`; did you mean `for`?",
    ]
    assert loaded.packs == ()


def test_what_is_broken_is_not_complained_of_where_it_is_named(complaints: Complaints) -> None:
    text = """\
signals:
  broken: {unit: count, prometheus: {}}
rules:
  - {name: one, match: ['a="b"'], thresholds: {broken: {warning: "> 1"}}}
severity:
  levels: [S1, S2]
  decide: [{ask: q, when: {broken: "> 1"}, then: S1}]
"""

    assert complaints(text) == [
        "2:25: missing required key `query`",
        "6:11: `levels`: expected a mapping such as {P1: , P2: }, got a list",
    ]


def test_levels_are_known_although_something_beside_them_is_broken(complaints: Complaints) -> None:
    text = question("{rule: known}", "S3") + "  levels: {S1: , S2: }\n  otherwise: S2\n"

    assert complaints(text) == [
        "3:43: unknown level `S3`; expected one of `S1`, `S2`",
        '5:14: `otherwise`: expected a mapping such as {critical: P2, warning: P3}, got "S2"',
    ]


def test_a_text_alone_names_the_target_where_the_defaults_give_the_parameters(complaints: Complaints) -> None:
    text = "defaults: {prometheus.query: {query: up}}\n" + rule("diagnose: [{prometheus.query: prometheus}]")

    assert complaints(text) == []


def test_names_that_an_included_pack_may_have_are_only_warned_of(complaints: Complaints) -> None:
    text = (
        "include: [starter]\nrules:\n  - {name: one, match: ['a=\"b\"'], thresholds: {elsewhere: {warning: '> 1'}}}\n"
    )

    assert complaints(text) == [
        "1:1: warning: `include` is read but not acted on by this version",
        "3:48: warning: unknown signal `elsewhere`; expected one of `error_rate`, `latency`, `serving`, `waiting`; "
        "included packs are not read by this version",
    ]
