"""Lines of a log, grouped by the shape of their message: how many, since when, and which of them are new.

Two passes, linear in the text: what stands in one line only is not part of a shape. That is what keeps a patient's
data out of reports, and it is what groups lines: `charge … failed for …`. The tree of Drain (He et al. 2017,
https://doi.org/10.1109/ICWS.2017.13) compares each line with what it has seen, which hostile text makes slow.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache

from responder.diagnostics.log_lines import GRAVE, Entry, LogLine, entries
from responder.diagnostics.log_words import GAP, bare, is_constant, may_be_a_name, shown, words

MOST_CHARS, MOST_LINES = 1024 * 1024, 10_000
MOST_SHAPES = 200
SHOWN_CHARS = 160
SEVERAL = 2  # lines in which a word must stand to be shown
ONE_IN = 200  # and in one of so many of its kind, else each user's name would be a shape of its own
LEAD = timedelta(minutes=1)  # a log that begins later than this before a line cannot tell that the line is new
REACH = timedelta(minutes=5)
Words = tuple[str, ...]
Kind = tuple[str, str, str]  # level, logger, exception


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """`shown`: words that stand in several lines (of those that may be a name, lines that differ), exception classes
    and identifiers, `…` for the rest; of a single line only class, logger, level and a quoted constant
    (`'STRIPE_KEY'`). `first`, `last`: None where lines are not dated. `example`: the newest line, as it was written:
    never to be shown but as an excerpt that was asked for, redacted."""

    shown: str
    level: str
    logger: str
    exception: str
    count: int
    first: datetime | None
    last: datetime | None
    is_new: bool = False
    example: str = field(default="", repr=False)

    @property
    def is_error(self) -> bool:
        """Error or graver: by its level, or, of a line without one, by what it says."""
        return self.level in GRAVE


@dataclass(frozen=True, slots=True, kw_only=True)
class Shapes:
    """`listed`: errors first, new ones before known ones, the most frequent first; at most 200. `lines`: records that
    were read; `cut`: says what was not looked at, or is empty."""

    listed: tuple[Shape, ...]
    lines: int
    begins: datetime | None
    ends: datetime | None
    cut: str = ""

    @property
    def reaches_back(self) -> bool:
        """Whether it is long enough to tell that an error was there before."""
        return self.begins is not None and self.ends is not None and self.ends - self.begins >= REACH

    @property
    def errors(self) -> tuple[Shape, ...]:
        """Those that are errors."""
        return tuple(it for it in self.listed if it.is_error)

    @property
    def new_errors(self) -> tuple[Shape, ...]:
        """Those that the log did not hold before."""
        return tuple(it for it in self.errors if it.is_new)


@dataclass(slots=True)
class _Group:
    count: int = 0
    first: datetime | None = None
    last: datetime | None = None
    example: str = ""

    def add(self, at: datetime | None, text: str) -> None:
        self._take(1, at, at, text)

    def take(self, other: _Group) -> None:
        self._take(other.count, other.first, other.last, other.example)

    def _take(self, count: int, first: datetime | None, last: datetime | None, example: str) -> None:
        self.count += count
        if first is not None and (self.first is None or first < self.first):
            self.first = first
        if last is None or self.last is None or last >= self.last:
            self.last, self.example = last or self.last, example


def shapes_of(
    lines: Iterable[LogLine], *, onset: datetime | None = None, between: tuple[datetime, datetime] | None = None
) -> Shapes:
    """Group them. New is what first came at the onset or later, or, without an onset or before it, what first came
    after the first quarter of the log: a log that does not reach back tells of nothing that it is new. `between`: of
    which stretch of time these are all lines, where that is known: it may begin long before the first one."""
    bounded = _Bounded(lines)
    word_of = lru_cache(4_096)(shown)  # few words make most of a log; kept no longer than this
    read = [(it, tuple(words(it.message, word_of)), text) for it, text in entries(bounded)]
    groups = _grouped(read)
    times = [it.at for it, _, _ in read if it.at is not None]
    begins, ends = between if between and not bounded.cut else (min(times, default=None), max(times, default=None))
    made = [_shape(kind, said, it, _is_new(it.first, begins, ends, onset)) for (kind, said), it in groups.items()]
    made.sort(key=lambda it: (not it.is_error, not it.is_new, -it.count, it.shown, it.logger))
    left = len(made) - MOST_SHAPES
    cut = [bounded.cut, f"{left} rarer shapes left out" if left > 0 else ""]
    return Shapes(
        listed=tuple(made[:MOST_SHAPES]),
        lines=len(read),
        begins=begins,
        ends=ends,
        cut="; ".join(it for it in cut if it),
    )


class _Bounded:
    """The lines up to a bound of their number and of all their characters."""

    def __init__(self, lines: Iterable[LogLine]) -> None:
        self._lines, self.cut = lines, ""

    def __iter__(self) -> Iterator[LogLine]:
        left = MOST_CHARS
        for number, line in enumerate(self._lines):
            left -= len(line.text) + 1
            if left < 0 or number >= MOST_LINES:
                self.cut = "cut at 1 MiB" if left < 0 else f"cut at {MOST_LINES} lines"
                return
            yield line


def _grouped(read: Sequence[tuple[Entry, Words, str]]) -> dict[tuple[Kind, Words], _Group]:
    common = _common_words(read)
    groups: dict[tuple[Kind, Words], _Group] = defaultdict(_Group)
    for it, said, text in read:
        kind = (it.level, it.logger, it.exception)
        groups[kind, _template(said, common[kind], it.exception)].add(it.at, text)
    return _singles_together(groups)


def _common_words(read: Sequence[tuple[Entry, Words, str]]) -> dict[Kind, set[str]]:
    """Of each kind of line the words that stand in enough of them; one that may be a name in enough that differ, for
    a loop that tries again says one name many times."""
    lines: Counter[tuple[Kind, Words]] = Counter(((it.level, it.logger, it.exception), said) for it, said, _ in read)
    total, different = Counter[Kind](), Counter[Kind]()
    by_line: dict[Kind, Counter[str]] = defaultdict(Counter)
    by_different: dict[Kind, Counter[str]] = defaultdict(Counter)
    for (kind, said), count in lines.items():
        total[kind] += count
        different[kind] += 1
        for word in set(said):
            by_line[kind][word] += count
            by_different[kind][word] += 1
    return {
        kind: {
            word
            for word, count in by_line[kind].items()
            if count >= _enough(total[kind])
            and (not may_be_a_name(word) or by_different[kind][word] >= _enough(different[kind]))
        }
        for kind in total
    }


def _enough(lines: int) -> int:
    return max(SEVERAL, lines // ONE_IN)


def _template(said: Words, common: set[str], exception: str) -> Words:
    """The words that are shown, each stretch of others as one `…`."""
    made: list[str] = []
    for word in said:
        kept = word if word in common or _speaks_for_itself(word, exception) else GAP
        if kept is not GAP or not made or made[-1] is not GAP:
            made.append(kept)
    return tuple(made)


def _speaks_for_itself(word: str, exception: str) -> bool:
    """Of the words of a line those that are shown whatever other lines hold."""
    return is_constant(word) or (bool(exception) and bare(word) == exception)


def _singles_together(groups: dict[tuple[Kind, Words], _Group]) -> dict[tuple[Kind, Words], _Group]:
    """A single line is shown by its kind, and by a constant that it names: several that agree in that are one."""
    kept: dict[tuple[Kind, Words], _Group] = defaultdict(_Group)
    for (kind, template), it in groups.items():
        alone = tuple(word for word in template if _speaks_for_itself(word, kind[2]))
        kept[kind, template if it.count >= SEVERAL else alone].take(it)
    return kept


def _shape(kind: Kind, template: Words, it: _Group, is_new: bool) -> Shape:
    level, logger, exception = kind
    return Shape(
        shown=_shown(kind, template),
        level=level,
        logger=logger,
        exception=exception,
        count=it.count,
        first=it.first,
        last=it.last,
        is_new=is_new,
        example=it.example,
    )


def _shown(kind: Kind, template: Words) -> str:
    """`KeyError 'STRIPE_KEY' in worker`; of a single line `KeyError in worker: …`."""
    level, logger, exception = kind
    where = f" in {logger}" if logger else ""
    if set(template) <= {GAP, exception, f"{exception}:"}:
        return f"{exception or level or 'line'}{where}: {GAP}"
    text = " ".join(template)
    if exception and exception not in text:
        text = f"{exception}: {text}"
    text = text.replace(f"{exception}: '", f"{exception} '") if exception else text
    return (text if len(text) <= SHOWN_CHARS else text[: SHOWN_CHARS - 1] + GAP) + where


def _is_new(first: datetime | None, begins: datetime | None, ends: datetime | None, onset: datetime | None) -> bool:
    if first is None or begins is None or ends is None:
        return False
    if onset is not None and first >= onset and begins <= onset - LEAD:
        return True
    return first - begins >= max(LEAD, (ends - begins) / 4)
