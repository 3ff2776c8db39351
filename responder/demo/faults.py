"""What a stand-in is told to do wrong, and what it was asked: counted from outside."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any, Literal, get_args

Do = Literal["hang", "reset", "cut", "status", "garbage", "slow"]


@dataclass(slots=True, kw_only=True)
class Fault:
    """One thing to do wrong.

    `match`: method and path with `*`, such as `POST /incidents/*/notes`; a `*` also takes slashes.
    `do`: `hang` says nothing until `seconds` are over (None: until the server stops) and then drops the connection;
    `reset` drops the connection at once; `cut` sends the head and half of the body; `status` answers `status`,
    `headers` and `body`; `garbage` answers 200 with what is no JSON; `slow` waits `seconds` and then answers.
    `store`: do what was asked first, and fail after it. Else nothing is stored (`slow` stores after its wait).
    `times`: how many requests it meets; None for every one until it is cleared.
    `body`: None for what PagerDuty says at this status; "" for nothing at all.
    """

    match: str
    do: Do
    status: int = 500
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None
    store: bool = False
    times: int | None = 1
    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.do not in get_args(Do):
            raise ValueError(f"fault: `do`: expected one of {', '.join(get_args(Do))}, got {self.do!r}")
        if self.do == "slow" and self.seconds is None:
            raise ValueError("fault: `seconds`: needed for slow, got none")


class Faults:
    """The faults that are still to happen, oldest first."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Let it happen to the requests that match from now on."""
        self._waiting.append(fault)

    def clear(self) -> None:
        """Do nothing wrong any more."""
        self._waiting.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """The fault that meets this request, counted down."""
        for fault in self._waiting:
            if fnmatchcase(f"{method} {path}", fault.match):
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times <= 0:
                        self._waiting.remove(fault)
                return fault
        return None


@dataclass(slots=True, kw_only=True)
class RecordedRequest:
    """One request as it came.

    `answered`: the status that was sent, None while there is none, and for good where the connection was dropped.
    `fault`: what was done wrong on purpose, "" for nothing.
    """

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: str
    at: datetime
    answered: int | None = None
    fault: str = ""

    def header(self, name: str) -> str | None:
        """A header's value whatever its capitals, None where it was not sent."""
        return next((value for key, value in self.headers.items() if key.lower() == name.lower()), None)

    @property
    def json(self) -> Any:
        """The body as JSON. Raises ValueError where it is none."""
        return json.loads(self.body)

    def shape(self) -> dict[str, Any]:
        """As JSON for `GET /_requests`."""
        return {**asdict(self), "at": self.at.isoformat()}
