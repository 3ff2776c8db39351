"""How did this query go over the last while?"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from typing import Annotated, ClassVar

from pydantic import Field

from responder.clients.doors import Doors
from responder.clients.prometheus import Series
from responder.clients.promql import escaped, why_not_fillable
from responder.diagnostics.diagnostic import Diagnostic
from responder.diagnostics.parameters import Seconds
from responder.diagnostics.prometheus_curves import chart, in_words, known, step_of
from responder.diagnostics.text import number, table
from responder.errors import Refused, Unreachable
from responder.model.catalogue import Parameters
from responder.model.finding import Finding, Outcome
from responder.model.pack import Target
from responder.model.quantities import show_duration


class Asked(Parameters):
    """`query`: PromQL; label values may stand in it inside quotes. `range`: how far back."""

    escapes: ClassVar[Mapping[str, Callable[[str], str]]] = {"query": escaped}
    why_not: ClassVar[Mapping[str, Callable[[str], str | None]]] = {"query": why_not_fillable}

    query: Annotated[str, Field(min_length=1, max_length=8192)]
    range: Annotated[Seconds, Field(ge=60, le=7 * 86_400)] = 3600.0


class PrometheusGraph:
    """A chart on the page, its range in words in the note. Judges none, as `prometheus.query`."""

    name = "prometheus.graph"
    target_kind = "prometheus"
    question = "How did this query go over the last while?"
    parameters: type[Parameters] = Asked
    marks: frozenset[str] = frozenset()

    async def examine(self, target: Target, parameters: Asked, doors: Doors) -> Finding:
        """Raises CouldNotLook when there is no answer or no sample."""
        door = doors.prometheus(target)
        why = why_not_fillable(parameters.query)
        if why:
            raise Refused(f"the query cannot be filled: {why}")
        step = step_of(parameters.range)
        several = await door.past(parameters.query, parameters.range, step)
        lasted = show_duration(parameters.range)
        if not several:
            raise Unreachable(f"no samples in the last {lasted}")
        highest_first = sorted(several, key=_highest, reverse=True)
        return Finding(
            check=self.name,
            target=target.name,
            outcome=Outcome.HEALTHY,
            headline=_headline(highest_first, lasted),
            table=table(("series", "now", "lowest", "highest"), [_row(it) for it in highest_first])
            if len(several) > 1
            else None,
            chart=chart(highest_first, step),
            gravity=0,
            equivalent=f"promtool query range --step={step}s {door.shown} {shlex.quote(parameters.query)}",
        )


def _highest(series: Series) -> float:
    return max((it for _, it in known(series.samples)), default=float("-inf"))


def _headline(several: list[Series], lasted: str) -> str:
    first = several[0]
    if len(several) == 1:
        return in_words(first, lasted)
    return f"{len(several)} series, highest {first.shown}: {in_words(first, lasted)}"


def _row(series: Series) -> tuple[str, ...]:
    values = [it for _, it in known(series.samples)]
    if not values:
        return (series.shown, "", "", "")
    return (series.shown, number(values[-1]), number(min(values)), number(max(values)))


DIAGNOSTIC: Diagnostic = PrometheusGraph()
