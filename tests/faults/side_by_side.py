"""Run the fault tests file by file, a few files at a time: most of each is waiting for leases and deadlines.

What is on the command line goes to each pytest. What failed beside others is run once more, alone, and named: a machine
that was too busy for it fails it once, a fault of ours twice. Exit status 1 when any test failed twice.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

FOLDER = Path(__file__).parent
AT_ONCE = 3
LONGEST_FIRST = ("test_store_away.py", "test_storm.py", "test_pagerduty_away.py", "test_replicas.py", "test_kill.py")
NOTHING_SELECTED = 5
TOLD_FROM = ("= faults =", "short test summary info")


def main(arguments: Sequence[str]) -> int:
    """Tell of each file when it is through: a line, its counts of faults and skips, all of it where a test failed."""
    paths = sorted(FOLDER.glob("test_*.py"), key=lambda it: (it.name not in LONGEST_FIRST, it.name))
    failed = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        running = {pool.submit(run, path, arguments): path for path in paths}
        for it in as_completed(running):
            if not passed(running[it], *it.result()):
                failed.append(running[it])
    twice = [path.name for path in sorted(failed) if not passed(path, *run(path, arguments))]
    if failed:
        print(f"== failed at first: {', '.join(sorted(it.name for it in failed))}")
    print(f"== failed again, alone: {', '.join(twice)}" if twice else "== no fault test failed twice")
    return int(bool(twice))


def passed(path: Path, status: int, output: str, seconds: float) -> bool:
    """Tell of one file."""
    good = status in (0, NOTHING_SELECTED)
    print(f"== {path.name}, {seconds:.0f} s", *told(output, whole=not good), sep="\n", flush=True)
    return good


def run(path: Path, arguments: Sequence[str]) -> tuple[int, str, float]:
    """Exit status, output and seconds of one file."""
    began = time.monotonic()
    command = [sys.executable, "-m", "pytest", "-q", str(path), *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout, time.monotonic() - began


def told(output: str, *, whole: bool) -> list[str]:
    """The last lines: from the counts of faults on, where there are any."""
    lines = output.strip().splitlines()
    if whole:
        return lines
    first = next((n for n, it in enumerate(lines) if any(word in it for word in TOLD_FROM)), len(lines) - 1)
    return lines[max(first, 0) :]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
