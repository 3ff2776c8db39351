"""Says on a terminal what happens, as it happens: the daemon's own events in words, with the time since the start."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

Told = Callable[[Mapping[str, Any]], str]

WORDS: Mapping[str, Told] = {
    "webhook.accepted": lambda it: (
        f"webhook in: {it['kind']}, {it['accepted']} accepted, {it['duplicates']} duplicate, {it['stale']} stale"
        + (f", {it['ignored']} ignored" if it["ignored"] else "")
        + (f" → {', '.join(it['incidents'])}" if it["incidents"] else "")
    ),
    "diagnostic.finished": lambda it: (
        f"  looked: {it['diagnostic']} {it['outcome']} in {it['took_seconds'] * 1000:.0f} ms"
    ),
    "report.composed": lambda it: f"  decided: {it['severity']} · {it['title']}",
    "incident.linked": lambda it: f"  linked: {it['incident']} is PagerDuty's {it['pagerduty']}",
    "incident.folded": lambda it: f"  one and the same: {it['incident']} goes on as {it['into']}",
    "alert.handled": lambda it: f"  handled: alert {it['alert']} ({it['status']}, {it['verdict'] or 'no rule'})",
    "delivery.sent": lambda it: (
        f"  told: {it['sink']} on {it['object']}, {it['outcome']} ({it['reason'].replace('_', ' ')})"
    ),
}
LOUD = ("warning", "error", "critical")


class Narrator:
    """Prints one line an event; `quiet` events are left out."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._started = seconds()
        self._colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")

    def say(self, text: str) -> None:
        """One line."""
        print(f"{self._seconds() - self._started:6.1f} s  {text}", flush=True)

    def head(self, text: str) -> None:
        """A line that starts a new part."""
        print(f"\n\x1b[1m{text}\x1b[0m" if self._colour else f"\n{text}", flush=True)

    def block(self, text: str) -> None:
        """Something as it stands elsewhere, set off."""
        print("\n".join(f"  │ {line}" for line in text.splitlines()), flush=True)

    def event(self, event: dict[str, Any]) -> None:
        """One event of the daemon's log."""
        told = WORDS.get(str(event.get("event")))
        if told is not None:
            self.say(told(event))
        elif event.get("level") in LOUD:
            why = next((str(event[it]) for it in ("why", "reason", "said", "exception") if event.get(it)), "")
            self.say(f"  ! {event.get('event')} {why}".rstrip())
