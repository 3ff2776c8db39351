import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest
from aiohttp import web
from pydantic import ValidationError

from responder.clients.doors import Doors
from responder.diagnostics.plan import plan
from responder.diagnostics.prometheus_alerts import DIAGNOSTIC, Asked
from responder.errors import Refused, Unreachable
from responder.model.finding import Finding, Outcome
from responder.model.matchers import parse_line
from responder.model.pack import Entry, Pack, Position, Rule, Target
from responder.model.verdict import Clear, RuleVerdict
from tests.systems.plugin import System
from tests.systems.servers import Handler

Made = Callable[..., Target]
Serve = Callable[[Handler], Awaitable[str]]

CONFIG = """\
global: {evaluation_interval: 1s, external_labels: {cluster: eu}}
rule_files: [rules.yml]
"""
RULES = """\
groups:
  - name: all
    interval: 1s
    rules:
      - {alert: HighErrorRate, expr: vector(1), labels: {service: api}}
      - {alert: DiskFull, expr: vector(1), labels: {severity: page, namespace: shop}}
      - alert: HighLatency
        expr: 'label_replace(vector(1), "pod", "a", "", "") or label_replace(vector(1), "pod", "b", "", "")'
        labels: {service: api}
      - {alert: Watchdog, expr: vector(1)}
      - {alert: Slow, expr: vector(1), for: 1h}
"""
ALERT = {"alertname": "HighErrorRate", "service": "api", "cluster": "eu", "severity": "added on the way"}


@pytest.fixture(scope="module")
def server(prometheus_server: Callable[..., System]) -> str:
    return prometheus_server(CONFIG, files={"rules.yml": RULES}).address


@pytest.fixture
async def url(server: str, doors: Doors, target: Made) -> str:
    """A Prometheus whose rules have been evaluated."""
    async with asyncio.timeout(30):
        while len((await doors.prometheus(target("prometheus", server)).alerts()).alerts) < 6:
            await asyncio.sleep(0.1)
    return server


def body(*alerts: Mapping[str, Any]) -> dict[str, Any]:
    return {"status": "success", "data": {"alerts": list(alerts)}}


def firing(name: str, since: str = "2026-11-20T02:51:38.961834412Z", **labels: str) -> dict[str, Any]:
    labels = {"alertname": name, **labels}
    return {"labels": labels, "annotations": {}, "state": "firing", "activeAt": since, "value": "1e+00"}


def answering(answer: Any, *, status: int = 200, date: str = "Fri, 20 Nov 2026 03:14:00 GMT") -> Handler:
    async def handler(request: web.Request) -> web.Response:
        assert request.path == "/api/v1/alerts"
        headers = {"Date": date} if date else {}
        if isinstance(answer, str):
            return web.Response(status=status, text=answer, headers=headers)
        return web.json_response(answer, status=status, headers=headers)

    return handler


async def found(
    doors: Doors, target: Target, *match: str, own: list[Mapping[str, str]] | None = None, ignored: str = ""
) -> Finding:
    """As asked by a rule of an incident with these alerts."""
    lines = (parse_line(ignored),) if ignored else ()
    pack = Pack(name="p", hash=b"", files={}, targets={target.name: target}, ignore=lines)
    entry = Entry(check="prometheus.alerts", parameters=Asked(match=match))
    rule = Rule(name="r", written_at=Position(file="", line=1, column=1), default=True, diagnose=(entry,))
    (ask,) = plan(pack, [(rule, RuleVerdict(rule="r", verdict=Clear()))], own or []).asks
    assert ask.target is not None
    return await DIAGNOSTIC.examine(ask.target, ask.parameters, doors)


@pytest.mark.system
async def test_what_else_fires_is_told_without_the_incidents_own(url: str, doors: Doors, target: Made) -> None:
    finding = await found(doors, target("prometheus", url), own=[ALERT], ignored='alertname="Watchdog"')

    assert finding.outcome is Outcome.UNHEALTHY
    assert finding.headline.startswith("3 other alerts fire: HighLatency ×2 since ")
    assert ", DiskFull since " in finding.headline
    assert finding.headline.endswith(" UTC")
    assert finding.table is not None
    assert [(row[0], row[1], row[3]) for row in finding.table.rows] == [
        ("HighLatency", "2", '{service="api"}'),
        ("DiskFull", "1", '{namespace="shop", severity="page"}'),
    ]
    assert finding.details.splitlines() == [
        "1 more pending, not firing yet",
        "2 of this incident, or ignored by its rules, not counted",
    ]
    assert finding.equivalent == f"promtool query instant {url} 'ALERTS{{alertstate=\"firing\"}}'"


