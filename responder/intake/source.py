"""The seam of intake: one sender's kind of webhook, who may post it, and what it says.

A module of this folder that ends in `SOURCE = …` is a source (`registry.py`).
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from responder.errors import ResponderError
from responder.model.alert import Webhook
from responder.model.intake import Intake
from responder.redaction.redact import Redactor

DEFAULT_SOURCE = "default"
MOST_SOURCES = 50
_SOURCE_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


class UnreadableBody(ResponderError):
    """The body is not JSON at all; the sender is told 400."""


class UnknownSender(ResponderError):
    """No rule file says how this sender's JSON is to be read; the sender is told 404."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What one kind of sender must show. Several tokens or secrets serve rotation: any of them fits.

    `allow_unauthenticated`: serve the webhook although nothing is configured; what is configured is still asked for.
    """

    tokens: tuple[str, ...] = ()
    username: str = ""
    password: str = ""
    secrets: tuple[str, ...] = ()
    allow_unauthenticated: bool = False

    @property
    def let_nobody_in(self) -> bool:
        """Nothing is configured, so every webhook is answered 503."""
        return not (any(self.tokens) or self.password or any(self.secrets) or self.allow_unauthenticated)

    def __repr__(self) -> str:
        return "Credentials(***)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a request is not taken: the HTTP status, a text for people, the `WWW-Authenticate` header (empty: none)."""

    status: int
    problem: str
    challenge: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one body may fill; what is over is cut and says so, or is put aside and counted.

    Alertmanager itself sets no limits; real alerts have under 30 labels, so these are far above honest use.
    Lengths are characters, `quarantine_bytes` is UTF-8 (spec: 64 KiB).
    """

    alerts: int = 10_000
    labels: int = 128
    annotations: int = 128
    label_chars: int = 4096
    annotation_chars: int = 8192
    url_chars: int = 8192
    title_chars: int = 200
    quarantine_bytes: int = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """One authenticated request. `source`: the name in its path, `default` where it has none.

    `intake`: what the packs in force say of senders, all of them together.
    """

    source: str
    headers: Mapping[str, str]
    body: bytes
    intake: Intake = field(default_factory=Intake)


class Source(Protocol):
    """One kind of sender; `kind` is also the path `/webhooks/<kind>` and the kind of its incidents' links."""

    @property
    def kind(self) -> str:
        """`alertmanager`, `pagerduty`, …"""
        ...

    def refusal_before_body(self, headers: Mapping[str, str], credentials: Credentials) -> Refusal | None:
        """What can be refused by headers alone, so that a stranger's body is never read; None: read on."""
        ...

    def refusal(self, headers: Mapping[str, str], body: bytes, credentials: Credentials) -> Refusal | None:
        """The whole answer to "may this be taken?"; None: yes. Headers are looked up without regard to case."""
        ...

    def parse(self, post: Post, redactor: Redactor, limits: Limits) -> Webhook:
        """What an authenticated request says, texts redacted; raises UnreadableBody for what is not JSON, and
        UnknownSender for a name that no rule file describes."""
        ...


def is_source_name(name: str) -> bool:
    """Whether `name` can stand in `/webhooks/<kind>/<name>`."""
    return _SOURCE_NAME.fullmatch(name) is not None


def refusal_by_header(headers: Mapping[str, str], credentials: Credentials, *, setting: str) -> Refusal | None:
    """Bearer token or user and password; `setting` names the settings to set, for the text of a 503."""
    tokens = [token for token in credentials.tokens if token]
    if not tokens and not credentials.password:
        return None if credentials.allow_unauthenticated else nothing_configured(setting)
    scheme, _, shown = headers.get("Authorization", "").strip().partition(" ")
    match scheme.lower():
        case "bearer" if any_equal(shown.strip(), tokens):
            return None
        case "basic" if credentials.password and _is_user(shown.strip(), credentials):
            return None
        case "":
            return _not_shown("no Authorization header", credentials)
        case _:
            return _not_shown("the Authorization header does not fit", credentials)


def nothing_configured(setting: str) -> Refusal:
    """What is answered while nobody has set a credential."""
    # 503 and not 401: the sender keeps the alert and comes again once somebody has set it.
    return Refusal(status=503, problem=f"no credential is configured for this webhook; set {setting}")


def _not_shown(found: str, credentials: Credentials) -> Refusal:
    schemes = [*(("Bearer",) if any(credentials.tokens) else ()), *(("Basic",) if credentials.password else ())]
    problem = f"{found}; expected {' or '.join(schemes)} with the configured credential"
    challenge = ", ".join(f'{scheme} realm="responder"' for scheme in schemes)
    return Refusal(status=401, problem=problem, challenge=challenge)


def any_equal(shown: str, expected: Iterable[str]) -> bool:
    """Compared with every one, each in constant time, so that time tells neither which nor how far it fits."""
    given = _bytes(shown)
    fits = [hmac.compare_digest(given, _bytes(it)) for it in expected]
    return any(fits)


def _is_user(shown: str, credentials: Credentials) -> bool:
    try:
        given = base64.b64decode(_bytes(shown), validate=True)
    except binascii.Error:
        given = b""
    return hmac.compare_digest(given, _bytes(f"{credentials.username}:{credentials.password}"))


def _bytes(text: str) -> bytes:
    # The server hands over header bytes that are no UTF-8 as lone surrogates.
    return text.encode("utf-8", "surrogateescape")
