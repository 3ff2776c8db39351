"""The section `intake` of rule files."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from responder.model.intake import GenericSender, Intake, merged
from responder.model.json_expression import parse_expression
from responder.model.pack import Pack
from responder.rules.packs import Loaded

RULES = "rules: [{name: a, default: true}]\n"


def test_the_section_is_read_whole(pack: Callable[[str], Pack]) -> None:
    read = pack(
        RULES
        + """\
intake:
  ignore: ['alertname=~"Watchdog|InfoInhibitor"']
  labels: {environment: [environment, env], team: owner}
  pagerduty: {services: {PF9KMXH: {namespace: carecircle, app: carecircle-api}}}
  generic:
    sentry:
      alerts: "[@]"
      key: data.issue.id
      firing: action != 'resolved'
      started: data.issue.lastSeen
      labels: {alertname: "'SentryErrorSpike'", project: data.issue.project.slug}
      annotations: {summary: data.issue.title}
    uptime: {key: monitorID, labels: {alertname: "'SiteDown'"}}
"""
    )

    assert [it.text for it in read.ignore] == ['alertname=~"Watchdog|InfoInhibitor"']
    assert read.intake == Intake(
        labels={"environment": ("environment", "env"), "team": ("owner",)},
        services={"PF9KMXH": {"namespace": "carecircle", "app": "carecircle-api"}},
        generic={
            "sentry": GenericSender(
                alerts=parse_expression("[@]"),
                key=parse_expression("data.issue.id"),
                firing=parse_expression("action != 'resolved'"),
                started=parse_expression("data.issue.lastSeen"),
                labels={
                    "alertname": parse_expression("'SentryErrorSpike'"),
                    "project": parse_expression("data.issue.project.slug"),
                },
                annotations={"summary": parse_expression("data.issue.title")},
            ),
            "uptime": GenericSender(
                key=parse_expression("monitorID"), labels={"alertname": parse_expression("'SiteDown'")}
            ),
        },
    )


def test_a_pack_without_the_section_says_nothing_of_senders(pack: Callable[[str], Pack]) -> None:
    assert pack(RULES).intake == Intake()


@pytest.mark.parametrize(
    ("written", "said"),
    [
        pytest.param(
            "generic: {a: {key: 'x[', labels: {alertname: b}}}",
            "1:29: `key`: expected more after character 2, where it ends; expected a JMESPath expression",
            id="no JMESPath",
        ),
        pytest.param(
            "generic: {a: {key: x, alerts: 'b c', firing: 'd[', started: '', labels: {alertname: b}}}",
            "1:40: `alerts`: found `c` at character 3, where it cannot stand; expected a JMESPath expression\n"
            "1:55: `firing`: expected more after character 2, where it ends; expected a JMESPath expression\n"
            "1:70: `started`: expected text, got nothing",
            id="in each of its keys",
        ),
        pytest.param(
            "generic: {a: {key: x, labels: {alertname: b, c: foo(@)}, annotations: {d: length()}}}",
            "1:58: `c`: unknown function `foo`; did you mean `floor`?; expected a JMESPath expression\n"
            "1:84: `d`: `length()` takes 1, got 0 in its brackets; expected a JMESPath expression",
            id="labels and annotations",
        ),
        pytest.param(
            "generic: {a: {key: x, labels: {b: c}}}",
            "1:32: missing required key `alertname`; its text goes in single quotes",
            id="no name",
        ),
        pytest.param("generic: {a: {labels: {alertname: b}}}", "1:20: missing required key `key`", id="no key"),
        pytest.param("generic: {a: {key: x}}", "1:20: missing required key `labels`", id="no labels"),
        pytest.param("generic: {a: x}", '1:23: `a`: expected a mapping, got "x"', id="no mapping"),
        pytest.param(
            "generic: {a: {key: x, started: data.issue.firstSeen, labels: {alertname: b}}}",
            "1:41: warning: `started`: `data.issue.firstSeen` is the first time ever, so an alert that ended never "
            "fires again; expected the start of this outage",
            id="a start that never changes",
        ),
        pytest.param(
            "generic: {a: {key: x, labels: {alertname: b}, ended: c}}",
            "1:56: unknown key `ended`; expected one of `alerts`, `annotations`, `firing`, `key`, `labels`, `started`",
            id="an unknown key",
        ),
        pytest.param(
            "generic: {Big_one: {key: x, labels: {alertname: b}}}",
            "1:20: expected a name of a-z, 0-9 and -, at most 32 of them, as it stands in /webhooks/generic/{name}; "
            "got `Big_one`",
            id="a name that no address can have",
        ),
        pytest.param(
            "generic: {grafana: {key: x, labels: {alertname: b}}}",
            "1:20: warning: its alerts carry `source=grafana`, as those of the webhook of that name",
            id="a name of ours",
        ),
        pytest.param(
            "generic: {a: {key: x, labels: {alertname: b, source: c, d-e: f}}}",
            "1:55: `source` is who sent the alert, which responder sets itself\n"
            "1:66: expected a label name of letters, digits and _, got `d-e`",
            id="labels of a sender",
        ),
        pytest.param(
            "labels: {source: [a], 9b: [c]}",
            "1:19: `source` is who sent the alert, which responder sets itself\n"
            "1:32: expected a label name of letters, digits and _, got `9b`",
            id="labels that cannot be set",
        ),
        pytest.param(
            "labels: {env: [env]}",
            "1:19: warning: `env` has no other name here; expected one, as in [env, other_name]",
            id="a label of one name",
        ),
        pytest.param("labels: {env: {a: b}}", "1:24: `env`: expected a list, got a mapping", id="no names"),
        pytest.param(
            "pagerduty: {services: {P1: {source: a, b-c: d}}}",
            "1:38: `source` is who sent the alert, which responder sets itself\n"
            "1:49: expected a label name of letters, digits and _, got `b-c`",
            id="labels of a service",
        ),
        pytest.param(
            "pagerduty: {service: {}}",
            "1:10: missing required key `services`\n1:22: unknown key `service`; did you mean `services`?",
            id="no services",
        ),
    ],
)
def test_every_mistake_is_said_at_its_place(written: str, said: str, complaints: Callable[[str], list[str]]) -> None:
    assert complaints(f"intake: {{{written}}}\n") == said.split("\n")


ONE = "pack: one\nfor: ['a=\"b\"']\n" + RULES
OTHER = "pack: other\n" + RULES


def both(load: Callable[..., Loaded], one: str, other: str) -> Loaded:
    return load({"one/pack.yaml": ONE + one, "other/pack.yaml": OTHER + other})


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        pytest.param(
            "{generic: {s: {key: a, labels: {alertname: b}}}}",
            "{generic: {s: {key: a, labels: {alertname: c}}}}",
            "p/other/pack.yaml:3:20: `generic.s` says something else than the pack `one` does; "
            "first at p/one/pack.yaml:4:20",
            id="a sender",
        ),
        pytest.param(
            "{pagerduty: {services: {P1: {team: a}}}}",
            "{pagerduty: {services: {P1: {team: b}}}}",
            "p/other/pack.yaml:3:33: `services.P1` says something else than the pack `one` does; "
            "first at p/one/pack.yaml:4:33",
            id="a service",
        ),
    ],
)
def test_two_packs_that_contradict_one_another_are_refused(
    load: Callable[..., Loaded], one: str, other: str, said: str
) -> None:
    loaded = both(load, f"intake: {one}\n", f"intake: {other}\n")

    assert [str(it) for it in loaded.problems] == [said]
    assert loaded.problems[0].line == f"intake: {other}"


def test_packs_may_say_the_same_and_add_to_one_another(load: Callable[..., Loaded]) -> None:
    same = "generic: {s: {key: a, labels: {alertname: b}}}"
    loaded = both(
        load,
        f"intake: {{{same}, labels: {{env: [env, stage]}}, pagerduty: {{services: {{P1: {{team: a}}}}}}}}\n",
        f"intake: {{{same}, labels: {{env: [tier, stage]}}, pagerduty: {{services: {{P1: {{team: a, app: b}}}}}}}}\n",
    )

    assert [str(it) for it in loaded.problems] == []
    together = merged(it.intake for it in loaded.packs)
    assert together == Intake(
        labels={"env": ("env", "stage", "tier")},
        services={"P1": {"team": "a", "app": "b"}},
        generic=loaded.packs[0].intake.generic,
    )
    assert list(together.generic) == ["s"]


def test_of_packs_that_contradict_one_another_the_first_counts() -> None:
    key = [parse_expression(it) for it in "ab"]
    one, other = (
        Intake(generic={"s": GenericSender(key=it, labels={})}, services={"P": {"team": it.text}}) for it in key
    )

    assert merged([one, other]) == one
