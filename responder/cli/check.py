"""`responder check`: every mistake in the rule files."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from textwrap import indent
from typing import Any, Literal

import click

from responder.rules.complaints import Problem, pointed
from responder.rules.packs import Loaded, load_packs
from responder.settings import load_settings


def format_problems(problems: Sequence[Problem], style: Literal["text", "json", "github"] = "text") -> str:
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
    # https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions
    def escape(text: str) -> str:
        return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")

    at = problem.position
    file = escape(at.file).replace(",", "%2C").replace(":", "%3A")
    return f"::{problem.severity} file={file},line={at.line},col={at.column}::{escape(problem.text)}"


@click.command("check")
@click.argument("rules", nargs=-1, type=click.Path(path_type=Path))
@click.option("--format", "style", type=click.Choice(["text", "json", "github"]), default="text", show_default=True)
@click.option("--strict", is_flag=True, help="Warnings count as mistakes.")
def command(rules: tuple[Path, ...], style: Literal["text", "json", "github"], strict: bool) -> int:
    """Say every mistake in the rule files; exit 1 when there is one. Default: RESPONDER_RULES.

    A ${NAME} of a target that is not set here is warned of.
    """
    from responder.diagnostics.catalogue import specs  # the readers are loaded only where they are asked for

    loaded = [load_packs(path, specs(), os.environ) for path in rules or (load_settings().rules,)]
    problems = [problem for it in loaded for problem in (*it.problems, *it.warnings)]
    text = format_problems(problems, style)
    if text:
        click.echo(text)
    if style == "text":
        click.echo(_summary(loaded), err=bool(text))
    return 1 if any(it.problems or (strict and it.warnings) for it in loaded) else 0


def _summary(loaded: Sequence[Loaded]) -> str:
    packs = [pack for it in loaded for pack in it.packs]
    mistakes, warnings = sum(len(it.problems) for it in loaded), sum(len(it.warnings) for it in loaded)
    rules = sum(len(pack.rules) for pack in packs)
    counted = ((len(packs), "pack"), (rules, "rule"), (mistakes, "mistake"), (warnings, "warning"))
    words = [f"{number} {noun}{'' if number == 1 else 's'}" for number, noun in counted]
    return f"{words[0]}, {words[1]}: {words[2]}, {words[3]}"
