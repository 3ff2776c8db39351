from datetime import UTC, datetime, timedelta

from responder.model.reading import NoReading, Reading, Sample
from responder.signals.history import with_history

NOW = datetime(2026, 11, 20, 3, 14, tzinfo=UTC)


def ago(seconds: float, value: float | None) -> Sample:
    return Sample(at=NOW - timedelta(seconds=seconds), value=value)


def reading(value: float = 1.0) -> Reading:
    return Reading(signal="it", value=value, at=NOW, past=(ago(0, value),), step_seconds=15.0)


def test_earlier_samples_stand_before_the_reading_in_order_of_time() -> None:
    merged = with_history(reading(), [ago(15, 2.0), ago(45, 4.0), ago(30, 3.0)])

    assert merged.past == (ago(45, 4.0), ago(30, 3.0), ago(15, 2.0), ago(0, 1.0))


def test_the_reading_itself_wins_and_nothing_later_counts() -> None:
    merged = with_history(reading(), [ago(0, 9.0), ago(-15, 8.0)])

    assert merged.past == (ago(0, 1.0),)


def test_a_gap_restarts_the_window() -> None:
    merged = with_history(reading(), [ago(90, 2.0), ago(75, 2.0)])

    assert merged.past == (ago(90, 2.0), ago(75, 2.0), ago(60, None), ago(0, 1.0))


def test_a_sample_that_came_a_little_late_is_no_gap() -> None:
    merged = with_history(reading(), [ago(45, 2.0), ago(22, 2.0)])

    assert merged.past == (ago(45, 2.0), ago(22, 2.0), ago(0, 1.0))


def test_what_could_not_be_read_ends_with_a_step_without_a_value() -> None:
    unread = NoReading(signal="it", why="no answer", at=NOW, step_seconds=15.0)

    assert with_history(unread, [ago(15, 2.0)]).past == (ago(15, 2.0), ago(0, None))
