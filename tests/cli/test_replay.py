"""`responder replay` on the store of a daemon that was told of an alert."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Command
from tests.kept import PACK, Kept


def edited(folder: Path, *changes: tuple[str, str]) -> Path:
    text = PACK.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    folder.mkdir()
    (folder / "pack.yaml").write_text(text)
    return folder


async def test_edited_rules_are_held_against_what_was_recorded(kept: Kept, command: Command, tmp_path: Path) -> None:
    same = await command("replay", "--all", str(PACK))
    milder = edited(
        tmp_path / "milder",
        ('{serving: "< 50%"}, then: P1', '{serving: "> 200%"}, then: P1'),
        ("otherwise: {critical: P1, warning: P2}", "otherwise: {critical: P2, warning: P2}"),
        ("      - http.status: {paths: [/slow], as: slow}\n  - {name: alerted", "  - {name: alerted"),
    )
    table = await command("replay", str(milder), COLUMNS="120")
    told = await command("replay", "--json", str(milder))
    unread = await command("replay", str(edited(tmp_path / "faults", ("up: [/up]", "up: [/health]"))), COLUMNS="200")

    assert same.returncode == 0, same.stderr
    assert same.stdout.splitlines()[-1] == "1 incident of the last 7d: 0 different, 0 not to be told whole"
    assert "the same" in same.stdout
    assert table.stdout.splitlines()[1].split()[:4] == ["inc-0001", "P1", "→", "P2"]
    assert "checks: - slow" in table.stdout
    assert "1 incident of the last 7d: 1 different, 0 not to be told whole" in table.stdout
    (incident,) = json.loads(told.stdout)["incidents"]
    assert (incident["severity_then"], incident["then"]["severity"], incident["now"]["severity"]) == ("P1", "P1", "P2")
    assert (incident["different"]["checks"], incident["looks"]) == ({"more": [], "fewer": ["slow"]}, 1)
    assert "rule serving: critical → unknown" in unread.stdout
    assert "unknown: serving is read in another way now: what that would have given was not recorded" in unread.stdout


async def test_a_span_that_is_none_is_refused(command: Command) -> None:
    done = await command("replay", "--since", "yesterday", str(PACK))

    assert done.returncode == 2
    assert "--since: expected a duration" in done.stderr
