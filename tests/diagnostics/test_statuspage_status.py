from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from aiohttp import web

from responder.clients.doors import Doors
from responder.diagnostics.statuspage_status import DIAGNOSTIC, Asked
from responder.errors import CouldNotLook, Refused, Unreachable
from responder.model.finding import Change, Finding, Outcome
from responder.model.pack import Target
from tests.systems.servers import Handler

Serve = Callable[[Handler], Awaitable[str]]
Made = Callable[..., Target]
Look = Callable[..., Awaitable[Finding]]

NOW = datetime(2026, 11, 21, 3, 8, tzinfo=UTC)
BEGAN = datetime(2026, 11, 21, 2, 41, tzinfo=UTC)


def component(name: str, status: str = "operational", **more: Any) -> dict[str, Any]:
    return {"id": f"id-{name}", "name": name, "status": status, "description": None, "group": False, **more}


def incident(name: str = "Elevated errors", impact: str = "major", **more: Any) -> dict[str, Any]:
    return {
        "id": "8zc",
        "name": name,
        "status": "investigating",
        "impact": impact,
        "created_at": "2026-11-21T02:43:00.000Z",
        "started_at": "2026-11-21T02:41:00.000Z",
        "resolved_at": None,
        "shortlink": None,
        "incident_updates": [],
        **more,
    }


def atlassian(indicator: str = "none", *components: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "page": {"id": "y2", "name": "OpenAI", "updated_at": "2026-11-12T02:55:00.000Z"},
        "components": list(components) or [component("API"), component("Dashboard")],
        "incidents": [],
        "scheduled_maintenances": [],
        "status": {"indicator": indicator, "description": "As the page says"},
        **more,
    }


@pytest.fixture
def look(serve: Serve, doors: Doors, target: Made) -> Look:
    """Examine a page that answers so, and only on the path of its flavour."""

    async def looked(
        body: Any, flavour: str = "atlassian", *, path: str = "/api/v2/summary.json", headers: Any = None, **asked: Any
    ) -> Finding:
        async def page(request: web.Request) -> web.Response:
            assert (request.method, request.path_qs) == ("GET", path)
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            return web.Response(body=content, headers={"Date": format_datetime(NOW, usegmt=True), **(headers or {})})

        it = target("statuspage", await serve(page), flavour=flavour)
        return await DIAGNOSTIC.examine(it, Asked(**asked), doors)

    return looked


async def test_an_incident_is_told_in_the_one_line_that_matters_and_is_a_dated_change(look: Look) -> None:
    api = component("API", "partial_outage")

    finding = await look(atlassian("major", api, component("Dashboard"), incidents=[incident(components=[api])]))

    assert finding.headline == 'OpenAI: partial outage of "API", since 02:41 UTC: Elevated errors'
    assert (finding.outcome, finding.gravity, finding.marks) == (Outcome.UNHEALTHY, 65, ("vendor_incident",))
    assert finding.changes == (Change(at=BEGAN, what="Incident at OpenAI: Elevated errors"),)
    assert finding.found == {"vendor": "OpenAI", "component": "API"}
    assert finding.equivalent.startswith("curl -sS http://127.0.0.1:")
    assert finding.equivalent.endswith("/api/v2/summary.json")


async def test_a_page_on_which_nothing_is_open_is_healthy(look: Look) -> None:
    over = [incident(status="resolved"), incident(status="monitoring", resolved_at="2026-11-21T03:00:00Z")]
    planned = [incident(status="scheduled", impact="maintenance")]

    for more in ({}, {"incidents": None, "scheduled_maintenances": None}):  # null: as incident.io serves them
        finding = await look(atlassian(**more))
        assert (finding.outcome, finding.headline, finding.marks) == (Outcome.HEALTHY, "OpenAI: operational", ())
    finding = await look(atlassian(incidents=over, scheduled_maintenances=planned))
    assert (finding.outcome, finding.changes) == (Outcome.HEALTHY, ())


