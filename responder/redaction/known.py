"""The forms in which a secret that we hold ourselves may come back to us."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

import re2

from responder.redaction.clean import clean

# Shorter ones (`admin`, `true`) are ordinary words: taking them out everywhere would damage texts.
SHORTEST = 6
_SHORTEST_CORE = 8
# Passwords that nobody should have, and that are words of our own texts: inside of another word they are no secret, and
# `read [redacted:known]s` would tell which one it is. Standing alone, or in any other form, they go as all others do.
COMMON = frozenset(
    [
        "database",
        "default",
        "kubernetes",
        "monitor",
        "password",
        "postgres",
        "prometheus",
        "reader",
        "readonly",
        "responder",
        "secret",
    ]
)


def known_pattern(secrets: Iterable[str]) -> str | None:
    """One pattern for every form of every secret, longest first; None when there is none."""
    stripped = {secret.strip() for secret in secrets}
    forms = {form for secret in stripped if len(secret) >= SHORTEST for form in _forms(secret)}
    if not forms:
        return None
    return "(" + "|".join(_pattern_of(form) for form in sorted(forms, key=lambda it: (-len(it), it))) + ")"


def _pattern_of(form: str) -> str:
    return rf"\b{form}\b" if form in COMMON else re2.escape(form)


def _forms(secret: str) -> Iterator[str]:
    for plain in {secret, clean(secret)} - {""}:
        yield plain
        yield from _escaped(plain)
        yield from _percent(plain)
        yield from _base64(plain.encode("utf-8", "replace"))
        yield from {hexed := plain.encode("utf-8", "replace").hex(), hexed.upper()}


def _escaped(plain: str) -> Iterator[str]:
    once = {json.dumps(plain, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False)}
    yield from once
    yield from (json.dumps(it)[1:-1] for it in once)


def _percent(plain: str) -> Iterator[str]:
    encodable = plain.encode("utf-8", "replace")
    for form in {quote(encodable, safe=""), quote(encodable), quote_plus(encodable)}:
        yield form
        yield _lower_hex(form)
        yield quote(form, safe="")


def _lower_hex(form: str) -> str:
    head, *rest = form.split("%")
    return "%".join((head, *(it[:2].lower() + it[2:] for it in rest)))


def _base64(plain: bytes) -> Iterator[str]:
    """Whole, and what is always the same of it at any of the three offsets inside a longer text (`user:password`)."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(plain).rstrip(b"=").decode("ascii")
        for offset in range(3):
            core = encode(b"\0" * offset + plain).rstrip(b"=").decode("ascii")
            core = core[(0, 2, 3)[offset] :]
            if (offset + len(plain)) % 3:
                core = core[:-1]
            if len(core) >= _SHORTEST_CORE:
                yield core
