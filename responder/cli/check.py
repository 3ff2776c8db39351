"""`responder check`: every mistake in the rule files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal

from responder.rules.complaints import Problem


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
    if not problem.line.strip():
        return str(problem)
    # A long line is cut around the place, so that the caret stays on a terminal's screen.
    start = max(0, problem.position.column - 80)
    shown = problem.line[start : start + 110].replace("\t", " ")
    return f"{problem}\n    {shown}\n    {' ' * (problem.position.column - 1 - start)}^"


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
