"""What people were told by now, and what is owed when: from the history of an incident and the rules alone.

Times of a level count from the moment when the incident first reached it. What comes due while it is at another level
is sent when it rises to this one again, at once; a fall sends nothing. Every step is sent once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from responder.model.pack import Pack
from responder.model.people import LevelPromises, Within
from responder.model.quantities import show_duration
from responder.people.calendars import over_at

ACKNOWLEDGE, RESPOND, UPDATE, CUSTOMER_UPDATE = "acknowledge", "respond", "update", "customer update"


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What happened to an incident. `levels`: (since, level) in order of time, the first at its acceptance; `rules`:
    when each rule first matched; `paged`: PagerDuty opened it, and tells those whom it knows."""

    levels: Sequence[tuple[datetime, str]]
    rules: Mapping[str, datetime] = field(default_factory=dict)
    acknowledged_at: datetime | None = None
    resolved_at: datetime | None = None
    paged: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One contact, told at a moment. `step`: what of the rules asked for it (`P1 after 15m`)."""

    at: datetime
    contact: str
    step: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """What people owe. `at`: by then; None where its calendar never opens."""

    name: str
    at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    after: timedelta
    contacts: tuple[str, ...]
    name: str
    unless: Literal["acknowledged", "resolved"] = "resolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    """The incident was at one level, until `end`. `fell`: from a graver one."""

    level: str
    start: datetime
    end: datetime
    fell: bool


def told(pack: Pack, history: History, now: datetime) -> tuple[Told, ...]:
    """Everybody who was told by now, groups resolved to their members, in order of time; each step once."""
    sent = [*_by_levels(pack, history, now), *_by_rules(pack, history, now)]
    sent.sort(key=lambda it: it[0])
    return tuple(
        Told(at=at, contact=name, step=step.name)
        for at, step in sent
        for name in pack.people.members_of(step.contacts)
        if not (history.paged and _pagerduty_tells(pack, name))
    )


def has_channel(pack: Pack, history: History) -> bool:
    """Whether the incident got a channel of its own: it reached a level that asks for one, before it was private."""
    private = _private_since(pack, history)
    return any(
        _promises(pack, level).channel and (private is None or since < private) for since, level in history.levels
    )


def owed(pack: Pack, history: History, now: datetime) -> tuple[Owed, ...]:
    """What is owed now, overdue or not: an answer and news while it is open, the level's papers afterwards."""
    if not history.levels:
        return ()
    if history.resolved_at is not None:
        return tuple(_papers(pack, history, history.resolved_at))
    level = history.levels[-1][1]
    promises, since = _promises(pack, level), _reached(history)[level]
    return (*_answers(pack, promises, since, history), *_news(promises, since, now))


def _by_levels(pack: Pack, history: History, now: datetime) -> Iterator[tuple[datetime, _Step]]:
    private = _private_since(pack, history)
    reached = _reached(history)
    spans = list(_spans(pack, history, now))
    for level, since in reached.items():
        mine = [it for it in spans if it.level == level]
        for step in _steps(pack, level):
            at = _sent_at(since + step.after, mine)
            if at is not None and _before(at, _stop(step, history), private):
                yield at, step


def _by_rules(pack: Pack, history: History, now: datetime) -> Iterator[tuple[datetime, _Step]]:
    """Added whenever the rule matched; of an incident that is private, only what private rules say."""
    private = _private_since(pack, history)
    for rule in pack.rules:
        since = history.rules.get(rule.name)
        for it in rule.notify if since is not None else ():
            assert since is not None
            after = timedelta(seconds=it.after_seconds)
            step = _Step(after=after, contacts=it.contacts, name=f"rule {rule.name} {_when(it.after_seconds)}")
            at = since + after
            if at <= now and _before(at, history.resolved_at, None if rule.private else private):
                yield at, step


