"""The JSON Schema of rule files: takes what `check` takes, refuses what no file may hold, explains each key."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from jsonschema import Draft7Validator

from responder.cli.schema import command
from responder.diagnostics.catalogue import specs
from responder.rules.hover import HOVER
from responder.rules.schema import schema_of_rules
from tests.reload.mutants import GOOD
from tests.rules.test_documentation import DOCUMENT, blocks

SCHEMA = schema_of_rules(specs())
VALIDATOR = Draft7Validator(SCHEMA)
RULES = sorted((Path(__file__).parents[2] / "rules").rglob("*.yaml"))


def said(text: str) -> list[str]:
    """What an editor would underline; dates become text, as they are to an editor."""
    content = json.loads(json.dumps(yaml.safe_load(text), default=str))
    return [f"{'.'.join(map(str, it.absolute_path))}: {it.message}" for it in VALIDATOR.iter_errors(content)]


def parts(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
    for it in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from parts(it)


def test_it_is_a_schema_whose_references_lead_somewhere() -> None:
    Draft7Validator.check_schema(SCHEMA)

    for reference in {it["$ref"] for it in parts(SCHEMA) if isinstance(it.get("$ref"), str)}:
        place: Any = SCHEMA
        for name in reference.removeprefix("#/").split("/"):
            place = place[name]


@pytest.mark.parametrize("file", [pytest.param(it, id=it.name) for it in RULES if ".test." not in it.name])
def test_our_own_packs_are_taken(file: Path) -> None:
    assert said(file.read_text()) == []


@pytest.mark.parametrize(("heading", "text"), [*blocks()])
def test_every_example_of_the_document_is_taken(heading: str, text: str) -> None:
    assert said(text) == [], (DOCUMENT.name, heading)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        pytest.param("summary:", "sumary:", id="a slip in a key"),
        pytest.param("http.status:", "http.staus:", id="a slip in a check"),
        pytest.param("paths: [/]", "path: [/]", id="a slip in a parameter"),
        pytest.param("match: ['alertname=\"ApiDown\"']", "match: {alertname: ApiDown}", id="a mapping for a list"),
        pytest.param("  - name: down\n    match", "  - match", id="no name"),
        pytest.param("  - name: down\n    match", "  - name: down\n    level: grave\n    match", id="no such level"),
        pytest.param("unit: percent, ", "", id="no unit"),
        pytest.param("{at_least: P2}", "{atleast: P2}", id="a slip in `then`"),
        pytest.param("hold: 10m", "hold: [10m]", id="a list for a duration"),
    ],
)
def test_what_no_file_may_hold_is_underlined(right: str, wrong: str) -> None:
    assert said(GOOD) == []
    assert said(GOOD.replace(right, wrong, 1)) != []


def test_scalars_may_be_written_as_people_write_them() -> None:
    """What YAML reads as a number, a boolean or nothing is text to us."""
    assert said("signals: {q: {unit: count, prometheus: {query: q, empty: 0, present: q}}}") == []
    assert said("rules: [{name: 1, default: yes, diagnose: [http.status: , http.status: api]}]") == []
    assert said('rules: [{name: a, default: "yes"}]\nseverity: {levels: {P1: }}') == []


def test_every_key_has_a_text_and_every_text_a_key() -> None:
    shapes = {"FileShape": SCHEMA} | SCHEMA["definitions"]
    keys = {name: set(it.get("properties", {})) for name, it in shapes.items() if name != "Diagnose"}

    assert {name: set(texts) for name, texts in HOVER.items()} == keys | {
        "ThenShape": keys["ThenShape"] - keys["ByVerdictShape"]
    }


def test_the_command_prints_it() -> None:
    done = CliRunner().invoke(command, [], standalone_mode=False)

    printed = json.loads(done.output)
    assert printed == SCHEMA
    match = printed["definitions"]["RuleShape"]["properties"]["match"]
    assert match["markdownDescription"] == HOVER["RuleShape"]["match"]
