"""What a level and its rules promise people, in words: who would be told when, what is owed by when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from responder.model.pack import Pack, Rule
from responder.model.people import LevelPromises, Notify, Within
from responder.model.quantities import show_duration


def promised(pack: Pack, rules: Sequence[Rule], level: str) -> Iterator[str]:
    """A line for each promise; `rules`: those that match. A private rule leaves only the people of private rules."""
    promises = pack.severity.promises.get(level, LevelPromises())
    private = [rule for rule in rules if rule.private]
    if private:
        yield f"private: only the people of {', '.join(rule.name for rule in private)} are told"
    for words, within in (("acknowledge", promises.acknowledge), ("respond", promises.respond)):
        if within is not None:
            yield f"{words} within {_span(within)}"
    told = [it for rule in private or rules for it in rule.notify]
    yield from _notified(pack, told if private else [*promises.notify, *told])
    for step in () if private else pack.people.escalation.get(level, ()):
        to = ", ".join(pack.people.members_of(step.to))
        yield f"would escalate at {show_duration(step.after_seconds)} unless {step.unless}: {to}"
    yield from _owed(promises)


def _notified(pack: Pack, told: Sequence[Notify]) -> Iterator[str]:
    for moment in sorted({it.after_seconds for it in told}):
        names = [name for it in told if it.after_seconds == moment for name in it.contacts]
        when = f"at {show_duration(moment)} unless resolved" if moment else "now"
        yield f"would notify {when}: {', '.join(pack.people.members_of(names))}"


def _owed(promises: LevelPromises) -> Iterator[str]:
    update = promises.update
    for whom, seconds in (("inside", update.internal_seconds), ("to customers", update.customer_seconds)):
        if seconds is not None:
            yield f"news {whom} every {show_duration(seconds)}"
    if promises.roles:
        yield "roles: " + ", ".join(f"{role} {' and '.join(names)}" for role, names in promises.roles.items())
    if promises.channel:
        yield "a channel of its own"
    if promises.deadlines:
        yield "due after the resolution: " + ", ".join(f"{it.name} {_span(it.within)}" for it in promises.deadlines)


def _span(within: Within) -> str:
    hours = f", hours of {within.calendar} only" if within.calendar else ""
    return f"{show_duration(within.seconds)}{hours}"
