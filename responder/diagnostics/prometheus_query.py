"""What does this query say now?"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from typing import Annotated, ClassVar

from pydantic import Field

from responder.clients.doors import Doors
from responder.clients.prometheus import Series
from responder.clients.promql import escaped, why_not_fillable
from responder.diagnostics.diagnostic import Diagnostic
from responder.diagnostics.text import number, table
from responder.errors import Refused, Unreachable
from responder.model.catalogue import Parameters
from responder.model.finding import Finding, Outcome
from responder.model.pack import Target
from responder.model.query import why_not_a_query

SHOWN_IN_HEADLINE = 3


def _why_not(query: str) -> str | None:
    return why_not_fillable(query) or why_not_a_query(query)


class Asked(Parameters):
    """`query`: PromQL; label values may stand in it inside quotes."""

    escapes: ClassVar[Mapping[str, Callable[[str], str]]] = {"query": escaped}
    why_not: ClassVar[Mapping[str, Callable[[str], str | None]]] = {"query": _why_not}

    query: Annotated[str, Field(min_length=1, max_length=8192)]


class PrometheusQuery:
    """Shows values and judges none: without a bound there is nothing to hold them against."""

    name = "prometheus.query"
    target_kind = "prometheus"
    question = "What does this query say now?"
    parameters: type[Parameters] = Asked
    marks: frozenset[str] = frozenset()

    async def examine(self, target: Target, parameters: Asked, doors: Doors) -> Finding:
        """Raises CouldNotLook when there is no answer or no sample."""
        door = doors.prometheus(target)
        why = why_not_fillable(parameters.query)
        if why:
            raise Refused(f"the query cannot be filled: {why}")
        series = await door.instant(parameters.query)
        if not series:
            raise Unreachable("no samples")
        warnings = dict.fromkeys(warning for it in series for warning in it.warnings)
        rows: list[tuple[str, ...]] = [(it.shown, number(_value(it))) for it in series]
        return Finding(
            check=self.name,
            target=target.name,
            outcome=Outcome.HEALTHY,
            headline=_headline(series),
            details="\n".join(f"Prometheus warned: {it}" for it in warnings),
            table=table(("series", "value"), rows) if len(series) > 1 else None,
            equivalent=f"promtool query instant {door.shown} {shlex.quote(parameters.query)}",
        )


def _value(series: Series) -> float:
    value = series.samples[-1].value if series.samples else None
    return float("nan") if value is None else value


def _headline(series: tuple[Series, ...]) -> str:
    shown = ", ".join(_line(it) for it in series[:SHOWN_IN_HEADLINE])
    if len(series) == 1:
        return shown
    return f"{len(series)} series: {shown}" + (", …" if len(series) > SHOWN_IN_HEADLINE else "")


def _line(series: Series) -> str:
    return f"{series.shown} {number(_value(series))}" if series.labels else number(_value(series))


DIAGNOSTIC: Diagnostic = PrometheusQuery()
