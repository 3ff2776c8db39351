"""With RESPONDER_TEST_RECORD=FOLDER, keeps what each check's own tests saw: a finding worth showing, some headlines.

The folder is docs/diagnostics/recorded; `make record` sets it.
"""

from __future__ import annotations

import functools
import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from responder.diagnostics.catalogue import catalogue
from responder.model.finding import Finding, Outcome
from responder.store.incidents import FINDING

VARIABLE = "RESPONDER_TEST_RECORD"
MOST_HEADLINES = {Outcome.UNHEALTHY: 3, Outcome.HEALTHY: 2}
OF_A_TEST = re.compile(r" --kubeconfig \S+")  # of a cluster that was made for it
BEST_ROWS = 8  # more of them make no better example


class Recorder:
    """Stands in for `examine` of every check, and remembers."""

    def __init__(self) -> None:
        self.item: pytest.Item | None = None
        self.seen: dict[str, list[tuple[bool, Finding]]] = {}

    def install(self) -> None:
        for diagnostic in catalogue().values():
            kind: Any = type(diagnostic)
            kind.examine = self._remembering(diagnostic.name, kind.examine)

    def _remembering(self, name: str, examine: Any) -> Any:
        @functools.wraps(examine)
        async def remembering(*arguments: Any, **named: Any) -> Finding:
            began = time.perf_counter()
            finding: Finding = await examine(*arguments, **named)
            if self.item is not None and self.item.path.stem == f"test_{name.replace('.', '_')}":
                is_system = self.item.get_closest_marker("system") is not None
                took = replace(
                    finding,
                    took_seconds=time.perf_counter() - began,
                    equivalent=OF_A_TEST.sub("", finding.equivalent),
                )
                self.seen.setdefault(name, []).append((is_system, took))
            return finding

        return remembering

    def write(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for name, several in self.seen.items():
            is_system, best = max(several, key=_worth)
            body = {
                "on": "system" if is_system else "stand-in",
                "at": datetime.now(UTC).isoformat(timespec="seconds"),
                "headlines": list(_headlines([it for _, it in several])),
                "found": sorted({key for _, it in several for key in it.found}),
                "finding": FINDING.dump_python(best, mode="json"),
            }
            text = json.dumps(body, ensure_ascii=False)
            (folder / f"{name}.json").write_text(text + "\n")


def _worth(seen: tuple[bool, Finding]) -> tuple[Any, ...]:
    """Of a real system before all, then what is unhealthy and shows much."""
    is_system, it = seen
    rows = min(len(it.table.rows), BEST_ROWS) if it.table else 0
    shows = bool(it.changes) + bool(it.chart) + bool(it.found) + bool(it.marks)
    return is_system, it.outcome is Outcome.UNHEALTHY, shows, rows


def _headlines(findings: list[Finding]) -> Iterator[tuple[str, str]]:
    for outcome, most in MOST_HEADLINES.items():
        mine = dict.fromkeys(it.headline for it in findings if it.outcome is outcome)
        yield from ((str(outcome), it) for it in list(mine)[:most])


RECORDER = Recorder()


@pytest.fixture(autouse=True)
def recorded(request: pytest.FixtureRequest) -> Iterator[None]:
    """Tells the recorder whose test runs."""
    RECORDER.item = request.node
    yield
    RECORDER.item = None


@pytest.fixture(scope="session", autouse=True)
def recording() -> Iterator[None]:
    """Does nothing unless it is asked to."""
    folder = os.environ.get(VARIABLE)
    if folder:
        RECORDER.install()
    yield
    if folder:
        RECORDER.write(Path(folder))
