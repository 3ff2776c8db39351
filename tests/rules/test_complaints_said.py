"""Every kind of mistake has a file in `complaints/`: what somebody wrote, and below `#:` all that `check` says of it.

Beside it stand the usual targets, signals and one rule (`conftest.py`). `# ==> NAME` begins another file of the same
case. `RESPONDER_TEST_WRITE_COMPLAINTS=1` writes what is said now; read the difference before you keep it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from responder.cli.check import format_problems
from responder.rules.packs import Loaded
from tests.rules.conftest import BASE, RULE

CASES = sorted((Path(__file__).parent / "complaints").glob("*.yaml"))
SAID = re.compile(r"^#: ?(.*)$", re.MULTILINE)
FILE = re.compile(r"^# ==> (\S+)\n", re.MULTILINE)


def files_of(text: str) -> dict[str, str]:
    """Name → content; what stands before the first `# ==>` is pack.yaml."""
    parts = FILE.split(SAID.sub("", text).rstrip("\n") + "\n")
    return {"pack.yaml": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


@pytest.mark.parametrize("case", [pytest.param(it, id=it.stem) for it in CASES])
def test_a_mistake_is_named_with_its_place_and_its_cure(case: Path, load: Callable[..., Loaded]) -> None:
    text = case.read_text()
    expected = "\n".join(SAID.findall(text))

    loaded = load({"base.yaml": BASE, "rule.yaml": RULE, **files_of(text)})

    found = sorted((*loaded.problems, *loaded.warnings), key=lambda it: it.position)
    said = format_problems(found).replace("p/pack.yaml:", "")
    if os.environ.get("RESPONDER_TEST_WRITE_COMPLAINTS"):
        body = SAID.sub("", text).rstrip("\n") + "\n"
        case.write_text(body + "".join(f"#: {line}".rstrip() + "\n" for line in said.splitlines()))
    else:
        assert said == expected


def test_there_are_many_kinds_and_no_two_files_say_the_same() -> None:
    said = [tuple(SAID.findall(it.read_text())) for it in CASES]

    assert len(said) >= 80
    assert len(set(said)) == len(said)
    assert all(said)
