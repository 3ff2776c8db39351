"""Sessions of PostgreSQL as findings name them, and what is said where a role does not see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from responder.errors import Refused
from responder.model.quantities import several

Row = Mapping[str, Any]


def seen(rows: Sequence[Row], shown: str) -> list[Row]:
    """The sessions among rows that say beside them how many are hidden; raises Refused if none is seen and some are
    hidden: then nobody knows."""
    sessions = [it for it in rows if it["pid"] is not None]
    hidden = hidden_among(rows)
    if hidden and not sessions:
        raise Refused(
            f"{shown}: the role does not see what {several(hidden, 'session does', 'sessions do')}; grant it pg_monitor"
        )
    return sessions


def hidden_among(rows: Sequence[Row]) -> int:
    """How many sessions the role sees nothing of."""
    return rows[0]["hidden"] if rows else 0


def not_seen(rows: Sequence[Row]) -> str:
    """What is said beside sessions that are seen."""
    hidden = hidden_among(rows)
    return f", {hidden} not visible (needs pg_monitor)" if hidden else ""


def who(session: Row) -> str:
    """`application "worker"`, or `user "shop"` where the application does not name itself."""
    if session["application"]:
        return f'application "{session["application"]}"'
    return f'user "{session["username"]}"' if session["username"] else f"pid {session['pid']}"


def names_of(session: Row) -> dict[str, str]:
    """Names for suggestions; empty ones are left out."""
    given = {
        "pid": str(session["pid"]),
        "user": session["username"],
        "application": session["application"],
        "database": session.get("database", ""),
    }
    return {name: value for name, value in given.items() if value}
