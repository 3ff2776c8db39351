"""`calendars`, `contacts`, `escalation`, `channels`, `slos`, `templates`: whom a pack knows, and what they are told."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from responder.model.people import TEMPLATES, Calendar, Channels, Contact, PagerDutyContact, People, SlackChannels, Slo
from responder.model.quantities import parse_number
from responder.rules.complaints import At, Complaints, suggestion
from responder.rules.looked_at import Signals
from responder.rules.people_shapes import CalendarShape, ChannelsShape, ContactShape, SloShape
from responder.rules.promises import Promises
from responder.rules.sections import Sections, Written
from responder.rules.texts import wrong_in

T = TypeVar("T")

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_HOURS = re.compile(r"([01]?[0-9]|2[0-4]):([0-5][0-9])\s*-\s*([01]?[0-9]|2[0-4]):([0-5][0-9])")
_EMAIL = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+")
_SLACK = re.compile(r"[@#][^\s@#]+|[A-Z0-9]{6,}")
_PAGERDUTY_ID = re.compile(r"[A-Za-z0-9_-]+")


def people_of(
    sections: Sections, promises: Promises, levels: Sequence[str], signals: Signals, complaints: Complaints
) -> People:
    """All of it; what is wrong is noted at its place and left out."""
    contacts = {name: _contact(name, it, promises, complaints) for name, it in sections.contacts.items()}
    _check_groups(contacts, sections, complaints)
    calendars = {name: _calendar(name, it, complaints) for name, it in sections.calendars.items()}
    for name, text in sections.templates.items():
        _check_template(name, text, complaints)
    escalation = {}
    for level, steps in sections.escalation.items():
        if level not in levels:
            complaints.error(steps.at, f"unknown level `{level}`{suggestion(level, levels)}", key=True)
        escalation[level] = promises.escalation(steps.shape, steps.at)
    slos = {name: _slo(name, it, signals, complaints) for name, it in sections.slos.items()}
    return People(
        calendars={name: it for name, it in calendars.items() if it is not None},
        contacts=contacts,
        escalation=escalation,
        channels=_channels(sections.channels, complaints),
        slos={name: it for name, it in slos.items() if it is not None},
        templates={name: it.shape for name, it in sections.templates.items()},
    )


def time_zone_known(name: str, at: At, complaints: Complaints) -> None:
    """Complain of a zone that this machine does not know; a slim image may know none, and is believed."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        if known := available_timezones():
            complaints.error(at, f"unknown time zone `{name}`{suggestion(name, known)}")


def _contact(name: str, written: Written[ContactShape], promises: Promises, complaints: Complaints) -> Contact:
    shape, at = written.shape, written.at
    ways = [key for key in ("slack", "email", "pagerduty") if getattr(shape, key)]
    if shape.group is not None and ways:
        complaints.error(at, f"found a group with `{ways[0]}`; expected the members alone", key=True)
    if shape.group is None and not ways:
        complaints.error(at, "expected a way to reach them (`slack`, `email`, `pagerduty`), or a `group`", key=True)
    if shape.group is not None and not shape.group:
        complaints.error(at / "group", "expected at least one member, got none")
    _check_ways(shape, at, complaints)
    return Contact(
        name=name,
        slack=shape.slack or "",
        email=tuple(shape.email),
        pagerduty=_pagerduty(shape, at, complaints),
        members=promises.contacts(shape.group or (), at / "group"),
    )


def _check_ways(shape: ContactShape, at: At, complaints: Complaints) -> None:
    for index, address in enumerate(shape.email):
        if not _EMAIL.fullmatch(address):
            complaints.error(at / "email" / index, f'`email`: expected an address such as a@b.example, got "{address}"')
    if shape.slack is not None and not _SLACK.fullmatch(shape.slack):
        complaints.error(at / "slack", f'`slack`: expected @name, "#channel" or an id of Slack, got "{shape.slack}"')


def _pagerduty(shape: ContactShape, at: At, complaints: Complaints) -> PagerDutyContact | None:
    found = shape.pagerduty
    if found is None:
        if shape.page:
            complaints.warn(at / "page", "`page` has no effect without `pagerduty`", key=True)
        return None
    ids = {key: getattr(found, key) or "" for key in ("escalation_policy", "schedule", "user")}
    if not any(ids.values()):
        complaints.error(at / "pagerduty", "expected an `escalation_policy`, a `schedule` or a `user`, got none")
    for key, text in ids.items():
        if text and not _PAGERDUTY_ID.fullmatch(text):
            complaints.error(
                at / "pagerduty" / key, f'`{key}`: expected an id of PagerDuty such as PABC123, got "{text}"'
            )
    return PagerDutyContact(**ids, page=found.page or shape.page)


