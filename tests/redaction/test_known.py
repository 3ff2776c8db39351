"""Our own secrets go by their exact value, whole or a part of an address, in every form that they come back in."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable
from urllib.parse import quote

import pytest

from responder.redaction.redact import Redactor
from responder.settings import load_settings

SETTINGS = load_settings(
    {},
    database_url="postgresql://responder:kn0wn%2Fdatabase@db/responder",
    smtp_url="smtp://mailer:known-mail-word@mail:587",
    heartbeat_url="https://beats.example.com/ping/known-0a1b2c3d-heartbeat",
    report_webhook_url="https://hooks.example.com/known-path-of-hook/x?code=known-code-of-the-hook",
    pagerduty_token='known "pagerduty" tokén',
)
SECRETS = [
    "kn0wn/database",
    "known-mail-word",
    "known-0a1b2c3d-heartbeat",
    "known-path-of-hook",
    "known-code-of-the-hook",
    'known "pagerduty" tokén',
]
FORMS: dict[str, Callable[[str], str]] = {
    "plain": lambda it: it,
    "URL": lambda it: quote(it, safe=""),
    "JSON": lambda it: json.dumps(it),
    "JSON in JSON": lambda it: json.dumps(json.dumps(it, ensure_ascii=False)),
    "HTML": html.escape,
    "HTML, numeric": lambda it: "".join(f"&#x{ord(letter):x};" for letter in it),
    "JSON, every letter": lambda it: "".join(f"\\u{ord(letter):04x}" for letter in it),
    "URL, every letter": lambda it: "".join(f"%{byte:02X}" for byte in it.encode()),
    "hex": lambda it: it.encode().hex(),
    "HEX": lambda it: it.encode().hex().upper(),
    **{
        f"base64 after {before} bytes": lambda it, before=before: base64.b64encode(
            b"\xff" * before + it.encode()
        ).decode()
        for before in range(3)
    },
    "base64 for URLs": lambda it: base64.urlsafe_b64encode(b"\xfb\xff\xfe" + it.encode()).decode(),
    "base64 of base64": lambda it: base64.b64encode(base64.b64encode(f"user:{it}".encode())).decode(),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_of_a_setting_goes_in_every_form(secret: str, form: str) -> None:
    shown = FORMS[form](secret)

    redacted = Redactor(SETTINGS.secret_values()).text(f"it said {shown} at noon")

    middle = shown[len(shown) // 3 : -len(shown) // 3]
    assert middle not in redacted
    assert redacted.startswith("it said ") and redacted.endswith(" at noon")  # noqa: PT018 - the surroundings
