"""Report → plain text, for PagerDuty notes and the terminal: one line a thing, the gravest first, short for a phone.

PagerDuty takes at most 65,535 single-byte characters in a note and documents no formatting
(https://support.pagerduty.com/main/docs/edit-incidents#incident-notes), so the budget counts UTF-8 bytes.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from responder.model.quantities import several
from responder.model.report import Pointed, Report, Suggestion

NOTE_BYTES = 60_000  # PagerDuty's limit with room for what it may count otherwise

_BREAKS = re.compile(r"\s*[\n\r\t\v\f\x1c-\x1f\x85\u2028\u2029]\s*")
_LIKE_A_MARKER = re.compile(r"\[(?=\s*responder\s*:)", re.IGNORECASE)
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
_PHASES = {"now": "Next", "verify": "Verify", "after": "Afterwards"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How much may be said: entries of one list, characters of one entry."""

    entries: int
    characters: int


_ROOMS = (Room(entries=8, characters=300), Room(entries=4, characters=160), Room(entries=2, characters=80))


def plain_text(
    report: Report,
    *,
    marker: str,
    max_bytes: int = NOTE_BYTES,
    tag: str = "",
    continues: str = "",
    continued_in: str = "",
) -> str:
    """The report as text of at most `max_bytes` in UTF-8; marker and "Could not look" survive every cut.

    `tag`: `may be a duplicate`; `continues`: slug of the incident that this goes on from; `continued_in`: of the one
    that goes on for it, whose report says the rest. Raises ValueError when not even the marker has room.
    """
    last = _last_line(report, marker, tag, continues)
    if continued_in:
        first = _inert_line(_cut(f"{report.severity} · {report.title}", _ROOMS[0].characters))
        where = f"Continued in {continued_in}: its report says what was found and how it goes on."
        return "\n".join([first, where, last])
    for room in _ROOMS:
        text = "\n".join([*(_inert_line(line) for line in _lines(report, room)), last])
        if _size(text) <= max_bytes:
            return text
    return _least(report, (last, marker), max_bytes)


def inert(text: str) -> str:
    """A value on one line: line breaks folded, characters gone that are not seen or turn the reading direction."""
    folded = _BREAKS.sub(" ", text)
    return "".join(it for it in folded if unicodedata.category(it) not in _UNSEEN)


def _inert_line(line: str) -> str:
    """Nothing in it can be taken for a marker of ours: a forged one would make read-back adopt the wrong note."""
    return _LIKE_A_MARKER.sub("(", inert(line)).rstrip()


def _lines(report: Report, room: Room) -> Iterator[str]:
    yield _cut(f"{report.severity} · {report.title}", room.characters)
    yield from _why(report, room)
    yield from _listed("Changed: ", report.events[-room.entries :], report, room)
    yield from _alerts(report, room)
    yield from (f"Note: {_cut(it, room.characters)}" for it in report.notices[: room.entries])
    yield from _look_first(report, room)
    yield from _listed("Also: ", _texts(report.also), report, room)
    yield from _listed("Healthy: ", _texts(report.healthy), report, room)
    yield from _listed("Could not look: ", [f"{it.check} ({it.text})" for it in report.could_not_look], report, room)
    yield from _listed("Still looking: ", report.still_looking, report, room)
    yield from _suggested(report, room)
    links = (("Runbook", report.runbook), ("Full report", report.page_url))
    yield from filter(None, [" · ".join(f"{name} {url}" for name, url in links if url and len(url) <= 500)])


def _why(report: Report, room: Room) -> Iterator[str]:
    """The last answers: the deciding one is always among them."""
    shown = [_cut(it, room.characters) for it in report.why[-room.entries :]]
    earlier = len(report.why) - len(shown)
    if shown:
        yield f"Why {report.severity}: " + " · ".join(
            [several(earlier, "earlier answer"), *shown] if earlier else shown
        )


def _alerts(report: Report, room: Room) -> Iterator[str]:
    """How many there are, unless there is one, or the title counts them already."""
    counted_in_title = not report.verdicts or not report.verdicts[0].signals
    if report.alerts_total > 1 and not counted_in_title:
        names = _joined(report.alert_names, ", ", report, room)
        yield f"Alerts: {report.alerts_firing} of {report.alerts_total} firing ({names})"


