"""What no order of questions can mean: questions that never decide, and graver readings that lower the severity."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from responder.model.pack import Bound, MatcherLine, Question, Rule, SeverityScheme
from responder.model.verdict import Level
from responder.rules.bounds import implies, same_direction
from responder.rules.complaints import At, Complaints


class Breaches:
    """The bounds that rules breach: by signal with the level, and by rule with the signal."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.by_signal: dict[str, list[tuple[Level, Bound]]] = {}
        self.by_rule: dict[str, list[tuple[str, Bound]]] = {}
        for rule in rules:
            for it in rule.thresholds:
                self.by_signal.setdefault(it.signal, []).extend(it.over())
                self.by_rule.setdefault(rule.name, []).extend((it.signal, bound) for _, bound in it.over())

    def of(self, question: Question) -> list[tuple[str, Bound]]:
        """Every bound that has a say in a question, be it by a rule, whatever else must hold."""
        signals = [it for one in question.when for it in one.signals]
        rules = [name for one in question.when for name in one.rules]
        return signals + [it for name in rules for it in self.by_rule.get(name, ())]


def warn_of_questions(scheme: SeverityScheme, breaches: Breaches, at: At, complaints: Complaints) -> None:
    """Everything odd about the questions and their order; `breaches`: what rules say of readings."""
    for index, question in enumerate(scheme.decide):
        where, before = at / index, scheme.decide[:index]
        _warn_of_place(question, before, where, complaints)
        _warn_of_limits(question, scheme, where / "then", complaints)
        _warn_of_cap(question, breaches, where / "then", complaints)
        _warn_of_hidden(question, before, where, complaints)
        _warn_of_milder(question, scheme, index, breaches, where / "then", complaints)


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


def _warn_of_cap(question: Question, breaches: Breaches, at: At, complaints: Complaints) -> None:
    if question.at_most is None:
        return
    for name, bound in breaches.of(question):
        if any(same_direction(it, bound) for _, it in breaches.by_signal.get(name, ())):
            complaints.warn(at, f'a reading "{bound.text}" is grave by its rule and lowers the severity')


def _warn_of_milder(
    question: Question, scheme: SeverityScheme, index: int, breaches: Breaches, at: At, complaints: Complaints
) -> None:
    """A reading ends the questions at a level that a less grave one, which gets further, is above."""
    for name, bound in breaches.of(question) if _ends(question) else ():
        held = breaches.by_signal.get(name, ())
        given = question.level or scheme.level_for(question.by_verdict, _verdict_at(bound, held))
        for verdict in _below(bound, held):
            for words, further in _further(scheme, index, verdict, name, bound):
                if {given, further} <= set(scheme.levels) and scheme.rank(given) > scheme.rank(further):
                    why = f'"{bound.text}" gives {given}, and a milder reading gets {further} {words}'
                    complaints.warn(at, f"{why}: a graver reading lowers the severity")
                    return


def _verdict_at(bound: Bound, breaches: Sequence[tuple[Level, Bound]]) -> str:
    """What rules say of a reading that is just over a bound."""
    found = {level for level, breach in breaches if implies(bound, breach)}
    return next((str(it) for it in (Level.CRITICAL, Level.WARNING) if it in found), "clear")


def _below(bound: Bound, breaches: Sequence[tuple[Level, Bound]]) -> list[str]:
    """What rules may say of readings that are not over it."""
    milder = {str(level) for level, it in breaches if implies(bound, it) and not implies(it, bound)}
    return [*sorted(milder), "clear"]


def _further(scheme: SeverityScheme, index: int, verdict: str, name: str, bound: Bound) -> Iterator[tuple[str, str]]:
    """What an incident with this verdict, and a reading below the bound, may get from what comes after a question."""
    for later in scheme.decide[index + 1 :]:
        if all(any(it == name and not implies(bound, other) for it, other in one.signals) for one in later.when):
            continue  # asks for more than the bound does
        if later.when == scheme.decide[index].when:
            continue  # never decides, which is said there
        if _ends(later):
            yield f'by "{later.ask}"', later.level or scheme.level_for(later.by_verdict, verdict)
        elif later.at_least:
            yield f'by "{later.ask}"', later.at_least
    if verdict != "clear":
        for levels in scheme.matrix.rows.values() if scheme.matrix else ():
            yield "by the matrix", min(levels, key=scheme.rank)
    yield "otherwise", scheme.level_for(scheme.otherwise, verdict)


def _warn_of_hidden(question: Question, before: Sequence[Question], at: At, complaints: Complaints) -> None:
    """Of two questions on one signal, the first takes whatever the second asks for."""
    alone = _only_bound(question)
    for former in before if alone and question.level else ():
        earlier = _only_bound(former)
        if not (alone and earlier and former.level) or earlier[0] != alone[0] or former.when == question.when:
            continue
        first, bound = earlier[1], alone[1]
        if implies(bound, first) and first.for_seconds <= bound.for_seconds:
            why = f'never decides: "{first.text}" was asked before and holds whenever "{bound.text}" does'
            complaints.warn(at, why)
            return


def _only_bound(question: Question) -> tuple[str, Bound] | None:
    if len(question.when) != 1:
        return None
    one = question.when[0]
    others = one.labels or one.every or one.rules or one.marks
    return one.signals[0] if len(one.signals) == 1 and not others else None
