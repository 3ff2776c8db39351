"""What packs say of senders: labels that go by several names, PagerDuty services, and JSON of any shape.

All packs' together hold before a pack is chosen; only `ignore` is the chosen pack's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from responder.model.json_expression import Expression

if TYPE_CHECKING:  # a pack holds its intake, and its module the word for a place
    from responder.model.pack import Position


@dataclass(frozen=True, slots=True, kw_only=True)
class GenericSender:
    """How the JSON of one sender becomes alerts.

    `alerts`: asked of the body for the list of alerts; None: the body itself is the one alert. All others are asked
    of each alert: `key`: what makes alerts one incident; `firing`: true or false, None: always; `started`: RFC 3339
    or unix time, None: when it came in; `labels` and `annotations` by their names.
    """

    key: Expression
    labels: Mapping[str, Expression]
    alerts: Expression | None = None
    firing: Expression | None = None
    started: Expression | None = None
    annotations: Mapping[str, Expression] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """`labels`: a label → the names it goes by, the first that is there counts. `services`: PagerDuty service id →
    labels. `generic`: sender → how it is read. `places`: where a service or a sender is written, by
    `services.<id>` and `generic.<name>`."""

    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    services: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    generic: Mapping[str, GenericSender] = field(default_factory=dict)
    places: Mapping[str, Position] = field(default_factory=dict, compare=False, repr=False)


def merged(intakes: Iterable[Intake]) -> Intake:
    """All of them as one, in the order given: the first that says something of a service's label or a sender counts,
    and the names of a label follow one another. (Loading refuses packs that say different things.)"""
    labels: dict[str, tuple[str, ...]] = {}
    services: dict[str, dict[str, str]] = {}
    generic: dict[str, GenericSender] = {}
    places: dict[str, Position] = {}
    for it in intakes:
        for label, names in it.labels.items():
            labels[label] = tuple(dict.fromkeys((*labels.get(label, ()), *names)))
        for service, given in it.services.items():
            services[service] = {**given, **services.get(service, {})}
        generic = {**it.generic, **generic}
        places = {**it.places, **places}
    return Intake(labels=labels, services=services, generic=generic, places=places)
