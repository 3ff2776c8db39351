from datetime import UTC, datetime, timedelta

import pytest

from responder.incidents.flapping import flapping, turns_after
from responder.model.verdict import Breach, Clear, Level, Pending, RuleVerdict, Unknown, Verdict

NOW = datetime(2026, 11, 21, 3, 12, tzinfo=UTC)
BREACH = Breach(level=Level.CRITICAL)
PENDING = Pending(level=Level.CRITICAL, since=NOW, needed_seconds=60, due=NOW)


def said(verdict: Verdict, rule: str = "one") -> RuleVerdict:
    return RuleVerdict(rule=rule, verdict=verdict)


def ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("former", "now", "turned"),
    [
        pytest.param([], BREACH, False, id="the first breach is no return"),
        pytest.param([said(Clear())], BREACH, True, id="it came back"),
        pytest.param([said(PENDING)], BREACH, True, id="it had lasted, and has to last again"),
        pytest.param([said(BREACH)], BREACH, False, id="it goes on"),
        pytest.param([said(BREACH)], Clear(), False, id="it goes"),
        pytest.param([said(Clear())], Unknown(why="no answer"), False, id="nobody knows"),
        pytest.param([said(Clear(), "another")], BREACH, False, id="another rule says nothing of it"),
    ],
)
def test_a_turn_is_a_rule_that_falls_back_into_breach(former: list[RuleVerdict], now: Verdict, turned: bool) -> None:
    assert turns_after((), former, [said(now)], NOW) == ((NOW,) if turned else ())


def test_what_is_older_than_ten_minutes_is_forgotten() -> None:
    assert turns_after((ago(10), ago(9)), [said(Clear())], [said(BREACH)], NOW) == (ago(9), NOW)


def test_it_is_said_from_the_second_return_on() -> None:
    assert flapping([NOW]) == ""
    assert flapping([NOW] * 4) == "flapped 4 times in 10 min"