@pytest.mark.parametrize(
    ("page", "said", "gravity"),
    [
        pytest.param(
            atlassian(incidents=[incident(impact="minor", components=[component("API")])]),
            'minor incident of "API", since 02:41 UTC: Elevated errors',
            50,
            id="an incident is open, and the indicator says none",
        ),
        pytest.param(
            atlassian("none", component("All", "major_outage", group=True), component("API", "degraded_performance")),
            'degraded performance of "API"',
            50,
            id="a component is not well, and no incident is open; a group says only what is in it",
        ),
        pytest.param(
            atlassian("none", component("API", "partial_outage"), incidents=[incident(impact="minor")]),
            'partial outage of "API", since 02:41 UTC: Elevated errors',
            65,
            id="incident.io does not say what an incident touches",
        ),
        pytest.param(
            atlassian("none", component("API", "partial_outage"), incidents=[incident(), incident("B", "minor")]),
            "major incident, since 02:41 UTC: Elevated errors (and 1 more)",
            65,
            id="nor which of two",
        ),
        pytest.param(atlassian("critical"), "As the page says", 75, id="only the indicator says so"),
        pytest.param(atlassian("purple"), "As the page says", 50, id="an indicator that nobody knows"),
        pytest.param(atlassian("none", component("API", "odd")), 'odd of "API"', 50, id="a state that nobody knows"),
        pytest.param(
            atlassian(incidents=[incident("A", "minor"), incident("B", "critical"), incident("C", "none")]),
            "critical incident, since 02:41 UTC: B (and 1 more)",
            75,
            id="the gravest incident first, and a notice is none",
        ),
        pytest.param(
            atlassian(
                incidents=[
                    incident(
                        impact="minor",
                        started_at=None,
                        created_at="2026-11-20T22:43:00-02:00",
                        incident_updates=[{"affected_components": [{"name": "API", "new_status": "partial_outage"}]}],
                    )
                ]
            ),
            'partial outage of "API", since 00:43 UTC: Elevated errors',
            50,
            id="what it touches stands in its updates",
        ),
    ],
)
async def test_the_worst_of_indicator_incidents_and_components_counts(
    page: dict[str, Any], said: str, gravity: int, look: Look
) -> None:
    finding = await look(page)

    assert (finding.headline, finding.gravity) == (f"OpenAI: {said}", gravity)
    assert (finding.outcome, finding.marks) == (Outcome.UNHEALTHY, ("vendor_incident",))


async def test_a_maintenance_under_way_is_dated_and_no_incident(look: Look) -> None:
    under_way = incident("Database", "maintenance", status="in_progress", scheduled_for="2026-11-21T02:00:00.000Z")

    finding = await look(
        atlassian("maintenance", component("API", "under_maintenance"), scheduled_maintenances=[under_way])
    )

    assert (finding.headline, finding.marks) == ('OpenAI: maintenance of "API", since 02:00 UTC: Database', ())
    assert (finding.outcome, finding.gravity) == (Outcome.UNHEALTHY, 30)
    assert finding.changes == (
        Change(at=BEGAN.replace(hour=2, minute=0), what="Maintenance at OpenAI: Database", weight=0.4),
    )


async def test_only_what_we_use_counts(look: Look) -> None:
    sso, api = component("SSO", "major_outage"), component("API")
    page = atlassian("critical", sso, api, incidents=[incident(components=[sso])])

    ours, theirs, unsaid = (
        await look(page, components=["api"]),
        await look(page, components="id-SSO"),
        await look(atlassian("minor", sso, api, incidents=[incident()]), components="API"),
    )

    assert (ours.outcome, ours.headline) == (Outcome.HEALTHY, "OpenAI: operational")
    assert ours.details == "1 more open that concern others"
    assert (theirs.outcome, theirs.gravity, theirs.found["component"]) == (Outcome.UNHEALTHY, 75, "SSO")
    assert unsaid.headline == "OpenAI: major incident, since 02:41 UTC: Elevated errors"


async def test_a_component_that_is_not_there_could_not_be_looked_at(look: Look) -> None:
    with pytest.raises(Unreachable, match='no component "Apl" there; there are "API", "Dashboard"'):
        await look(atlassian(), components=["API", "Apl"])
    with pytest.raises(Unreachable, match='no component "API" there; there are none'):
        await look(atlassian() | {"components": None}, components="API")

    finding = await look(atlassian("none", component("API", "major_outage")), components=["API", "Apl"])
    assert (finding.headline, finding.details) == ('OpenAI: major outage of "API"', 'no component is called "Apl"')


