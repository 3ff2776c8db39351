"""`make test-truth`: how often the true cause is what a report points at first."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from responder.delivery.plain_text import plain_text
from responder.model.incident import marker_of
from responder.model.report import Report
from responder.telemetry import set_up_log
from tests.scenarios.play import play
from tests.scenarios.scenario import Expected, Scenario, folders, read_scenario, stands_in

NOTE_BYTES = 100_000  # nothing is cut
HIT_SHARE = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """`first`: the first line of "Look here first", empty when there is none. `wrong`: what else is not as asked."""

    scenario: Scenario
    first: str
    hit: bool
    red_herring: bool
    claimed: bool
    wrong: tuple[str, ...]

    @property
    def has_cause(self) -> bool:
        """Whether there is a cause to be found."""
        return bool(self.scenario.expected.first)


def score(scenario: Scenario, report: Report) -> Scored:
    """Hold one report against what was expected."""
    expected = scenario.expected
    lines = [it.text for it in report.look_first]
    first = lines[0] if lines else ""
    could_not = [f"{it.check}: {it.text}" for it in report.could_not_look]
    text = plain_text(report, marker=marker_of("truth", report.slug), max_bytes=NOTE_BYTES)
    return Scored(
        scenario=scenario,
        first=first,
        hit=stands_in(expected.first[0], first) if expected.first else not lines,
        red_herring=any(stands_in(it, first) for it in expected.not_first),
        claimed=_claimed(expected, report, could_not),
        wrong=tuple(_wrong(expected, lines, text, could_not)),
    )


def _claimed(expected: Expected, report: Report, could_not: Sequence[str]) -> bool:
    """Something is said of what could not be looked at, or a cause is named where there is none to be known."""
    told = [f"{it.check}: {it.text}" for it in (*report.look_first, *report.also, *report.healthy)]
    of_unknown = any(stands_in(f"{it}: | {it}(", line) for it in expected.could_not_look for line in told)
    not_said = any(not any(stands_in(it, line) for line in could_not) for it in expected.could_not_look)
    return of_unknown or not_said or (not expected.first and bool(report.look_first))


def _wrong(expected: Expected, lines: Sequence[str], text: str, could_not: Sequence[str]) -> Iterator[str]:
    for it in expected.first[1:]:
        if not any(stands_in(it, line) for line in lines):
            yield f"not among the first lines: {it}"
    for it in expected.there:
        if not stands_in(it, text):
            yield f"not there: {it}"
    for it in expected.not_there:
        if stands_in(it, text):
            yield f"there, and must not be: {it}"
    for it in could_not:
        if not any(stands_in(name, it) for name in expected.could_not_look):
            yield f"could not look, unexpectedly: {it}"


def table(several: Sequence[Scored]) -> Iterator[str]:
    """One line a scenario, then the three figures: of all, and of those that were held out."""
    for it in sorted(several, key=lambda it: (it.scenario.held_out, it.scenario.name)):
        verdict = "red herring first" if it.red_herring else "hit" if it.hit else "MISSED"
        claimed = ", claimed without data" if it.claimed else ""
        held = " (held out)" if it.scenario.held_out else ""
        yield f"{verdict + claimed:<12} {it.scenario.name}{held}: {it.scenario.expected.promise}"
        yield f"    expected  {' / '.join(it.scenario.expected.first) or 'nothing'}"
        yield f"    got       {it.first or 'nothing'}"
        yield from (f"    WRONG     {wrong}" for wrong in it.wrong)
    yield ""
    tuned = [it for it in several if not it.scenario.held_out]
    parts = {"all": several, "tuned on": tuned, "held out": [it for it in several if it.scenario.held_out]}
    for name, part in parts.items():
        yield f"{name:<9} {summary(part)}"


def summary(several: Sequence[Scored]) -> str:
    """`cause first in 27 of 28 (96 %), …`."""
    causes = [it for it in several if it.has_cause]
    hits = sum(it.hit for it in causes)
    quiet = [it for it in several if not it.has_cause]
    return (
        f"{len(several)} scenarios: cause first in {hits} of {len(causes)} ({100 * hits / max(len(causes), 1):.0f} %), "
        f"nothing said in {sum(it.hit for it in quiet)} of {len(quiet)} without a cause, "
        f"red herring first in {sum(it.red_herring for it in several)}, "
        f"claimed without data in {sum(it.claimed for it in several)}; "
        f"{sum(it.scenario.is_given for it in several)} with given findings"
    )


async def scored() -> list[Scored]:
    """All of them."""
    scenarios = [read_scenario(it) for it in folders()]
    return [score(it, await play(it)) for it in scenarios]


def is_good(several: Sequence[Scored]) -> bool:
    """Whether the goals are reached."""
    causes = [it for it in several if it.has_cause]
    return (
        sum(it.hit for it in causes) >= HIT_SHARE * len(causes)
        and not any(it.red_herring or it.claimed for it in several)
        and not any(it.wrong for it in several)
    )


if __name__ == "__main__":
    set_up_log(as_json=False, level="error", redact=str)
    found = asyncio.run(scored())
    print("\n".join(table(found)))
    sys.exit(0 if is_good(found) else 1)
