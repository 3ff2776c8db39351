"""How fast redaction is on texts made to cost, and how much of the held-out corpus it takes out, by kind and encoding.

`python bench/redaction.py [how many of each shape]`: CPU time of this process, the best of three. Ends with 1 when a
text goes through slower than 5 MB/s, or a promise of docs/operations.md is not held.
"""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from pathlib import Path
from random import Random

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from responder.redaction.redact import Redactor  # noqa: E402 - the tests' files are beside responder
from tests.redaction.corpus.corpus import Tally, recall  # noqa: E402
from tests.redaction.corpus.encoding import ENCODINGS  # noqa: E402
from tests.redaction.corpus.kind import Class  # noqa: E402
from tests.redaction.corpus.noise import noise  # noqa: E402
from tests.redaction.shapes import SHAPES, long  # noqa: E402

LENGTH = 1_000_000  # bytes
LEAST_MB_PER_SECOND = 5.0
LEAST_RECALL = {Class.KEYED: 1.0, Class.SHAPED: 1.0, Class.PERSONAL: 0.99, Class.PROSE: 0.0}
SEED = 7
NOISE_LINES = 20_000
MOST_NOISE = 0.001


def main() -> int:
    """Measure all, print the tables."""
    each = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    redactor = Redactor()
    slow = [rate for rate in map(_speed, [redactor] * len(SHAPES), SHAPES) if rate < LEAST_MB_PER_SECOND]
    held = _recall(redactor, each)
    return 0 if not slow and held and _noise(redactor) else 1


def _speed(redactor: Redactor, shape: str) -> float:
    text = long(shape, LENGTH)
    redactor.text(text)
    rate = LENGTH / 1e6 / min(_seconds(redactor, text) for _ in range(3))
    print(f"{rate:8.1f} MB/s  {shape!r}")
    return rate


def _seconds(redactor: Redactor, text: str) -> float:
    began = time.process_time()
    redactor.text(text)
    return max(time.process_time() - began, 1e-6)


def _recall(redactor: Redactor, each: int) -> bool:
    tallies = recall(redactor.texts, SEED, each)
    by_kind: dict[tuple[Class, str], dict[str, Tally]] = defaultdict(dict)
    by_class: dict[Class, list[Tally]] = defaultdict(list)
    for (of, name, encoding), tally in tallies.items():
        by_kind[of, name][encoding] = tally
        by_class[of].append(tally)
    print("\n| kind | " + " | ".join(it.name for it in ENCODINGS) + " |\n|" + " --- |" * (len(ENCODINGS) + 1))
    for (_, name), tallied in by_kind.items():
        print(f"| {name} | " + " | ".join(f"{100 * tallied[it.name].recall:.0f}" for it in ENCODINGS) + " |")
    print()
    shares = {of: _share(several) for of, several in by_class.items()}
    for of, share in shares.items():
        print(f"{of}: {100 * share:.2f} % of {sum(it.planted for it in by_class[of])}")
    return all(share >= LEAST_RECALL[of] for of, share in shares.items())


def _share(tallies: list[Tally]) -> float:
    return 1 - sum(len(it.leaks) for it in tallies) / sum(it.planted for it in tallies)


def _noise(redactor: Redactor) -> bool:
    lines = list(noise(Random(SEED), NOISE_LINES))
    changed = sum(one != other for one, other in zip(lines, redactor.texts(lines), strict=True))
    print(f"ordinary lines that were changed: {changed} of {NOISE_LINES}")
    return changed <= MOST_NOISE * NOISE_LINES


if __name__ == "__main__":
    sys.exit(main())
