"""Raw lines that a rule asked for (`excerpts: true`): redacted in every field of a finding that is kept."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

from responder.model.finding import Change, Finding, Outcome, Table
from responder.redaction.redact import Redactor
from responder.store.store import Store

PEM = "-----BEGIN EC PRIVATE KEY-----\n" + "CanaryOfTheKey" * 4 + "\nCanaryOfTheKey==\n-----END EC PRIVATE KEY-----"
RAW = f"login of canary@example.com password=CanaryWord patient: Ana Canary\n{PEM}\ndone"


def test_raw_lines_are_redacted_wherever_a_finding_holds_them() -> None:
    found = Finding(
        check="kubernetes.logs",
        target="cluster",
        outcome=Outcome.UNHEALTHY,
        headline=RAW,
        details=RAW,
        table=Table(columns=("line",), rows=((RAW,), (f"7 {RAW}",)), cut=""),
        changes=(Change(at=datetime(2026, 11, 21, tzinfo=UTC), what=RAW, by="canary@example.com"),),
        found={"line": RAW, "canary@example.com": "x"},
        equivalent="kubectl logs --token CanaryWord",
    )

    kept = Store(redact=Redactor().text).redacted(dataclasses.asdict(found))

    assert "canary" not in str(kept).lower()
    assert kept["details"] == (
        "login of [redacted:email] password=[redacted:secret] patient: [redacted:name]\n[redacted:private-key]\ndone"
    )