def _check_groups(contacts: Mapping[str, Contact], sections: Sections, complaints: Complaints) -> None:
    """A group that holds itself, directly or not, has no members that can be told."""
    done: set[str] = set()
    for name in contacts:
        way: dict[str, None] = {}
        waiting = [name] if name not in done else []
        while waiting:
            now = waiting.pop()
            if way and now == next(reversed(way)):  # all of its members were looked at
                del way[now]
                done.add(now)
            elif now in way:
                names = list(way)
                path = " → ".join((*names[names.index(now) :], now))
                complaints.error(sections.contacts[now].at / "group", f"the group `{now}` holds itself: {path[:200]}")
            elif now in contacts and now not in done:
                way[now] = None
                waiting += [now, *contacts[now].members]


def _calendar(name: str, written: Written[CalendarShape], complaints: Complaints) -> Calendar | None:
    shape, at = written.shape, written.at
    time_zone_known(shape.zone, at / "zone", complaints)
    days = _each(shape.days, at / "days", _days, complaints)
    hours = _each(shape.hours, at / "hours", _hours, complaints)
    closed = _each(shape.except_, at / "except", _date, complaints)
    return Calendar(
        name=name,
        zone=shape.zone,
        days=frozenset(day for some in days for day in some) if shape.days is not None else frozenset(range(7)),
        hours=tuple(sorted(hours)) if shape.hours is not None else ((0, 1440),),
        closed=frozenset(closed),
    )


def _each(texts: Iterable[str] | None, at: At, read: Callable[[str], T], complaints: Complaints) -> list[T]:
    found: list[T] = []
    for index, text in enumerate(texts or ()):
        try:
            found.append(read(text))
        except ValueError as wrong:
            complaints.error(at / index, f"`{at.name}`: {wrong}")
    return found


def _days(text: str) -> frozenset[int]:
    """`mon-fri`, `sat`, `mon,wed,fri`; `fri-mon` goes over the weekend."""
    found: set[int] = set()
    for part in text.lower().split(","):
        first, _, last = (it.strip() for it in part.strip().partition("-"))
        if first not in DAYS or (last or first) not in DAYS:
            raise ValueError(f'expected days such as mon-fri or sat, got "{text[:40]}"')
        start, end = DAYS.index(first), DAYS.index(last or first)
        found |= {day % 7 for day in range(start, end + 1 if end >= start else end + 8)}
    return frozenset(found)


def _hours(text: str) -> tuple[int, int]:
    parts = _HOURS.fullmatch(text.strip())
    if parts is None:
        raise ValueError(f'expected hours such as "09:00-18:00", got "{text[:40]}"')
    hour, minute, to_hour, to_minute = (int(it) for it in parts.groups())
    start, end = hour * 60 + minute, to_hour * 60 + to_minute
    if end > 1440 or start >= end:
        raise ValueError(f'expected hours of one day, the earlier first, got "{text}"; a night is two entries')
    return start, end


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f'expected a day such as 2026-12-25, got "{text[:40]}"') from None


def _channels(written: Written[ChannelsShape] | None, complaints: Complaints) -> Channels:
    slack = written.shape.slack if written else None
    if written is None or slack is None:
        return Channels()
    at = written.at / "slack"
    for key in ("incidents", "private"):
        name = getattr(slack, key)
        if name is not None and not _SLACK.fullmatch(name):
            complaints.error(at / key, f'`{key}`: expected "#channel" or an id of Slack, got "{name}"')
    _check_text(slack.incident_channel or "", at / "incident_channel", complaints)
    return Channels(
        slack=SlackChannels(
            incidents=slack.incidents or "",
            private=slack.private or "",
            incident_channel=slack.incident_channel or "",
        )
    )


def _slo(name: str, written: Written[SloShape], signals: Signals, complaints: Complaints) -> Slo | None:
    shape, at = written.shape, written.at
    if not shape.window:
        complaints.error(at / "window", "`window`: expected a span of time such as 30d, got 0")
    if shape.signal not in signals.measured and shape.signal not in signals.refused:
        complaints.unknown(at / "signal", "signal", shape.signal, signals.names())
    try:
        objective = parse_number(shape.objective, "percent")
    except ValueError as wrong:
        complaints.error(at / "objective", f"`objective`: {wrong}")
        return None
    if not 0 < objective < 100:
        complaints.error(
            at / "objective", f'`objective`: expected more than 0 % and less than 100 %, got "{shape.objective}"'
        )
    return Slo(name=name, objective=objective, window_seconds=shape.window, signal=shape.signal)


def _check_template(name: str, text: Written[str], complaints: Complaints) -> None:
    if name not in TEMPLATES:
        complaints.error(text.at, f"unknown template `{name}`{suggestion(name, TEMPLATES)}", key=True)
    _check_text(text.shape, text.at, complaints)


def _check_text(text: str, at: At, complaints: Complaints) -> None:
    for why in wrong_in(text):
        complaints.error(at, f"`{at.name}`: {why}")
