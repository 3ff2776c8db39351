"""What levels and rules promise people: spans of time, who is told when, news, roles, deadlines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from responder.model.people import Deadline, EscalationStep, LevelPromises, Notify, Update, Within
from responder.model.quantities import parse_duration, show_duration
from responder.rules.complaints import At, Complaints, suggestion
from responder.rules.people_shapes import LevelShape, StepOfEscalationShape, UpdateShape, WithinShape
from responder.rules.sections import Sections

NOW = "now"


class Promises:
    """Compiles promises of one pack; names of contacts and calendars are looked up among its own."""

    def __init__(self, sections: Sections, complaints: Complaints) -> None:
        self._complaints = complaints
        self._calendars, self._contacts = set(sections.calendars), set(sections.contacts)
        self._refused = {*sections.broken_names("contacts"), *sections.broken_names("calendars")}
        self._doubtful = {where for where, name in sections.broken if not name}

    def of_level(self, shape: LevelShape | None, at: At) -> LevelPromises:
        """What one level asks of people."""
        if shape is None:
            return LevelPromises()
        self._warn_of_order(shape, at)
        return LevelPromises(
            acknowledge=self._span(shape.acknowledge, at / "acknowledge"),
            respond=self._span(shape.respond, at / "respond"),
            notify=self.notify(shape.notify, at / "notify"),
            update=self._update(shape.update),
            roles={role: self.contacts(names, at / "roles" / role) for role, names in shape.roles.items()},
            channel=shape.channel,
            deadlines=self._deadlines(shape.deadlines, at / "deadlines"),
        )

    def notify(self, found: Mapping[str, Sequence[str]], at: At) -> tuple[Notify, ...]:
        """Who is told when, in the order of time."""
        told = [
            Notify(after_seconds=seconds, contacts=self.contacts(names, at / moment))
            for moment, names in found.items()
            if (seconds := self._moment(moment, at / moment)) is not None
        ]
        for first, second in pairwise(sorted(told, key=lambda it: it.after_seconds)):
            if first.after_seconds == second.after_seconds:
                when = show_duration(first.after_seconds) if first.after_seconds else NOW
                self._complaints.error(at, f"found two entries for {when}; expected one list of contacts", key=True)
        return tuple(sorted(told, key=lambda it: it.after_seconds))

    def escalation(self, found: Sequence[StepOfEscalationShape], at: At) -> tuple[EscalationStep, ...]:
        """The steps of one level, in the order of time; times are totals."""
        for index, (first, second) in enumerate(pairwise(found), 1):
            if second.after < first.after:
                why = f"comes before the step above it ({show_duration(first.after)}); times are totals from the start"
                self._complaints.warn(at / index / "after", why)
        steps = (
            EscalationStep(after_seconds=it.after, to=self.contacts(it.to, at / index / "to"), unless=it.unless)
            for index, it in enumerate(found)
        )
        return tuple(sorted(steps, key=lambda it: it.after_seconds))

    def contacts(self, names: Sequence[str], at: At) -> tuple[str, ...]:
        """These names; those that no contact has are complained of."""
        for index, name in enumerate(names):
            if name not in self._contacts and name not in self._refused and "contacts" not in self._doubtful:
                self._complaints.unknown(at / index, "contact", name, self._contacts)
            elif name in names[:index]:
                self._complaints.warn(at / index, f"names `{name}` twice")
        return tuple(dict.fromkeys(names))

    def _span(self, shape: WithinShape | float | None, at: At) -> Within | None:
        if shape is None:
            return None
        if not isinstance(shape, WithinShape):
            return Within(seconds=self._positive(shape, at))
        name = shape.in_
        known = self._calendars | self._refused
        if name is not None and name not in known and "calendars" not in self._doubtful:
            self._complaints.unknown(at / "in", "calendar", name, self._calendars)
        return Within(seconds=self._positive(shape.within, at / "within"), calendar=name)

    def _positive(self, seconds: float, at: At) -> float:
        if not seconds:
            self._complaints.error(at, f"`{at.name}`: expected a time to act in, got 0")
        return seconds

    def _update(self, shape: UpdateShape | float | None) -> Update:
        if isinstance(shape, UpdateShape):
            return Update(internal_seconds=shape.internal, customer_seconds=shape.customer)
        return Update(internal_seconds=shape)

    def _deadlines(self, found: Mapping[str, WithinShape | float], at: At) -> tuple[Deadline, ...]:
        spans = ((name, self._span(shape, at / name)) for name, shape in found.items())
        return tuple(Deadline(name=name, within=span) for name, span in spans if span is not None)

    def _moment(self, text: str, at: At) -> float | None:
        if text == NOW:
            return 0.0
        try:
            return parse_duration(text)
        except ValueError:
            near = suggestion(text, [NOW]) if text.isalpha() else ""
            why = near if "did you mean" in near else "; expected `now` or a duration such as 15m"
            self._complaints.error(at, f"`{text}` is no time{why}", key=True)
            return None

    def _warn_of_order(self, shape: LevelShape, at: At) -> None:
        """Respond before acknowledge cannot be meant; both in the same hours only."""
        one, two = shape.acknowledge, shape.respond
        if isinstance(one, float) and isinstance(two, float) and two < one:
            what = f"respond {show_duration(two)} is earlier than acknowledge {show_duration(one)}"
            self._complaints.warn(at / "respond", what)
