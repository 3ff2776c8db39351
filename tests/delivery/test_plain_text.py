"""Tests of responder/delivery/plain_text.py: the note as it is read on a phone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from responder.delivery.plain_text import plain_text
from responder.model.finding import Outcome
from responder.model.incident import marker_of
from responder.model.report import Pointed, Suggestion
from responder.model.verdict import Clear, Unknown
from tests.report.situations import BREAKERS, HEALTH, NOW, P4, alert, finding, incident, pack, report, rule, says

MARKER = marker_of("prod", "inc-7K3F")

GOLDEN = """\
P1 · API error rate 7.3 % (critical: > 5 % for 2m; breached for 4m10s)
Why P1: "Are > 50 % of requests failing?" no (7.3 %) · "Is payment processing affected?" YES (service=payments) → P1
Look here first
  1. Rollout payments-api rev 42, 3m50s before onset: image 2.14.0 → 2.15.0, by ci
  2. 3/6 pods CrashLoopBackOff (exit 1, 14 restarts): KeyError 'STRIPE_KEY' ×212, new since onset
Also: pool 96 of 100 connections, 41 idle in transaction, oldest 14m ("worker") · 2 breakers open (stripe, hubspot)
Healthy: /health 200 in 34 ms · Redis 41 ms · Stripe status operational
Could not look: helm history (forbidden: list secrets)
Next: kubectl rollout undo deployment/payments-api -n prod   (suggested; responder never runs it)
Runbook https://runbooks.example.com/api-outage · Full report https://responder.example/incidents/inc-7K3F
03:12:09 UTC (05:12 Bucharest) · 7 of 8 checks in 3.1 s · [responder:prod:inc-7K3F]"""

RESOLVED = """\
P1 · Resolved after 28m · API error rate 0.1 % (clear: not > 5 % for 2m)
Why P1: "Are > 50 % of requests failing?" no (7.3 %) · "Is payment processing affected?" YES (service=payments) → P1
Changed: resolved at 03:40
Still unhealthy
  1. 2 breakers open (stripe, hubspot)
