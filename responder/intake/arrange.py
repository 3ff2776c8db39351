"""From the labels that a sender gave to those that rules speak of; pure.

The order: who sent it (`source`), what a pack knows of the PagerDuty service, then the one name of labels that go by
several. Fingerprints were taken before and stay as they are: the same alert is the same whatever a pack says today.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from responder.model.alert import Alert, Webhook
from responder.model.intake import Intake

SOURCE_LABEL = "source"
# A label of this name that an alert brought along gets the prefix that Prometheus gives in such a case.
BROUGHT_ALONG = "exported_source"
SERVICE_ID = "pagerduty_service_id"
_BY_NAME = "generic"  # the kind whose senders count by their own names


def arrange(webhook: Webhook, intake: Intake) -> tuple[Webhook, ...]:
    """Every group of one body, the labels of its alerts as `arranged`; mostly one, each to be accepted by itself."""
    groups = (replace(webhook, others=()), *webhook.others) if webhook.others else (webhook,)
    return tuple(_with_labels(it, intake) for it in groups)


def arranged(labels: Mapping[str, str], intake: Intake) -> dict[str, str]:
    """One alert's labels with what `intake` says of its PagerDuty service, where the alert itself says nothing, and
    with the names of `intake.labels`. An empty label counts as none."""
    known = intake.services.get(labels.get(SERVICE_ID, ""), {})
    filled = {**labels, **{label: it for label, it in known.items() if not labels.get(label)}}
    return {**filled, **dict(_by_one_name(filled, intake.labels))}


def _with_labels(webhook: Webhook, intake: Intake) -> Webhook:
    source = webhook.source if webhook.kind == _BY_NAME else webhook.kind
    labels = (_sent_by(source, it.labels) for it in webhook.alerts)
    if intake.labels or intake.services:
        labels = (arranged(it, intake) for it in labels)
    return replace(webhook, alerts=tuple(map(Alert.with_labels, webhook.alerts, labels)))


def _sent_by(source: str, labels: Mapping[str, str]) -> dict[str, str]:
    """A sender cannot pass for another one, and what it meant by `source` is not lost."""
    brought = labels.get(SOURCE_LABEL, "")
    if brought and brought != source:
        return {**labels, BROUGHT_ALONG: brought, SOURCE_LABEL: source}
    return {**labels, SOURCE_LABEL: source}


def _by_one_name(labels: Mapping[str, str], names: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str]]:
    """The first that is there of a label's names. One that is not among its own names comes before them."""
    for label, others in names.items():
        candidates = others if label in others else (label, *others)
        found = next((labels[it] for it in candidates if labels.get(it)), "")
        if found:
            yield label, found
