"""What stands on a page in the exposition format of Prometheus or OpenMetrics: the series that are asked for.

Only lines that begin with a name that is asked for are parsed, so a page may be long, and broken elsewhere.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from responder.model.reading import Counts
from responder.model.selector import Selector

MOST_SERIES = 1_000
# OpenMetrics itself is not asked for: servers that have both give the same numbers in either.
ACCEPT = "text/plain;version=0.0.4;q=1, application/openmetrics-text;version=1.0.0;q=0.5, */*;q=0.1"
MOST_LINE = 16 * 1024  # characters


class CannotRead(Exception):
    """The page does not give what is asked for; the text says why and quotes nothing of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One series on a page."""

    labels: Mapping[str, str]
    value: float


def counts_on(page: str, selector: Selector) -> Counts:
    """What each series that fits stands at, under a name that says nothing of its labels, which may be anybody's."""
    fitting = {_key(it.labels): it.value for it in series_on(page, selector)}
    if len(fitting) > MOST_SERIES:
        raise CannotRead(f"{len(fitting)} series of `{selector.name}` fit, at most {MOST_SERIES} are summed")
    return fitting


def series_on(page: str, selector: Selector) -> list[Shown]:
    """The series that fit, in the order of the page.

    None fits: empty, if the name is there at all; else raises CannotRead, as for what is not in the format.
    """
    lines = list(_lines(page, selector.name))
    if not lines:
        raise CannotRead(f"`{selector.name}` is not on the page")
    try:
        samples = [it for family in text_string_to_metric_families("\n".join(lines) + "\n") for it in family.samples]
    except (ValueError, KeyError, IndexError):
        raise CannotRead(f"`{selector.name}` does not stand there in the exposition format") from None
    return [Shown(labels=it.labels, value=float(it.value)) for it in samples if selector.fits(it.labels)]


def _lines(page: str, name: str) -> Iterator[str]:
    begins = re.compile(rf'^[ \t]*(?:{re.escape(name)}[ \t{{]|\{{[ \t]*"{re.escape(name)}")', re.MULTILINE)
    for found in begins.finditer(page):
        end = page.find("\n", found.start())
        line = page[found.start() : end if end >= 0 else len(page)]
        if len(line) > MOST_LINE:
            raise CannotRead(f"a line of `{name}` is longer than {MOST_LINE} characters")
        yield line.strip()


def _key(labels: Mapping[str, str]) -> str:
    told = "\x00".join(f"{name}\x01{value}" for name, value in sorted(labels.items()))
    return hashlib.sha256(told.encode("utf-8", "replace")).hexdigest()[:16]
