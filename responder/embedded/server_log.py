"""PostgreSQL's own log, in one file that stays small.

The server writes to it through a descriptor in append mode, so the file can be emptied under it, an orphan's too.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

LARGEST_BYTES = 1024 * 1024
KEPT_BYTES = 256 * 1024
"""How much of the end stays beside it, in `….1`, when the file is emptied."""

QUIET = {
    "log_min_messages": "log",  # not `error`: PostgreSQL quotes the data that it could not take in its messages
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",  # without DETAIL: "Failed process was running: <statement>", "Key (…)=(…)"
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_min_duration_sample": "-1",
    "log_duration": "off",
    "log_lock_waits": "off",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_line_prefix": "%m [%p] ",
    "logging_collector": "off",
    "log_destination": "stderr",
}
"""Settings that keep statements and data out of the log."""


class ServerLog:
    """`postgres.log`: at most a megabyte, and the end of the former one in `postgres.log.1`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def open(self) -> int:
        """A descriptor for the server to write to; the caller closes it."""
        return os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)

    def size(self) -> int:
        """In bytes; 0 when there is none yet."""
        return self.path.stat().st_size if self.path.exists() else 0

    def trim(self) -> None:
        """Empty the file when it has grown too large; what is written in the same instant may be lost."""
        if self.size() <= LARGEST_BYTES:
            return
        with contextlib.suppress(OSError):  # a full disk is a reason more to empty it
            self._keep_end()
        with contextlib.suppress(OSError):
            os.truncate(self.path, 0)

    def _keep_end(self) -> None:
        kept = self.path.with_name(f"{self.path.name}.1")
        kept.write_bytes(self._end(KEPT_BYTES))
        kept.chmod(0o600)

    def since(self, position: int) -> str:
        """The last two lines written after `position`: why a server did not come up."""
        text = self._end(min(self.size() - position, 4096)).decode("utf-8", "replace")
        return " · ".join(line.split("] ", 1)[-1].strip() for line in text.strip().splitlines()[-2:])

    def _end(self, count: int) -> bytes:
        with self.path.open("rb") as file:
            file.seek(-min(max(count, 0), self.size()), os.SEEK_END)
            return file.read()
