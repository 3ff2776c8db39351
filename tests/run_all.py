"""Run every test: most of them three files at a time, then those that want the machine for themselves, then the faults.

What failed is run once more, alone, and named: a machine that was too busy for it fails it once, a fault of ours twice.
What is on the command line goes to each pytest. Exit status 1 when any test failed twice.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

FILES_AT_ONCE = 3  # most of each is waiting; a file stays with one process, so that what it started is shared
FAILED, NOTHING_SELECTED = 1, 5
BESIDE_OTHERS = ("-n", str(FILES_AT_ONCE), "--dist", "loadfile", "-m", "not alone")
ALONE = ("-m", "alone")
ONCE_MORE = ("--last-failed", "--last-failed-no-failures", "none")


def main(arguments: Sequence[str]) -> int:
    """Each part is run whatever became of the one before it."""
    statuses = {pytest(*part, *arguments) for part in (BESIDE_OTHERS, ALONE)}
    if FAILED in statuses:
        print("== once more, alone, what failed", flush=True)
        statuses = statuses - {FAILED} | {pytest(*ONCE_MORE, *arguments)}
    faults = subprocess.run([sys.executable, "tests/faults/side_by_side.py", *arguments], check=False).returncode
    return int(bool(statuses - {0, NOTHING_SELECTED} or faults))


def pytest(*arguments: str) -> int:
    """Its exit status."""
    command = [sys.executable, "-m", "pytest", "--ignore", "tests/faults", *arguments]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