@pytest.mark.system
@pytest.mark.parametrize(
    ("match", "headline"),
    [
        (['namespace="shop"'], "1 other alert fires: DiskFull since "),
        (['namespace="shop"', 'pod=~"a|b", service!=""'], "3 other alerts fire: HighLatency ×2 since "),
        (['alertname="HighErrorRate"'], "no other alert that matches fires"),
    ],
)
async def test_matchers_narrow_it(match: list[str], headline: str, url: str, doors: Doors, target: Made) -> None:
    finding = await found(doors, target("prometheus", url), *match, own=[ALERT])

    assert finding.headline.startswith(headline)


@pytest.mark.system
async def test_prometheus_understands_the_equivalent(url: str, doors: Doors, target: Made) -> None:
    finding = await found(doors, target("prometheus", url), 'pod=~"a|b"', 'namespace="shop"')
    query = finding.equivalent.partition("'")[2].rstrip("'")

    assert query == 'ALERTS{alertstate="firing", pod=~"a|b"} or ALERTS{alertstate="firing", namespace="shop"}'
    async with asyncio.timeout(30):  # the series is written with the evaluation after the one that the API shows
        while len(await doors.prometheus(target("prometheus", url)).instant(query)) < 3:
            await asyncio.sleep(0.1)


async def test_nothing_else_is_healthy(serve: Serve, doors: Doors, target: Made) -> None:
    base = await serve(answering(body(firing("HighErrorRate", service="api"))))

    finding = await found(doors, target("prometheus", base), own=[ALERT])

    assert finding == Finding(
        check="prometheus.alerts",
        target="it",
        outcome=Outcome.HEALTHY,
        headline="nothing else fires",
        details="1 of this incident, or ignored by its rules, not counted",
        gravity=0,
        equivalent=f"promtool query instant {base} 'ALERTS{{alertstate=\"firing\"}}'",
    )


@pytest.mark.parametrize(
    ("labels", "is_own"),
    [
        ({"service": "api"}, True),
        ({"service": "web"}, False),
        ({"service": "api", "pod": "a"}, False),
        ({"service": "api", "mail": "ann@example.com"}, False),
        ({"service": "api", "owner": "ann@example.com"}, True),
        ({"service": "web", "owner": "ann@example.com"}, False),
    ],
)
async def test_an_alert_is_own_when_one_that_we_hold_has_all_its_labels(
    labels: dict[str, str], is_own: bool, serve: Serve, doors: Doors, target: Made
) -> None:
    base = await serve(answering(body(firing("HighErrorRate", **labels))))

    finding = await found(doors, target("prometheus", base), own=[{**ALERT, "owner": "[redacted:email]"}])

    assert (finding.outcome is Outcome.HEALTHY) is is_own


async def test_without_an_incident_all_that_fires_is_told(serve: Serve, doors: Doors, target: Made) -> None:
    base = await serve(answering(body(firing("HighErrorRate"))))

    finding = await DIAGNOSTIC.examine(target("prometheus", base), Asked(), doors)

    assert finding.headline == "1 other alert fires: HighErrorRate since 02:51 UTC"


async def test_the_most_alerts_go_first_then_the_oldest(serve: Serve, doors: Doors, target: Made) -> None:
    alerts = [
        firing("Late", "2026-11-20T03:10:00Z"),
        firing("Many", pod="a"),
        firing("Many", "2026-11-19T23:59:59+00:00", pod="b"),
        firing("Early", "2026-11-20T03:05:00+02:00"),
        firing("Later", "2026-11-20T03:11:00Z"),
        {"labels": {"alertname": "Odd"}, "state": "firing"},
        {"labels": {"alertname": "Over"}, "state": "inactive"},
    ]

    finding = await found(doors, target("prometheus", await serve(answering(body(*alerts)))))

    assert finding.headline == (
        "6 other alerts fire: Many ×2 since 2026-11-19 23:59 UTC, Early since 01:05 UTC, Late since 03:10 UTC, "
        "and 2 more"
    )
    assert finding.table is not None
    assert finding.table.rows[-1] == ("Odd", "1", "", "")


