"""How much of the fault suite is run: all of it by `make test-faults`, a short form in `make test`."""

from __future__ import annotations

import os

FULL = os.environ.get("RESPONDER_TEST_FAULTS") == "full"


def size(*, full: int, short: int) -> int:
    """A number of runs, or of seconds."""
    return full if FULL else short
