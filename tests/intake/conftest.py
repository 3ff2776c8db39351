"""What the tests of intake share: captured bodies, a redactor, and ways to say a body in a line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from responder.intake.alertmanager import Alertmanager
from responder.intake.source import Limits, Post
from responder.model.alert import Webhook
from responder.redaction.redact import Redactor

CONTRACTS = Path(__file__).parents[2].parent / "shared" / "contracts"
GROUP_KEY = '{}:{alertname="X"}'


@pytest.fixture(scope="session")
def contracts() -> Path:
    if not CONTRACTS.exists():
        pytest.skip("the captured bodies are not beside this repository")
    return CONTRACTS


@pytest.fixture(scope="session")
def redactor() -> Redactor:
    return Redactor(["kn0wn-s3cret"])


@pytest.fixture
def alert_like() -> Callable[..., dict[str, Any]]:
    """One firing alert of the wire, changed as asked; a value of None takes the field out."""

    def build(**changes: Any) -> dict[str, Any]:
        plain = {
            "status": "firing",
            "labels": {"alertname": "X", "pod": "a"},
            "annotations": {"summary": "s"},
            "startsAt": "2026-11-21T02:51:38.862Z",
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://p/graph",
            "fingerprint": "77adc8a4a964099b",
        }
        return {name: value for name, value in {**plain, **changes}.items() if value is not None}

    return build


@pytest.fixture
def body_like(alert_like: Callable[..., dict[str, Any]]) -> Callable[..., bytes]:
    """A whole body, changed as asked; a value of None takes the field out."""

    def build(**changes: Any) -> bytes:
        plain = {
            "version": "4",
            "groupKey": GROUP_KEY,
            "truncatedAlerts": 0,
            "status": "firing",
            "receiver": "r",
            "groupLabels": {"alertname": "X"},
            "commonLabels": {"alertname": "X"},
            "commonAnnotations": {},
            "externalURL": "http://am:9093",
            "alerts": [alert_like()],
        }
        return json.dumps({name: it for name, it in {**plain, **changes}.items() if it is not None}).encode()

    return build


@pytest.fixture
def parsed(redactor: Redactor) -> Callable[..., Webhook]:
    def parse(body: bytes, limits: Limits | None = None) -> Webhook:
        return Alertmanager().parse(Post(source="default", headers={}, body=body), redactor, limits or Limits())

    return parse
