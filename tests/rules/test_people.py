"""What rule files say of people: spans, contacts, calendars, escalation, all as written."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from responder.model.pack import Pack
from responder.model.people import (
    Calendar,
    Contact,
    Deadline,
    EscalationStep,
    LevelPromises,
    Notify,
    PagerDutyContact,
    SlackChannels,
    Slo,
    Update,
    Within,
)

TEXT = """\
calendars: {business: {zone: Europe/Bucharest, days: mon-fri, hours: "09:00-18:00", except: [2026-12-25]}}
contacts:
  on-call: {pagerduty: {escalation_policy: PABC123}, page: true}
  eng-manager: {slack: "@eng-manager", email: eng-manager@example.com}
  support: {slack: "#support"}
  stakeholders: {group: [leads, support]}
  leads: {group: [eng-manager, on-call, stakeless]}
  stakeless: {email: [a@b.example, c@d.example]}
severity:
  levels:
    P1:
      acknowledge: 5m
      respond: {within: 1h, in: business}
      notify: {15m: [eng-manager], now: [stakeholders]}
      update: {internal: 15m, customer: 30m}
      roles: {commander: eng-manager, technical: [on-call, support]}
      channel: true
      deadlines: {summary: 4h, action items: {within: 1w, in: business}}
    P2: {update: 30m}
    P3:
escalation:
  P1: [{after: 5m, to: support, unless: acknowledged}, {after: 15m, to: [eng-manager]}]
channels: {slack: {incidents: "#incidents", private: "#sec", incident_channel: "inc-{{ slug }}"}}
slos: {api: {objective: 99.9%, window: 30d, signal: error_rate}}
templates: {update: "{{ title }}"}
rules:
  - {name: one, match: ['a="b"'], notify: {10m: [support], now: [eng-manager]}}
"""


def test_levels_say_what_they_ask_of_people(pack: Callable[[str], Pack]) -> None:
    promises = pack(TEXT).severity.promises

    assert promises == {
        "P1": LevelPromises(
            acknowledge=Within(seconds=300),
            respond=Within(seconds=3600, calendar="business"),
            notify=(
                Notify(after_seconds=0, contacts=("stakeholders",)),
                Notify(after_seconds=900, contacts=("eng-manager",)),
            ),
            update=Update(internal_seconds=900, customer_seconds=1800),
            roles={"commander": ("eng-manager",), "technical": ("on-call", "support")},
            channel=True,
            deadlines=(
                Deadline(name="summary", within=Within(seconds=4 * 3600)),
                Deadline(name="action items", within=Within(seconds=7 * 86400, calendar="business")),
            ),
        ),
        "P2": LevelPromises(update=Update(internal_seconds=1800)),
        "P3": LevelPromises(),
    }


def test_people_are_read_with_their_ways_hours_and_places(pack: Callable[[str], Pack]) -> None:
    people = pack(TEXT).people

    assert people.contacts["on-call"] == Contact(
        name="on-call", pagerduty=PagerDutyContact(escalation_policy="PABC123", page=True)
    )
    assert people.contacts["eng-manager"].email == ("eng-manager@example.com",)
    assert people.calendars["business"] == Calendar(
        name="business",
        zone="Europe/Bucharest",
        days=frozenset(range(5)),
        hours=((540, 1080),),
        closed=frozenset({date(2026, 12, 25)}),
    )
    assert people.escalation["P1"] == (
        EscalationStep(after_seconds=300, to=("support",), unless="acknowledged"),
        EscalationStep(after_seconds=900, to=("eng-manager",), unless="resolved"),
    )
    assert people.channels.slack == SlackChannels(
        incidents="#incidents", private="#sec", incident_channel="inc-{{ slug }}"
    )
    assert people.slos == {"api": Slo(name="api", objective=99.9, window_seconds=30 * 86400, signal="error_rate")}
    assert people.templates == {"update": "{{ title }}"}


def test_groups_of_groups_are_their_members_each_once(pack: Callable[[str], Pack]) -> None:
    people = pack(TEXT).people

    assert people.members_of(["stakeholders", "support"]) == ("eng-manager", "on-call", "stakeless", "support")


def test_a_rule_adds_people_of_its_own_in_the_order_of_time(pack: Callable[[str], Pack]) -> None:
    assert pack(TEXT).rules[0].notify == (
        Notify(after_seconds=0, contacts=("eng-manager",)),
        Notify(after_seconds=600, contacts=("support",)),
    )
