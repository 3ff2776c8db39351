"""The severity, and the answers that led to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from responder.model.assessment import Answer, Assessment, Said
from responder.model.pack import Bound, Conditions, Matcher, MatcherLine, Question, SeverityScheme
from responder.model.reading import AnyReading, NoReading, Reading, Sample
from responder.model.verdict import Breach, Clear, Level, Pending, RuleVerdict, Unknown, Verdict
from responder.severity.decide import as_a_person_said, decide

NOW = datetime(2026, 11, 21, 3, 12, tzinfo=UTC)
CRITICAL, WARNING = Breach(level=Level.CRITICAL), Breach(level=Level.WARNING)
PENDING = Pending(level=Level.CRITICAL, since=NOW, needed_seconds=60, due=NOW)
UNKNOWN, CLEAR = Unknown(why="no answer"), Clear()
OTHERWISE = {"critical": "P2", "warning": "P3", "pending": "P3", "unknown": "P3", "clear": "P4"}
YES, NO, MAYBE = Said.YES, Said.NO, Said.UNKNOWN


def line(label: str, *values: str) -> MatcherLine:
    matcher = Matcher(label=label, operator="=~", value="|".join(values), fits=lambda found: found in values)
    return MatcherLine(matchers=(matcher,), text=f'{label}=~"{"|".join(values)}"')


def over(number: float, operator: str = ">", seconds: float = 0.0) -> Bound:
    return Bound(operator=operator, number=number, for_seconds=seconds, text=f"{operator} {number:g}%", unit="percent")


def value(number: float, signal: str = "error_rate", **more: object) -> Reading:
    return Reading(signal=signal, value=number, at=NOW, **more)  # type: ignore[arg-type]


def missing(signal: str = "error_rate") -> NoReading:
    return NoReading(signal=signal, why="no answer in 5 s", at=NOW)


def ask(text: str, *when: Conditions, **then: object) -> Question:
    return Question(ask=text, when=when, **then)  # type: ignore[arg-type]


def assess(
    *questions: Question,
    verdict: Verdict = CRITICAL,
    readings: Mapping[str, Sequence[AnyReading]] | None = None,
    labels: Sequence[Mapping[str, str]] = ({"service": "payments", "environment": "prod"},),
    marks: frozenset[str] | None = frozenset(),
    past: Sequence[tuple[datetime, str]] = (),
    otherwise: Mapping[str, str] = OTHERWISE,
    hold_seconds: float = 600.0,
) -> Assessment:
    scheme = SeverityScheme(decide=questions, otherwise=otherwise, hold_seconds=hold_seconds)
    return decide(scheme, [RuleVerdict(rule="one", verdict=verdict)], readings or {}, labels, marks, past, NOW)


HALF = ask("More than 50 % failing?", Conditions(signals=(("error_rate", over(50)),)), level="P1")
PAYMENTS = ask(
    "Are payments affected?",
    Conditions(labels=(line("service", "payments", "stripe"),)),
    Conditions(rules=("payments",)),
    by_verdict={"critical": "P1", "warning": "P2"},
)
STAGING = ask("Is it only staging?", Conditions(every=(line("environment", "staging", "dev"),)), at_most="P4")


def test_every_answer_is_kept_with_what_gave_it_up_to_the_one_that_decides() -> None:
    result = assess(STAGING, HALF, PAYMENTS, HALF, readings={"error_rate": [value(7.31)]})

    assert result == Assessment(
        level="P1",
        raw="P1",
        rank=0,
        decided_by="Are payments affected?",
        answers=(
            Answer(ask="Is it only staging?", said=NO, because="environment=prod"),
            Answer(ask="More than 50 % failing?", said=NO, because="7.3 %"),
            Answer(ask="Are payments affected?", said=YES, because="service=payments", counted_as=YES, result="P1"),
        ),
    )


@pytest.mark.parametrize(
    ("verdict", "level"), [(CRITICAL, "P2"), (WARNING, "P3"), (PENDING, "P3"), (UNKNOWN, "P3"), (CLEAR, "P4")]
)
def test_otherwise_is_by_the_gravest_verdict(verdict: Verdict, level: str) -> None:
    result = assess(HALF, verdict=verdict, readings={"error_rate": [value(1)]})

    assert (result.level, result.decided_by) == (level, "otherwise")


@pytest.mark.parametrize(
    ("mapping", "levels"),
    [
        ({"critical": "P1", "warning": "P2"}, ["P1", "P2", "P2", "P2", "P4"]),
        ({"critical": "P1"}, ["P1", "P1", "P1", "P1", "P4"]),
        ({"warning": "P2"}, ["P2", "P2", "P2", "P2", "P4"]),
        ({"critical": "P1", "pending": "P4", "clear": "P3"}, ["P1", "P1", "P4", "P1", "P3"]),
        ({}, ["P2", "P3", "P3", "P3", "P4"]),
    ],
)
def test_missing_keys_of_a_mapping_by_verdict_fall_back(mapping: dict[str, str], levels: list[str]) -> None:
    verdicts = (CRITICAL, WARNING, PENDING, UNKNOWN, CLEAR)

    assert [assess(verdict=it, otherwise=mapping).level for it in verdicts] == levels


def test_the_gravest_verdict_of_all_rules_counts() -> None:
    verdicts = [RuleVerdict(rule="a", verdict=CLEAR), RuleVerdict(rule="b", verdict=CRITICAL)]

    assert decide(SeverityScheme(otherwise=OTHERWISE), verdicts, {}, [], None, [], NOW).level == "P2"


@pytest.mark.parametrize(
    ("one", "unknown_is_yes", "said", "because", "level"),
    [
        (value(0.5, "serving"), False, YES, "0.5 %", "P1"),
        (value(100, "serving"), True, NO, "100 %", "P2"),
        (missing("serving"), False, MAYBE, "no answer in 5 s", "P2"),
        (missing("serving"), True, MAYBE, "no answer in 5 s", "P1"),
        (value(float("nan"), "serving"), True, MAYBE, "serving gave NaN", "P1"),
        (None, True, MAYBE, "serving was not read", "P1"),
    ],
)
def test_what_cannot_be_known_is_shown_as_such_and_counted_as_the_question_says(
    one: AnyReading | None, unknown_is_yes: bool, said: Said, because: str, level: str
) -> None:
    down = ask("Down?", Conditions(signals=(("serving", over(1, "<")),)), unknown_is_yes=unknown_is_yes, level="P1")

    result = assess(down, readings={"serving": [one]} if one else {})

    answer = result.answers[0]
    assert (answer.said, answer.because, result.level) == (said, because, level)
    assert answer.counted_as is (YES if level == "P1" else NO)


def test_a_bound_with_for_that_is_still_pending_is_no() -> None:
    past = tuple(Sample(at=NOW - timedelta(seconds=30 * n), value=v) for n, v in ((2, 0.0), (1, 90.0), (0, 90.0)))
    lasting = ask("?", Conditions(signals=(("error_rate", over(50, seconds=60)),)), level="P1")

    result = assess(lasting, readings={"error_rate": [value(90, past=past, step_seconds=30.0)]})

    assert (result.answers[0].said, result.answers[0].because) == (NO, "90 %")


@pytest.mark.parametrize(
    ("readings", "said"),
    [
        ([value(90), missing()], YES),
        ([value(10), missing()], MAYBE),
        ([value(10), value(20)], NO),
    ],
)
def test_of_several_readings_the_gravest_answers(readings: list[AnyReading], said: Said) -> None:
    assert assess(HALF, readings={"error_rate": readings}).answers[0].said is said


@pytest.mark.parametrize(
    ("verdict", "said", "because"),
    [
        (CRITICAL, YES, "one: critical"),
        (PENDING, NO, "one: pending"),
        (CLEAR, NO, "one: clear"),
        (UNKNOWN, MAYBE, "one: no answer"),
    ],
)
def test_a_rule_is_yes_only_in_breach(verdict: Verdict, said: Said, because: str) -> None:
    result = assess(ask("?", Conditions(rules=("one",)), level="P1"), verdict=verdict)

    assert (result.answers[0].said, result.answers[0].because) == (said, because)


def test_a_rule_that_no_alert_matched_is_no() -> None:
    result = assess(ask("?", Conditions(rules=("other", "more")), level="P1"))

    assert (result.answers[0].said, result.answers[0].because) == (NO, "other: no alert, more: no alert")


@pytest.mark.parametrize(("marks", "said"), [(None, MAYBE), (frozenset(), NO), (frozenset({"near_limit", "x"}), YES)])
def test_marks_are_unknown_until_the_findings_are_there(marks: frozenset[str] | None, said: Said) -> None:
    assert assess(ask("?", Conditions(marks=("near_limit",)), level="P1"), marks=marks).answers[0].said is said


PART = {
    YES: Conditions(labels=(line("service", "payments"),)),
    NO: Conditions(labels=(line("service", "other"),)),
    MAYBE: Conditions(signals=(("nowhere", over(1)),)),
}


@pytest.mark.parametrize(
    ("first", "second", "all_of", "any_of"),
    [
        (YES, YES, YES, YES),
        (YES, NO, NO, YES),
        (YES, MAYBE, MAYBE, YES),
        (NO, MAYBE, NO, MAYBE),
        (NO, NO, NO, NO),
        (MAYBE, MAYBE, MAYBE, MAYBE),
    ],
)
def test_a_mapping_is_all_of_and_a_list_is_any_of(first: Said, second: Said, all_of: Said, any_of: Said) -> None:
    both = Conditions(
        signals=PART[first].signals + PART[second].signals,
        labels=PART[first].labels or PART[second].labels,
        every=PART[second].labels,
    )
    if {first, second} == {YES, NO}:
        both = Conditions(labels=PART[first].labels, every=PART[second].labels)

    answers = assess(ask("all", both, at_least="P4"), ask("any", PART[first], PART[second], at_least="P4")).answers

    assert [it.said for it in answers] == [all_of, any_of]


def test_every_asks_all_firing_alerts_and_labels_any() -> None:
    alerts = [{"environment": "staging"}, {"environment": "prod"}]
    anyone = ask("any", Conditions(labels=(line("environment", "staging"),)), at_least="P4")

    assert [it.said for it in assess(STAGING, anyone, labels=alerts).answers] == [NO, YES]
    assert assess(STAGING, labels=alerts).answers[0].because == "environment=prod"
    assert assess(STAGING, labels=alerts[:1]).answers[0].said is YES
    assert assess(STAGING, labels=()).answers[0].said is NO  # of nothing, nothing that caps


def always(text: str, **then: object) -> Question:
    return ask(text, PART[YES], **then)


@pytest.mark.parametrize(
    ("questions", "level", "decided_by"),
    [
        ([always("cap", at_most="P3")], "P3", "cap"),
        ([always("cap", at_most="P1")], "P2", "otherwise"),
        ([always("floor", at_least="P1")], "P1", "floor"),
        ([always("floor", at_least="P4")], "P2", "otherwise"),
        ([always("floor", at_least="P1"), always("cap", at_most="P4")], "P4", "cap"),
        ([always("cap", at_most="P4"), always("floor", at_least="P1")], "P4", "cap"),
        ([always("cap", at_most="P4"), always("level", level="P1")], "P4", "cap"),
        ([always("cap", at_most="P3"), always("level", level="P4")], "P4", "level"),
        ([always("level", level="P3"), always("cap", at_most="P4")], "P3", "level"),
        ([always("two", at_most="P4"), always("one", at_most="P3")], "P4", "two"),
    ],
)
def test_floors_and_caps_bound_the_result_and_caps_win(questions: list[Question], level: str, decided_by: str) -> None:
    result = assess(*questions)

    assert (result.level, result.decided_by) == (level, decided_by)


def test_a_floor_or_cap_says_what_it_led_to() -> None:
    answers = assess(always("cap", at_most="P3"), always("floor", at_least="P4")).answers

    assert [it.result for it in answers] == ["at most P3", "at least P4"]


def minutes(count: float) -> datetime:
    return NOW - timedelta(minutes=count)


@pytest.mark.parametrize(
    ("past", "level", "held"),
    [
        pytest.param([], "P2", "", id="the first"),
        pytest.param([(minutes(5), "P4")], "P2", "", id="it rises at once"),
        pytest.param([(minutes(1), "P1")], "P1", "rules say P2; falls in 10m", id="it does not fall at once"),
        pytest.param(
            [(minutes(60), "P1"), (minutes(4), "P2")], "P1", "rules say P2; falls in 6m", id="it falls after the hold"
        ),
        pytest.param([(minutes(60), "P1"), (minutes(10), "P2")], "P2", "", id="it has fallen"),
        pytest.param([(minutes(60), "P1")], "P1", "rules say P2; falls in 10m", id="in force until the next look"),
        pytest.param([(minutes(1), "SEV9")], "P2", "", id="a level of another scheme is none"),
    ],
)
def test_severity_rises_at_once_and_falls_only_after_hold(
    past: list[tuple[datetime, str]], level: str, held: str
) -> None:
    result = assess(past=past)

    assert (result.level, result.raw, result.held) == (level, "P2", held)


def test_without_hold_it_falls_at_once() -> None:
    assert assess(past=[(minutes(1), "P1")], hold_seconds=0).level == "P2"


LEVELS = ("P1", "P2", "P3", "P4")
VERDICTS = (CRITICAL, WARNING, PENDING, UNKNOWN, CLEAR)


@settings(derandomize=True)
@given(st.floats(0, 100), st.floats(0, 100), st.sampled_from(VERDICTS))
def test_a_graver_reading_never_lowers_the_severity(one: float, other: float, verdict: Verdict) -> None:
    mild, grave = sorted((one, other))
    questions = (HALF, ask("10?", Conditions(signals=(("error_rate", over(10)),)), level="P2"))

    ranks = [assess(*questions, verdict=verdict, readings={"error_rate": [value(it)]}).rank for it in (mild, grave)]

    assert ranks[1] <= ranks[0]


@settings(derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 60), st.sampled_from(LEVELS)), max_size=8), st.sampled_from(VERDICTS))
def test_hold_never_lowers_and_never_raises_above_what_was_there(past: list[tuple[int, str]], verdict: Verdict) -> None:
    made = [(minutes(count), level) for count, level in sorted(past, reverse=True)]

    result = assess(verdict=verdict, past=made)

    assert LEVELS.index(result.level) <= LEVELS.index(result.raw)
    assert result.level in {result.raw, *(level for _, level in made)}


@settings(derandomize=True)
@given(st.permutations([("service", "payments"), ("environment", "prod"), ("pod", "a"), ("node", "b")]))
def test_the_order_of_labels_never_matters(order: list[tuple[str, str]]) -> None:
    assert assess(STAGING, PAYMENTS, labels=[dict(order)]) == assess(STAGING, PAYMENTS, labels=[dict(sorted(order))])


def test_a_priority_that_a_person_gave_wins_where_it_is_one_of_the_levels() -> None:
    scheme = SeverityScheme()
    by_rules = decide(scheme, (), {}, (), frozenset(), (), datetime(2026, 11, 21, tzinfo=UTC))
    by_ann = as_a_person_said(by_rules, scheme, "P1", "Ann")

    assert (by_ann.level, by_ann.rank, by_ann.raw) == ("P1", 0, by_rules.raw)
    assert by_ann.decided_by == f"Ann at PagerDuty; rules say {by_rules.level}"
    assert as_a_person_said(by_rules, scheme, "Sev0", "Ann") == by_rules
    assert as_a_person_said(by_rules, scheme, "", "") == by_rules
