"""Grafana's unified alerting webhook: Alertmanager's body and more.

https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/webhook-notifier/

    {"receiver": "responder", "status": "firing", "orgId": 1, "version": "1", "groupKey": "{}/{…}:{alertname=…}",
     "title": "[FIRING:1] High latency", "alerts": [
       {…as Alertmanager's…, "values": {"A": 812.5, "C": 1}, "dashboardURL": "https://…", "panelURL": "https://…",
        "silenceURL": "https://…", "ruleUID": "…", "valueString": "…"}]}

`values` may be null. The two addresses become the annotations `dashboard` and `panel`; each number of `values` becomes
an annotation too, `values.A` = `812.5`, where a signal of kind `payload` can read it.

"Test" at a contact point posts `TestAlert` under the key `<receiver>-<fingerprint>-<unix time>`, and never its end.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic_core import to_json

from responder.intake.alertmanager import Alertmanager
from responder.intake.proof import Clock, Signed, is_recent, refusal_before_signature, refusal_by_proof, unix_time
from responder.intake.raw_json import read_json
from responder.intake.source import Credentials, Limits, Post, Refusal, Source, any_equal
from responder.model.alert import AlertStatus, Webhook
from responder.redaction.redact import Redactor

SIGNATURE = "X-Grafana-Alerting-Signature"
TIMESTAMP = "X-Grafana-Alerting-Timestamp"
_SETTING = "RESPONDER_GRAFANA_TOKENS or RESPONDER_GRAFANA_SECRETS"
TEST_LASTS = timedelta(minutes=5)  # long enough to see the report of it
LATEST = datetime.max.replace(tzinfo=UTC)
_KEY_OF_A_TEST = re.compile(r".+-[0-9a-f]{16}-\d+", re.DOTALL)  # the receiver, the fingerprint, Unix time
_ADDRESSES = {"dashboardURL": "dashboard", "panelURL": "panel"}


class Grafana:
    """Reads what a contact point of the kind webhook posts.

    It shows one of `RESPONDER_GRAFANA_TOKENS`, as a bearer token or as the password of any user, or a signature with
    one of `RESPONDER_GRAFANA_SECRETS`. Where the contact point's timestamp header is set to
    `X-Grafana-Alerting-Timestamp`, the time is signed too and may be five minutes off.
    """

    kind = "grafana"

    def __init__(self, clock: Clock = unix_time) -> None:
        self._clock = clock

    def refusal_before_body(self, headers: Mapping[str, str], credentials: Credentials) -> Refusal | None:
        """Who shows a signature is read on; everybody else needs a token."""
        return refusal_before_signature(headers, credentials, setting=_SETTING, signature=SIGNATURE)

    def refusal(self, headers: Mapping[str, str], body: bytes, credentials: Credentials) -> Refusal | None:
        """The whole answer, the signature included."""
        signed = self._signed(headers, body, credentials)
        return refusal_by_proof(headers, credentials, setting=_SETTING, signature=SIGNATURE, signed=signed)

    def parse(self, post: Post, redactor: Redactor, limits: Limits) -> Webhook:
        """Read as Alertmanager's own; raises UnreadableBody for what is not JSON."""
        raw = read_json(post.body, sender=self.kind)
        body = to_json(_in_alertmanagers_shape(raw), inf_nan_mode="constants")
        found = replace(Alertmanager().parse(replace(post, body=body), redactor, limits), kind=self.kind)
        return _with_an_end(found) if _is_test(raw) else found

    def _signed(self, headers: Mapping[str, str], body: bytes, credentials: Credentials) -> Signed:
        shown = headers.get(SIGNATURE, "").strip().lower()
        if not shown:
            return "not shown"
        timestamp = headers.get(TIMESTAMP, "").strip()
        if timestamp and not is_recent(timestamp, self._clock()):
            return "no"
        content = f"{timestamp}:".encode() + body if timestamp else body
        keys = [it.encode("utf-8", "surrogateescape") for it in credentials.secrets if it]
        fits = any_equal(shown, [hmac.new(key, content, hashlib.sha256).hexdigest() for key in keys])
        return "yes" if fits else "no"


def _in_alertmanagers_shape(raw: Any) -> Any:
    """The body with what only Grafana says put among the annotations; what has another shape is left as it is."""
    if not isinstance(raw, dict) or not isinstance(raw.get("alerts"), list):
        return raw
    return {**raw, "alerts": [_annotated(it) for it in raw["alerts"]]}


def _is_test(raw: Any) -> bool:
    """Whether it comes from "Test" at a contact point: a route's group key begins with its matchers."""
    key = raw.get("groupKey") if isinstance(raw, dict) else None
    return isinstance(key, str) and not key.startswith("{") and _KEY_OF_A_TEST.fullmatch(key) is not None


def _with_an_end(webhook: Webhook) -> Webhook:
    """Grafana never resolves a test: it says from the beginning when it is over."""
    ended = (
        replace(it, ends_at=it.starts_at + min(TEST_LASTS, LATEST - it.starts_at))
        if it.status is AlertStatus.FIRING
        else it
        for it in webhook.alerts
    )
    return replace(webhook, alerts=tuple(ended))


def _annotated(alert: Any) -> Any:
    if not isinstance(alert, dict) or not isinstance(alert.get("annotations"), dict | None):
        return alert
    addresses = {name: it for key, name in _ADDRESSES.items() if isinstance(it := alert.get(key), str) and it}
    values = alert.get("values")
    refs = values.items() if isinstance(values, dict) else ()
    numbers = {f"values.{ref}": repr(it) for ref, it in refs if _is_number(it)}
    return {**alert, "annotations": {**addresses, **(alert.get("annotations") or {}), **numbers}}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


SOURCE: Source = Grafana()
