"""One line of a log, whatever writes it: its level, logger, exception class and message.

Known: JSON objects (their usual field names), logfmt, klog (https://github.com/kubernetes/klog), and plain lines that
begin with a time, a level or both. What is not known is a message.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from responder.redaction.clean import clean

LINE_CHARS = 2_000  # what stands behind is not looked at
ERROR, WARNING = "error", "warning"
LEVELS = {
    **dict.fromkeys(("trace", "debug", "verbose", "silly", "fine", "finer", "finest", "t", "d"), "debug"),
    **dict.fromkeys(("info", "information", "notice", "log", "statement", "detail", "hint", "default", "i"), "info"),
    **dict.fromkeys(("warn", "warning", "w"), WARNING),
    **dict.fromkeys(("error", "err", "severe", "e"), ERROR),
    **dict.fromkeys(("fatal", "critical", "crit", "panic", "alert", "emergency", "emerg", "dpanic", "f"), "fatal"),
}
GRAVE = frozenset({ERROR, "fatal"})
EXCEPTION = re.compile(
    r"(?<!\w)([A-Z][A-Za-z0-9_]{0,60}(?:Error|Exception|Timeout|Fault|Failure|Interrupt|Panic)|Error|Exception)(?![\w.$])"
)


class LogLine(NamedTuple):
    """`at` None: its source does not say when."""

    at: datetime | None
    text: str


@dataclass(frozen=True, slots=True)
class Entry:
    """`level`: debug, info, warning, error, fatal, or empty; `logger` and `exception` are identifiers or empty."""

    at: datetime | None
    level: str
    logger: str
    exception: str
    message: str


_PREFIX = re.compile(
    r"""\s*(?:
      [\[(<]?\d{4}[-/.]\d\d[-/.]\d\d(?:[T ,]?\d\d:\d\d(?::\d\d(?:[.,:]\d{1,9})?)?)?
        \s?(?:Z|UTC|[+-]\d\d:?\d\d)?[\])>]?:?(?=\s|$)
    | [\[(]?\d\d:\d\d:\d\d(?:[.,]\d{1,9})?[\])]?(?=\s|$)
    | [\[(]?\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d\s[+-]\d{4}[\])]?
    | (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\s{1,2}\d{1,2}\s\d\d:\d\d:\d\d
    | [\[(<]?(?P<level>TRACE|DEBUG|INFO|NOTICE|LOG|WARN|WARNING|ERROR|SEVERE|FATAL|CRITICAL|CRIT|PANIC)
        (?=[\s:|\])>-]|$)[\])>]?:?
    | [\[(<]?(?P<word>(?i:trace|debug|info|notice|warn|warning|error|severe|fatal|critical|crit|panic))
        (?=[\])>:|]|\s{2})[\])>]?:?
    | \[[^\]\s]{1,60}\]:?(?=\s|$)
    | (?P<logger>[A-Za-z_][\w$]*(?:\.[A-Za-z_][\w$]*)+)(?::|\s(?:-|:)(?=\s))
    | [-|:•]+(?=\s)
    | \d{1,7}(?=\s(?:---|-|\[|[A-Z]))
    )""",
    re.VERBOSE,
)
_MOST_PREFIXES = 8
_KLOG = re.compile(r"([IWEF])\d{4} \d\d:\d\d:\d\d\.\d{1,9}\s+\d+ ([\w./-]{1,80}):\d+\] ?")
_LOGFMT_HINT = re.compile(r"(?:^|\s)(?:level|lvl|msg|severity)=")
_LOGFMT = re.compile(r'(?:^|\s)([A-Za-z_][\w.@-]{0,60})=("(?:[^"\\]|\\.)*"|[^\s"]*)')
_LOGGER = re.compile(r"[A-Za-z_][\w$-]{0,40}(?:[./][A-Za-z_][\w$-]{0,40}){0,8}")
_CONTINUES = re.compile(
    r"\s|at |\.\.\. \d+ (?:more|common)|Traceback \(most recent call last\)|goroutine \d+ \[|created by |Caused by: "
    r"|During handling of the above|The above exception was|stack backtrace:|[}\])]+[,;]?$|$"
)
_PLAIN_ERROR = re.compile(
    r"(?i)\b(?:fatal|panic|panicked at|exception|segmentation fault|out of memory|uncaught|unhandled|failed|failure"
    r"|refused|cannot|could not|unable to|error(?!s? ?[:=]? ?(?:0|none|null)\b))\b"
)
_PINO = {10: "debug", 20: "debug", 30: "info", 40: WARNING, 50: ERROR, 60: "fatal"}  # https://getpino.io/#/docs/api


def entries(lines: Iterable[LogLine]) -> Iterator[tuple[Entry, str]]:
    """Each record with its raw first line; lines of a stack trace belong to the one before and are left out."""
    for line in lines:
        text = line.text[:LINE_CHARS]
        if not text.isascii() or not text.isprintable():
            text = clean(text.replace("\t", "    "))
        if not _CONTINUES.match(text):
            yield entry(line.at, text), text


def entry(at: datetime | None, text: str) -> Entry:
    """Read one line."""
    fields = _fields_of(text)
    if fields is not None:
        return _from_fields(at, fields)
    if klog := _KLOG.match(text):
        logger = klog[2].rpartition("/")[2].removesuffix(".go")
        return _entry(at, klog[1].lower(), logger, "", text[klog.end() :])
    return _plain(at, text)


def _plain(at: datetime | None, text: str) -> Entry:
    level = logger = ""
    place = 0
    for _ in range(_MOST_PREFIXES):
        found = _PREFIX.match(text, place)
        if found is None or found.end() == place:
            break
        if found["logger"] and (not place or EXCEPTION.search(found["logger"])):
            break  # at the beginning it may be who says it
        level = level or found["level"] or found["word"] or ""
        logger, place = logger or found["logger"] or "", found.end()
    return _entry(at, level, logger, "", text[place:].strip())


def _entry(at: datetime | None, level: str, logger: str, exception: str, message: str) -> Entry:
    kind = exception or _exception_in(message)
    known = LEVELS.get(level.lower(), "")
    if not known and (kind or _PLAIN_ERROR.search(message)):
        known = ERROR
    return Entry(at, known, logger if _LOGGER.fullmatch(logger) else "", kind, message)


def _exception_in(text: str) -> str:
    found = EXCEPTION.search(text)
    return found[1] if found else ""


def _fields_of(text: str) -> Mapping[str, Any] | None:
    if text.startswith("{"):
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            return {"message": "", "level": _level_in(text)}  # cut, or no JSON: what stands in it is not told apart
        return found if isinstance(found, dict) else None
    if _LOGFMT_HINT.search(text):
        return {name: value.strip('"') for name, value in _LOGFMT.findall(text)}
    return None


def _level_in(text: str) -> str:
    found = re.search(r'"(?:level|severity|levelname)"\s*:\s*"(\w{1,12})"', text)
    return found[1] if found else ""


def _from_fields(at: datetime | None, fields: Mapping[str, Any]) -> Entry:
    level = _first(fields, "level", "severity", "lvl", "levelname", "log.level", "severityText", "severity_text")
    number = fields.get("level")
    if isinstance(number, int):
        level = _PINO.get(number, "")
    message = _first(fields, "message", "msg", "event", "body", "textPayload", "log")
    logger = _first(fields, "logger", "logger_name", "log.logger", "loggerName", "component", "caller")
    if not logger and ("levelname" in fields or "hostname" in fields):
        logger = _first(fields, "name")  # elsewhere a name is somebody's
    kind, said = _error_of(fields)
    kind, message = kind or _exception_in(message), message.partition("\n")[0]
    said = f"{message}: {said}" if message and said else message or said
    return _entry(at, level, logger.partition(":")[0].removesuffix(".go"), kind, said)


def _error_of(fields: Mapping[str, Any]) -> tuple[str, str]:
    """The class of the error that came with it, and its text."""
    given = next((fields[it] for it in ("error", "err", "exception", "exc_info", "stack_trace") if fields.get(it)), "")
    if isinstance(given, Mapping):
        kind = _first(given, "type", "name", "class", "kind", "code")
        said = _first(given, "message", "msg")
    else:
        kind = _first(fields, "error.type", "exception.type", "exc_type", "error_type", "exception_class")
        said = given if isinstance(given, str) else ""
    said = said.strip().rpartition("\n")[2] if "Traceback" in said else said.partition("\n")[0]
    return _exception_in(kind) or _exception_in(said), said[:LINE_CHARS]


def _first(fields: Mapping[str, Any], *names: str) -> str:
    return next((it for it in (fields.get(name) for name in names) if isinstance(it, str) and it), "")
