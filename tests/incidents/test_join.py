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
    """Minutes since it was settled, or that it is on; none was open while another was, unless both are."""
    joining = [joined(number, 1 if since == ON else int(since) + 1, since) for number, since in found.items()]

    assert join(joining, NOW, reopen_within=timedelta(minutes=10)) == expected


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param({7: (60, 50), 9: (59, 51)}, JoinPlan(elder=7, folds=(9,)), id="both are over"),
        pytest.param({7: (60, 50), 9: (49, 40)}, JoinPlan(elder=9), id="both are over, one after the other"),
        pytest.param({7: (60, 50), 8: (55, 40), 9: (45, 30)}, JoinPlan(elder=7, folds=(8, 9)), id="one by one"),
        pytest.param({7: (60, ON), 9: (59, 51)}, JoinPlan(elder=7, folds=(9,)), id="the older is on"),
        pytest.param({7: (60, 50), 9: (59, ON)}, JoinPlan(elder=7, folds=(9,), reopens=True), id="the younger is on"),
        pytest.param({7: (60, 58), 9: (57, ON)}, JoinPlan(elder=9, leaves=(7,)), id="the older was over before"),
    ],
)
def test_what_was_open_at_once_is_one_however_late_that_is_learnt(
    found: dict[int, tuple[int, str | int]], expected: JoinPlan
) -> None:
    """Minutes since it was opened, and since it was settled."""
    joining = [joined(number, opened, since) for number, (opened, since) in found.items()]

    assert join(joining, NOW, reopen_within=timedelta(minutes=10)) == expected


def joined(number: int, opened: int, settled: str | int) -> Joining:
    return Joining(
        id=number,
        open_now=settled == ON,
        opened_at=NOW - timedelta(minutes=opened),
        resolved_at=None if isinstance(settled, str) else NOW - timedelta(minutes=settled),
    )