Healthy: /health 200 in 34 ms
Runbook https://runbooks.example.com/api-outage · Full report https://responder.example/incidents/inc-7K3F
03:40:09 UTC · 2 of 2 checks in 3.1 s · continues inc-7K3E · may be a duplicate · [responder:prod:inc-7K3F]"""

UNREAD = """\
P4 · API error rate could not be read: prometheus gave no answer within 5s
Why P4: "Are > 50 % of requests failing?" no (7.3 %) · decided by otherwise (unknown → P4)
Could not look: redis.info (no answer within 10s)
Still looking: kubernetes.logs
Runbook https://runbooks.example.com/api-outage · Full report https://responder.example/incidents/inc-7K3F
03:12:09 UTC (05:12 Bucharest) · 0 of 2 checks in 3.1 s · [responder:prod:inc-7K3F]"""

UNMATCHED = """\
P4 · HighErrorRate: 1 alert firing
Why P4: "Are > 50 % of requests failing?" no (7.3 %) · decided by otherwise (no rule matched → P4)
Full report https://responder.example/incidents/inc-7K3F
03:12:09 UTC (05:12 Bucharest) · no checks · [responder:prod:inc-7K3F]"""


def test_the_note_of_the_first_page_word_for_word() -> None:
    assert plain_text(report(), marker=MARKER) == GOLDEN


def test_a_resolved_incident_says_what_is_still_unhealthy() -> None:
    later = NOW + timedelta(minutes=28)
    over = incident(alert(resolved=True), resolved_at=later - timedelta(seconds=4))
    made = report(
        incident=over,
        pack=pack(time_zone="UTC"),
        verdicts=(says(Clear(), value=0.1),),
        assessment=P4,
        former=report(),
        findings=(HEALTH, BREAKERS),
        asked=2,
        now=later,
    )

    assert plain_text(made, marker=MARKER, tag="may be a duplicate", continues="inc-7K3E") == RESOLVED


def test_a_reading_that_could_not_be_had_is_said_first() -> None:
    made = report(
        verdicts=(says(Unknown(why="prometheus gave no answer within 5s")),),
        assessment=P4,
        findings=(finding("redis.info", "no answer within 10s", Outcome.INCONCLUSIVE),),
        still_looking=("kubernetes.logs",),
        asked=2,
    )

    assert plain_text(made, marker=MARKER) == UNREAD


def test_where_nothing_matched_the_alert_is_told() -> None:
    made = report(verdicts=(), findings=(), assessment=P4, asked=0)

    assert plain_text(made, marker=MARKER) == UNMATCHED


def test_several_alerts_are_counted_and_notices_are_said() -> None:
    alerts = (alert(), alert("TargetDown", pod="a"), alert("TargetDown", pod="b", resolved=True))

    lines = plain_text(report(incident=incident(*alerts), notices=("shadow",)), marker=MARKER).splitlines()

    assert lines[2:4] == ["Alerts: 2 of 3 firing (HighErrorRate, TargetDown)", "Note: shadow"]


def test_when_all_answered_and_nothing_is_wrong_it_says_so() -> None:
    lines = plain_text(report(findings=(HEALTH,), asked=1), marker=MARKER).splitlines()

    assert lines[2] == "Nothing unhealthy in the check that answered"
    assert " · 1 of 1 check in " in lines[-1]


def test_long_lists_are_cut_and_say_by_how_much() -> None:
    many = tuple(Pointed(text=f"line {n}", check="x") for n in range(20))

    text = plain_text(replace(report(), also=many), marker=MARKER)

    assert "line 7 · and 12 more on the full report\n" in text
    assert "line 8" not in text
    assert "line 7 · and 12 more\n" in plain_text(replace(report(), also=many, page_url=""), marker=MARKER)


def test_the_deciding_answer_is_told_however_many_came_before() -> None:
    made = replace(report(), why=(*(f'"q{n}?" no' for n in range(30)), '"last?" YES → P1'))

    why = plain_text(made, marker=MARKER).splitlines()[1]

    assert why.startswith('Why P1: 23 earlier answers · "q23?" no')
    assert why.endswith('"last?" YES → P1')


def test_suggestions_show_caution_and_phase_and_a_command_is_never_cut() -> None:
    made = replace(
        report(),
        suggestions=(
            Suggestion(do="Flush the cache", run="redis-cli FLUSHDB", caution="ends every session"),
            Suggestion(do="Restore it all", run="restore " + "x" * 2000),
            Suggestion(do="Look again", phase="verify", see="https://runbooks.example.com/verify"),
        ),
    )

    text = plain_text(made, marker=MARKER)

    assert [line for line in text.splitlines() if line.startswith(("Next", "Verify"))] == [
        "Next: redis-cli FLUSHDB   (caution: ends every session; suggested; responder never runs it)",
        "Next: Restore it all   (suggested)",
        "Verify: Look again   (suggested; see https://runbooks.example.com/verify)",
    ]


HOSTILE = (
    "a\nHealthy: all\r\n\x1b[31m[responder:prod:inc-7K3F] \u202e[Resp\u200bonder:prod:inc-9999] {{7*7}} "
    "<!channel>\x00\u2028x"
)
INERT = "a Healthy: all [31m(responder:prod:inc-7K3F] (Responder:prod:inc-9999] {{7*7}} <!channel> x"


def hostile() -> Any:
    return report(
        pack=pack(rule(summary=HOSTILE, runbook=HOSTILE)),
        incident=incident(alert(HOSTILE), alert(HOSTILE, pod=HOSTILE)),
        findings=(
            finding(HOSTILE, HOSTILE, target=HOSTILE),
            finding("b", HOSTILE, Outcome.UNHEALTHY),
            finding(HOSTILE, HOSTILE, Outcome.INCONCLUSIVE),
        ),
        still_looking=(HOSTILE,),
        left_out=((HOSTILE, HOSTILE),),
        notices=(HOSTILE,),
        page_url=HOSTILE,
    )


def test_hostile_values_stay_on_their_line_and_forge_nothing() -> None:
    text = plain_text(hostile(), marker=MARKER, tag=HOSTILE, continues=HOSTILE)

    assert text.count("[responder:") == 1
    assert text.endswith(MARKER)
    assert text.lower().count("[responder") == 1
    assert sum(line.startswith("Healthy: ") for line in text.split("\n")) == 1
    assert not set(text) & set("\r\x00\x1b\u202e\u200b\u2028")
    assert f"  1. {INERT}" in text.split("\n")


words = st.text(max_size=400)


@settings(derandomize=True, max_examples=150, deadline=None)
@given(
    max_bytes=st.integers(120, 5_000),
    headlines=st.lists(st.tuples(words, st.sampled_from(Outcome)), max_size=30),
    summary=words,
    tag=st.sampled_from(["", "may be a duplicate"]),
)
def test_a_report_fits_whatever_room_there_is(max_bytes: int, headlines: Any, summary: str, tag: str) -> None:
    findings = tuple(finding(f"check.{n}", text, outcome) for n, (text, outcome) in enumerate(headlines))
    made = report(pack=pack(rule(summary=summary)), findings=findings, asked=len(findings))

    text = plain_text(made, marker=MARKER, max_bytes=max_bytes, tag=tag)

    assert len(text.encode()) <= max_bytes
    assert text.endswith(MARKER)
    assert text.count("[responder:") == 1
    assert ("Could not look: " in text) == bool(made.could_not_look)


@pytest.mark.parametrize("max_bytes", range(300, 3_000, 90))
def test_room_is_counted_in_bytes_not_in_characters(max_bytes: int) -> None:
    findings = tuple(finding(f"check.{n}", "→ż字" * n * 7, Outcome.UNHEALTHY) for n in range(20))

    text = plain_text(report(findings=findings), marker=MARKER, max_bytes=max_bytes)

    assert len(text.encode()) <= max_bytes


@pytest.mark.parametrize("max_bytes", range(len(MARKER), 120))
def test_even_the_smallest_room_keeps_the_marker(max_bytes: int) -> None:
    text = plain_text(report(), marker=MARKER, max_bytes=max_bytes)

    assert len(text.encode()) <= max_bytes
    assert text.endswith(MARKER)


def test_no_room_for_the_marker_is_refused() -> None:
    with pytest.raises(ValueError, match=f"needs room for its marker \\({len(MARKER)} bytes\\), got 10"):
        plain_text(report(), marker=MARKER, max_bytes=10)


def test_a_zone_that_this_machine_does_not_know_costs_no_report() -> None:
    last = plain_text(report(pack=pack(time_zone="Mars/Olympus")), marker=MARKER).splitlines()[-1]

    assert last == "03:12:09 UTC · 7 of 8 checks in 3.1 s · [responder:prod:inc-7K3F]"
