import re
from collections.abc import Callable

import pytest

from responder.clients.doors import Doors
from responder.diagnostics.prometheus_rules import DIAGNOSTIC, Asked, Held, _headline
from responder.errors import Refused, Unreachable
from responder.model.alerting_rule import AlertingRule
from responder.model.catalogue import Beside
from responder.model.finding import Chart, Outcome, Table
from responder.model.pack import Target
from tests.systems.plugin import System

Made = Callable[..., Target]

RULES = """\
groups:
  - name: all
    rules:
      - {alert: Always, expr: vector(7), labels: {severity: page}}
      - {alert: Always, expr: vector(5) > 6, labels: {severity: warning}}
      - {alert: Never, expr: vector(0) > 1}
      - {alert: Flaps, expr: vector(time()) % 1200 < 600}
      - alert: Broken
        expr: >-
          vector(1) + on () (label_replace(vector(1), "a", "1", "", "") or label_replace(vector(1), "a", "2", "", ""))
      - {record: Recorded, expr: vector(1)}
"""


@pytest.fixture(scope="module")
def url(prometheus_server: Callable[..., System]) -> str:
    config = "global: {evaluation_interval: 1s}\nrule_files: [rules.yml]\n"
    return prometheus_server(config, files={"rules.yml": RULES}).address


@pytest.mark.system
async def test_of_the_incidents_alerts_the_rule_that_made_them_is_looked_at(
    url: str, doors: Doors, target: Made
) -> None:
    asked = Asked().beside(Beside(alerts=[{"alertname": "Always", "severity": "page", "cluster": "eu"}]))

    finding = await DIAGNOSTIC.examine(target("prometheus", url), asked, doors)

    assert (finding.outcome, finding.gravity) == (Outcome.UNHEALTHY, 20)
    assert finding.headline == "Always holds for an hour or longer, highest now 7"
    assert finding.table is None
    assert isinstance(finding.chart, Chart)
    assert finding.equivalent == f"promtool query range {url} 'vector(7)'"


@pytest.mark.system
async def test_by_name_every_rule_of_that_name_is(url: str, doors: Doors, target: Made) -> None:
    finding = await DIAGNOSTIC.examine(target("prometheus", url), Asked(alert="Always"), doors)

    assert isinstance(finding.table, Table)
    assert [(row[1], row[4]) for row in finding.table.rows] == [
        ("holds", "vector(7)"),
        ("does not hold", "vector(5) > 6"),
    ]


@pytest.mark.system
async def test_what_has_not_held_says_so(url: str, doors: Doors, target: Made) -> None:
    finding = await DIAGNOSTIC.examine(target("prometheus", url), Asked(alert="Never"), doors)

    assert (finding.outcome, finding.headline) == (Outcome.HEALTHY, "Never has not held in the last hour")
    assert finding.chart is None


@pytest.mark.system
async def test_what_comes_and_goes_is_counted(url: str, doors: Doors, target: Made) -> None:
    finding = await DIAGNOSTIC.examine(target("prometheus", url), Asked(alert="Flaps"), doors)

    assert re.search(r"; [34] times in the last hour, (29|30|31|32)m in all$", finding.headline)


@pytest.mark.system
@pytest.mark.parametrize(
    ("alert", "why"), [("Nobody", "it has no rule for Nobody"), ("Recorded", "it has no rule for")]
)
async def test_without_a_rule_it_could_not_look(alert: str, why: str, url: str, doors: Doors, target: Made) -> None:
    with pytest.raises(Unreachable, match=why):
        await DIAGNOSTIC.examine(target("prometheus", url), Asked(alert=alert), doors)


async def test_without_an_alert_it_asks_for_one(doors: Doors, target: Made) -> None:
    with pytest.raises(Refused, match="say which with `alert`"):
        await DIAGNOSTIC.examine(target("prometheus", "http://127.0.0.1:1"), Asked(), doors)


def test_the_headline_says_since_when() -> None:
    rule = AlertingRule(group="a", alert="HighErrorRate", expression="up")
    at = 1_795_230_000.0  # 2026-11-21 03:00 UTC

    def said(*spells: tuple[float, float]) -> str:
        placed = tuple((at + began, at + ended) for began, ended in spells)
        return _headline(Held(rule=rule, series=(), step_seconds=36, spells=placed, last_at=at + 1800), [])

    assert said((1560, 1790)) == "HighErrorRate holds since 03:26 UTC (4m)"
    assert (
        said((0, 300), (1560, 1790)) == "HighErrorRate holds since 03:26 UTC (4m); 2 times in the last hour, 10m in all"
    )
    assert said((0, 300)) == "HighErrorRate does not hold any more, last at 03:05 UTC"
    assert _headline(None, [rule]) == "HighErrorRate cannot be evaluated by Prometheus"
