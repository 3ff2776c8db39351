"""What every fault test is held against, counted from outside: nothing lost, nothing shown twice, nothing left open."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import asyncpg

from responder.delivery.send import MAY_BE_A_DUPLICATE
from responder.demo.pagerduty_records import PagedIncident
from tests.faults.daemon import Daemon
from tests.faults.world import Case, until

OURS = re.compile(r"\[responder:faults:inc-\w{4,}\]$")
SESSIONS = """select count(*) from pg_stat_activity
              where application_name = 'responder' and datname = current_database()"""
CALM_WITHIN_SECONDS = 120.0  # PagerDuty's connections are kept for fifteen, cancelled sessions end within two


def check_one_note(case: Case, incident: PagedIncident) -> None:
    """Lost 0, visible duplicates 0: one note and no other, ours, of this very alert, and nobody had to guess."""
    texts = [note.content for note in incident.notes]
    assert texts, f"{case.name}: lost"
    assert len(texts) == 1, f"{case.name}: shown {len(texts)} times:\n" + "\n\n".join(texts)
    assert OURS.search(texts[0]), texts[0]
    assert f"({case.name}: 1 alert firing)" in texts[0], texts[0]
    assert MAY_BE_A_DUPLICATE not in texts[0], texts[0]


@dataclass(frozen=True, kw_only=True)
class Open:
    """What a daemon holds open: tasks of its loop, sessions at the database, descriptors without those sessions'."""

    tasks: int
    sessions: int
    descriptors: int

    @classmethod
    async def of(cls, daemon: Daemon) -> Open:
        """Asked of the system and of the database; the tasks of the daemon, which was started with a Strike."""
        tasks = await daemon.tasks()
        connection = await asyncpg.connect(daemon.dsn)
        try:
            sessions = await connection.fetchval(SESSIONS)
            descriptors = len(list(Path(f"/proc/{daemon.pid}/fd").iterdir()))
        finally:
            await connection.close()
        return cls(tasks=tasks, sessions=sessions, descriptors=descriptors - sessions)


async def check_nothing_is_left_open(daemon: Daemon, before: Open, *, most_sessions: int) -> Open:
    """Once all is calm the daemon holds what it held `before`; its pool of sessions may have grown to its bound."""
    bound = replace(before, sessions=most_sessions)
    found: list[Open] = []

    async def is_calm() -> bool:
        found[:] = [await Open.of(daemon)]
        now = found[0]
        return now.tasks <= bound.tasks and now.sessions <= bound.sessions and now.descriptors <= bound.descriptors

    await until(is_calm, CALM_WITHIN_SECONDS, every_seconds=0.5, else_tell=lambda: f"{found} is more than {bound}")
    return found[0]


def check_no_server_is_left(daemon: Daemon) -> None:
    """Of a daemon that has ended in order nothing runs on: its embedded PostgreSQL and what that has started."""
    folder = str(daemon.folder).encode()
    left = [int(it.parent.name) for it in Path("/proc").glob("[0-9]*/cmdline") if folder in _read(it)]
    assert left == [], f"still there: {left}"


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:  # it has ended meanwhile
        return b""


@dataclass(kw_only=True)
class Tally:
    """Faults of one sort. `fell`: between the commit of an alert and its note; `stated`: how many have to."""

    name: str
    stated: int
    caused: int = 0
    fell: int = 0

    def __post_init__(self) -> None:
        TALLIES.append(self)

    def count(self, *, fell: bool) -> None:
        """One more was caused."""
        self.caused += 1
        self.fell += fell

    def check(self) -> None:
        """A run in which fewer fell than stated has shown nothing."""
        assert self.fell >= self.stated, str(self)

    def __str__(self) -> str:
        return f"{self.name}: {self.fell} of {self.caused} fell where they had to, {self.stated} are stated"


TALLIES: list[Tally] = []
