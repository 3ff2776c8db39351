"""JSON of any shape, read by the paths that a pack gives for its sender (`intake.generic.<name>`).

The sender shows a token, or signs as https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
says: `webhook-id`, `webhook-timestamp`, and `webhook-signature: v1,<base64>` over `id.timestamp.body`. A body may be

    {"action": "triggered", "data": {"issue": {"id": "1170820242", "title": "ZeroDivisionError",
     "lastSeen": "2026-11-21T02:51:38.000000Z", "project": {"slug": "checkout"}}}}

One body may hold alerts of several groups: each group is a Webhook of its own, the further ones in `others`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count

from responder.intake.cutting import cut_fields, cut_text, with_note
from responder.intake.mapped import NAME, Mapped, Unread, read
from responder.intake.proof import Clock, Signed, is_recent, refusal_before_signature, refusal_by_proof, unix_time
from responder.intake.raw_json import read_json, redacted_json
from responder.intake.source import Credentials, Limits, Post, Refusal, Source, UnknownSender, any_equal
from responder.model.alert import Alert, Webhook
from responder.redaction.redact import Redactor

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
MOST_GROUPS = 256  # of one body; each is committed by itself, and the store's queue has a bound
_SETTING = "RESPONDER_GENERIC_TOKENS or RESPONDER_GENERIC_SECRETS"
_PREFIX = "whsec_"  # of a secret in base64
_ID_SHAPE = re.compile(r"[\x21-\x7e]{1,256}")


class Generic:
    """Reads any JSON by the mapping of its sender's name.

    It shows one of `RESPONDER_GENERIC_TOKENS`, as a bearer token or as the password of any user, or a signature with
    one of `RESPONDER_GENERIC_SECRETS`, five minutes old at most.
    """

    kind = "generic"

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
        """Every alert of the body, understood or quarantined; further groups in `others`.

        An alert starts when it came in where the mapping does not say (`starts_assumed`), and ends when it came in.
        Raises UnknownSender for a name without a mapping, UnreadableBody for what is not JSON.
        """
        sender = post.intake.generic.get(post.source)
        if sender is None:
            raise UnknownSender(
                f'no rule file describes the sender "{post.source}"; expected intake.generic.{post.source} in a pack'
            )
        raw = read_json(post.body, sender=post.source)
        alerts, unread = read(sender, post.source, raw, datetime.fromtimestamp(self._clock(), UTC), limits)
        groups, over = _by_group(alerts)
        put_aside = tuple(it.quarantined(redactor, limits) for it in (*unread, *over))
        receipts = _receipts(post)
        webhooks = [
            Webhook(
                kind=self.kind,
                source=post.source,
                key=key,
                title=_title(members, limits),
                alerts=tuple(members),
                receipts=next(receipts),
                never_ends=sender.firing is None,
            )
            for key, members in zip(groups, _clean(groups.values(), redactor, limits), strict=True)
        ]
        first = (
            webhooks[0] if webhooks else Webhook(kind=self.kind, source=post.source, key=b"", receipts=next(receipts))
        )
        return replace(first, quarantined=put_aside, others=tuple(webhooks[1:]))

    def _signed(self, headers: Mapping[str, str], body: bytes, credentials: Credentials) -> Signed:
        if not headers.get(SIGNATURE):
            return "not shown"
        shown = [it.removeprefix("v1,") for it in headers[SIGNATURE].split() if it.startswith("v1,")]
        id_, timestamp = headers.get(ID, ""), headers.get(TIMESTAMP, "").strip()
        if not id_ or not is_recent(timestamp, self._clock()):
            return "no"
        content = f"{id_}.{timestamp}.".encode("utf-8", "surrogateescape") + body
        keys = [key for secret in credentials.secrets if secret for key in _keys(secret)]
        expected = [base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode() for key in keys]
        fits = [any_equal(it, expected) for it in shown]
        return "yes" if any(fits) else "no"


def _keys(secret: str) -> Iterator[bytes]:
    """The secret's own bytes, and what they are in base64: both ways of giving one are in use."""
    yield secret.encode("utf-8", "surrogateescape")
    try:
        decoded = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except ValueError:  # no base64, or no ASCII
        return
    if decoded:
        yield decoded


def _by_group(alerts: Sequence[Mapped]) -> tuple[dict[bytes, list[Mapped]], list[Unread]]:
    """Groups in the order in which they are first named, and alerts of those over the bound."""
    groups: dict[bytes, list[Mapped]] = {}
    over: list[Unread] = []
    for it in alerts:
        if it.key not in groups and len(groups) >= MOST_GROUPS:
            identities = {"key": it.key.hex(), "fingerprint": it.fingerprint}
            over.append(
                Unread(reason=f"alert: more than {MOST_GROUPS} groups in one body", raw=it.raw, identities=identities)
            )
        else:
            groups.setdefault(it.key, []).append(it)
    return groups, over


def _clean(groups: Iterable[Sequence[Mapped]], redactor: Redactor, limits: Limits) -> Iterator[list[Alert]]:
    """Redacted with one look at all texts of the body together, then cut."""
    groups = list(groups)
    members = [it for group in groups for it in group]
    texts = [fields for it in members for fields in (dict(it.labels), _as_texts(it, redactor, limits))]
    redacted = iter(redactor.mappings(texts, [])[0])
    for group in groups:
        yield [_alert(it, next(redacted), next(redacted), limits) for it in group]


def _as_texts(alert: Mapped, redactor: Redactor, limits: Limits) -> dict[str, str]:
    said = alert.annotations.items()
    return {name: it if isinstance(it, str) else redacted_json(it, redactor, limits) for name, it in said}


def _alert(mapped: Mapped, labels: dict[str, str], annotations: dict[str, str], limits: Limits) -> Alert:
    labels, labels_cut = cut_fields(labels, limits.labels, limits.label_chars)
    annotations, annotations_cut = cut_fields(annotations, limits.annotations, limits.annotation_chars)
    return Alert(
        fingerprint=mapped.fingerprint,
        status=mapped.status,
        starts_at=mapped.starts_at,
        ends_at=mapped.ends_at,
        starts_assumed=mapped.starts_assumed,
        labels=labels,
        annotations=with_note(annotations, labels_cut, annotations_cut),
    )


def _title(alerts: Sequence[Alert], limits: Limits) -> str:
    """`CheckoutDown: <summary>` of the first alert, on one line."""
    first = alerts[0]
    summary = first.annotations.get("summary") or first.annotations.get("title") or ""
    title = ": ".join(it for it in (first.labels.get(NAME, ""), summary) if it)
    return cut_text(" ".join(title.split()), limits.title_chars)


def _receipts(post: Post) -> Iterator[tuple[str, ...]]:
    """What the body's first group, second group … are known again by: each is committed by itself, so that a body of
    which only a part was kept is taken again for the rest. The name, since two senders may count from 1."""
    id_ = post.headers.get(ID, "")
    named = (f"webhook/{post.source}/{id_}",) if _ID_SHAPE.fullmatch(id_) else ()
    yield named
    for number in count(2):
        yield tuple(f"{it}/{number}" for it in named)


SOURCE: Source = Generic()
