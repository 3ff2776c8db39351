"""What stands on a page in the exposition format of Prometheus or OpenMetrics: the series that are asked for.

Only lines that begin with a name that is asked for are parsed, so a page may be long, and broken elsewhere.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

from prometheus_client.parser import text_string_to_metric_families

from responder.model.reading import Counts
from responder.model.selector import Selector

MOST_SERIES = 1_000
MOST_LINE = 16 * 1024  # characters


class CannotRead(Exception):
    """The page does not give what is asked for; the text says why and quotes nothing of it."""


def counts_on(page: str, selector: Selector) -> Counts:
    """What each series that fits stands at, under a name that says nothing of its labels, which may be anybody's.

    None fits: empty, if the name is there at all; else raises CannotRead, as for what is not in the format.
    """
    lines = list(_lines(page, selector.name))
    if not lines:
        raise CannotRead(f"`{selector.name}` is not on the page")
    try:
        samples = [it for family in text_string_to_metric_families("\n".join(lines) + "\n") for it in family.samples]
    except (ValueError, KeyError, IndexError):
        raise CannotRead(f"`{selector.name}` does not stand there in the exposition format") from None
    fitting = {_key(it.labels): float(it.value) for it in samples if selector.fits(it.labels)}
    if len(fitting) > MOST_SERIES:
        raise CannotRead(f"{len(fitting)} series of `{selector.name}` fit, at most {MOST_SERIES} are summed")
    return fitting


def _lines(page: str, name: str) -> Iterator[str]:
    begins = re.compile(rf'^[ \t]*(?:{re.escape(name)}[ \t{{]|\{{[ \t]*"{re.escape(name)}")', re.MULTILINE)
    for found in begins.finditer(page):
        end = page.find("\n", found.start())
        line = page[found.start() : end if end >= 0 else len(page)]
        if len(line) > MOST_LINE:
            raise CannotRead(f"a line of `{name}` is longer than {MOST_LINE} characters")
        yield line.strip()


def _key(labels: dict[str, str]) -> str:
    told = "\x00".join(f"{name}\x01{value}" for name, value in sorted(labels.items()))
    return hashlib.sha256(told.encode("utf-8", "replace")).hexdigest()[:16]
