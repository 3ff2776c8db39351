"""The matrix: rows by what a rule's breach impairs, columns by how much a signal says is affected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from responder.model.growth import measured
from responder.model.pack import Matrix
from responder.model.quantities import show_value
from responder.model.reading import AnyReading, Reading
from responder.model.verdict import Breach, Level, Pending, RuleVerdict, key_of
from responder.model.window import judge, reason_unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One rule's place in the matrix. `level` None: the rule names no row, so `otherwise` holds for it."""

    level: str | None
    because: str = ""


def cells_of(
    matrix: Matrix, verdicts: Sequence[RuleVerdict], readings: Mapping[str, Sequence[AnyReading]]
) -> list[Cell]:
    """The cells of all rules in breach or pending, one for each reading of the columns' signal."""
    columns = dict([_column(matrix, it) for it in readings.get(matrix.signal, ())]) or {
        len(matrix.cells) - 1: f"{matrix.signal} was not read"
    }
    cells: list[Cell] = []
    for it in verdicts:
        if not isinstance(it.verdict, Breach | Pending):
            continue
        row = matrix.row_of(it.rule, "warning" if isinstance(it.verdict, Pending) else key_of(it.verdict))
        if row is None:
            cells.append(Cell(level=None))
            continue
        cells += [Cell(level=matrix.rows[row][at], because=f"{it.rule}: {row}, {why}") for at, why in columns.items()]
    return cells


def _column(matrix: Matrix, reading: AnyReading) -> tuple[int, str]:
    """The first cell that holds; what is unknown, or fits none, counts as the last."""
    last = len(matrix.cells) - 1
    if (why := reason_unknown(reading)) is not None or not isinstance(reading, Reading):
        return last, why or ""
    verdicts = [judge(bound, Level.CRITICAL, reading) for bound in matrix.cells]
    at = next((index for index, it in enumerate(verdicts) if isinstance(it, Breach)), last)
    bound = matrix.cells[at]
    shown = show_value(measured(bound, reading).value, bound.unit, bound.noun)
    return at, f"{matrix.signal} {shown} ({bound.text if isinstance(verdicts[at], Breach) else 'fits no column'})"
