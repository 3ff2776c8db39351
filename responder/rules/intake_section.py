"""`intake`: labels that go by several names, what is known of PagerDuty services, and JSON of any shape."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from responder.model.intake import GenericSender, Intake
from responder.model.json_expression import Expression, parse_expression, why_doubtful
from responder.model.pack import Pack, Position
from responder.rules.complaints import At, Complaints
from responder.rules.include import INCLUDED
from responder.rules.sections import Written
from responder.rules.shapes import GenericShape, IntakeShape

SOURCE_LABEL = "source"
NAME_LABEL = "alertname"
OUR_SENDERS = ("alertmanager", "grafana", "pagerduty")
_SENDER_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_LABEL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FIRST_EVER = re.compile(r"\b(firstSeen|first_seen)\b")  # Sentry's and others': it never changes
_NOTHING = parse_expression("''")  # in the place of what was refused, so that the rest is checked in the same run


def intake_of(written: Written[IntakeShape] | None, complaints: Complaints) -> Intake:
    """What a pack says of senders, less `ignore`; what is wrong is noted at its place."""
    if written is None:
        return Intake()
    shape, at = written.shape, written.at
    services = shape.pagerduty.services if shape.pagerduty else {}
    check_names(shape.labels, at / "labels", complaints)
    for service, labels in services.items():
        check_names(labels, at / "pagerduty" / "services" / service, complaints)
    places = {f"services.{it}": (at / "pagerduty" / "services" / it).key for it in services}
    places |= {f"generic.{it}": (at / "generic" / it).key for it in shape.generic}
    return Intake(
        labels={
            label: _names(label, names, at / "labels" / label, complaints) for label, names in shape.labels.items()
        },
        services=services,
        generic={name: _sender(name, it, at / "generic" / name, complaints) for name, it in shape.generic.items()},
        places=places,
    )


def check_together(packs: Sequence[Pack], complaints: Complaints) -> None:
    """All packs' hold at once: two that say different things of one sender, or of one label of a service, are refused,
    since which of them is right cannot be told from the order of their names."""
    for index, pack in enumerate(packs):
        for former in packs[:index]:
            for what in _contradictions(former.intake, pack.intake):
                first = former.intake.places[what]
                text = f"`{what}` says something else than the pack `{former.name}` does; first at {first}"
                complaints.mistake(pack.intake.places[what], text, _line(pack, pack.intake.places[what]))


def _contradictions(one: Intake, other: Intake) -> Iterable[str]:
    for name in sorted(one.generic.keys() & other.generic.keys()):
        if one.generic[name] != other.generic[name]:
            yield f"generic.{name}"
    for service in sorted(one.services.keys() & other.services.keys()):
        here, there = one.services[service], other.services[service]
        if any(here[label] != there[label] for label in here.keys() & there.keys()):
            yield f"services.{service}"


def _line(pack: Pack, position: Position) -> str:
    names = (it for it in pack.files if position.file.endswith(it.removeprefix(INCLUDED)))
    text = pack.files.get(max(names, key=len, default=""), "")
    return "\n".join(text.splitlines()[position.line - 1 : position.line])


def _sender(name: str, shape: GenericShape, at: At, complaints: Complaints) -> GenericSender:
    if not _SENDER_NAME.fullmatch(name):
        named = "a-z, 0-9 and -, at most 32 of them, as it stands in /webhooks/generic/{name}"
        complaints.error(at, f"expected a name of {named}; got `{name}`", key=True)
    elif name in OUR_SENDERS:
        complaints.warn(at, f"its alerts carry `{SOURCE_LABEL}={name}`, as those of the webhook of that name", key=True)
    check_names(shape.labels, at / "labels", complaints)
    if NAME_LABEL not in shape.labels:
        complaints.error(
            at / "labels", f"missing required key `{NAME_LABEL}`; its text goes in single quotes", key=True
        )
    if _FIRST_EVER.search(shape.started or ""):
        never = "is the first time ever, so an alert that ended never fires again; expected the start of this outage"
        complaints.warn(at / "started", f"`started`: `{shape.started}` {never}")
    return GenericSender(
        alerts=_optional(shape.alerts, at / "alerts", complaints),
        key=_expression(shape.key, at / "key", complaints),
        firing=_optional(shape.firing, at / "firing", complaints),
        started=_optional(shape.started, at / "started", complaints),
        labels=_expressions(shape.labels, at / "labels", complaints),
        annotations=_expressions(shape.annotations, at / "annotations", complaints),
    )


def _expressions(texts: Mapping[str, str], at: At, complaints: Complaints) -> dict[str, Expression]:
    return {name: _expression(text, at / name, complaints) for name, text in texts.items()}


def _optional(text: str | None, at: At, complaints: Complaints) -> Expression | None:
    return None if text is None else _expression(text, at, complaints)


def _expression(text: str, at: At, complaints: Complaints) -> Expression:
    try:
        expression = parse_expression(text)
    except ValueError as wrong:
        complaints.error(at, f"`{at.name}`: {wrong}; expected a JMESPath expression")
        return _NOTHING
    if why := why_doubtful(text):
        complaints.warn(at, f"`{at.name}`: {why}")
    return expression


def _names(label: str, names: Sequence[str], at: At, complaints: Complaints) -> tuple[str, ...]:
    if not [it for it in names if it != label]:
        complaints.warn(at, f"`{label}` has no other name here; expected one, as in [{label}, other_name]", key=True)
    return tuple(names)


def check_names(labels: Iterable[str], at: At, complaints: Complaints) -> None:
    """Of labels that a pack sets."""
    for label in labels:
        if label == SOURCE_LABEL:
            complaints.error(at / label, f"`{label}` is who sent the alert, which responder sets itself", key=True)
        elif not _LABEL_NAME.fullmatch(label):
            complaints.error(at / label, f"expected a label name of letters, digits and _, got `{label}`", key=True)
