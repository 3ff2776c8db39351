import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from responder.clients.doors import Doors
from responder.diagnostics.prometheus_targets import DIAGNOSTIC, Asked, _reason
from responder.errors import Unreachable
from responder.model.finding import Finding, Outcome, Table
from responder.model.pack import Target
from tests.systems.plugin import System, free_port

Made = Callable[..., Target]
DOWN_SECONDS = 600


def past(now: int) -> str:
    """Samples each 15 s of the last half hour: db-1 has been down for ten minutes, db-2 and the api are up."""
    lines = ["# TYPE up gauge"]
    since = now - DOWN_SECONDS
    for job, instance, down_since in (("api", "a", None), ("db", "db-1", since), ("db", "db-2", None)):
        for at in range(now - 1800, now + 1, 15):
            up = 0 if down_since is not None and at > down_since else 1
            lines.append(f'up{{job="{job}",instance="{instance}"}} {up} {at}')
    return "\n".join([*lines, "# EOF", ""])


@pytest.fixture(scope="module")
def started() -> int:
    """When these tests began: what is older than five minutes is stale to Prometheus."""
    return int(time.time())


@pytest.fixture(scope="module")
def prometheus(prometheus_server: Callable[..., System], started: int) -> System:
    """It scrapes one target for itself, where nothing listens."""
    config = f"""\
scrape_configs:
  - job_name: closed
    scrape_interval: 1s
    static_configs: [{{targets: ['127.0.0.1:{free_port()}']}}]
"""
    return prometheus_server(config, openmetrics=past(started))


@pytest.mark.system
async def test_what_is_down_is_named_with_since_when(
    prometheus: System, started: int, doors: Doors, target: Made
) -> None:
    given = target("prometheus", prometheus.address)
    asked = Asked(match=['job="db"', 'job="api"'])

    finding = await DIAGNOSTIC.examine(given, asked, doors)

    assert (finding.outcome, finding.marks, finding.gravity) == (Outcome.UNHEALTHY, ("scrape_down",), 55)
    (change,) = finding.changes
    assert abs((datetime.fromtimestamp(started - DOWN_SECONDS, UTC) - change.at).total_seconds()) <= 15
    assert change.what == "Scrapes of db stopped: 1 of 2 targets down"
    assert finding.headline == f"1 of 3 targets down: db 1 of 2 since {change.at:%H:%M} UTC"
    assert finding.found == {"job": "db", "instance": "db-1"}
    assert isinstance(finding.table, Table)
    assert finding.table.rows == (("db", "db-1", ""),)
    assert "promtool query instant" in finding.equivalent


@pytest.mark.system
async def test_a_job_of_which_nothing_answers_is_graver_and_says_why(
    prometheus: System, doors: Doors, target: Made
) -> None:
    finding = await _once_it_is_scraped(target("prometheus", prometheus.address, per_minute=1000), doors)

    assert (finding.outcome, finding.gravity) == (Outcome.UNHEALTHY, 70)
    assert finding.headline == "1 of 1 target down: closed 1 of 1 not up within 1h (connection refused)"
    assert isinstance(finding.table, Table)
    assert finding.table.rows[0][2] == "connection refused"


@pytest.mark.system
async def test_all_that_are_up_are_healthy_and_none_at_all_is_no_answer(
    prometheus: System, doors: Doors, target: Made
) -> None:
    given = target("prometheus", prometheus.address)

    finding = await DIAGNOSTIC.examine(given, Asked(match='job=~"api|db",instance!="db-1"'), doors)

    assert (finding.outcome, finding.headline) == (Outcome.HEALTHY, "all 2 targets are scraped")
    with pytest.raises(Unreachable, match="no target that matches"):
        await DIAGNOSTIC.examine(given, Asked(match='job="nothing"'), doors)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            'Get "http://10.0.0.1:9100/metrics": dial tcp 10.0.0.1:9100: connect: connection refused',
            "connection refused",
        ),
        ("server returned HTTP status 503 Service Unavailable", "server returned HTTP status 503"),
        ('expected value after metric, got "s3cret"', "another reason"),
    ],
)
def test_of_a_reason_only_what_is_nobodys_is_told(error: str, said: str) -> None:
    assert _reason(error) == said


@pytest.mark.parametrize("match", ["job", 'job=~"{{ labels.job }}"', 5])
def test_what_cannot_be_meant_is_refused(match: object) -> None:
    with pytest.raises(ValidationError):
        Asked(match=match)


async def _once_it_is_scraped(given: Target, doors: Doors) -> Finding:
    while True:
        try:
            finding = await DIAGNOSTIC.examine(given, Asked(match='job="closed"'), doors)
        except Unreachable:
            await asyncio.sleep(0.1)
        else:
            return finding
