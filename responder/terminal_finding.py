"""What one check found, for a terminal: the line that matters, then what it stands on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from responder import terminal
from responder.delivery.plain_text import inert
from responder.model.finding import Chart, Curve, Finding, Outcome

COLOURS = {Outcome.HEALTHY: "green", Outcome.UNHEALTHY: "bright_red", Outcome.INCONCLUSIVE: "yellow"}
WORDS = {Outcome.INCONCLUSIVE: "could not look"}
BARS = "▁▂▃▄▅▆▇█"
WIDEST_CURVE = 60
INDENT = 2


def lines_of(finding: Finding, now: datetime, wide: int) -> Iterator[str]:
    """All of it; times are UTC."""
    word = terminal.coloured(WORDS.get(finding.outcome, str(finding.outcome)), COLOURS[finding.outcome])
    yield f"{inert(finding.name)}  {word}, in {_took(finding.took_seconds)}"
    body = [*terminal.paragraph("", finding.headline, wide=wide - INDENT, indent=0), *_below(finding, now, wide)]
    yield from (f"{' ' * INDENT}{line}".rstrip() for line in body)


def _below(finding: Finding, now: datetime, wide: int) -> Iterator[str]:
    if finding.details:
        yield ""
        yield from (inert(it) for it in finding.details.splitlines())
    if finding.table is not None:
        yield ""
        yield from terminal.table(finding.table.columns, finding.table.rows, wide=wide - INDENT)
        yield from ([f"({finding.table.cut})"] if finding.table.cut else [])
    if finding.chart is not None:
        yield ""
        yield from _chart(finding.chart, wide - INDENT)
    if finding.changes:
        yield ""
        yield "Changes"
        for it in finding.changes:
            by = f", by {it.by}" if it.by else ""
            yield f"  {terminal.clock(it.at, now)} UTC  {inert(it.what)}{inert(by)}"
    yield from _said(finding, wide - INDENT)


def _said(finding: Finding, wide: int) -> Iterator[str]:
    said = {
        "Marks": ", ".join(finding.marks),
        "Found": ", ".join(f"{name}={value}" for name, value in finding.found.items()),
        "Same by": finding.equivalent,
    }
    if any(said.values()):
        yield ""
    for head, text in said.items():
        if text:
            yield from terminal.paragraph(head, text, wide=wide, indent=9)


def _chart(chart: Chart, wide: int) -> Iterator[str]:
    """A line a curve: its name, its course, its last value; all on one scale, which is said below."""
    known = [value for it in chart.curves for _, value in it.points if value is not None]
    if not known:
        yield "no sample"
        return
    low, high = min(known), max(known)
    names = max(len(inert(it.name)) for it in chart.curves)
    room = max(10, min(WIDEST_CURVE, wide - names - 14))
    for it in chart.curves:
        last = next((value for _, value in reversed(it.points) if value is not None), None)
        shown = f"{last:.4g}" if last is not None else "no sample"
        yield f"{inert(it.name).ljust(names)}  {_bars(it, low, high, room)}  {shown}"
    times = [at for it in chart.curves for at, _ in it.points]
    yield f"{low:.4g} to {high:.4g}, {_clock(min(times))} to {_clock(max(times))} UTC"
    if chart.cut:
        yield f"({chart.cut})"


def _bars(curve: Curve, low: float, high: float, room: int) -> str:
    """Each bar the highest of its stretch; a gap where there was no sample."""
    many = len(curve.points)
    wide = min(room, many)
    stretches = [curve.points[n * many // wide : (n + 1) * many // wide] for n in range(wide)]
    return "".join(_bar([value for _, value in it if value is not None], low, high) for it in stretches)


def _bar(values: Sequence[float], low: float, high: float) -> str:
    if not values:
        return " "
    share = (max(values) - low) / (high - low) if high > low else 0.5
    return BARS[min(int(share * len(BARS)), len(BARS) - 1)]


def _clock(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%H:%M}"


def _took(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"
