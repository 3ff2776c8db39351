"""Proof that a sender knows a secret: a token, or a signature over the body, where either may be configured."""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Callable, Mapping
from typing import Literal

from responder.intake.source import Credentials, Refusal, any_equal, nothing_configured

TOLERANCE_SECONDS = 300  # Standard Webhooks' own; a captured request is worthless afterwards
Clock = Callable[[], float]
Signed = Literal["yes", "no", "not shown"]


def unix_time() -> float:
    """The default of the clock that a source takes, seconds since 1970."""
    return time.time()  # noqa: TID251 - the one clock of intake; tests hand in another


def refusal_before_signature(
    headers: Mapping[str, str], credentials: Credentials, *, setting: str, signature: str
) -> Refusal | None:
    """What headers alone tell: None where a signature is shown that only the body can prove."""
    if any(credentials.secrets) and headers.get(signature):
        return None
    return refusal_by_proof(headers, credentials, setting=setting, signature=signature, signed="not shown")


def refusal_by_proof(
    headers: Mapping[str, str], credentials: Credentials, *, setting: str, signature: str, signed: Signed
) -> Refusal | None:
    """A token or a signature, whichever is configured; where both are, either. `signature`: the header it stands in;
    `signed`: "yes" only where a configured secret made it."""
    tokens = [it for it in credentials.tokens if it]
    secrets = [it for it in credentials.secrets if it]
    if not tokens and not secrets:
        return None if credentials.allow_unauthenticated else nothing_configured(setting)
    if signed == "yes" or (tokens and _shows_token(headers, tokens)):
        return None
    expected = " or ".join([*(["Bearer or Basic"] if tokens else []), *([signature] if secrets else [])])
    return Refusal(
        status=401,
        problem=f"{_found(headers, signature, signed)}; expected {expected} with the configured credential",
        challenge='Bearer realm="responder", Basic realm="responder"' if tokens else "",
    )


def is_recent(timestamp: str, now: float) -> bool:
    """Whether these unix seconds are within five minutes of now, before or after."""
    shaped = timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12
    return shaped and abs(now - int(timestamp)) <= TOLERANCE_SECONDS


def _found(headers: Mapping[str, str], signature: str, signed: Signed) -> str:
    if signed == "no":
        return f"{signature} does not fit, or its time is over {TOLERANCE_SECONDS // 60} minutes off"
    return "the Authorization header does not fit" if headers.get("Authorization") else "no credential was shown"


def _shows_token(headers: Mapping[str, str], tokens: list[str]) -> bool:
    """As a bearer token, or as the password of any user: some senders offer nothing but Basic."""
    scheme, _, shown = headers.get("Authorization", "").strip().partition(" ")
    match scheme.lower():
        case "bearer":
            return any_equal(shown.strip(), tokens)
        case "basic":
            return any_equal(_password(shown.strip()), tokens)
        case _:
            return False


def _password(shown: str) -> str:
    try:
        given = base64.b64decode(shown.encode("utf-8", "surrogateescape"), validate=True)
    except binascii.Error:
        return ""
    return given.partition(b":")[2].decode("utf-8", "surrogateescape")
