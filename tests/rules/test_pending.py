"""What rule files ask for and this version lacks, and that nothing is passed over in silence."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from pydantic import BaseModel

from responder.cli.check import command
from responder.clients.doors import SCHEMES
from responder.model.pack import Position
from responder.rules import pending as pending_
from responder.rules.pending import NOT_ACTED_ON, Pending, pending
from responder.rules.people_shapes import LevelShape
from responder.rules.shape import LATER
from responder.rules.shapes import FileShape, RuleShape, SeverityShape, SignalShape

RULES = """\
targets: {broker: {kafka: "host:9092"}, api: {http: "https://a", headers: {X: "${SECRET}"}}, t: {postgres: "postgresql://t"}}
rules:
  - name: lag
    match: ['a="b"']
    diagnose: [kafka.lag: {group: g}]
    excerpts_of: nothing
severity: {levels: {P1: {acknowledge: 5m}, P2: {acknowledge: 15m}}}
"""


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """The doors of a version that cannot look at Kafka."""
    monkeypatch.setattr(pending_, "SCHEMES", {kind: it for kind, it in SCHEMES.items() if kind != "kafka"})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rules.yaml").write_text(RULES)
    (tmp_path / "broken.yaml").write_text("rules: [")
    return tmp_path


def test_keys_and_kinds_are_named_with_every_place(folder: Path) -> None:
    def at(line: int, column: int) -> Position:
        return Position(file=f"{folder}/rules.yaml", line=line, column=column)

    assert pending(folder) == (
        Pending(what="key", name="severity.levels.*.acknowledge", positions=(at(7, 26), at(7, 49))),
        Pending(what="target", name="kafka", positions=(at(1, 20),)),
    )


def test_the_command_lists_what_is_lacking_in_place_of_warnings(folder: Path) -> None:
    (folder / "broken.yaml").unlink()
    (folder / "rules.yaml").write_text(RULES.replace("    excerpts_of: nothing\n", ""))
    run = CliRunner().invoke

    text = run(command, ["--pending", str(folder)], standalone_mode=False)
    strict = run(command, ["--pending", "--strict", str(folder)], standalone_mode=False)
    listed = run(command, ["--pending", "--format", "json", str(folder)], standalone_mode=False)
    annotated = run(command, ["--pending", "--format", "github", str(folder)], standalone_mode=False)

    assert (text.return_value, strict.return_value) == (0, 1)
    assert (
        "Keys that are read and have no effect yet:\n"
        f"  severity.levels.*.acknowledge  {folder}/rules.yaml:6:26 and 1 more\n" in text.output
    )
    assert "warning" not in text.output
    assert text.output.endswith("1 pack, 1 rule: 0 mistakes, 2 things lacking\n")
    assert json.loads(listed.output)["pending"][0] == {
        "what": "key",
        "name": "severity.levels.*.acknowledge",
        "at": [f"{folder}/rules.yaml:6:26", f"{folder}/rules.yaml:6:49"],
    }
    assert "line=6,col=49::Keys that are read and have no effect yet: severity.levels.*.acknowledge" in annotated.output


def test_a_mistake_is_still_said_and_is_exit_status_1(folder: Path) -> None:
    done = CliRunner().invoke(command, ["--pending", str(folder)], standalone_mode=False)

    assert done.return_value == 1
    assert "unknown key `excerpts_of`" in done.output


@pytest.mark.parametrize(
    ("shape", "above"),
    [(FileShape, ""), (SignalShape, "signals *"), (RuleShape, "rules *"), (SeverityShape, "severity"),
     (LevelShape, "severity levels *")],
)  # fmt: skip
def test_every_key_that_is_read_for_later_is_listed(shape: type[BaseModel], above: str) -> None:
    later = {f"{above} {it.alias or name}".strip() for name, it in shape.model_fields.items() if LATER in it.metadata}

    assert later <= {" ".join(it) for it in NOT_ACTED_ON}


def test_every_key_that_is_listed_is_one_of_the_language() -> None:
    known = json.dumps(FileShape.model_json_schema())

    for pattern in NOT_ACTED_ON:
        assert re.search(rf'"{pattern[-1]}"', known), pattern
