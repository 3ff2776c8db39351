"""docs/rules.md says what is so: every example loads, every complaint is said, nothing that is built is left out.

And docs/operations.md names every setting and every event of the log.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from pydantic import BaseModel

from responder.diagnostics.catalogue import specs
from responder.intake.generic import MOST_GROUPS
from responder.model import json_expression, matchers
from responder.model.located_yaml import MAX_CHARACTERS, MAX_DEPTH, read
from responder.model.people import FILTERS, TEMPLATES, VARIABLES
from responder.model.query import MAX_BRACKETS, MAX_OPERATORS, MAX_QUERY
from responder.rules import packs
from responder.rules.complaints import MAX_PROBLEMS
from responder.rules.entries import MAX_BUNDLES
from responder.rules.include import MAX_INCLUDES
from responder.rules.packs import Loaded, load_packs, pack_from_files
from responder.rules.people_shapes import LevelShape
from responder.rules.rehearsal_shapes import ExpectShape, FindingShape, SeriesShape, StepShape
from responder.rules.rehearsals import parse_rehearsals
from responder.rules.shape import LATER
from responder.rules.shapes import FileShape, IntakeShape, RuleShape, SeverityShape, SignalShape
from responder.settings import NOT_YET, PREFIX, Settings
from responder.work.rehearse import rehearse

REPOSITORY = Path(__file__).parents[2]
DOCUMENT = REPOSITORY / "docs" / "rules.md"
OPERATIONS = REPOSITORY / "docs" / "operations.md"
EVENT = re.compile(
    r"\.(?:info|warning|error|exception|critical|log)\((?:record\.levelno, )?\s*\"(?P<name>[a-z_]+\.[a-z_]+)\""
)
DELIVERED = {f"delivery.{it}" for it in ("sent", "postponed", "uncertain", "refused", "gone")}  # made up from outcomes
PAGED = {f"page.{it}" for it in ("triggered", "resolved", "postponed", "uncertain", "refused")}  # likewise
BLOCK = re.compile(r"^```yaml\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
LATER_SECTION = "Read, but not acted on by this version"

# What fragments of the document take for granted; a name that a fragment defines itself is left out.
FRAME = {
    "targets": {
        "prometheus": '{prometheus: "http://prometheus:9090"}',
        "api": '{http: "https://api.example.com"}',
        "admin": '{http: "https://admin.example.com"}',
        "database": '{postgres: "${DATABASE_URL}"}',
        "cache": '{redis: "${REDIS_URL}"}',
    },
    "signals": {
        "error_rate": "{unit: percent, prometheus: {query: errors}}",
        "latency_p95": "{unit: seconds, prometheus: {query: latency}}",
        "queued": "{unit: count waiting, prometheus: {query: queue}}",
        "serving": "{unit: percent, http: {target: api, up: [/health]}}",
    },
    "rules": "[{name: rule-of-the-frame, match: ['alertname=\"Frame\"'], diagnose: [postgres.connections]}]",
}

Load = Callable[[str], Loaded]


def sections() -> dict[str, str]:
    """Heading → text below it."""
    parts = re.split(r"^## (.+)$", DOCUMENT.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def blocks() -> Iterator[Any]:
    for heading, text in sections().items():
        for number, found in enumerate(BLOCK.finditer(text), 1):
            if "\ntests:" in found["text"]:  # played below
                continue
            yield pytest.param(heading, found["text"], id=f"{heading} {number}")


def complaints() -> Iterator[Any]:
    """`you wrote` and `check says` of each row."""
    for row in sections()["Typical complaints"].splitlines():
        if row.startswith("| `"):
            wrote, says = (cell.strip().strip("`").strip() for cell in _cells(row)[:2])
            yield pytest.param(wrote, says, id=says[:40])


def _cells(row: str) -> list[str]:
    return row.split("|")[1:-1]


def framed(text: str) -> dict[str, str]:
    """The files of a pack that holds this text: alone if it names a pack, else beside the frame."""
    value = read(text, "example.yaml")[0].value
    if isinstance(value, dict) and "pack" in value:
        return {"pack.yaml": text}
    own = value if isinstance(value, dict) else {}
    frame = "".join(
        f"{section}:\n"
        + "".join(f"  {name}: {it}\n" for name, it in FRAME[section].items() if name not in _names(own, section))
        for section in ("targets", "signals")
    )
    return {"frame.yaml": frame + f"rules: {FRAME['rules']}\n", "example.yaml": text}


def _keys_of(shape: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in shape.model_fields.items()]


def _names(own: dict[str, Any], section: str) -> set[str]:
    found = own.get(section)
    return set(found) if isinstance(found, dict) else set()


@pytest.fixture
def load_example(tmp_path: Path) -> Load:
    """The pack of an example, with the checks that are really there."""

    def loaded(text: str) -> Loaded:
        (tmp_path / "example").mkdir()
        for name, content in framed(text).items():
            (tmp_path / "example" / name).write_text(content)
        copytree(REPOSITORY / "rules" / "starter", tmp_path / "starter")
        return load_packs(tmp_path / "example", specs())

    return loaded


@pytest.mark.parametrize(("heading", "text"), list(blocks()))
def test_every_example_loads_without_a_mistake(heading: str, text: str, load_example: Load) -> None:
    loaded = load_example(text)

    assert [str(it) for it in loaded.problems] == []
    assert len(loaded.packs) == 1
    if heading != LATER_SECTION:  # what the starter pack asks for and nobody has built is not the example's
        assert [str(it) for it in loaded.warnings if "/starter/" not in it.position.file] == []
    else:
        assert loaded.warnings


def test_the_example_of_a_test_comes_out_as_it_says() -> None:
    pack_text, test_text = (it["text"] for it in BLOCK.finditer(sections()["Tests of rules"]))
    pack = pack_from_files("shop", {"pack.yaml": pack_text}, specs())

    found = parse_rehearsals(test_text, "a.test.yaml", pack, specs())

    assert found.problems == ()
    assert [failure for it in found.tests for failure in rehearse(it, pack).failures] == []


def test_every_key_of_a_test_is_explained() -> None:
    text = sections()["Tests of rules"]
    keys = {key for shape in (ExpectShape, StepShape, FindingShape, SeriesShape) for key in _keys_of(shape)}

    assert [key for key in sorted(keys) if f"`{key}`" not in text and f"{key}:" not in text] == []


@pytest.mark.parametrize(("wrote", "says"), list(complaints()))
def test_every_complaint_is_said_of_what_is_written_beside_it(wrote: str, says: str, load_example: Load) -> None:
    loaded = load_example(wrote + "\n")

    said = [str(it) for it in (*loaded.problems, *loaded.warnings)]
    assert any(says in it for it in said), said


def test_there_are_examples_and_complaints() -> None:
    assert len(list(blocks())) >= 12
    assert len(list(complaints())) >= 15


def test_every_check_stands_there_with_its_parameters_and_marks() -> None:
    rows = {cells[0].strip().strip("`"): cells for cells in map(_cells, sections()["The checks"].splitlines()) if cells}
    written = {
        name: (set(re.findall(r"`(\w+)`(?=:| \(required\))", row[2])), set(re.findall(r"→ `(\w+)`", row[3])))
        for name, row in rows.items()
        if "." in name
    }

    built = {name: (set(it.parameters.model_fields), set(it.marks)) for name, it in specs().items()}
    assert written == built


@pytest.mark.parametrize("shape", [FileShape, RuleShape, SignalShape, SeverityShape, LevelShape, IntakeShape])
def test_every_key_that_is_not_acted_on_stands_in_its_section_and_no_other_does(shape: type[BaseModel]) -> None:
    rows = [_cells(it) for it in sections()[LATER_SECTION].splitlines() if it.startswith("| ")]
    where = {
        FileShape: "a file",
        RuleShape: "a rule",
        SignalShape: "a signal",
        SeverityShape: "`severity`",
        LevelShape: "a level",
        IntakeShape: "`intake`",
    }
    written = next((set(re.findall(r"`(\w+)`", row[1])) for row in rows if row[0].strip() == where[shape]), set())

    later = {it.alias or name for name, it in shape.model_fields.items() if LATER in it.metadata}
    assert written == later


def test_limits_are_those_of_the_code() -> None:
    rows = [_cells(it) for it in sections()["Limits"].splitlines() if it.startswith("| ")]
    limits = {row[0].strip(): row[1].strip() for row in rows}

    assert limits["a rule file"] == f"{MAX_CHARACTERS >> 20} MiB, {MAX_DEPTH} levels of nesting"
    assert limits["files of a pack"] == f"{packs.MAX_FILES:,}"
    assert limits["packs, and bundles, inside one another"] == str(MAX_INCLUDES) == str(MAX_BUNDLES)
    size = f"{MAX_QUERY:,} characters, {MAX_BRACKETS} brackets inside one another, {MAX_OPERATORS} operators"
    assert limits["a query"] == size
    steps = f"{json_expression.MAX_EXPRESSION:,} characters, {json_expression.MAX_LEVELS} levels of nesting"
    assert limits["a JMESPath expression"] == f"{steps}, {json_expression.MAX_STEPS:,} steps on one answer"
    assert limits["a regular expression"] == f"{matchers.MAX_PATTERN:,} characters"
    assert limits["complaints that are shown"] == str(MAX_PROBLEMS)
    assert limits["incidents that one body of a generic sender can speak of"] == str(MOST_GROUPS)


def test_variables_and_filters_of_texts_are_all_named() -> None:
    said = next(it for it in sections()["People, channels, texts"].split("\n- ") if it.startswith("`templates` are"))
    named = set(re.findall(r"`(\w+)(?:\(\w+\))?`", said)) - {"templates"}

    assert named == {*TEMPLATES, *VARIABLES, *FILTERS}


def test_every_setting_is_named_once_and_those_without_effect_are_set_apart() -> None:
    table = OPERATIONS.read_text().partition("| theme |")[2].partition("| --- |")[2].partition("\n\n")[0]
    acted, without = table.split("| **not acted on yet** |")

    names = {name.upper() for name in Settings.model_fields}
    there, apart = (re.findall(r"`([A-Z_]+)`", it) for it in (acted, without))
    assert sorted(there + apart) == sorted(names)
    assert {name.upper() for name in NOT_YET} <= set(apart)


def test_every_setting_that_is_named_in_passing_exists() -> None:
    written = set(re.findall(rf"{PREFIX}([A-Z_]+)\b", OPERATIONS.read_text() + DOCUMENT.read_text()))

    assert written <= {name.upper() for name in Settings.model_fields}


def test_every_event_of_the_log_is_explained() -> None:
    code = "".join(it.read_text() for it in sorted((REPOSITORY / "responder").rglob("*.py")) if "demo" not in it.parts)
    logged = {it["name"] for it in EVENT.finditer(code)} | DELIVERED | PAGED

    table = OPERATIONS.read_text().partition("## What the log says")[2].partition("\n## ")[0]
    first_cells = " ".join(row.split("|")[1] for row in table.splitlines() if row.startswith("| `"))
    assert set(re.findall(r"`([a-z_]+\.[a-z_]+)`", first_cells)) == logged