@pytest.mark.parametrize(
    ("body", "headers", "why"),
    [
        (b"<html>All systems operational</html>", {"Content-Type": "text/html"}, "not JSON but text/html"),
        (b"", {}, "not JSON"),
        (b'{"a": "' + b"x" * 8 * 1024 * 1024 + b'"}', {}, "larger than 8 MiB"),
        (b"[" * 100_000, {}, "not JSON"),
        ({}, {}, "not an answer of a status page of flavour atlassian"),
        ([], {}, "not an answer of a status page"),
        ({"status": {"indicator": "none", "description": "All well"}}, {}, "not an answer of a status page"),
        (atlassian() | {"status": None}, {}, "not an answer of a status page"),
        (atlassian(status={"indicator": None}), {}, "not an answer of a status page"),
        (atlassian(page={"name": "OpenAI", "updated_at": "2026-10-01T00:00:00Z"}), {}, "has not changed for 51d3h"),
        (atlassian(), {"Age": "7300"}, "stale, a cache has kept it for 121 minutes"),
    ],
)
async def test_what_cannot_be_read_or_trusted_is_unknown_and_never_well(
    body: Any, headers: dict[str, str], why: str, look: Look
) -> None:
    with pytest.raises(Unreachable, match=why):
        await look(body, headers=headers)


async def test_a_page_that_stood_still_and_says_what_is_wrong_is_heard(look: Look) -> None:
    finding = await look(atlassian("major", page={"name": "OpenAI", "updated_at": "2026-10-01T00:00:00Z"}))

    assert (finding.outcome, finding.headline) == (Outcome.UNHEALTHY, "OpenAI: As the page says")


