"""A chart as SVG within the page: no script, no style of its own, nothing to load."""

from __future__ import annotations

from datetime import UTC, datetime

from markupsafe import Markup, escape

from responder.delivery.plain_text import inert
from responder.model.finding import Chart, Curve

WIDTH, HEIGHT = 600.0, 120.0
LOOKS = 8  # classes curve-1 … of the style sheet

Span = tuple[float, float]


def drawn(chart: Chart) -> Markup:
    """The curves above their span of time, and a legend that names each with its last value."""
    known = [(at, value) for it in chart.curves for at, value in it.points if value is not None]
    if not known:
        return Markup()
    times = _span([at for it in chart.curves for at, _ in it.points])
    values = _span([value for _, value in known])
    curves = Markup().join(_curve(it, number, times, values) for number, it in enumerate(chart.curves))
    said = f"{_number(values[0])} to {_number(values[1])}, {_clock(times[0])} to {_clock(times[1])}"
    return Markup(
        '<figure class="chart"><svg viewBox="0 0 {w:.0f} {h:.0f}" role="img" aria-label="{said}" '
        'preserveAspectRatio="none">{curves}</svg>'
        '<figcaption><p class="quiet">{said}</p>{legend}{cut}</figcaption></figure>'
    ).format(
        w=WIDTH,
        h=HEIGHT,
        said=said,
        curves=curves,
        legend=_legend(chart) if len(chart.curves) > 1 else "",
        cut=Markup('<p class="quiet">{}</p>').format(inert(chart.cut)) if chart.cut else "",
    )


def _curve(curve: Curve, number: int, times: Span, values: Span) -> Markup:
    """One path; the pen is lifted over gaps, and a lone sample is a dot."""
    parts: list[str] = []
    pen_down = False
    for at, value in curve.points:
        if value is None:
            pen_down = False
            continue
        x, y = _placed(at, times, WIDTH), HEIGHT - _placed(value, values, HEIGHT)
        parts.append(f"{'L' if pen_down else 'M'}{x:.1f} {y:.1f}" + ("" if pen_down else "h.1"))
        pen_down = True
    return Markup('<path class="curve curve-{}" d="{}"/>').format(number % LOOKS + 1, "".join(parts))


def _placed(value: float, span: Span, length: float) -> float:
    """Where it stands between the ends; in the middle where all are equal."""
    low, high = span
    return (value - low) / (high - low) * length if high > low else length / 2


def _span(several: list[float]) -> Span:
    return min(several), max(several)


def _legend(chart: Chart) -> Markup:
    lines = [
        Markup('<li class="curve-{}">{}</li>').format(number % LOOKS + 1, escape(inert(it.name)))
        for number, it in enumerate(chart.curves)
    ]
    return Markup("<ul>{}</ul>").format(Markup().join(lines))


def _number(value: float) -> str:
    return f"{value:.4g}"


def _clock(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%H:%M} UTC"