async def test_without_the_servers_time_every_moment_has_its_date(serve: Serve, doors: Doors, target: Made) -> None:
    base = await serve(answering(body(firing("A")), date="yesterday"))

    finding = await found(doors, target("prometheus", base))

    assert finding.headline == "1 other alert fires: A since 2026-11-20 02:51 UTC"


async def test_the_table_is_cut_and_says_so(serve: Serve, doors: Doors, target: Made) -> None:
    alerts = [firing(f"Alert{number:03}", text="x" * 500) for number in range(250)]

    finding = await found(doors, target("prometheus", await serve(answering(body(*alerts)))))

    assert finding.table is not None
    assert (len(finding.table.rows), finding.table.cut) == (200, "cut at 200 rows")
    assert max(len(cell) for row in finding.table.rows for cell in row) == 80


async def test_a_strangers_long_name_is_cut(serve: Serve, doors: Doors, target: Made) -> None:
    finding = await found(doors, target("prometheus", await serve(answering(body(firing("N" * 5000))))))

    assert finding.headline == f"1 other alert fires: {'N' * 59}… since 02:51 UTC"


@pytest.mark.parametrize(
    ("answer", "status", "kind", "why"),
    [
        ("<html>", 200, Unreachable, "HTTP 200, not an answer of Prometheus"),
        ({"status": "success"}, 200, Unreachable, "HTTP 200, not an answer"),
        ({"status": "success", "data": {"alerts": [{"labels": 1}]}}, 200, Unreachable, "not an answer"),
        ("404 page not found", 404, Unreachable, "HTTP 404, not an answer of Prometheus"),
        ("", 401, Refused, "the credentials are not accepted"),
        ({"status": "error", "errorType": "internal", "error": "broken"}, 500, Unreachable, "internal: broken"),
        (" " * 2_000_000, 200, Unreachable, "larger than 1 MiB; well over a thousand alerts are active"),
    ],
)
async def test_other_answers_are_none(
    answer: Any, status: int, kind: type[Exception], why: str, serve: Serve, doors: Doors, target: Made
) -> None:
    base = await serve(answering(answer, status=status))

    with pytest.raises(kind, match=why):
        await found(doors, target("prometheus", base))


@pytest.mark.parametrize(
    ("match", "why"),
    [
        ('service="api" web', "expected"),
        ('service=~"{{ labels.service }}.*"', "a label's value may stand only after = or !="),
        ("service=~(", "expected a regular expression"),
    ],
)
def test_bad_matchers_are_refused(match: str, why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        Asked(match=match)


async def test_a_label_in_a_matcher_means_its_value_and_no_more(serve: Serve, doors: Doors, target: Made) -> None:
    given = 'x", alertname="B\\'
    pack = Pack(name="p", hash=b"", files={}, targets={"it": target("prometheus", "http://x")})
    entry = Entry(check="prometheus.alerts", parameters=Asked(match=('service="{{ labels.service }}"',)))
    rule = Rule(name="r", written_at=Position(file="", line=1, column=1), default=True, diagnose=(entry,))
    asked = plan(pack, [(rule, RuleVerdict(rule="r", verdict=Clear()))], [{"service": given}])

    base = await serve(answering(body(firing("A", service=given), firing("B"), firing("C", service="y"))))
    finding = await DIAGNOSTIC.examine(target("prometheus", base), asked.asks[0].parameters, doors)

    assert finding.headline == "1 other alert fires: A since 02:51 UTC"


def test_two_rules_that_ask_the_same_ask_once(target: Made) -> None:
    pack = Pack(name="p", hash=b"", files={}, targets={"it": target("prometheus", "http://x")})
    entry = Entry(check="prometheus.alerts", parameters=Asked())
    at = Position(file="", line=1, column=1)
    rules = [Rule(name=name, written_at=at, default=True, diagnose=(entry,)) for name in "ab"]

    asked = plan(pack, [(it, RuleVerdict(rule=it.name, verdict=Clear())) for it in rules], [{"a": "b"}])

    assert [ask.name for ask in asked.asks] == ["prometheus.alerts(it)"]