@pytest.mark.parametrize(
    ("status", "headers", "why"),
    [
        (302, {"Location": "/loop?s3cret"}, "HTTP 302, redirects; redirects are not followed"),
        (301, {"Location": "https://new.example.com/s3cret"}, "redirects to https://new.example.com; redirects are"),
        (403, {}, "credentials are not accepted, or lack a right"),
        (404, {}, "HTTP 404, nothing there"),
        (429, {}, "the rate that it allows is used up"),
        (500, {}, "HTTP 500, expected 200"),
    ],
)
async def test_another_status_is_unknown(
    status: int, headers: dict[str, str], why: str, serve: Serve, doors: Doors, target: Made
) -> None:
    asked = 0

    async def elsewhere(_: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        return web.Response(status=status, headers=headers, text=json.dumps(atlassian()))

    with pytest.raises((Refused, Unreachable), match=why) as caught:
        await DIAGNOSTIC.examine(target("statuspage", await serve(elsewhere)), Asked(), doors)
    assert asked == 1
    assert "s3cret" not in str(caught.value)


def google(**more: Any) -> dict[str, Any]:
    return {
        "id": "rZ",
        "begin": "2026-11-21T02:41:43+00:00",
        "external_desc": "Elevated errors for Cloud SQL",
        "status_impact": "SERVICE_DISRUPTION",
        "severity": "medium",
        "service_name": "Multiple Products",
        "affected_products": [{"title": "Google Cloud SQL", "id": "hV8"}],
        "currently_affected_locations": [{"title": "Belgium (europe-west1)", "id": "europe-west1"}],
        "most_recent_update": {"affected_locations": []},
        **more,
    }


async def test_google_is_filtered_by_product_and_place(look: Look) -> None:
    async def looked(*incidents: dict[str, Any], **asked: Any) -> Finding:
        return await look(list(incidents), "google", path="/incidents.json", **asked)

    finding = await looked(google(end="2026-11-21T03:00:00+00:00"), google(), google(id="null", end=None))

    said = 'Google Cloud: service disruption of "Google Cloud SQL", since 02:41 UTC: Elevated errors for Cloud SQL'
    assert finding.headline == f"{said} (and 1 more)"
    assert (finding.gravity, finding.marks) == (65, ("vendor_incident",))
    assert (await looked(google(end="2026-11-21T03:00:00+00:00"))).outcome is Outcome.HEALTHY
    ours = [{"region": "europe-west1-b"}, {"region": "europe-west1", "components": "cloud sql"}, {"components": "hV8"}]
    for asked in ours:
        assert (await looked(google(), **asked)).outcome is Outcome.UNHEALTHY, asked
    for asked in [{"region": "us-central1"}, {"components": ["Cloud Run"]}]:
        assert (await looked(google(), **asked)).outcome is Outcome.HEALTHY, asked
    everywhere = google(currently_affected_locations=[{"title": "Global", "id": "global"}])
    for nowhere in (everywhere, google(currently_affected_locations=[])):
        assert (await looked(nowhere, region="us-central1")).outcome is Outcome.UNHEALTHY


def aws(**more: Any) -> dict[str, Any]:
    return {
        "date": str(int(BEGAN.timestamp())),
        "arn": "arn:aws:health:eu-central-1::event/RDS/AWS_RDS_OPERATIONAL_ISSUE/AWS_RDS_OPERATIONAL_ISSUE_X",
        "region_name": "Frankfurt",
        "status": "2",
        "service": "rds-eu-central-1",
        "service_name": "Amazon Relational Database Service",
        "summary": "Increased Error Rates",
        "event_log": [{"summary": "Increased", "message": "We look", "status": 2, "timestamp": 1763693400}],
        "impacted_services": {"rds-eu-central-1": {"service_name": "Amazon Relational Database Service"}},
        **more,
    }


@pytest.mark.parametrize("encoding", ["utf-16-be", "utf-16-le", "utf-8"])
async def test_aws_is_read_in_its_own_encoding_and_filtered_by_region(encoding: str, look: Look) -> None:
    async def looked(*events: dict[str, Any], **asked: Any) -> Finding:
        body = ("\ufeff" + json.dumps(events)).encode(encoding)
        headers = {"Content-Type": "application/json;charset=utf-16"}
        return await look(body, "aws", path="/public/currentevents", headers=headers, **asked)

    finding = await looked(aws(), region="eu-central-1")

    service = '"Amazon Relational Database Service"'
    assert finding.headline == f"AWS: degradation of {service}, since 02:41 UTC: Increased Error Rates"
    assert finding.changes == (Change(at=BEGAN, what="Incident at AWS: Increased Error Rates"),)
    for other in ({"region": "us-east-1"}, {"components": "s3"}):
        assert (await looked(aws(), **other)).outcome is Outcome.HEALTHY
    for ours in ({}, {"region": "Frankfurt"}, {"components": "rds-eu-central-1"}):
        assert (await looked(aws(), **ours)).outcome is Outcome.UNHEALTHY
    assert (await looked(aws(arn="arn:aws:health:global::event/X"), region="us-east-1")).gravity == 65
    assert [(await looked(aws(status=it))).gravity for it in ("0", "1", "3", "9")] == [0, 50, 75, 50]
    assert (await looked(aws(status=None))).gravity == 65
    assert (await looked()).headline == "AWS: operational"


async def test_slack_counts_its_offsets(look: Look) -> None:
    async def looked(**current: Any) -> Finding:
        return await look({"date_updated": "2026-01-01T00:00:00-08:00", **current}, "slack", path="/api/v2.0.0/current")

    one = {
        "id": "1546",
        "date_created": "2026-11-20T18:41:00-08:00",
        "title": "Trouble sending messages",
        "type": "outage",
        "status": "active",
        "services": ["Messaging", "Search"],
    }

    finding = await looked(status="active", active_incidents=[one])

    assert finding.headline == 'Slack: outage of "Messaging" and 1 more, since 02:41 UTC: Trouble sending messages'
    assert finding.changes[0].at == BEGAN
    assert (await looked(status="ok", active_incidents=[])).headline == "Slack: operational"
    assert (await looked(status="ok", active_incidents=[one])).outcome is Outcome.UNHEALTHY
    assert (await looked(status="active", active_incidents=[])).headline == "Slack: status active"
    for broken in ({"status": "ok"}, {"status": "ok", "active_incidents": None}):
        with pytest.raises(CouldNotLook, match="not an answer of a status page of flavour slack"):
            await looked(**broken)


async def test_since_another_day_says_which(look: Look) -> None:
    began = (BEGAN - timedelta(days=2)).isoformat()

    finding = await look(atlassian(incidents=[incident(started_at=began)]))

    assert finding.headline == "OpenAI: major incident, since 2026-11-19 02:41 UTC: Elevated errors"
