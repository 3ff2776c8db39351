"""`responder check`: every mistake in the rule files."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Any, Literal

import click

from responder.model.catalogue import Catalogue
from responder.model.pack import Position
from responder.rules.complaints import Problem, pointed
from responder.rules.packs import Loaded, load_packs
from responder.rules.rehearsals import load_rehearsals
from responder.rules.stamp import test_files
from responder.settings import load_settings

if TYPE_CHECKING:  # it knows which targets there are doors for, and loads them
    from responder.rules.pending import Pending

Style = Literal["text", "json", "github"]
_LACKS = {
    "key": "Keys that are read and have no effect yet",
    "target": "Kinds of targets that cannot be looked at yet",
}


def format_problems(problems: Sequence[Problem], style: Style = "text") -> str:
    """All problems for people (with the line and a caret), for programs, or for GitHub's annotations."""
    match style:
        case "json":
            return json.dumps([_as_json(it) for it in problems], ensure_ascii=False, indent=2)
        case "github":
            return "\n".join(_as_annotation(it) for it in problems)
        case "text":
            return "\n".join(_as_text(it) for it in problems)


def _as_text(problem: Problem) -> str:
    place = pointed(problem)
    return f"{problem}\n{indent(place, '    ')}" if place else str(problem)


def _as_json(problem: Problem) -> dict[str, Any]:
    at = problem.position
    return {"file": at.file, "line": at.line, "column": at.column, "severity": problem.severity, "text": problem.text}


def _as_annotation(problem: Problem) -> str:
    return _annotation(problem.severity, problem.position, problem.text)


def _annotation(severity: str, at: Position, text: str) -> str:
    # https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions
    def escape(text: str) -> str:
        return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")

    file = escape(at.file).replace(",", "%2C").replace(":", "%3A")
    return f"::{severity} file={file},line={at.line},col={at.column}::{escape(text)}"


@click.command("check")
@click.argument("rules", nargs=-1, type=click.Path(path_type=Path))
@click.option("--format", "style", type=click.Choice(["text", "json", "github"]), default="text", show_default=True)
@click.option("--strict", is_flag=True, help="Warnings count as mistakes.")
@click.option("--pending", "wants_pending", is_flag=True, help="In place of warnings, list what responder lacks.")
def command(rules: tuple[Path, ...], style: Style, strict: bool, wants_pending: bool) -> int:
    """Say every mistake in the rule files; exit 1 when there is one. Default: RESPONDER_RULES.

    Files of tests (*.test.yaml) are read too, once their pack has no mistake; `responder test` plays them.
    A ${NAME} of a target that is not set here is warned of. With --pending: the keys that this version reads
    without acting on them, and the kinds of targets that it cannot look at.
    """
    from responder.diagnostics.catalogue import specs  # the readers are loaded only where they are asked for

    paths = rules or (load_settings().rules,)
    loaded = [_with_tests(load_packs(path, specs(), os.environ), specs()) for path in paths]
    lacking = _lacking(paths) if wants_pending else []
    mistakes = [problem for it in loaded for problem in it.problems]
    warnings = [] if wants_pending else [problem for it in loaded for problem in it.warnings]
    if style == "json" and wants_pending:
        click.echo(json.dumps({"mistakes": [_as_json(it) for it in mistakes], "pending": pending_json(lacking)}))
    else:
        told = [format_problems([*mistakes, *warnings], style), format_pending(lacking, style)]
        text = "\n".join(it for it in told if it)
        if text:
            click.echo(text)
        if style == "text":
            click.echo(_summary(loaded, lacking if wants_pending else None), err=bool(text))
    return 1 if mistakes or (strict and (warnings or lacking)) else 0


def _with_tests(loaded: Loaded, catalogue: Catalogue) -> Loaded:
    """With the mistakes in the packs' tests, whose names are held against the pack."""
    of_tests = [
        problem
        for pack in loaded.packs
        for file in test_files(loaded.folders[pack.name])
        for problem in load_rehearsals(file, pack, catalogue).problems
    ]
    return replace(loaded, problems=(*loaded.problems, *of_tests))


def _lacking(paths: Sequence[Path]) -> list[Pending]:
    from responder.rules.pending import pending

    return [it for path in paths for it in pending(path)]


def format_pending(lacking: Sequence[Pending], style: Style) -> str:
    """What is lacking for people, one line each with where it is asked for first, or as annotations of each place."""
    if style == "github":
        return "\n".join(
            _annotation("warning", at, f"{_LACKS[it.what]}: {it.name}") for it in lacking for at in it.positions
        )
    lines = []
    for what, says in _LACKS.items():
        of_this = [it for it in lacking if it.what == what]
        lines += [f"{says}:"] if of_this else []
        lines += [f"  {it.name}  {it.positions[0]}{_and_more(len(it.positions) - 1)}" for it in of_this]
    return "\n".join(lines)


def pending_json(lacking: Sequence[Pending]) -> list[dict[str, Any]]:
    """The same for programs, with every place."""
    return [{"what": it.what, "name": it.name, "at": [str(at) for at in it.positions]} for it in lacking]


def _and_more(number: int) -> str:
    return f" and {number} more" if number else ""


def _summary(loaded: Sequence[Loaded], lacking: Sequence[Pending] | None) -> str:
    packs = [pack for it in loaded for pack in it.packs]
    mistakes, warnings = sum(len(it.problems) for it in loaded), sum(len(it.warnings) for it in loaded)
    rules = sum(len(pack.rules) for pack in packs)
    last = (warnings, "warning") if lacking is None else (len(lacking), "thing")
    counted = ((len(packs), "pack"), (rules, "rule"), (mistakes, "mistake"), last)
    words = [f"{number} {noun}{'' if number == 1 else 's'}" for number, noun in counted]
    return f"{words[0]}, {words[1]}: {words[2]}, {words[3]}{'' if lacking is None else ' lacking'}"
