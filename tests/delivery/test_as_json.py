"""The report for programs: names that stay, times in UTC, and never more bytes than there is room."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from responder.delivery.as_json import as_json, encoded, moment
from responder.model.finding import Change, Outcome, Table
from responder.model.report import Report
from responder.model.verdict import Clear, Unknown
from tests.report.situations import CRITICAL, FINDINGS, NOW, ONSET, finding, report, says

MARKER = "[responder:prod:inc-7K3F]"
NAMES = [
    *("incident", "marker", "digest", "state", "complete", "title", "summary", "severity", "severity_rank", "why"),
    *("assessment", "verdicts", "look_first", "also", "healthy", "could_not_look", "still_looking", "findings"),
    *("changes", "suggestions", "events", "notices", "alerts", "checks", "at", "opened_at", "onset", "resolved_at"),
    *("time_zone", "links", "continues", "continued_in", "private", "cut"),
]


def told(it: Report | None = None, **said: Any) -> dict[str, Any]:
    """What another program reads."""
    body: dict[str, Any] = json.loads(encoded(as_json(it or report(), **({"marker": MARKER} | said)), 1 << 20))
    return body


def test_every_name_of_the_contract_is_there_and_no_other() -> None:
    assert list(told()) == NAMES


def test_the_situation_of_the_specification_is_told_whole() -> None:
    body = told()

    assert (body["incident"], body["marker"], body["severity"], body["state"]) == ("inc-7K3F", MARKER, "P1", "open")
    assert body["look_first"][0] == {
        "text": "Rollout payments-api rev 42, 3m50s before onset: image 2.14.0 → 2.15.0, by ci",
        "check": "kubernetes.rollouts(cluster)",
    }
    assert body["could_not_look"] == [{"text": "forbidden: list secrets", "check": "helm history"}]
    assert body["assessment"]["answers"][1] == {
        "ask": "Is payment processing affected?",
        "said": "yes",
        "because": "service=payments",
        "counted_as": "no",
        "result": "P1",
    }
    (signal,) = body["verdicts"][0]["signals"]
    assert (signal["value"], signal["shown"], signal["bound"], signal["verdict"]) == (
        7.3,
        "7.3 %",
        "> 5% for 2m",
        "critical",
    )
    assert signal["since"] == "2026-11-21T03:07:59Z"
    assert body["suggestions"][0]["run"] == "kubectl rollout undo deployment/payments-api -n prod"
    assert body["links"] == {
        "page": "https://responder.example/incidents/inc-7K3F",
        "runbook": "https://runbooks.example.com/api-outage",
    }


def test_what_could_not_be_read_is_no_number_and_says_why() -> None:
    body = told(report(verdicts=(says(Unknown(why="no answer")),)))

    (signal,) = body["verdicts"][0]["signals"]
    assert (signal["verdict"], signal["value"], signal["why"]) == ("unknown", None, "no answer")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_json_does_not_have_is_none(value: float) -> None:
    body = told(report(verdicts=(says(CRITICAL, value=value),)))

    assert body["verdicts"][0]["signals"][0]["value"] is None


def test_changes_are_told_oldest_first_with_the_check_that_saw_them() -> None:
    later = finding("github.deployments", "1 deployment", changes=(Change(at=ONSET, what="deployed", by="ann"),))

    body = told(report(findings=(later, *FINDINGS)))

    assert [(it["at"], it["check"]) for it in body["changes"]] == [
        ("2026-11-21T03:04:09Z", "kubernetes.rollouts(cluster)"),
        ("2026-11-21T03:07:59Z", "github.deployments"),
    ]


@pytest.mark.parametrize(
    ("at", "shown"),
    [
        (NOW, "2026-11-21T03:12:09Z"),
        (NOW + timedelta(milliseconds=120), "2026-11-21T03:12:09.120Z"),
        (datetime(2026, 11, 21, 5, 12, tzinfo=timezone(timedelta(hours=2))), "2026-11-21T03:12:00Z"),
        (None, None),
    ],
)
def test_times_are_rfc_3339_in_utc(at: datetime | None, shown: str | None) -> None:
    assert moment(at) == shown


def test_the_digest_stays_while_only_numbers_move_and_changes_with_what_matters() -> None:
    first = told()["digest"]

    assert told(report(now=NOW + timedelta(minutes=1), verdicts=(says(value=8.1),)))["digest"] == first
    assert told(report(verdicts=(says(Clear(), value=0.1),)))["digest"] != first
    assert told(continued_in="inc-7K3G")["digest"] != first
    assert told(edition="2026-11-21T03:13:00Z")["digest"] != first


def test_a_folded_incident_says_where_it_goes_on() -> None:
    body = told(continued_in="inc-7K3G", continues="inc-7K3A")

    assert (body["state"], body["continued_in"], body["continues"]) == ("folded", "inc-7K3G", "inc-7K3A")


def test_a_report_that_is_too_long_is_cut_visibly_and_keeps_its_marker() -> None:
    table = Table(columns=("a", "b"), rows=tuple(("x" * 500, "y" * 500) for _ in range(200)))
    findings = tuple(finding(f"check.{n}", "h" * 300, Outcome.UNHEALTHY, table=table) for n in range(60))
    body = as_json(replace(report(findings=findings), notices=("n" * 900,) * 20), marker=MARKER)

    told_in = {most: json.loads(encoded(body, most)) for most in (1 << 25, 1 << 20, 40_000, 18_000)}

    assert [it["cut"] for it in told_in.values()] == [
        [],
        ["findings.details", "findings.table", "findings.chart"],
        ["findings", "changes"],
        ["findings", "changes", "lists", "texts"],
    ]
    assert all((it["marker"], it["severity"]) == (MARKER, "P1") for it in told_in.values())
    assert all(len(encoded(body, most)) <= most for most in told_in)


def test_half_a_link_is_no_link() -> None:
    whole = replace(report(), runbook="https://runbooks.example.com/" + "x" * 3000, notices=("n" * 9000,) * 500)

    body = json.loads(encoded(as_json(whole, marker=MARKER), 20_000))

    assert body["links"] == {"page": "https://responder.example/incidents/inc-7K3F", "runbook": ""}


def test_no_room_at_all_is_said() -> None:
    with pytest.raises(ValueError, match="more room than 100 bytes"):
        encoded(as_json(report(), marker=MARKER), 100)
