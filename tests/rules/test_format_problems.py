"""How `responder check` shows problems."""

from __future__ import annotations

import json
from collections.abc import Callable

from responder.cli.check import format_problems
from responder.rules.packs import Loaded

FILES = {
    "pack.yaml": "rules:\n  - {name: one, macth: []}\ntargets: {a: {http: 'https://x', consurrency: 1}}\n"
    "intake: {labels: {a: a}}\n"
}


def test_text_shows_the_line_with_a_caret_except_where_a_secret_may_stand(load: Callable[..., Loaded]) -> None:
    loaded = load(FILES)

    # What the misspelt key left out is not complained of a second time.
    assert format_problems((*loaded.problems, *loaded.warnings)) == (
        "p/pack.yaml:2:17: unknown key `macth`; did you mean `match`?\n"
        "      - {name: one, macth: []}\n"
        "                    ^\n"
        "p/pack.yaml:3:34: unknown key `consurrency`; did you mean `concurrency`?\n"
        "p/pack.yaml:4:19: warning: `a` has no other name here; expected one, as in [a, other_name]\n"
        "    intake: {labels: {a: a}}\n"
        "                      ^"
    )


def test_a_long_line_is_cut_around_its_caret(load: Callable[..., Loaded]) -> None:
    loaded = load({"pack.yaml": f"rules: [{{name: {'x' * 200}, default: yes, colour: red}}]\n"})

    shown = format_problems(loaded.problems).splitlines()
    assert max(len(it) for it in shown[1:]) <= 114
    assert shown[1][shown[2].index("^") :].startswith("colour")


def test_json_is_for_programs(load: Callable[..., Loaded]) -> None:
    assert json.loads(format_problems(load(FILES).warnings, "json")) == [
        {
            "file": "p/pack.yaml",
            "line": 4,
            "column": 19,
            "severity": "warning",
            "text": "`a` has no other name here; expected one, as in [a, other_name]",
        }
    ]


def test_github_shows_annotations_whose_text_cannot_break_out(load: Callable[..., Loaded]) -> None:
    loaded = load({"pack.yaml": 'rules:\n  - {name: one, match: [\'a="b"\'], level: "50%\\n::error::x"}\n'})

    assert format_problems(loaded.problems, "github") == (
        '::error file=p/pack.yaml,line=2,col=42::`level`: expected warning or critical, got "50%25 ::error::x"'
    )


def test_no_problem_is_no_text() -> None:
    assert (format_problems(()), format_problems((), "json"), format_problems((), "github")) == ("", "[]", "")