def _look_first(report: Report, room: Room) -> Iterator[str]:
    if report.look_first:
        yield "Still unhealthy" if report.resolved_at else "Look here first"
        yield from (f"  {n}. {_cut(it.text, room.characters)}" for n, it in enumerate(report.look_first, 1))
    elif report.complete and report.answered:
        checks = "the check" if report.answered == 1 else f"the {report.answered} checks"
        yield f"{report.nothing_first} in {checks} that answered"


def _suggested(report: Report, room: Room) -> Iterator[str]:
    shown = report.suggestions[: max(1, room.entries // 2)]
    for n, suggestion in enumerate(shown):
        remark = "suggested; responder never runs it" if n == 0 else "suggested"
        yield f"{_PHASES.get(suggestion.phase, 'Next')}: {_suggestion(suggestion, remark, room)}"
    if len(report.suggestions) > len(shown):
        yield f"  {_more(len(report.suggestions) - len(shown), report)}"


def _suggestion(suggestion: Suggestion, remark: str, room: Room) -> str:
    """The command whole or not at all: a command that was cut is another command."""
    fits = len(suggestion.run) <= 4 * room.characters
    what = suggestion.run if suggestion.run and fits else _cut(suggestion.do, room.characters)
    caution = f"caution: {_cut(suggestion.caution, room.characters)}; " if suggestion.caution else ""
    see = f"; see {suggestion.see}" if suggestion.see and len(suggestion.see) <= room.characters else ""
    return f"{what}   ({caution}{remark}{see})"


def _listed(heading: str, entries: Sequence[str], report: Report, room: Room) -> Iterator[str]:
    if entries:
        yield heading + _joined(entries, " · ", report, room)


def _joined(entries: Sequence[str], separator: str, report: Report, room: Room) -> str:
    shown = [_cut(it, room.characters) for it in entries[: room.entries]]
    if len(entries) > len(shown):
        shown.append(_more(len(entries) - len(shown), report))
    return separator.join(shown)


def _more(count: int, report: Report) -> str:
    return f"and {count} more{' on the full report' if report.page_url else ''}"


def _texts(lines: Sequence[Pointed]) -> list[str]:
    return [it.text for it in lines]


def _cut(text: str, characters: int) -> str:
    return text if len(text) <= characters else f"{text[: characters - 1].rstrip()}…"


def _last_line(report: Report, marker: str, tag: str, continues: str) -> str:
    asked = several(report.asked, "check")
    checks = f"{report.answered} of {asked} in {report.took_seconds:.1f} s" if report.asked else "no checks"
    parts = [f"{_clock(report)} · {checks}", f"continues {continues}" if continues else "", tag]
    return " · ".join([*(_inert_line(it) for it in parts if it), marker])


def _clock(report: Report) -> str:
    """`03:12:09 UTC (05:12 Bucharest)`; the pack's zone only where it is another."""
    there = clock_there(report.at, report.time_zone)
    return f"{report.at.astimezone(UTC):%H:%M:%S} UTC{f' ({there})' if there else ''}"


def clock_there(at: datetime, time_zone: str) -> str:
    """`05:12 Bucharest`; empty for UTC, and where this machine has no table of time zones (slim images)."""
    city = time_zone.rpartition("/")[2].replace("_", " ")
    if city.upper() in {"UTC", "UCT", "GMT", "ZULU", ""}:
        return ""
    try:
        return f"{at.astimezone(ZoneInfo(time_zone)):%H:%M} {city}"
    except (ZoneInfoNotFoundError, ValueError):
        return ""


def _least(report: Report, lasts: Sequence[str], max_bytes: int) -> str:
    """Title, what could not be looked at, marker: as much of each as has room, the marker whole."""
    count = len(report.could_not_look)
    could_not = [f"Could not look: {count} check{'' if count == 1 else 's'}"] if count else []
    head = _inert_line(f"{report.severity} · {report.title}")
    for kept in ([*could_not, lasts[0]], [*could_not, lasts[1]], [lasts[1]]):
        rest = "\n".join(kept)
        room = max_bytes - _size(rest) - 1
        if room >= 0:
            first = _cut_bytes(head, room)
            return f"{first}\n{rest}" if first else rest
    if _size(lasts[1]) <= max_bytes:
        return lasts[1]
    raise ValueError(f"a report needs room for its marker ({_size(lasts[1])} bytes), got {max_bytes}")


def _cut_bytes(text: str, most: int) -> str:
    raw = text.encode()
    if len(raw) <= most:
        return text
    cut = raw[: max(0, most - len("…".encode()))].decode(errors="ignore").rstrip()
    return f"{cut}…" if cut else ""


def _size(text: str) -> int:
    return len(text.encode())
