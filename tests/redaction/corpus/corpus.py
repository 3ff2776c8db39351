"""The seeded corpus: every kind in every encoding, held out from the rules, and how a leak is found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

from tests.redaction.corpus.encoding import ENCODINGS, Encoding
from tests.redaction.corpus.formats import FORMATS
from tests.redaction.corpus.kind import Class, Kind
from tests.redaction.corpus.people import PERSONAL, PROSE
from tests.redaction.corpus.secrets import KEYED, SHAPED

KINDS: tuple[Kind, ...] = KEYED + SHAPED + PERSONAL + FORMATS + PROSE
Texts = Callable[[Sequence[str]], list[str]]

# What stands around a planted text, as in logs; the first stays bare.
_AROUND = (
    ("", ""),
    ("2026-11-30T05:24:52.118Z ERROR worker: ", " request_id=17"),
    ("payments-api-6c5d4f7b9c-x2x5z | ", ""),
    ("", " at=now"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One planted value in one encoding."""

    kind: Kind
    encoding: Encoding
    value: str
    text: str

    def leaked(self, redacted: str) -> str:
        """What a reader can still see of the value; empty when nothing."""
        seen = " ".join((redacted + "\n" + self.encoding.undress(redacted)).split())
        return next((it for it in sorted(self.kind.traces(self.value)) if it in seen), "")


def samples(seed: int, each: int) -> Iterator[Sample]:
    """So many of each shape of each kind, in each encoding."""
    for kind in KINDS:
        for encoding in ENCODINGS:
            rng = Random(f"{seed} {kind.name} {encoding.name}")
            for shape in list(kind.shapes) * each:
                yield _sample(kind, encoding, shape, rng)


def _sample(kind: Kind, encoding: Encoding, shape: str, rng: Random) -> Sample:
    value = kind.draw(rng)
    before, after = rng.choice(_AROUND)
    text = before + kind.planted(shape, value) + after
    return Sample(kind=kind, encoding=encoding, value=value, text=encoding.dress(text, rng))


@dataclass(slots=True)
class Tally:
    """How many of the samples were taken out, and the first that were not."""

    planted: int = 0
    leaks: tuple[tuple[Sample, str], ...] = ()

    @property
    def recall(self) -> float:
        """From 0 to 1."""
        return 1 - len(self.leaks) / self.planted


def recall(redacted: Texts, seed: int, each: int) -> dict[tuple[Class, str, str], Tally]:
    """A tally by class, kind and encoding."""
    drawn = list(samples(seed, each))
    tallies: dict[tuple[Class, str, str], Tally] = {}
    for sample, out in zip(drawn, redacted([it.text for it in drawn]), strict=True):
        tally = tallies.setdefault((sample.kind.of, sample.kind.name, sample.encoding.name), Tally())
        tally.planted += 1
        if sample.leaked(out):
            tally.leaks += ((sample, out),)
    return tallies
