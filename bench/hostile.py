"""How soon hostile rule files are refused, each in a process of its own: `python bench/hostile.py`.

CPU time, the best of three; 50 ms at most for each of the files that are to be refused at once. Ends with 1 when one is
slower, is not refused, or kills its process.
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from responder.diagnostics.catalogue import specs  # noqa: E402 - the tests' files are beside responder
from responder.rules.packs import load_packs  # noqa: E402
from tests.rules.hostile_files import BIG, FILES  # noqa: E402

MOST_MS = 50.0
WAIT_SECONDS = 300


def main() -> int:
    """Measure all, print the table."""
    print("| file | refused after | said |\n| --- | ---: | --- |")
    at_once = [_line(name, content) for name, content in FILES.items()]
    print("\nBig ones, without a bound:\n\n| file | refused after | said |\n| --- | ---: | --- |")
    big = [_line(name, content) for name, content in BIG.items()]
    slow = [took for took in at_once if took is None or took > MOST_MS]
    print(f"\n{len(at_once)} files, {len(slow)} not refused within {MOST_MS:g} ms of CPU.")
    return 1 if slow or None in big else 0


def _line(name: str, content: bytes) -> float | None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "pack.yaml").write_bytes(content)
        context = multiprocessing.get_context("fork")
        ours, theirs = context.Pipe(duplex=False)
        child = context.Process(target=_measure, args=(folder, theirs))
        child.start()
        theirs.close()
        try:
            took, said = ours.recv() if ours.poll(WAIT_SECONDS) else (None, "hangs")
        except EOFError:
            took, said = None, "the process died"
        child.kill()
        child.join()
    print(f"| {name} | {'-' if took is None else f'{took:.1f} ms'} | {said} |", flush=True)
    return took


def _measure(folder: str, answer: Any) -> None:
    best, loaded = float("inf"), None
    for _ in range(3):
        began = time.process_time()
        loaded = load_packs(Path(folder), specs())
        best = min(best, (time.process_time() - began) * 1000)
    assert loaded is not None
    refused = bool(loaded.problems) and not loaded.packs
    said = loaded.problems[0].text[:70].replace("|", "¦") if loaded.problems else "nothing"
    answer.send((best if refused else None, said if refused else "is not refused"))


if __name__ == "__main__":
    sys.exit(main())
