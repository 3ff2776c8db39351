"""What can Prometheus not scrape, since when, and why?"""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import ClassVar

from responder.clients.doors import Doors
from responder.clients.prometheus import PrometheusDoor, Series
from responder.diagnostics.diagnostic import Diagnostic
from responder.diagnostics.prometheus_curves import clock
from responder.diagnostics.prometheus_matchers import Lines, in_quotes, selectors
from responder.diagnostics.text import table
from responder.errors import CouldNotLook, Unreachable
from responder.model.catalogue import Parameters
from responder.model.finding import Change, Finding, Outcome
from responder.model.matchers import parse_line
from responder.model.pack import Target
from responder.model.quantities import several

MOST_ROWS = 200
GRAVITY = 55
GRAVITY_OF_ALL = 70  # nothing of a job answers
LOOKED_BACK = "1h"
SHOWN_JOBS = 3
# What Prometheus says of a scrape may quote the page; of these words nothing is anybody's.
REASONS = re.compile(
    r"connection refused|context deadline exceeded|no such host|no route to host|network is unreachable|i/o timeout"
    r"|connection reset by peer|server returned HTTP status \d{3}|x509: certificate has expired"
    r"|x509: certificate signed by unknown authority|body size limit exceeded|sample limit exceeded|EOF"
)


class Asked(Parameters):
    """`match`: lines of matchers, any of which; without one, every target."""

    escapes: ClassVar[Mapping[str, Callable[[str], str]]] = {"match": in_quotes}

    match: Lines = ()


class PrometheusTargets:
    """By `up`, which is small however many targets there are; the list of targets tells why, for the first job."""

    name = "prometheus.targets"
    target_kind = "prometheus"
    question = "What can Prometheus not scrape, since when, and why?"
    parameters: type[Parameters] = Asked
    marks = frozenset({"scrape_down"})

    async def examine(self, target: Target, parameters: Asked, doors: Doors) -> Finding:
        """Raises CouldNotLook when there is no answer, or when no target fits."""
        door = doors.prometheus(target)
        up = " or ".join(selectors("up", [parse_line(it) for it in parameters.match]))
        totals = {it.labels.get("job", ""): _value(it) for it in await door.instant(f"count by (job) ({up})")}
        if not totals:
            raise Unreachable(
                f"{door.shown}: no target that matches" if parameters.match else f"{door.shown}: no target"
            )
        down = list(await door.instant(f"({up}) == 0"))
        jobs = Counter(it.labels.get("job", "") for it in down)
        since = await _since(door, up) if down else {}
        first = next((job for job, _ in jobs.most_common()), "")
        reasons = await _reasons(door, first) if down else {}
        every = any(count == totals.get(job) for job, count in jobs.items())
        return Finding(
            check=self.name,
            target=target.name,
            outcome=Outcome.UNHEALTHY if down else Outcome.HEALTHY,
            headline=_headline(jobs, totals, since, list(reasons.values())),
            table=table(("job", "instance", "why"), [_row(it, reasons) for it in down], most=MOST_ROWS)
            if down
            else None,
            changes=tuple(
                Change(
                    at=since[job],
                    what=f"Scrapes of {job} stopped: {jobs[job]} of {several(totals[job], 'target')} down",
                )
                for job in jobs
                if job in since
            ),
            marks=("scrape_down",) if down else (),
            found={"job": first, "instance": _first_instance(down, first)} if down else {},
            gravity=(GRAVITY_OF_ALL if every else GRAVITY) if down else 0,
            equivalent=f"promtool query instant {door.shown} {shlex.quote(f'({up}) == 0')}",
        )


async def _since(door: PrometheusDoor, up: str) -> dict[str, datetime]:
    """When the first of a job's targets that are down was up last; those that were not within the hour are left out."""
    last_up = f"max_over_time(timestamp(({up}) == 1)[{LOOKED_BACK}:15s])"
    found = await door.instant(f"min by (job) ({last_up} and ({up}) == 0)")
    return {it.labels.get("job", ""): datetime.fromtimestamp(_value(it), UTC) for it in found}


async def _reasons(door: PrometheusDoor, job: str) -> dict[str, str]:
    """Why, by instance; empty where the list of targets cannot be had: that they are down is known without it."""
    try:
        targets = await door.targets_of(job)
    except CouldNotLook:
        return {}
    return {it.labels.get("instance", ""): _reason(it.error) for it in targets if it.error}


def _reason(error: str) -> str:
    known = REASONS.search(error)
    return known[0] if known else "another reason"


def _value(series: Series) -> float:
    return (series.samples[-1].value or 0.0) if series.samples else 0.0


def _first_instance(down: Sequence[Series], job: str) -> str:
    return next((it.labels.get("instance", "") for it in down if it.labels.get("job", "") == job), "")


def _headline(
    jobs: Counter[str], totals: Mapping[str, float], since: Mapping[str, datetime], reasons: Sequence[str]
) -> str:
    """`3 of 41 targets down: api 2 of 2 since 03:08 UTC (connection refused), db 1 of 4`."""
    whole = several(sum(totals.values()), "target")
    if not jobs:
        return f"all {whole} are scraped" if sum(totals.values()) > 1 else "the target is scraped"
    named = [_job(job, count, totals, since) for job, count in jobs.most_common(SHOWN_JOBS)]
    if reasons:
        named[0] += f" ({Counter(reasons).most_common(1)[0][0]})"
    more = f", and {several(len(jobs) - SHOWN_JOBS, 'more job')}" if len(jobs) > SHOWN_JOBS else ""
    return f"{sum(jobs.values())} of {whole} down: {', '.join(named)}{more}"


def _job(job: str, count: int, totals: Mapping[str, float], since: Mapping[str, datetime]) -> str:
    when = f" since {clock(since[job])}" if job in since else f" not up within {LOOKED_BACK}"
    return f"{job} {count} of {totals.get(job, count):.0f}{when}"


def _row(series: Series, reasons: Mapping[str, str]) -> tuple[str, ...]:
    instance = series.labels.get("instance", "")
    return (series.labels.get("job", ""), instance, reasons.get(instance, ""))


DIAGNOSTIC: Diagnostic = PrometheusTargets()
