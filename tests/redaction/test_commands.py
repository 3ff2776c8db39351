"""What libraries and the interpreter say beside a command passes through redaction, as beside the daemon."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

LEAKY = Path(__file__).parent / "leaky_command.py"
PACK = 'targets: {api: {http: "http://127.0.0.1:9"}}\nrules: [{name: a, default: true, level: warning}]\n'
BODY = """{"version": "4", "groupKey": "k", "status": "firing", "alerts": [{"status": "firing", "labels":
{"alertname": "A"}, "annotations": {}, "startsAt": "2026-11-21T02:51:38Z", "endsAt": "0001-01-01T00:00:00Z"}]}"""
WORD = "CanaryOfTheTokens71"


@pytest.mark.parametrize("command", ["explain alert.json", "diagnose http.status", "doctor", "incidents"])
def test_what_others_say_beside_a_command_is_redacted(command: str, tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(PACK)
    (tmp_path / "alert.json").write_text(BODY)
    ours = {
        "RESPONDER_RULES": "rules.yaml",
        "RESPONDER_ALERTMANAGER_TOKENS": WORD,
        "RESPONDER_DATA_DIR": str(tmp_path / "none"),
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RESPONDER_")}

    ran = subprocess.run(
        [sys.executable, "-P", str(LEAKY), *command.split()],
        cwd=tmp_path,
        env=kept | ours,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )

    assert WORD not in ran.stdout + ran.stderr
    assert ran.stderr.count("library.said") == 1
    assert ran.stderr.count("bug.uncaught") == 1
    assert "RuntimeError: [redacted:" in ran.stderr
