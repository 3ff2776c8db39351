"""Read once more what was put aside: its redacted text, and the identities that were hashed before redaction.

A body that was put aside whole is read as it is. Of one that was understood but for single alerts only these are kept,
each as it stood in the body: the envelope is made anew around it, and the identities take the place of what the
redacted text would give.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from responder.intake.cutting import CUT
from responder.intake.source import Limits, Post, Source, UnreadableBody
from responder.model.alert import Webhook
from responder.model.intake import Intake
from responder.redaction.redact import Redactor

ENVELOPED = ("alertmanager", "grafana")  # kinds whose bodies are one group with a list of alerts
GENERIC = "generic"


def read_again(
    source: Source,
    name: str,
    text: str,
    identities: Mapping[str, str],
    intake: Intake,
    redactor: Redactor,
    limits: Limits,
) -> Webhook:
    """What the text says to this version; `is_understood` tells whether it is worth accepting.

    Without receipts: it was seen before, that is the point. Raises UnreadableBody for what is not whole, UnknownSender.
    """
    if not text:
        raise UnreadableBody("nothing of it was kept")
    if text.endswith(CUT):
        raise UnreadableBody("its text was too long and is not kept whole")
    post = Post(source=name, headers={}, body=text.encode("utf-8", "replace"), intake=intake)
    if source.kind in ENVELOPED and "key" in identities:
        post = replace(post, body=_enveloped(text))
    found = source.parse(post, redactor, limits)
    if source.kind == GENERIC and not is_understood(found):
        found = source.parse(_as_one_alert(post), redactor, limits)
    return replace(_identified(found, identities), receipts=())


def is_understood(webhook: Webhook) -> bool:
    """Whether anything came of it beside being put aside anew."""
    return bool(webhook.alerts or webhook.event or webhook.ignored or any(is_understood(it) for it in webhook.others))


def _enveloped(text: str) -> bytes:
    alert: Any = _json(text)
    labels = alert.get("labels") if isinstance(alert, dict) else None
    named = labels if isinstance(labels, dict) and all(isinstance(it, str) for it in labels.values()) else {}
    return json.dumps({"version": "4", "groupKey": "read again", "commonLabels": named, "alerts": [alert]}).encode()


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise UnreadableBody("its text is not JSON") from None


def _as_one_alert(post: Post) -> Post:
    """As if the sender posted its alerts one by one."""
    sender = post.intake.generic[post.source]
    alone = {**post.intake.generic, post.source: replace(sender, alerts=None)}
    return replace(post, intake=replace(post.intake, generic=alone))


def _identified(webhook: Webhook, identities: Mapping[str, str]) -> Webhook:
    """The group and, of a single alert, the fingerprint as they were taken from the original."""
    if "key" in identities and webhook.key:
        webhook = replace(webhook, key=bytes.fromhex(identities["key"]))
    if "fingerprint" in identities and len(webhook.alerts) == 1:
        alert = replace(webhook.alerts[0], fingerprint=identities["fingerprint"])
        webhook = replace(webhook, alerts=(alert,))
    return webhook
