"""Does the endpoint answer, how fast, and with which status?"""

from __future__ import annotations

import asyncio
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar
from urllib.parse import quote

from pydantic import BeforeValidator, Field

from responder.clients.doors import Doors
from responder.clients.http import HttpDoor
from responder.clients.network import NoAnswer
from responder.diagnostics.diagnostic import Diagnostic
from responder.diagnostics.parameters import as_list
from responder.diagnostics.text import table
from responder.errors import CouldNotLook
from responder.model.catalogue import Parameters
from responder.model.finding import Finding, Outcome
from responder.model.pack import OPERATORS, Target

EXPECTED = re.compile(r"^\s*(?P<operator><=|>=|==|!=|<|>)?\s*(?P<status>[1-5]\d\d)\s*$")


def _expectation(value: object) -> object:
    """YAML gives `expect: 200` as a number."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if isinstance(text, str) and not EXPECTED.match(text):
        raise ValueError(f"expected a status or a bound such as 200 or <400, got {text!r}")
    return text


def part_of_path(value: str) -> str:
    """A label value as one part of a path or query."""
    return quote(value, safe="")


class Asked(Parameters):
    """`paths`: below the target's address; `expect`: what each status must be."""

    escapes: ClassVar[Mapping[str, Callable[[str], str]]] = {"paths": part_of_path}

    paths: Annotated[tuple[str, ...], BeforeValidator(as_list), Field(min_length=1, max_length=20)] = ("/",)
    expect: Annotated[str, BeforeValidator(_expectation)] = "<400"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What one path gave. `status` 0 when there was no answer, `why` says which."""

    path: str
    status: int
    milliseconds: float
    good: bool
    why: str = ""
    reason: CouldNotLook | None = None

    @property
    def line(self) -> str:
        """`HTTP 503 in 34 ms at /health`, `/health 200 in 34 ms` when it is good."""
        if self.reason is not None:
            return f"no answer at {self.path}: {self.why}"
        took = f"in {self.milliseconds:.0f} ms"
        return f"{self.path} {self.status} {took}" if self.good else f"HTTP {self.status} {took} at {self.path}"


class HttpStatus:
    """GET each path once. A service that hangs up or where nothing listens is unhealthy; an address that cannot be
    found or reached at all is one we could not look at."""

    name = "http.status"
    target_kind = "http"
    question = "Does the endpoint answer, how fast, and with which status?"
    parameters: type[Parameters] = Asked
    marks = frozenset({"failing"})

    async def examine(self, target: Target, parameters: Asked, doors: Doors) -> Finding:
        """Raises CouldNotLook when no path could be asked."""
        door = doors.http(target)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_look(door, path, parameters.expect)) for path in parameters.paths]
        seen = [task.result() for task in tasks]
        unasked = [it.reason for it in seen if it.reason is not None and not isinstance(it.reason, NoAnswer)]
        if len(unasked) == len(seen):
            raise unasked[0]
        bad = sorted((it for it in seen if not it.good), key=_gravest_first)
        return Finding(
            check=self.name,
            target=target.name,
            outcome=Outcome.UNHEALTHY if bad else Outcome.HEALTHY,
            headline=_headline(bad, seen),
            table=table(("path", "status", "ms"), [_row(it) for it in seen]) if len(seen) > 1 else None,
            marks=("failing",) if bad else (),
            gravity=_gravity(bad, seen),
            equivalent="curl -sS -o /dev/null -w '%{http_code} %{time_total}\\n' "
            + shlex.quote(f"{door.shown}{(bad or seen)[0].path}"),
        )


async def _look(door: HttpDoor, path: str, expect: str) -> Seen:
    try:
        answer = await door.get(path)
    except CouldNotLook as reason:
        why = str(reason).removeprefix(f"{door.shown}: ")
        return Seen(path=path, status=0, milliseconds=0, good=False, why=why, reason=reason)
    return Seen(
        path=path,
        status=answer.status,
        milliseconds=answer.took_seconds * 1000,
        good=_as_expected(answer.status, expect),
    )


def _as_expected(status: int, expect: str) -> bool:
    asked = EXPECTED.match(expect)
    assert asked is not None  # checked when the rule file was read
    return OPERATORS[asked["operator"] or "=="](status, int(asked["status"]))


def _gravest_first(seen: Seen) -> tuple[bool, int]:
    return (seen.reason is None, -seen.status)


def _headline(bad: list[Seen], seen: list[Seen]) -> str:
    if not bad:
        slowest = max(seen, key=lambda it: it.milliseconds)
        return slowest.line if len(seen) == 1 else f"{len(seen)} paths answer, slowest {slowest.line}"
    more = f" ({len(bad)} of {len(seen)} paths)" if len(seen) > 1 else ""
    return bad[0].line + more


def _gravity(bad: list[Seen], seen: list[Seen]) -> int:
    """No answer at all goes before a 5xx, that before a 4xx."""
    if not bad:
        return 0
    worst = 90 if bad[0].reason is not None else 80 if bad[0].status >= 500 else 60
    return worst if len(bad) == len(seen) else worst - 10


def _row(seen: Seen) -> tuple[str, ...]:
    if seen.reason is not None:
        return (seen.path, seen.why, "")
    return (seen.path, str(seen.status), f"{seen.milliseconds:.0f}")


DIAGNOSTIC: Diagnostic = HttpStatus()
