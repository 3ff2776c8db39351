"""What a log that was asked for by a query tells."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Self

from responder.diagnostics.log_errors import Told, told
from responder.diagnostics.log_lines import LogLine
from responder.diagnostics.log_shapes import shapes_of
from responder.model.catalogue import Beside, Parameters
from responder.model.quantities import show_duration


class AtIncident(Parameters):
    """What of an incident matters to a log: `onset`, to the minute, so that the incidents of one minute share their
    questions; `excerpts`: whether raw lines are asked for."""

    onset: datetime | None = None
    excerpts: bool = False

    @classmethod
    def of(cls, asked: Parameters, it: Beside) -> Self:
        """The same question, told of the incident."""
        onset = it.onset.replace(second=0, microsecond=0) if it.onset else None
        return cls.model_validate({**asked.model_dump(), "onset": onset, "excerpts": it.excerpts})


async def told_of(
    newest_first: Sequence[LogLine], asked: Parameters, *, since_seconds: float, now: datetime, cut: bool
) -> Told:
    """`cut`: there are older ones, so that how far back the log was read is where its oldest line is."""
    incident = asked if isinstance(asked, AtIncident) else AtIncident()
    onset = incident.onset
    between = None if cut else (now - timedelta(seconds=since_seconds), now)
    shapes = await asyncio.to_thread(shapes_of, newest_first[::-1], onset=onset, between=between)
    within = show_duration(since_seconds)
    it = told(shapes, within=within, now=now, onset=onset, excerpts=incident.excerpts)
    if not shapes.lines:
        it = replace(it, headline=f"no line that fits in the last {within}")
    cut_at = f"cut at the newest {len(newest_first)} lines" if cut else ""
    return replace(it, details="\n".join(line for line in (cut_at, it.details) if line))
