"""Grouped lines become the one line that matters."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from responder.diagnostics.log_errors import Told, told
from responder.diagnostics.log_lines import LogLine
from responder.diagnostics.log_shapes import shapes_of
from responder.model.finding import Outcome

NOW = datetime(2026, 11, 20, 3, 30, tzinfo=UTC)
ONSET = NOW - timedelta(minutes=20)


def ago(minutes: float, text: str, times: int = 1) -> list[LogLine]:
    return [LogLine(NOW - timedelta(minutes=minutes) + timedelta(seconds=it), text) for it in range(times)]


QUIET = [it for minutes in range(30) for it in ago(minutes, "INFO served a request")]
NEW = ago(18, "KeyError: 'STRIPE_KEY'", 12)


def said(
    lines: list[LogLine], *, onset: datetime | None = ONSET, crashed: bool = False, excerpts: bool = False
) -> Told:
    shapes = shapes_of(lines, onset=onset)
    return told(shapes, within="30m", now=NOW, onset=onset, crashed=crashed, excerpts=excerpts)


def test_an_error_that_is_new_since_the_onset_says_so() -> None:
    it = said([*QUIET, *NEW])

    assert it.headline == "KeyError 'STRIPE_KEY' ×12, new since onset"
    assert (it.outcome, it.marks, it.gravity, it.found) == (
        Outcome.UNHEALTHY,
        ("new_errors",),
        60,
        {"error": "KeyError"},
    )
    assert it.table is not None
    assert it.table.rows[0] == ("KeyError 'STRIPE_KEY'", "error", "12", "03:12 UTC, new", "03:12 UTC")


def test_one_from_shortly_before_the_onset_or_without_an_onset_says_since_when() -> None:
    early = ago(21, "ERROR no answer from the queue", 3)

    assert said([*QUIET, *early]).headline == "no answer from the queue ×3, new since 03:09 UTC"
    assert said([*QUIET, *NEW], onset=None).headline == "KeyError 'STRIPE_KEY' ×12, new since 03:12 UTC"


def test_several_new_errors_are_told_the_most_frequent_first() -> None:
    more = [*ago(10, "ERROR a queue is gone", 3), *ago(9, "ERROR the disk is full", 2)]

    expected = "KeyError 'STRIPE_KEY' ×12, new since onset; a queue is gone ×3, new since onset and 1 more"
    assert said([*QUIET, *NEW, *more]).headline == expected


def test_errors_that_were_always_there_are_no_news() -> None:
    known = [it for minutes in range(30) for it in ago(minutes, "ERROR no answer from the queue")]
    it = said([*QUIET, *known])

    assert it.headline == "no new error in the last 30m; known: no answer from the queue ×30"
    assert (it.outcome, it.marks, it.gravity) == (Outcome.HEALTHY, (), 0)


def test_no_error_and_no_line_are_told_apart() -> None:
    assert said(QUIET).headline == "no error among 30 lines of the last 30m"
    assert said([]).headline == "nothing was logged in the last 30m"
    assert said([]).table is None


def test_a_log_that_is_too_short_says_that_it_cannot_tell() -> None:
    it = said(ago(1, "ERROR no answer", 40))

    assert it.headline == "no answer ×40, among 40 lines that reach back only 39s: whether that is new is not known"
    assert (it.outcome, it.marks, it.gravity) == (Outcome.UNHEALTHY, (), 45)


def test_any_error_among_the_last_words_of_what_crashed_is_news() -> None:
    it = said(ago(1, "KeyError: 'STRIPE_KEY'", 2), crashed=True)

    assert it.headline == "KeyError 'STRIPE_KEY' ×2, last 03:29 UTC"
    assert it.marks == ("new_errors",)


def test_excerpts_are_shown_only_where_asked_for_and_redacted() -> None:
    lines = [*QUIET, *ago(10, "ERROR cannot mail jane@example.com, password=hunter2secret", 2)]

    assert said(lines).details == ""
    assert said(lines, excerpts=True).details == ("ERROR cannot mail [redacted:email], password=[redacted:secret]")
