"""What no order of questions can mean: questions that never decide, and graver readings that lower the severity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from responder.model.pack import Bound, MatcherLine, Question, SeverityScheme
from responder.rules.bounds import implies, same_direction
from responder.rules.complaints import At, Complaints


def warn_of_questions(scheme: SeverityScheme, grave: Mapping[str, Bound], at: At, complaints: Complaints) -> None:
    """Everything odd about the questions and their order; `grave`: a signal → a bound that some rule breaches by it."""
    for index, question in enumerate(scheme.decide):
        where, before = at / index, scheme.decide[:index]
        _warn_of_place(question, before, where, complaints)
        _warn_of_limits(question, scheme, where / "then", complaints)
        _warn_of_cap(question, grave, where / "then", complaints)
        _warn_of_falling(question, before, scheme, where, complaints)


def _warn_of_place(question: Question, before: Sequence[Question], at: At, complaints: Complaints) -> None:
    ended = next((it for it in before if _ends(it) and _always(it)), None)
    same = next((it for it in before if _ends(it) and it.when == question.when), None)
    if ended is not None:
        complaints.warn(at, f'never asked: "{ended.ask}" before it always ends the questions')
    elif same is not None and question.when:
        complaints.warn(at, f'never decides: "{same.ask}" before it asks the same')
    if any(it.ask == question.ask for it in before):
        complaints.warn(at / "ask", f'asks "{question.ask}" a second time; reports tell questions by their words')


def _ends(question: Question) -> bool:
    """Whether a yes gives a level, after which no more is asked."""
    return question.level is not None or bool(question.by_verdict)


def _always(question: Question) -> bool:
    """Whether it is yes for every alert: one of its alternatives only asks for what any label has."""
    for one in question.when:
        asked = (one.labels, one.every)
        only_labels = not (one.signals or one.rules or one.marks) and any(asked)
        if only_labels and all(not lines or any(_fits_all(it) for it in lines) for lines in asked):
            return True
    return False


def _fits_all(line: MatcherLine) -> bool:
    return all(it.operator == "=~" and it.value in {".*", "(.*)", "(?s:.*)"} for it in line.matchers)


def _warn_of_limits(question: Question, scheme: SeverityScheme, at: At, complaints: Complaints) -> None:
    least, most = question.at_least, question.at_most
    if least == scheme.lowest:
        complaints.warn(at / "at_least", f"has no effect: {least} is the lowest level")
    if most == scheme.levels[0]:
        complaints.warn(at / "at_most", f"has no effect: {most} is the gravest level")
    if least in scheme.levels and most in scheme.levels and scheme.rank(least) < scheme.rank(most):
        complaints.warn(at / "at_least", f"has no effect: `at_most: {most}` wins over it")


def _warn_of_cap(question: Question, grave: Mapping[str, Bound], at: At, complaints: Complaints) -> None:
    alone = _only_bound(question)
    if alone is None or question.at_most is None:
        return
    name, bound = alone
    if name in grave and same_direction(grave[name], bound):
        complaints.warn(at, f'a reading "{bound.text}" is grave by its rule and lowers the severity')


def _warn_of_falling(
    question: Question, before: Sequence[Question], scheme: SeverityScheme, at: At, complaints: Complaints
) -> None:
    """Questions on one signal where a graver reading ends at a milder level, or never gets to its question."""
    alone = _only_bound(question)
    if alone is None or question.level is None:
        return
    name, bound = alone
    for former in before:
        earlier = _only_bound(former)
        if earlier is None or former.level is None or earlier[0] != name or former.when == question.when:
            continue
        first = earlier[1]
        if implies(bound, first) and first.for_seconds <= bound.for_seconds:
            why = f'never decides: "{first.text}" was asked before and holds whenever "{bound.text}" does'
            complaints.warn(at, why)
            return
        if implies(first, bound) and scheme.rank(former.level) > scheme.rank(question.level):
            complaints.warn(at / "then", f'"{first.text}" gives {former.level}: a graver reading lowers the severity')


def _only_bound(question: Question) -> tuple[str, Bound] | None:
    if len(question.when) != 1:
        return None
    one = question.when[0]
    others = one.labels or one.every or one.rules or one.marks
    return one.signals[0] if len(one.signals) == 1 and not others else None
