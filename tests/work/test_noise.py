"""What counts as noise, decided from facts alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from responder.model.incident import Incident, IncidentState
from responder.rules.packs import pack_from_files
from responder.work.noise import Heard, Noise, heard, noise_of
from responder.work.replay import Said
from tests.conftest import START

LATER = START + timedelta(minutes=10)
PACK = pack_from_files(
    "shop",
    {
        "a.yaml": """
targets: {p: {prometheus: "http://p"}}
signals: {errors: {unit: percent, prometheus: {query: up}}}
rules:
  - {name: bounded, match: ['a="b"'], thresholds: {errors: {critical: "> 5%"}}}
  - {name: alerted, match: ['a="b"'], level: warning}
"""
    },
    {},
)


def incident(**more: Any) -> Incident:
    plain = Incident(
        id=1,
        slug="inc-0001",
        state=IncidentState.RESOLVED,
        pack="shop",
        rule_set=None,
        severity=None,
        opened_at=START,
        acknowledged_at=None,
        resolved_at=START,
        first_report_due=START,
        run=1,
        continues=None,
        alerts=(),
        links=(),
    )
    return replace(plain, **more)


@pytest.mark.parametrize(
    ("rules", "clear"),
    [
        ({"bounded": "clear"}, True),
        ({"bounded": "clear", "alerted": "warning"}, True),
        ({"bounded": "critical"}, False),
        ({"bounded": "pending"}, False),
        ({"bounded": "unknown"}, False),
        ({"alerted": "warning"}, False),
        ({}, False),
    ],
)
def test_it_read_clear_where_every_bound_did(rules: dict[str, str], clear: bool) -> None:
    assert heard(incident(), Said(rules=rules), PACK, reopened=0, now=LATER).clear is clear


def test_what_cannot_be_told_is_not_clear() -> None:
    assert not heard(incident(), None, PACK, reopened=0, now=LATER).clear
    assert not heard(incident(), Said(rules={"bounded": "clear"}), None, reopened=0, now=LATER).clear


@pytest.mark.parametrize(
    ("more", "untouched"),
    [
        ({}, True),
        ({"acknowledged_at": START}, False),
        ({"settled_by": "Ann"}, False),
        ({"state": IncidentState.OPEN, "resolved_at": None}, False),
    ],
)
def test_it_is_untouched_where_nobody_took_it_on_or_settled_it(more: dict[str, Any], untouched: bool) -> None:
    assert heard(incident(**more), None, None, reopened=0, now=LATER).untouched is untouched


def test_it_counts_once_it_has_been_over_for_a_while() -> None:
    def is_over(now: datetime, **more: Any) -> bool:
        return heard(incident(**more), None, PACK, reopened=0, now=now).over

    assert is_over(LATER)
    assert not is_over(LATER - timedelta(seconds=1))
    assert not is_over(LATER, state=IncidentState.OPEN, resolved_at=None)


def test_alerts_are_counted_the_noisiest_first_and_the_others_left_out() -> None:
    quiet = Heard(slug="inc-0004", alerts=("Fine",), clear=False, flapped=0, untouched=False)
    several = [
        Heard(slug="inc-0001", alerts=("Disk", "Errors"), clear=True, flapped=0, untouched=True),
        Heard(slug="inc-0002", alerts=("Errors",), clear=False, flapped=3, untouched=False),
        Heard(slug="inc-0003", alerts=("Errors",), clear=False, flapped=0, untouched=False),
    ]

    assert noise_of([*several, quiet]) == [
        Noise(
            alert="Errors",
            incidents=3,
            clear=1,
            flapped=1,
            reopened=3,
            untouched=1,
            examples=("inc-0002", "inc-0001"),
        ),
        Noise(alert="Disk", incidents=1, clear=1, flapped=0, reopened=0, untouched=1, examples=("inc-0001",)),
    ]
