from __future__ import annotations

import json
from typing import Any

import pytest

from responder.clients.google_entries import ENTRIES

AT = "2026-11-21T03:04:00.123456789Z"
TRACEBACK = "Traceback (most recent call last):\n  File \"x.py\"\nKeyError: 'A'\n"


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        pytest.param({"textPayload": "plain\nmore"}, "plain", id="a plain line speaks for itself"),
        pytest.param({"textPayload": TRACEBACK}, "KeyError: 'A'", id="a traceback says at its end what it was"),
        pytest.param({}, "", id="nothing"),
        pytest.param(
            {"severity": "ERROR", "textPayload": "x" * 999},
            {"severity": "ERROR", "message": "x" * 400},
            id="how grave it is goes along",
        ),
        pytest.param(
            {
                "severity": "WARNING",
                "jsonPayload": {
                    "message": "m",
                    "level": 50,
                    "patient": "s3cret",
                    "error": {"type": "KeyError", "message": TRACEBACK, "stack": "s3cret", "code": 7},
                    "component": ["s3cret"],
                },
            },
            {
                "severity": "WARNING",
                "message": "m",
                "level": 50,
                "error": {"type": "KeyError", "message": "KeyError: 'A'"},
            },
            id="of a payload what says which message it is",
        ),
        pytest.param(
            {"severity": "ERROR", "httpRequest": {"requestMethod": "GET", "status": 503, "requestUrl": "s3cret"}},
            {"severity": "ERROR", "message": "HTTP 503 to GET"},
            id="of a request no address",
        ),
    ],
)
def test_an_entry_becomes_one_line(entry: dict[str, Any], text: Any) -> None:
    (read,) = ENTRIES.validate_python({"entries": [{"timestamp": AT, **entry}]}).entries

    said = read.read().text

    assert (json.loads(said) if isinstance(text, dict) else said) == text
