"""The shapes of what concerns people: levels, contacts, calendars, escalation, channels and objectives."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Discriminator, Field, Tag

from responder.rules.shape import Seconds, Shape, Text, Texts, YesNo


class WithinShape(Shape):
    """A span of time, counted in the hours of a calendar."""

    within: Seconds
    in_: Text | None = Field(default=None, alias="in")


class UpdateShape(Shape):
    """How often news is owed, and to whom."""

    internal: Seconds | None = None
    customer: Seconds | None = None


Span: TypeAlias = Annotated[
    Annotated[WithinShape, Tag("mapping")] | Annotated[Seconds, Tag("text")],
    Discriminator(lambda value: "mapping" if isinstance(value, dict) else "text"),
]
Updates: TypeAlias = Annotated[
    Annotated[UpdateShape, Tag("mapping")] | Annotated[Seconds, Tag("text")],
    Discriminator(lambda value: "mapping" if isinstance(value, dict) else "text"),
]


class LevelShape(Shape):
    """What a level asks of people; the levels' order is their gravity. `notify`: `now` or a duration → contacts."""

    acknowledge: Span | None = None
    respond: Span | None = None
    notify: dict[str, Texts] = Field(default_factory=dict)
    update: Updates | None = None
    roles: dict[str, Texts] = Field(default_factory=dict)
    channel: YesNo = False
    deadlines: dict[str, Span] = Field(default_factory=dict)


class PagerDutyShape(Shape):
    """Whom PagerDuty tells, by its ids."""

    escalation_policy: Text | None = None
    schedule: Text | None = None
    user: Text | None = None
    page: YesNo = False


class ContactShape(Shape):
    """Ways to one person or place; or a group of other contacts."""

    slack: Text | None = None
    email: Texts = Field(default_factory=list)
    pagerduty: PagerDutyShape | None = None
    page: YesNo = False
    group: Texts | None = None


class CalendarShape(Shape):
    """Hours that count."""

    zone: Text
    days: Texts | None = None
    hours: Texts | None = None
    except_: Texts = Field(default_factory=list, alias="except")


class StepOfEscalationShape(Shape):
    """Who is told when nobody acts."""

    after: Seconds
    to: Texts
    unless: Literal["acknowledged", "resolved"] = "resolved"


class SlackChannelsShape(Shape):
    """Channels of Slack."""

    incidents: Text | None = None
    private: Text | None = None
    incident_channel: Text | None = None


class ChannelsShape(Shape):
    """Places for all incidents of a pack."""

    slack: SlackChannelsShape | None = None


class SloShape(Shape):
    """An objective."""

    objective: Text
    window: Seconds
    signal: Text
