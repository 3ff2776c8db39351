"""Incidents with a known cause: is it what the report points at first? How to write one: docs/scenarios.md."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenarios.play import play
from tests.scenarios.scenario import folders, read_scenario, stands_in
from tests.scenarios.score import Scored, is_good, score, summary, table

SCORED: dict[str, Scored] = {}


@pytest.mark.parametrize("folder", folders(), ids=lambda it: it.name)
async def test_the_report_says_what_it_must(folder: Path) -> None:
    scenario = read_scenario(folder)

    SCORED[folder.name] = scored = score(scenario, await play(scenario))

    assert not scored.red_herring, f"points at a red herring: {scored.first}"
    assert not scored.claimed, f"claims what nobody knows; first line: {scored.first or 'none'}"
    assert scored.wrong == ()


async def test_the_cause_is_in_the_first_line_in_nine_of_ten() -> None:
    for folder in folders():
        if folder.name not in SCORED:
            scenario = read_scenario(folder)
            SCORED[folder.name] = score(scenario, await play(scenario))
    every = list(SCORED.values())

    assert len(every) >= 25
    assert is_good(every), "\n".join(table(every))
    assert is_good([it for it in every if it.scenario.held_out]), summary(every)


@pytest.mark.parametrize(
    ("line", "text", "stands"),
    [
        ("41 connections", "there are 41 connections", True),
        ("connections … worker", "41 connections idle, application worker", True),
        ("Redis | PostgreSQL", "PostgreSQL started", True),
        ("a  b", "a b", True),
        ("KeyError", "keyerror", False),
    ],
)
def test_a_line_of_a_report_is_looked_for(line: str, text: str, stands: bool) -> None:
    assert stands_in(line, text) is stands


@pytest.mark.parametrize(
    ("file", "text", "complaint"),
    [
        ("report.md", "# P\n\n## Look first\n1. x\n", "found the heading look first"),
        ("report.md", "# P\n\n## Look here first\n", "expected `1. …`, or `nothing`"),
        ("alert.json", "[]", "no alert in it"),
        ("rules.yaml", "rules:\n  - {name: x}\n", "rules.yaml:2"),
        ("world.yaml", "onset: '03:08'\n", "world.yaml: KeyError"),
    ],
)
def test_a_folder_that_is_not_understood_says_where(file: str, text: str, complaint: str, tmp_path: Path) -> None:
    for good in folders()[0].iterdir():
        (tmp_path / good.name).write_text(good.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / file).write_text(text, encoding="utf-8")

    with pytest.raises(ValueError, match=complaint):
        read_scenario(tmp_path)
