"""The daemon, but it is struck by a signal at the very moment when it logs a certain event: a program of its own.

Everything in it is responder's own; only its log is listened to, which every step of the path is written to.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from responder import app, wiring
from responder.delivery.send import Deadline
from responder.settings import load_settings
from responder.telemetry import Metrics, set_up_log

AFTER_THE_LAST_LOOK_AT_THE_CLOCK = "deadline.checked"  # no step of the log: nothing is between it and the first byte


def main(strike: dict[str, Any]) -> None:
    """As `responder serve` does it."""
    settings = load_settings()
    metrics = Metrics()
    loaded = wiring.load_rules(settings)
    redactor = wiring.redactor_of(settings, loaded.packs, metrics)
    struck = striking(strike)
    if strike["event"] == AFTER_THE_LAST_LOOK_AT_THE_CLOCK:
        strike_after_the_last_look_at_the_clock(struck)
    set_up_log(as_json=True, level="debug", redact=redactor.again, also=struck)
    asyncio.run(_counting_tasks(app.serve(settings, loaded, redactor, metrics)))


async def _counting_tasks(serving: Coroutine[Any, Any, None]) -> None:
    """Say at each SIGUSR1 how many tasks there are: what leaks is seen from outside."""

    def count() -> None:
        os.write(2, json.dumps({"event": "tasks.counted", "tasks": len(asyncio.all_tasks())}).encode() + b"\n")

    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, count)
    await serving


def striking(strike: dict[str, Any]) -> Callable[[dict[str, Any]], None]:
    """Writes each event to stderr; at the one that was asked for sends the signal."""
    seen = 0

    def also(event: dict[str, Any]) -> None:
        nonlocal seen
        os.write(2, json.dumps(event).encode() + b"\n")
        if event["event"] == strike["event"] and strike["work"] in ("", event.get("work")):
            seen += 1
            if seen == strike["nth"]:
                os.kill(os.getpid(), strike["number"])

    return also


def strike_after_the_last_look_at_the_clock(struck: Callable[[dict[str, Any]], None]) -> None:
    """Freeze where the deadline cannot help any more: it was kept, and the bytes have not left."""
    left = Deadline.left

    def looked(deadline: Deadline) -> float:
        seconds = left(deadline)
        struck({"event": AFTER_THE_LAST_LOOK_AT_THE_CLOCK})
        return seconds

    Deadline.left = looked  # type: ignore[method-assign]


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
