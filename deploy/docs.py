"""Pages that the code writes: docs/diagnostics, one a check, with what real systems gave it.

`make docs` writes them anew; a test holds them to the code. What a check gave on a real system is kept in
docs/diagnostics/recorded, which `make record` fills from the tests of the checks.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from responder.diagnostics.catalogue import catalogue
from responder.diagnostics.diagnostic import Diagnostic
from responder.model.catalogue import Parameters
from responder.model.quantities import show_duration
from responder.store.incidents import FINDING
from responder.terminal_finding import lines_of

FOLDER = Path(__file__).parents[1] / "docs" / "diagnostics"
RECORDED = FOLDER / "recorded"
INDEX = "README.md"
WIDE = 110
SAID = re.compile(r"((?:`\w+`(?:, and |, | and ))*`\w+`): ")  # one name, or several that mean alike
NOTHING_TO_SAY = "There is nothing to say to it."
NO_OUTPUT = "No output of a real system was recorded yet."

# What a target has to allow by name; rules.md has the same list.
ALLOW = {
    "redis.keys": "`allow: [scan]` on its target",
    "redis.queues": "for patterns `allow: [scan]` on its target",
    "redis.slowlog": "`allow: [slowlog]` on its target",
    "kubernetes.helm": "`allow: [helm]` on its target",
    "kubernetes.logs": "`allow: [logs]` on its target",
    "google.logs": "`allow: [logs]` on its target",
}
INTRODUCTION = """# Diagnostics

