"""What series on an exposition page sum up to, or by how much they grew between our own samples."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace

from responder.clients.doors import Doors
from responder.clients.exposition import ACCEPT, CannotRead, counts_on
from responder.clients.http import Answer
from responder.errors import Unreachable
from responder.model.reading import AnyReading, Counts, Measure, Sample
from responder.model.selector import in_quotes, parse_selector
from responder.model.sources import MetricsSource, Unit
from responder.model.template import fill
from responder.signals.signal import Wanted, converted, filled_path, sampled

NATIVE: dict[Measure, Unit] = {"ratio": "ratio", "rate": "per_second"}


async def read_metrics(wanted: Wanted, doors: Doors) -> AnyReading:
    """One sample of what is there. Of counters it says nothing alone; `history` sets it beside the earlier ones."""
    source = wanted.signal.source
    assert isinstance(source, MetricsSource)
    door = doors.http(wanted.target)
    path = filled_path(source.path, wanted)
    texts = [fill(it, {"labels": wanted.labels}, in_quotes) for it in source.selectors]
    answer = await door.get(path, accept=ACCEPT)
    try:
        if answer.status >= 400:
            raise CannotRead("not a page of metrics")
        if answer.cut:
            raise CannotRead("the page is larger than 1 MiB")
        # The event loop also takes webhooks: a long page must not hold those up.
        counts = await asyncio.to_thread(_counts, answer, texts)
        value = _sum(counts[0])
        if source.how == "value" and not counts[0]:
            raise CannotRead(f"no series fits {texts[0]}")
    except CannotRead as why:
        raise Unreachable(f"{door.shown}{path}: HTTP {answer.status}, {why}") from None
    origin = f"{source.how} of {' by '.join(texts)} at GET {door.shown}{path}"
    if source.how == "value":
        return sampled(wanted, value, origin)
    sample = Sample(at=wanted.now, value=value, counts=counts)
    scale = converted(1.0, NATIVE.get(source.how, wanted.signal.unit), wanted.signal.unit)
    reading = sampled(wanted, math.nan, origin)
    return replace(reading, past=(sample,), measure=source.how, scale=scale)


def _counts(answer: Answer, texts: list[str]) -> tuple[Counts, ...]:
    return tuple(counts_on(answer.text, parse_selector(text)) for text in texts)


def _sum(counts: Counts) -> float:
    total = sum(counts.values())
    if not math.isfinite(total):
        raise CannotRead("the sum is no finite number")
    return total
