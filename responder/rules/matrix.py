"""What no matrix can mean: columns that are never taken, values without one, levels that fall where readings rise."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from responder.model.pack import Bound, Matrix, SeverityScheme
from responder.rules.bounds import implies
from responder.rules.complaints import At, Complaints


def warn_of_matrix(matrix: Matrix, scheme: SeverityScheme, at: At, complaints: Complaints) -> None:
    """Everything odd about the matrix itself."""
    cells = at / "columns" / "cells"
    for index, bound in enumerate(matrix.cells):
        if hidden := next((it for it in matrix.cells[:index] if _covers(it, bound)), None):
            complaints.warn(cells / index, f'never taken: "{hidden.text}" comes before and holds whenever it does')
    if (left_out := _fits_none(matrix.cells)) is not None:
        complaints.warn(cells, f"no column for {left_out:g}; what fits none counts as the last")
    levels_there, rank = set(scheme.levels), scheme.rank
    for row, levels in matrix.rows.items():
        for index, (former, level) in enumerate(pairwise(levels), 1):
            if {former, level} <= levels_there and rank(level) > rank(former):
                why = f"{level} after {former}: columns run from mild to grave, and unknown takes the last"
                complaints.warn(at / "rows" / row / index, why)


def warn_of_impact(rule: str, matrix: Matrix, scheme: SeverityScheme, at: At, complaints: Complaints) -> None:
    """A critical breach that comes out milder than a warning of the same rule."""
    critical, warning = (matrix.rows.get(matrix.row_of(rule, it) or "") for it in ("critical", "warning"))
    if (
        critical
        and warning
        and any(scheme.rank(it) > scheme.rank(other) for it, other in zip(critical, warning, strict=True))
    ):
        complaints.warn(at, "critical gives a milder level than warning: a graver reading lowers the severity")


def _covers(former: Bound, bound: Bound) -> bool:
    return implies(bound, former) and former.for_seconds <= bound.for_seconds


def _fits_none(cells: Sequence[Bound]) -> float | None:
    """A value that no cell holds for: at, just beside, or far beyond one of the bounds."""
    edges = sorted({it.number for it in cells})
    beside = [(low + high) / 2 for low, high in pairwise(edges)]
    tried = [max(0.0, edges[0] / 2 if edges[0] > 0 else 0.0), *edges, *beside, edges[-1] * 2 + 1]
    return next((it for it in tried if not any(cell.holds(it) for cell in cells)), None)
