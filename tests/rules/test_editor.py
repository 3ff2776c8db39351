"""What an editor shows to who writes rules: completion, hover and underlined slips, by a real language server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from responder.diagnostics.catalogue import specs
from responder.rules.schema import schema_of_rules
from tests.reload.mutants import GOOD
from tests.systems.language_server import LanguageServer

pytestmark = pytest.mark.system
TEXT = """\
targets:
  api: {http: "https://api.example.com"}
rules:
  - name: down
    match: ['alertname="ApiDown"']
    diagnose:
      - http.status: {paths: [/health]}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("edited")
    (made / "schema.json").write_text(json.dumps(schema_of_rules(specs())))
    return made


@pytest.fixture(scope="module")
def editor(folder: Path) -> Iterator[LanguageServer]:
    server = LanguageServer(
        {"validate": True, "hover": True, "completion": True, "schemaStore": {"enable": False}, "format": {}}
    )
    yield server
    server.close()


def opened(editor: LanguageServer, folder: Path, text: str, name: str) -> tuple[str, list[str]]:
    """With the line that tells an editor which schema it is."""
    uri = f"file://{folder}/{abs(hash(name))}.yaml"
    return uri, editor.open(uri, f"# yaml-language-server: $schema={folder}/schema.json\n{text}")


def test_what_is_right_is_not_underlined(editor: LanguageServer, folder: Path) -> None:
    assert opened(editor, folder, GOOD, "good")[1] == []


def test_a_slip_is_underlined(editor: LanguageServer, folder: Path) -> None:
    _, said = opened(editor, folder, TEXT.replace("match:", "macth:"), "slip")

    assert any("macth" in it for it in said)


def test_the_keys_of_a_rule_are_offered_with_what_they_mean(editor: LanguageServer, folder: Path) -> None:
    uri, _ = opened(editor, folder, TEXT + "    \n", "keys")

    offered = editor.completion(uri, 8, 4)

    assert {"summary", "thresholds", "combine", "suggest", "runbook", "level"} <= set(offered)
    assert "name" not in offered
    assert "API answers 5xx" in offered["summary"]


def test_checks_are_offered_with_the_question_that_each_asks(editor: LanguageServer, folder: Path) -> None:
    uri, _ = opened(editor, folder, TEXT + "      - \n", "checks")

    offered = editor.completion(uri, 8, 8)

    assert {*specs()} <= set(offered)


def test_the_parameters_of_a_check_are_offered(editor: LanguageServer, folder: Path) -> None:
    uri, _ = opened(editor, folder, TEXT.replace("{paths: [/health]}", "\n          "), "parameters")

    offered = editor.completion(uri, 8, 10)

    assert {"paths", "expect", "target", "timeout", "when"} <= set(offered)


@pytest.mark.parametrize(
    ("line", "column", "says"),
    [
        pytest.param(1, 2, "What may be looked at, by name", id="a section"),
        pytest.param(2, 9, "`https://api.example.com`", id="a kind of target"),
        pytest.param(5, 6, "Alertmanager's matchers, any of them; commas in a line mean all", id="a key of a rule"),
        pytest.param(7, 10, specs()["http.status"].question, id="a check"),
    ],
)
def test_what_is_pointed_at_is_explained(
    line: int, column: int, says: str, editor: LanguageServer, folder: Path
) -> None:
    uri, _ = opened(editor, folder, TEXT, f"hover-{line}")

    assert says in editor.hover(uri, line, column)
