"""Which of several incidents goes on when a link shows that they are one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from responder.incidents.join import join
from responder.model.joining import Joining, JoinPlan

NOW = datetime(2026, 11, 21, 3, 12, tzinfo=UTC)
ON = "on"


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({7: ON}, JoinPlan(elder=7)),
        ({9: ON, 7: ON, 8: ON}, JoinPlan(elder=7, folds=(8, 9))),
        ({7: 5, 9: ON}, JoinPlan(elder=7, folds=(9,), reopens=True)),
        ({7: 11, 9: ON}, JoinPlan(elder=9, leaves=(7,))),
        ({7: 11, 8: 5, 9: ON}, JoinPlan(elder=8, folds=(9,), reopens=True, leaves=(7,))),
        ({7: ON, 9: 5}, JoinPlan(elder=7, folds=(9,))),
        ({7: 5}, JoinPlan(elder=7)),
        ({7: 5, 9: 11}, JoinPlan(elder=9)),
    ],
)
def test_the_oldest_that_is_of_now_goes_on(found: dict[int, str | int], expected: JoinPlan) -> None:
    """Minutes since it was settled, or that it is on."""
    joining = [
        Joining(
            id=number,
            open_now=since == ON,
            resolved_at=None if isinstance(since, str) else NOW - timedelta(minutes=since),
        )
        for number, since in found.items()
    ]

    assert join(joining, NOW, reopen_within=timedelta(minutes=10)) == expected
