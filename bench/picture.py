"""The figures as one picture: `latest.svg`, drawn by hand so that nothing has to be installed for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT, ROW, GAP = 960, 190, 210, 26, 34
BAR = WIDTH - LEFT - RIGHT
COLOURS = {"responder": "#1f6feb", "reference": "#9aa4b2", "Alertmanager": "#e8872b"}
GOALS = {"1": ("reference", 0.4), "50": ("Alertmanager", 1.0)}  # alerts a body → of whose bodies a second, how many
P99_GOAL_MS = 100.0


def picture(figures: dict[str, Any]) -> str:
    """An SVG: acceptance by server with its goal, storms by their 99th percentile."""
    drawing = _Drawing()
    for alerts, by_name in figures["medians"].items():
        _acceptance(drawing, alerts, by_name)
    _storms(drawing, figures["storms"])
    about = figures["about"]
    drawing.note(
        f"commit {about['commit']}, {about['cores']} cores, load {about['load_average_at_the_end']:.1f} at the end"
    )
    return drawing.svg()


class _Drawing:
    """Rows from top to bottom."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._y = 10

    def title(self, text: str) -> None:
        """A line above what follows."""
        self._y += GAP
        self._parts.append(f'<text x="12" y="{self._y}" font-weight="bold">{escape(text)}</text>')
        self._y += 10

    def bar(self, name: str, share: float, said: str, colour: str, *, goal: float | None = None) -> None:
        """`share` of the whole width; `goal`: where a mark stands, likewise."""
        middle, length, mark = self._y + 18, max(1.0, BAR * share), BAR * (goal or 0.0)
        self._parts += [
            f'<text x="{LEFT - 10}" y="{middle}" text-anchor="end">{escape(name)}</text>',
            f'<rect x="{LEFT}" y="{self._y + 4}" width="{length:.1f}" height="18" fill="{colour}"/>',
            f'<text x="{LEFT + max(length, mark) + 8:.1f}" y="{middle}">{escape(said)}</text>',
        ]
        if goal is not None:
            self._parts.append(f'<path d="M{LEFT + mark:.1f} {self._y}v26" stroke="#c0262d" stroke-width="2"/>')
        self._y += ROW

    def note(self, text: str) -> None:
        """Small, at the end."""
        self._y += GAP
        self._parts.append(f'<text x="12" y="{self._y}" fill="#57606a" font-size="12">{escape(text)}</text>')

    def svg(self) -> str:
        """The whole file."""
        height = self._y + 16
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
            'font-family="sans-serif" font-size="14">'
        )
        return "\n".join((head, '<rect width="100%" height="100%" fill="white"/>', *self._parts, "</svg>\n"))


def _acceptance(drawing: _Drawing, alerts: str, by_name: dict[str, Any]) -> None:
    drawing.title(f"Webhooks of {alerts} alert{'s' if alerts != '1' else ''}, bodies a second (red: the goal)")
    most = max(it["per_second"] for it in by_name.values()) or 1.0
    whose, share = GOALS[alerts]
    goal = by_name[whose]["per_second"] * share / most if whose in by_name else None
    for name, it in by_name.items():
        said = f"{it['per_second']:.0f}/s, p99 {it['p99_ms']:.0f} ms"
        is_ours = name == "responder"
        drawing.bar(name, it["per_second"] / most, said, COLOURS[name], goal=goal if is_ours else None)


def _storms(drawing: _Drawing, storms: list[dict[str, Any]]) -> None:
    drawing.title("Storms at a fixed rate, 99th percentile of the time to the answer (red: the goal)")
    most = max([P99_GOAL_MS * 1.5, *(it["p99_ms"] for it in storms)])
    for said, it in _said(storms):
        drawing.bar(
            f"{50 * it['rate']:.0f} alerts/s", it["p99_ms"] / most, said, COLOURS["responder"], goal=P99_GOAL_MS / most
        )


def _said(storms: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for it in storms:
        refused = 100 * it["refused"] / max(it["sent"], 1)
        yield f"{it['p99_ms']:.0f} ms, {refused:.0f} % told 503", it