Every check, what it asks and what it gave on a real system. `responder diagnose CHECK`
[asks one by hand](../commands.md#looking-by-hand); in rules they stand under [`diagnose`](../rules.md). All of them
only read; the accounts that they need are in [Running responder](../operations.md#least-privilege-for-targets).

These pages are written by `make docs` from the code; what is shown as an output was recorded by `make record`.
"""


def page(diagnostic: Diagnostic) -> str:
    """The whole page of one check."""
    recorded = recording(diagnostic.name)
    parts = [
        f"# {diagnostic.name}",
        f"**{diagnostic.question}**",
        _plain(type(diagnostic).__doc__),
        _parameters(diagnostic),
        _gives(diagnostic, recorded),
        _needs(diagnostic),
        *_seen(recorded),
        "[All checks](README.md)",
    ]
    return "\n\n".join(it for it in parts if it) + "\n"


def index(checks: Sequence[Diagnostic]) -> str:
    """All pages in a table, then those without an output."""
    rows = [f"| [{it.name}]({it.name}.md) | {it.question} | {_code(sorted(it.marks))} |" for it in checks]
    table = "\n".join(["| check | asks | marks |", "| --- | --- | --- |", *rows])
    lacking = [it.name for it in checks if recording(it.name) is None]
    said = f"No output of a real system was recorded yet of {_code(lacking)}." if lacking else ""
    return "\n\n".join(it for it in (INTRODUCTION.rstrip(), table, said) if it) + "\n"


def recording(check: str) -> dict[str, Any] | None:
    """What the tests saw: `finding`, `on`, `at`, and every `headlines` and `found` among all their findings."""
    path = RECORDED / f"{check}.json"
    return json.loads(path.read_text()) if path.is_file() else None


def pages(checks: Sequence[Diagnostic]) -> dict[str, str]:
    """File name → text, of these checks and of the index."""
    return {INDEX: index(checks), **{f"{it.name}.md": page(it) for it in checks}}


def _parameters(diagnostic: Diagnostic) -> str:
    """A table of them; what each means stands in their class's docstring as `name`: text."""
    fields = diagnostic.parameters.model_fields
    if not fields:
        return "It takes no parameters."
    said = said_of(diagnostic)
    rows = [
        f"| `{field.alias or name}` | {_default(field)} | {said.get(field.alias or name, '')} |"
        for name, field in fields.items()
    ]
    return "\n".join(["## Parameters", "", "| name | default | means |", "| --- | --- | --- |", *rows])


def said_of(diagnostic: Diagnostic) -> dict[str, str]:
    """Parameter → what it means, also where the class of several checks says it for all of them."""
    said: dict[str, str] = {}
    for kind in reversed(diagnostic.parameters.__mro__):
        said |= _by_name(kind.__doc__ or "") if issubclass(kind, Parameters) else {}
    return said


def _by_name(docstring: str) -> dict[str, str]:
    text = " ".join(docstring.split())
    parts = SAID.split(text)[1:]
    told = zip(parts[::2], parts[1::2], strict=True)
    return {name: it.strip().rstrip(".;") for names, it in told for name in re.findall(r"\w+(?=`)", names)}


def _default(field: Any) -> str:
    if field.is_required():
        return "has to be said"
    value = field.default
    if value is None or value == () or value == "":
        return "–"
    if isinstance(value, float) and any(type(it).__name__ == "BeforeValidator" for it in field.metadata):
        return f"`{show_duration(value)}`" if _is_duration(field) else f"`{value:g}`"
    if isinstance(value, bool):
        return "`yes`" if value else "`no`"
    if isinstance(value, tuple):
        return f"`[{', '.join(map(str, value))}]`"
    return f"`{value}`"


def _is_duration(field: Any) -> bool:
    return any("seconds" in getattr(getattr(it, "func", None), "__name__", "") for it in field.metadata)


def _gives(diagnostic: Diagnostic, recorded: dict[str, Any] | None) -> str:
    found = recorded["found"] if recorded else []
    lines = [
        "## What it gives",
        "",
        f"- marks, for `suggest` and questions: {_code(sorted(diagnostic.marks)) or 'none'}",
    ]
    if found:
        names = _code(f"found.{it}" for it in found)
        lines.append(f"- names, for `run` of a suggestion: {names}")
    return "\n".join(lines)


def _needs(diagnostic: Diagnostic) -> str:
    kind = diagnostic.target_kind
    account = (
        f"a target of kind `{kind}`, by an account that may look: "
        "[what each kind needs](../operations.md#least-privilege-for-targets)"
    )
    if kind == "pagerduty":
        account = "no target: responder's own account at PagerDuty (`RESPONDER_PAGERDUTY_TOKEN`)"
    needs = [account, *([ALLOW[diagnostic.name]] if diagnostic.name in ALLOW else [])]
    return "\n".join(["## What it needs", "", *(f"- {it}" for it in needs)])


def _seen(recorded: dict[str, Any] | None) -> Iterator[str]:
    if recorded is None:
        yield f"## An output\n\n{NO_OUTPUT}"
        return
    headlines = [f"- {outcome}: {_code([text])}" for outcome, text in recorded["headlines"]]
    yield "\n".join(
        ["## The line that matters", "", "As tests saw it; it is the one line that a note shows.", "", *headlines]
    )
    finding = FINDING.validate_python(recorded["finding"])
    shown = "\n".join(lines_of(finding, datetime.fromisoformat(recorded["at"]), WIDE))
    where = "a real system" if recorded["on"] == "system" else "a server of the tests that answers as the real one does"
    on = f"{datetime.fromisoformat(recorded['at']):%Y-%m-%d}"
    yield f"## An output\n\nFrom {where}, on {on}, as `responder diagnose` shows it:\n\n```\n{shown}\n```"
    if finding.equivalent:
        yield f"What a person would type to see the same:\n\n```\n{finding.equivalent}\n```"


def _plain(docstring: str | None) -> str:
    return "\n\n".join(" ".join(it.split()) for it in (docstring or "").split("\n\n")).strip()


def _code(words: Any) -> str:
    return ", ".join(f"`` {it} ``" if "`" in it else f"`{it}`" for it in words)


def main() -> int:
    """Write every page; say which checks have no output yet."""
    checks = list(catalogue().values())
    FOLDER.mkdir(parents=True, exist_ok=True)
    written = pages(checks)
    for old in FOLDER.glob("*.md"):
        if old.name not in written:
            old.unlink()
    for name, text in written.items():
        (FOLDER / name).write_text(text)
    lacking = [it.name for it in checks if recording(it.name) is None]
    sys.stdout.write(f"{len(checks)} pages in {FOLDER}; no output recorded yet of: {', '.join(lacking) or 'none'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
