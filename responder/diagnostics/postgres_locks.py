"""Who waits for a lock, and who is at the root of it?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from responder.clients.doors import Doors
from responder.clients.postgres import PostgresDoor
from responder.clients.postgres_queries import SESSIONS, WAITING_SESSIONS
from responder.diagnostics.diagnostic import Diagnostic
from responder.diagnostics.limits import gravity_of_several
from responder.diagnostics.parameters import Nothing
from responder.diagnostics.postgres_sessions import Row, who
from responder.diagnostics.text import age, table
from responder.model.catalogue import Parameters
from responder.model.finding import Finding, Outcome
from responder.model.pack import Target

MOST_ROWS = 200
DEEPEST = 20
GRAVITY = 75  # what blocks others is closer to the cause than what is slow
PREPARED = 0  # pg_blocking_pids says so of a prepared transaction, which has no session
EQUIVALENT = (
    "select pid, pg_blocking_pids(pid), application_name, wait_event "
    "from pg_stat_activity where wait_event_type = 'Lock'"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocking:
    """Who waits for whom. `waiting`: the sessions that wait, by pid; `sessions`: all that take part, as far as seen."""

    waiting: Mapping[int, Row]
    sessions: Mapping[int, Row]

    @property
    def roots(self) -> list[int]:
        """Those that others wait for and who do not wait themselves, the one that blocks most first."""
        blockers = {pid for it in self.waiting.values() for pid in it["blockers"]}
        roots = sorted(blockers - set(self.waiting))
        return sorted(roots, key=lambda pid: -len(list(self.below(pid))))

    def below(self, root: int) -> Iterator[tuple[int, int]]:
        """(depth, pid) of everyone who waits for a session, directly or not, each once."""
        told = {root}
        open_ones = [(1, pid) for pid in reversed(self._next(root))]
        while open_ones:
            depth, pid = open_ones.pop()
            if pid in told:
                continue
            told.add(pid)
            yield depth, pid
            open_ones += [(depth + 1, it) for it in reversed(self._next(pid)) if depth < DEEPEST]

    def _next(self, pid: int) -> list[int]:
        return [it for it, row in self.waiting.items() if pid in row["blockers"]]


class PostgresLocks:
    """The blocking tree: each session that blocks, and below it those that wait for it."""

    name = "postgres.locks"
    target_kind = "postgres"
    question = "Who waits for a lock, and who is at the root of it?"
    parameters: type[Parameters] = Nothing
    marks = frozenset({"blocked"})

    async def examine(self, target: Target, parameters: Nothing, doors: Doors) -> Finding:
        """Raises CouldNotLook when there is no answer."""
        door = doors.postgres(target)
        fetched = await door.fetch(WAITING_SESSIONS)
        waiting = {it["pid"]: {**it, "blockers": _pids(it["blockers"])} for it in fetched.rows}
        if not waiting:
            return self._finding(target, door, Outcome.HEALTHY, "nobody waits for a lock")
        pids = sorted({*waiting, *(pid for it in waiting.values() for pid in it["blockers"])})
        sessions = {it["pid"]: it for it in (await door.fetch(SESSIONS, " ".join(map(str, pids)))).rows}
        blocking = Blocking(waiting=waiting, sessions=sessions)
        root = next(iter(blocking.roots), None)
        return self._finding(
            target,
            door,
            Outcome.UNHEALTHY,
            _headline(blocking, root),
            waiting=next(iter(waiting.values())),
            rows=list(_rows(blocking)),
            found=_found(blocking, root),
            cut=fetched.cut,
        )

    def _finding(
        self,
        target: Target,
        door: PostgresDoor,
        outcome: Outcome,
        headline: str,
        *,
        waiting: Row | None = None,
        rows: Sequence[tuple[str, ...]] = (),
        found: Mapping[str, str] | None = None,
        cut: bool = False,
    ) -> Finding:
        columns = ("session", "waits", "for", "state", "in transaction", "user", "application")
        blocked = outcome is Outcome.UNHEALTHY
        return Finding(
            check=self.name,
            target=target.name,
            outcome=outcome,
            headline=headline,
            table=table(columns, list(rows), cut=cut, most=MOST_ROWS) if rows else None,
            marks=("blocked",) if blocked else (),
            found=found or {},
            lasted_seconds=waiting["seconds"] if waiting else None,
            gravity=gravity_of_several(GRAVITY, waiting["sessions"]) if waiting else 0,
            equivalent=door.psql(EQUIVALENT),
        )


def _pids(text: str) -> list[int]:
    return [int(it) for it in text.split()]


def _headline(blocking: Blocking, root: int | None) -> str:
    """`7 sessions wait for locks, longest 14m, behind application "worker" (idle in transaction for 15m)`."""
    longest = next(iter(blocking.waiting.values()))
    count = longest["sessions"]
    many = f"{count} sessions wait for locks" if count > 1 else "1 session waits for a lock"
    waited = f", longest {age(longest['seconds'])}" if longest["seconds"] is not None else ""
    if root is None:
        return f"{many}{waited}, in a circle"
    return f"{many}{waited}, behind {_blocker(blocking.sessions.get(root), root)}"


def _blocker(session: Row | None, pid: int) -> str:
    if pid == PREPARED:
        return "a prepared transaction"
    if session is None:
        return f"pid {pid}, which is gone by now"
    if session["hidden"]:
        return f"pid {pid} (its state is not visible, needs pg_monitor)"
    for_long = f" for {age(session['transaction_seconds'])}" if session["transaction_seconds"] is not None else ""
    return f"{who(session)} ({session['state']}{for_long})"


def _rows(blocking: Blocking) -> Iterator[tuple[str, ...]]:
    """The trees, one after the other; then those that wait in a circle."""
    told: set[int] = set()
    for root in blocking.roots:
        yield _row(blocking, root, 0)
        for depth, pid in blocking.below(root):
            told.add(pid)
            yield _row(blocking, pid, depth)
    for pid in blocking.waiting:
        if pid not in told:
            yield _row(blocking, pid, 0)


def _row(blocking: Blocking, pid: int, depth: int) -> tuple[str, ...]:
    waits, session = blocking.waiting.get(pid), blocking.sessions.get(pid)
    lead = f"{'  ' * (depth - 1)}└ " if depth else ""
    name = "prepared transaction" if pid == PREPARED else str(pid)
    where = ("", "") if waits is None else (age(waits["seconds"] or 0.0), waits["waits_for"] or "")
    if session is None:
        return (lead + name, *where, "", "", "", "")
    transaction = session["transaction_seconds"]
    return (
        lead + name,
        *where,
        "not visible" if session["hidden"] else session["state"],
        age(transaction) if transaction is not None else "",
        session["username"],
        session["application"],
    )


def _found(blocking: Blocking, root: int | None) -> dict[str, str]:
    session = blocking.sessions.get(root) if root is not None else None
    if session is None:
        return {}
    given = {"pid": str(root), "user": session["username"], "application": session["application"]}
    return {name: value for name, value in given.items() if value}


DIAGNOSTIC: Diagnostic = PostgresLocks()
