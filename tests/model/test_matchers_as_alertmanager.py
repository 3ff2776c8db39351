"""Lines of matchers, read by Alertmanager itself (by `amtool`) and by us: the same are taken, and hold for the same.

Debian's amtool is older than UTF-8 names; a newer one is asked about those too.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from responder.model.matchers import parse_line
from tests.systems.plugin import program

CLASSIC = [
    'a="x"', "a=x", 'a!="x"', 'a=~"x"', 'a!~"x"', "a=~x", "a!~x|y", 'a = "x"', '  a  =~  "x|y"  ', 'a="x",b="y"',
    'a="x", b="y"', 'a="x" , b="y"', 'a="x",', 'a="x", ', 'a="x",,b="y"', ',a="x"', '{a="x"}', '{a="x",b="y"}',
    '{a="x",}', '{ a="x" }', "{a=x}", 'a:b="x"', '_a="x"',
    'a="x y"', "a=x y", "a=x y, b=z", "a=x b=z", 'a="x" b="y"', 'a="x', 'a=x"', 'a="x"y', 'a=x"y"', 'a="x""y"', "a==x",
    'a=="x"', "a=~=x", "a=!x", "a~x", "a", "a=", "a=,b=x", "=x", '="x"', 'a=""', 'a!=""', 'a=~""', 'a!~""', 'a=~".+"',
    'a=~".*"', 'a=~"x.y"', 'a=~"(?s:x.y)"', 'a=~"x\\\\.y"', 'a=~"x\\.y"', 'a="x\\ny"', 'a="x\\ty"', 'a="x\\"y"',
    'a="x\\\\y"', 'a="x\\\\"', 'a="x\\"', "a=x\\", "a=x\\ny", 'a=x\\"y', 'a="x,y"', "a=x,y", 'a="x\\",y"',
    'a="x\\\\",b="y"', 'a="{x}"', 'a=~"x{2}"', 'a=~"x{1,2}"', 'a=~"("', 'a=~")"', 'a=~"["', 'a=~"*"',
    'a=~"x**"', 'a=~"(?i)X"', 'a=~"(?=x)"', 'a=~"\\d+"', 'a=~"\\\\d+"', 'a=~"\\pL"', 'a=~"x$"', 'a=~"^x"', 'a=~"x|"',
    'a=~"|"', 'a=~"(x|y)z?"', "a=ü", 'a="ü"', 'a=~"ü.*"', "a=x=y", "a=x!y", "a=x~y", 'a="=~"', "a =x", "a= x",
    "a\t=\tx", 'a="x"\n,b="y"', 'a="x\ny"', "a=x#y", 'a="x"#', "a=x'y", "foo_bar:baz=x", "A=x", 'a="x",b!="x",c=~"x|y"',
    "a=x}y", 'a="}"', 'a="{"',
]  # fmt: skip
NEWER = ['"a b"="x"', '"a.b"=~"x|y"', 'ü="x"', '{"a b"="x", a="y"}', '"a b"="\\u0078"', '"a b"="\\d"', "a.b=x",
         "9a=x", 'a-b="x"', ' {a="x"}', '{a="x"} ']  # fmt: skip
# What Alertmanager takes without a word, and nobody means.
REFUSED = ["a='x'", "a=`x`", '{a="x"', 'a="x"}', "a=~x{2}", 'a=~"x)(y"', "", "{}", ","]
ALERTS: list[dict[str, str]] = [
    {"a": "x"}, {"a": "y", "b": "y"}, {"a": "x", "b": "y"}, {"a": "xx"}, {"b": "x"}, {"a": "x y"}, {"a": "x.y"},
    {"a": "xy", "c": "y"}, {"a": "X"}, {"a": "5"}, {"a": "x\\ny"}, {"a": "ü"}, {"a": "=x"}, {"a": "x=y"}, {"a:b": "x"},
    {"a": "x,y"}, {"A": "x"}, {"a": "x b=z"}, {"a": "x\\"},
]  # fmt: skip


def taken(line: str) -> bool:
    try:
        parse_line(line)
    except ValueError:
        return False
    return True


class Amtool:
    """Alertmanager's own reading of matchers, by routes of a configuration."""

    def __init__(self, command: str, folder: Path) -> None:
        self._command, self._file = command, folder / "alertmanager.yml"
        said = subprocess.run([command, "--version"], capture_output=True, text=True, check=True)
        found = re.search(r"version (\d+)\.(\d+)", said.stdout + said.stderr)
        assert found
        self.version = (int(found[1]), int(found[2]))

    def takes(self, line: str) -> bool:
        """Whether a configuration with this line is valid."""
        self._write([line])
        done = subprocess.run([self._command, "check-config", str(self._file)], capture_output=True, check=False)
        return done.returncode == 0

    def holds(self, lines: Sequence[str], labels: dict[str, str]) -> list[bool]:
        """Which of these lines hold for an alert."""
        self._write(lines)
        values = [f'{name}="{_escaped(value)}"' for name, value in labels.items()]
        command = [self._command, "config", "routes", "test", f"--config.file={self._file}", *values]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        receivers = done.stdout.strip().split(",")
        return [f"r{number}" in receivers for number in range(len(lines))]

    def _write(self, lines: Sequence[str]) -> None:
        routes = [{"receiver": f"r{n}", "matchers": [it], "continue": True} for n, it in enumerate(lines)]
        receivers = [{"name": "none"}, *({"name": f"r{n}"} for n in range(len(lines)))]
        self._file.write_text(json.dumps({"route": {"receiver": "none", "routes": routes}, "receivers": receivers}))


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


@pytest.fixture
def amtool(tmp_path: Path) -> Amtool:
    return Amtool(program("amtool", "apt-get install prometheus-alertmanager"), tmp_path)


@pytest.mark.system
def test_the_same_lines_are_taken(amtool: Amtool) -> None:
    lines = [*CLASSIC, *(NEWER if amtool.version >= (0, 27) else ())]

    theirs = [amtool.takes(line) for line in lines]
    assert [(line, it) for line, it in zip(lines, theirs, strict=True) if taken(line) != it] == []


@pytest.mark.system
def test_what_is_taken_holds_for_the_same_alerts(amtool: Amtool) -> None:
    lines = [it for it in [*CLASSIC, *(NEWER if amtool.version >= (0, 27) else ())] if taken(it)]

    for labels in ALERTS:
        theirs = amtool.holds(lines, labels)
        ours = [parse_line(line).holds(labels) for line in lines]
        assert [it for it, one, other in zip(lines, ours, theirs, strict=True) if one != other] == [], labels


def test_slips_are_refused_and_newer_lines_read_without_asking_anybody() -> None:
    assert [line for line in REFUSED if taken(line)] == []
    assert [taken(line) for line in NEWER] == [line != NEWER[5] for line in NEWER]
    assert parse_line('{"a b"="x", a="y"}').holds({"a b": "x", "a": "y"})
