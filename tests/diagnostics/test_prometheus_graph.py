import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from responder.clients.doors import Doors
from responder.clients.prometheus import Series
from responder.diagnostics.prometheus_curves import chart, in_words
from responder.diagnostics.prometheus_graph import DIAGNOSTIC, Asked
from responder.errors import Refused, Unreachable
from responder.model.finding import Chart, Outcome, Table
from responder.model.pack import Target
from responder.model.reading import Sample
from tests.systems.plugin import System

Made = Callable[..., Target]
START = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def url(prometheus_server: Callable[..., System]) -> str:
    return prometheus_server().address


def series(*values: float, minutes: tuple[float, ...] = ()) -> Series:
    """A value a minute from 03:00 on, or at these minutes."""
    at = minutes or tuple(range(len(values)))
    samples = (
        Sample(at=START + timedelta(minutes=it), value=float(value)) for it, value in zip(at, values, strict=True)
    )
    return Series(labels={}, samples=tuple(samples))


@pytest.mark.system
async def test_one_series_is_a_curve_and_its_range_in_words(url: str, doors: Doors, target: Made) -> None:
    asked = Asked(query="vector(7) # the last word", range="30m")

    finding = await DIAGNOSTIC.examine(target("prometheus", url), asked, doors)

    assert (finding.outcome, finding.headline) == (Outcome.HEALTHY, "7 now, the same for the last 30m")
    assert isinstance(finding.chart, Chart)
    (curve,) = finding.chart.curves
    assert len(curve.points) in (100, 101)
    assert {value for _, value in curve.points} == {7.0}
    assert curve.points[1][0] - curve.points[0][0] == 18.0
    assert finding.equivalent == f"promtool query range --step=18s {url} 'vector(7) # the last word'"


@pytest.mark.system
async def test_of_several_the_highest_goes_first_and_eight_are_drawn(url: str, doors: Doors, target: Made) -> None:
    query = " or ".join(f'label_replace(vector({number}), "pod", "p{number}", "", "")' for number in range(1, 11))

    finding = await DIAGNOSTIC.examine(target("prometheus", url), Asked(query=query), doors)

    assert finding.headline == '10 series, highest {pod="p10"}: 10 now, the same for the last 1h'
    assert isinstance(finding.chart, Chart)
    assert [it.name for it in finding.chart.curves][:2] == ['{pod="p10"}', '{pod="p9"}']
    assert (len(finding.chart.curves), finding.chart.cut) == (8, "cut at 8 of 10 curves")
    assert isinstance(finding.table, Table)
    assert finding.table.rows[0] == ('{pod="p10"}', "10", "10", "10")


@pytest.mark.system
@pytest.mark.parametrize(
    ("query", "kind"),
    [("nothing_of_the_kind", Unreachable), ("sum(", Refused), ("up{job={{ labels.job }}}", Refused)],
)
async def test_without_samples_it_could_not_look(
    query: str, kind: type[Exception], url: str, doors: Doors, target: Made
) -> None:
    with pytest.raises(kind):
        await DIAGNOSTIC.examine(target("prometheus", url), Asked(query=query), doors)


def test_the_words_say_the_range_and_the_peak() -> None:
    assert in_words(series(1, 5, 2), "1h") == "2 now, 1 to 5 in the last 1h, highest at 03:01 UTC"
    assert in_words(series(math.nan), "1h") == "no number in the last 1h"


def test_a_missing_sample_is_a_gap_and_no_number_is_none() -> None:
    (curve,) = chart([series(1, 2, math.inf, minutes=(0, 5, 6))], step_seconds=60).curves
    began = START.timestamp()

    assert curve.points == ((began, 1.0), (began + 60, None), (began + 300, 2.0), (began + 360, None))


@pytest.mark.parametrize("asked", [{"query": ""}, {"query": "up", "range": "5s"}, {"query": "up", "range": "1w1d"}, {}])
def test_what_cannot_be_meant_is_refused(asked: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Asked(**asked)  # type: ignore[arg-type]
