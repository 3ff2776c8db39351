"""`python bench/diagnostics.py`: what a look costs on the real systems that are here, what responder weighs, redaction.

About two minutes. Each kind's checks are asked all at once, as one incident asks them. What is not installed is named
and left out. README.md in this folder says what each figure means.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from weights import weights

HERE = Path(__file__).parent
REPOSITORY = HERE.parent
PLUGINS = ("tests.systems.plugin", "tests.systems.kafka", "tests.systems.kubernetes")
REDACTION = HERE / "redaction.py"
REDACTION_SECONDS = 300.0
HEAD = """
## What a look costs

| kind | checks | first ms | warm ms | warm CPU ms | connections, first · warm | sent, first · warm | turns |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"""


class Looks:
    """Plugs into pytest: collects the rows of looks.py, and says what could not be had."""

    def __init__(self, progress: Callable[[str], None]) -> None:
        self._progress = progress
        self.rows: list[Any] = []
        self.missing: dict[str, str] = {}
        self.failed: dict[str, str] = {}

    def pytest_runtest_logstart(self, location: tuple[str, int | None, str]) -> None:
        self._progress(_kind(location[2]))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        name = _kind(report.location[2])
        if report.skipped and isinstance(report.longrepr, tuple):
            self.missing[name] = report.longrepr[2].removeprefix("Skipped: ")
        elif report.failed:
            self.failed[name] = report.longreprtext
        elif report.when == "call":
            self.rows += [it for key, it in report.user_properties if key == "row"]

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.failed[report.nodeid] = report.longreprtext

    def markdown(self) -> str:
        """The table, and below it what is not in it."""
        lines = [HEAD, *(_row(it) for it in self.rows), ""]
        for it in self.rows:
            lines += [f"{it['system']}, could not look: {name}: {why}" for name, why in it["could_not_look"].items()]
        lines += [f"{name} is left out: {why}" for name, why in self.missing.items()]
        return "\n".join([*lines, *(f"{name} failed:\n{why[-2000:]}" for name, why in self.failed.items())])


def main() -> int:
    """Measure, print the tables; 1 when a system that is here could not be measured, or redaction breaks a bound."""
    began = time.monotonic()

    def progress(text: str) -> None:
        print(f"{time.monotonic() - began:5.0f} s  {text}", file=sys.stderr, flush=True)

    sys.path.insert(0, str(REPOSITORY))  # the fixtures that start real systems are beside responder
    looks = Looks(progress)
    os.environ.pop("RESPONDER_TEST_REQUIRE_SYSTEMS", None)  # what is missing is named and left out
    options = [word for it in PLUGINS for word in ("-p", it)]
    options += ["-p", "no:terminal", "-p", "no:cacheprovider", "-o", "addopts=--import-mode=importlib"]
    pytest.main([*options, f"--rootdir={REPOSITORY}", str(HERE / "looks.py")], plugins=[looks])
    print(looks.markdown(), flush=True)
    print(weights(progress), flush=True)
    print(f"\n{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f} at the end.", flush=True)
    held = _redaction(progress)
    return 0 if held and looks.rows and not looks.failed else 1


def _kind(test: str) -> str:
    """`test_vendor[sentry]` is about sentry."""
    return test.removeprefix("test_vendor[").removeprefix("test_").rstrip("]")


def _row(it: dict[str, Any]) -> str:
    answered = it["checks"] - len(it["could_not_look"])
    checks = str(answered) if answered == it["checks"] else f"{answered} of {it['checks']}"
    opened = _two(it["connections"]) + ("" if it["connections_told"] else "*")
    figures = (checks, *(f"{it[name]:.0f}" for name in ("first_ms", "warm_ms", "warm_cpu_ms")), opened)
    return f"| {it['system']} | {' | '.join(figures)} | {_two(it['sent'])} {it['unit']} | {it['turns']} |"


def _two(first_and_warm: tuple[int, int]) -> str:
    return "{} · {}".format(*first_and_warm)


def _redaction(progress: Callable[[str], None]) -> bool:
    """Whether its bounds are held."""
    progress("redaction")
    print("\n## Redaction\n", flush=True)
    return subprocess.run([sys.executable, str(REDACTION)], timeout=REDACTION_SECONDS, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