def _steps(pack: Pack, level: str) -> Iterator[_Step]:
    for it in _promises(pack, level).notify:
        yield _Step(
            after=timedelta(seconds=it.after_seconds),
            contacts=it.contacts,
            name=f"{level} {_when(it.after_seconds)}",
        )
    for step in pack.people.escalation.get(level, ()):
        yield _Step(
            after=timedelta(seconds=step.after_seconds),
            contacts=step.to,
            name=f"escalation of {level} {_when(step.after_seconds)} unless {step.unless}",
            unless=step.unless,
        )


def _when(seconds: float) -> str:
    return f"after {show_duration(seconds)}" if seconds else "now"


def _sent_at(due: datetime, spans: Iterable[_Span]) -> datetime | None:
    """When a step of a level is sent, given when the incident was at it; None: not yet, or it was passed over."""
    for span in spans:
        if span.start <= due <= span.end and not (span.fell and due == span.start):
            return due
        if due < span.start and not span.fell:
            return span.start
    return None


def _spans(pack: Pack, history: History, now: datetime) -> Iterator[_Span]:
    """Each stay at a level until now. A moment at which the level changes belongs to the new one."""
    rank = pack.severity.rank
    moment = timedelta.resolution
    for index, (start, level) in enumerate(history.levels):
        if start > now:
            return
        last = index == len(history.levels) - 1
        end = now if last else min(now, history.levels[index + 1][0] - moment)
        fell = index > 0 and rank(level) > rank(history.levels[index - 1][1])
        yield _Span(level=level, start=start, end=end, fell=fell)


def _reached(history: History) -> dict[str, datetime]:
    """When the incident first was at each level."""
    first: dict[str, datetime] = {}
    for since, level in history.levels:
        first.setdefault(level, since)
    return first


def _stop(step: _Step, history: History) -> datetime | None:
    ends = [history.resolved_at, history.acknowledged_at if step.unless == "acknowledged" else None]
    return min((it for it in ends if it is not None), default=None)


def _before(at: datetime, *ends: datetime | None) -> bool:
    """What happens at a moment comes before what falls due at it."""
    return all(end is None or at < end for end in ends)


def _private_since(pack: Pack, history: History) -> datetime | None:
    """From then on only the people of private rules are told."""
    since = (history.rules[it.name] for it in pack.rules if it.private and it.name in history.rules)
    return min(since, default=None)


def _pagerduty_tells(pack: Pack, name: str) -> bool:
    contact = pack.people.contacts.get(name)
    return contact is not None and contact.pagerduty is not None and not contact.pagerduty.page


def _promises(pack: Pack, level: str) -> LevelPromises:
    return pack.severity.promises.get(level, LevelPromises())


def _answers(pack: Pack, promises: LevelPromises, since: datetime, history: History) -> Iterator[Owed]:
    """Somebody who takes it on has acknowledged, and has responded."""
    if history.acknowledged_at is not None:
        return
    for name, within in ((ACKNOWLEDGE, promises.acknowledge), (RESPOND, promises.respond)):
        if within is not None:
            yield Owed(name=name, at=_over_at(pack, within, since))


def _news(promises: LevelPromises, since: datetime, now: datetime) -> Iterator[Owed]:
    """The next one; the first a whole time after the level was reached."""
    update = promises.update
    for name, seconds in ((UPDATE, update.internal_seconds), (CUSTOMER_UPDATE, update.customer_seconds)):
        if seconds:
            every = timedelta(seconds=seconds)
            yield Owed(name=name, at=since + every * ((now - since) // every + 1))


def _papers(pack: Pack, history: History, resolved_at: datetime) -> Iterator[Owed]:
    """By the gravest level that the incident reached."""
    gravest = min((level for _, level in history.levels), key=pack.severity.rank)
    for it in _promises(pack, gravest).deadlines:
        yield Owed(name=it.name, at=_over_at(pack, it.within, resolved_at))


def _over_at(pack: Pack, within: Within, start: datetime) -> datetime | None:
    return over_at(within, start, pack.people.calendars)
