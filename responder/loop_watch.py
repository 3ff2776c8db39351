"""Notices when something keeps the event loop to itself: nothing else moves meanwhile, not even answers to webhooks."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

EVERY_SECONDS = 0.25
BLOCKED_SECONDS = 1.0
OURS = str(Path(__file__).parent)
log = structlog.get_logger()


@contextmanager
def watched_loop(observe: Callable[[float], None]) -> Iterator[None]:
    """Ask the running loop for a sign of life four times a second, from a thread; `observe` gets the seconds it took.

    Where it takes longer than a second the log says which line of ours the loop stands at, and then for how long.
    """
    watch = _Watch(asyncio.get_running_loop(), observe)
    thread = threading.Thread(target=watch.run, name="loop-watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        watch.over.set()
        thread.join()


class _Watch:
    def __init__(self, loop: asyncio.AbstractEventLoop, observe: Callable[[float], None]) -> None:
        self._loop = loop
        self._observe = observe
        self._thread = threading.get_ident()
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.wait(EVERY_SECONDS):
            alive, asked = threading.Event(), time.monotonic()
            self._loop.call_soon_threadsafe(alive.set)
            if not self._is_alive(alive, within_seconds=BLOCKED_SECONDS):
                log.warning("loop.blocked", where=_where(self._thread))
                while not self._is_alive(alive, within_seconds=BLOCKED_SECONDS):
                    pass
                log.warning("loop.free", blocked_seconds=round(time.monotonic() - asked, 1))
            self._observe(time.monotonic() - asked)

    def _is_alive(self, alive: threading.Event, *, within_seconds: float) -> bool:
        """Also when the watch is over: it is the loop that ended it."""
        until = time.monotonic() + within_seconds
        while not alive.wait(EVERY_SECONDS):
            if self.over.is_set():
                return True
            if time.monotonic() >= until:
                return False
        return True


def _where(thread: int) -> str:
    """The innermost line of ours that a thread stands at, `diagnostics/text.py:34`; empty when there is none."""
    frame = sys._current_frames().get(thread)
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith(OURS):
            return f"{name[len(OURS) + 1 :]}:{frame.f_lineno}"
        frame = frame.f_back
    return ""
