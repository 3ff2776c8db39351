"""Text on its way to a descriptor whose reader may stall: nobody who writes waits for it."""

from __future__ import annotations

import atexit
import os
import select
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import accumulate

MOST_BYTES = 4 * 1024 * 1024  # that wait; what comes on top of them is dropped
AT_ONCE_BYTES = 64 * 1024  # handed over in one go, as much as a pipe holds
LEFT_AT_EXIT_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class _Piece:
    text: bytes
    told: Future[None] | None

    def begins(self) -> bool:
        """False where whoever waited for it has given it up."""
        return self.told is None or self.told.set_running_or_notify_cancel()

    def settle(self, refused: OSError | None) -> None:
        if self.told is None:
            return
        if refused is None:
            self.told.set_result(None)
        else:
            self.told.set_exception(refused)


class Spool:
    """Takes pieces of text from any thread, and one thread of its own writes them, whole and in their order, as soon as
    the descriptor takes them. `kill -9` loses the few that the thread has not come to.

    The descriptor blocks, since others share it: only the thread is held up. `say_lost`: told how many pieces were
    dropped, when the descriptor takes some again.
    """

    def __init__(
        self,
        descriptor: int,
        *,
        say_lost: Callable[[int], None] | None = None,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._descriptor, self._most_bytes = descriptor, most_bytes
        self._say_lost = say_lost
        self._changed = threading.Condition()  # may be entered again: a finalizer may log in the middle of `write`
        self._waiting: deque[_Piece] = deque()
        self._bytes = 0  # that wait, and those that are being written
        self._lost = 0
        self._torn = False
        self._writer: threading.Thread | None = None

    def write(self, text: str) -> bool:
        """False when there is no room for it."""
        return self._add(text, None)

    def hand_over(self, text: str) -> Future[None] | None:
        """What comes of it: done when it is written, an OSError when it is refused. None when there is no room for it.

        Cancelled before its turn has come it is not written; afterwards it cannot be cancelled any more.
        """
        told: Future[None] = Future()
        return told if self._add(text, told) else None

    def _add(self, text: str, told: Future[None] | None) -> bool:
        piece = _Piece(text.encode("utf-8", "backslashreplace"), told)
        with self._changed:
            if self._bytes + len(piece.text) > self._most_bytes and threading.current_thread() is not self._writer:
                self._lost += 1
                return False
            self._waiting.append(piece)
            self._bytes += len(piece.text)
            if self._writer is None:
                self._begin()
            self._changed.notify_all()
        return True

    def drain(self, within_seconds: float = LEFT_AT_EXIT_SECONDS) -> bool:
        """Wait until all is written; False when it is not by then."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._bytes, within_seconds)

    def _begin(self) -> None:
        self._writer = threading.Thread(target=self._run, name="spool", daemon=True)
        self._writer.start()
        atexit.register(self.drain)

    def _run(self) -> None:
        while True:
            pieces = self._take()
            begun = [it for it in pieces if it.begins()]
            lost, refused = self._put([it.text for it in begun])
            for position, it in enumerate(begun):
                it.settle(refused if position >= len(begun) - lost else None)
            with self._changed:
                self._lost += lost
                to_say = 0 if refused else self._lost
                self._lost -= to_say
            if to_say and self._say_lost:
                self._say_lost(to_say)
            with self._changed:  # after that was said: who drains waits for it too
                self._bytes -= sum(len(it.text) for it in pieces)
                self._changed.notify_all()

    def _take(self) -> list[_Piece]:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting)
            pieces = [self._waiting.popleft()]
            size = len(pieces[0].text)
            while self._waiting and size + len(self._waiting[0].text) <= AT_ONCE_BYTES:
                pieces.append(self._waiting.popleft())
                size += len(pieces[-1].text)
            return pieces

    def _put(self, pieces: list[bytes]) -> tuple[int, OSError | None]:
        """How many pieces are not there as a whole, and why."""
        begin = b"\n" if self._torn else b""
        whole = begin + b"".join(pieces)
        written, refused = self._write_out(whole)
        ends = list(accumulate(map(len, pieces), initial=len(begin)))
        if written:
            self._torn = written not in ends
        return sum(end > written for end in ends[1:]), refused

    def _write_out(self, whole: bytes) -> tuple[int, OSError | None]:
        """How many bytes were taken, and what ended it."""
        rest = memoryview(whole)
        while rest:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:  # somebody who shares it has made it so
                poll = select.poll()
                poll.register(self._descriptor, select.POLLOUT)
                poll.poll()
            except OSError as refused:
                return len(whole) - len(rest), refused
        return len(whole), None
