from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from responder.clients.doors import Doors
from responder.diagnostics.google_logs import DIAGNOSTIC, Asked, AskedBeside
from responder.errors import Refused, Unreachable
from responder.model.catalogue import Beside
from responder.model.finding import Outcome
from responder.model.pack import Target
from tests.diagnostics.google_service import ADDRESS, ENTRIES, Serve, look
from tests.systems.google import GoogleCloud
from tests.systems.vendors import NOW

OF_SERVICE = (
    'resource.type="cloud_run_revision" AND resource.labels.service_name="api" '
    'AND resource.labels.location="europe-west1"'
)


def entry(minutes_ago: float, severity: str = "ERROR", **more: Any) -> dict[str, Any]:
    at = NOW - timedelta(minutes=minutes_ago)
    return {
        "insertId": "5f2a",
        "logName": "projects/shop-prod/logs/run.googleapis.com%2Fstderr",
        "resource": {"type": "cloud_run_revision", "labels": {"service_name": "api"}},
        "timestamp": f"{at:%Y-%m-%dT%H:%M:%S}.123456789Z",
        "severity": severity,
        **more,
    }


def said(minutes_ago: float, text: str, times: int = 1, severity: str = "ERROR") -> list[dict[str, Any]]:
    return [entry(minutes_ago - it / 100, severity, textPayload=text) for it in range(times)]


def listed(*groups: list[dict[str, Any]], token: str = "") -> GoogleCloud:
    entries = sorted((it for group in groups for it in group), key=lambda it: it["timestamp"], reverse=True)
    return GoogleCloud({ENTRIES: {"entries": entries} | ({"nextPageToken": token} if token else {})})


async def test_an_error_that_was_not_there_before_is_new(serve: Serve) -> None:
    patients = [entry(20, jsonPayload={"message": f"no chart of s3cret{it}", "patient": "s3cret"}) for it in range(2)]
    traceback = "Traceback (most recent call last):\n  File \"x.py\", line 3\nKeyError: 'STRIPE_KEY'"
    cloud = listed(said(4, traceback, 212), said(29, "TimeoutError: slow", 3), patients)

    finding = await look(DIAGNOSTIC, cloud, serve, since="30m", limit=1000)

    assert (finding.outcome, finding.marks, finding.gravity) == (Outcome.UNHEALTHY, ("new_errors",), 60)
    assert finding.headline.startswith("KeyError 'STRIPE_KEY' ×212, new since 03:04 UTC")
    assert finding.found == {"error": "KeyError"}
    assert finding.table is not None
    assert ("TimeoutError: slow", "error", "3", "02:39 UTC", "02:39 UTC") in finding.table.rows
    assert "s3cret" not in repr(finding)


async def test_an_error_that_came_with_the_onset_is_new_however_long_ago_that_is(serve: Serve) -> None:
    onset = NOW - timedelta(minutes=26, seconds=30)
    asked = Asked().beside(Beside(onset=onset + timedelta(microseconds=5)))
    later = Asked().beside(Beside(onset=onset + timedelta(seconds=20)))
    groups = said(26, "KeyError: 'STRIPE_KEY'", 9), said(29, "TimeoutError: slow", 5)

    finding = await look(DIAGNOSTIC, listed(*groups), serve, **asked.model_dump(), as_=AskedBeside)
    without = await look(DIAGNOSTIC, listed(*groups), serve)

    assert (finding.headline, finding.marks) == ("KeyError 'STRIPE_KEY' ×9, new since onset", ("new_errors",))
    assert without.marks == ()
    assert asked == later  # incidents of one minute share the question


async def test_lines_are_shown_where_the_entry_asks_for_them_redacted(serve: Serve) -> None:
    asked = Asked().beside(Beside(excerpts=True))
    cloud = listed(said(4, "KeyError: password=s3cretword of jane@example.com", 2))

    finding = await look(DIAGNOSTIC, cloud, serve, **asked.model_dump(), as_=AskedBeside)

    assert '"message": "KeyError: password=[redacted' in finding.details
    assert "s3cretword" not in repr(finding)
    assert "jane@" not in repr(finding)


async def test_the_question_is_bounded_in_time_and_number_and_is_about_the_service(serve: Serve) -> None:
    cloud = listed()
    before = datetime.now(UTC)

    finding = await look(DIAGNOSTIC, cloud, serve, filter="severity>=ERROR -- all\nOR severity=ALERT", limit=50)

    (asked,) = cloud.bodies
    at = re.fullmatch(
        re.escape(f"(severity>=ERROR -- all\nOR severity=ALERT\n) AND {OF_SERVICE} AND ") + r'timestamp>="(.*)"',
        asked.pop("filter"),
    )
    assert asked == {"resourceNames": ["projects/shop-prod"], "orderBy": "timestamp desc", "pageSize": 50}
    assert at is not None
    assert abs(datetime.fromisoformat(at[1]) - (before - timedelta(minutes=30))) < timedelta(seconds=30)
    assert (finding.outcome, finding.headline) == (Outcome.HEALTHY, "no line that fits in the last 30m")
    assert cloud.asked == [("POST", ENTRIES)]


@pytest.mark.parametrize(
    "wanted", ['resource.type="cloudsql_database"', 'logName:"cron"', 'NOT log_id("stderr") AND severity>=ERROR']
)
async def test_a_filter_that_says_where_is_left_as_it_is(wanted: str, serve: Serve) -> None:
    cloud = listed()

    finding = await look(DIAGNOSTIC, cloud, serve, filter=wanted)

    assert cloud.bodies[0]["filter"].startswith(f"({wanted}) AND timestamp>=")
    assert finding.equivalent.startswith("gcloud logging read '(")
    assert finding.equivalent.endswith(")' --freshness=30m --limit=200 --project=shop-prod")


async def test_a_target_that_names_a_project_alone_is_asked_for_all_of_it(serve: Serve) -> None:
    cloud = listed()

    await look(DIAGNOSTIC, cloud, serve, address={"project": "shop-prod"})

    assert cloud.bodies[0]["filter"].startswith("(severity>=ERROR) AND timestamp>=")


async def test_google_knows_how_grave_a_line_is_and_a_request_has_no_address(serve: Serve) -> None:
    request = {"requestMethod": "GET", "requestUrl": "https://api/patients/s3cret", "status": 500}
    cloud = listed(
        said(4, "shutdown", 2, "CRITICAL"),
        [entry(5, "ERROR", httpRequest=request), entry(6, "ERROR", httpRequest=request)],
        said(7, "fine", 2, "DEFAULT"),
    )

    finding = await look(DIAGNOSTIC, cloud, serve)

    assert finding.table is not None
    assert {row[:3] for row in finding.table.rows} == {
        ("shutdown", "fatal", "2"),
        ("HTTP 500 to GET", "error", "2"),
        ("fine", "", "2"),
    }
    assert "s3cret" not in repr(finding)


async def test_an_answer_that_was_cut_claims_nothing_about_what_came_before(serve: Serve) -> None:
    cloud = listed(said(2, "TimeoutError: slow", 60), token="more")

    finding = await look(DIAGNOSTIC, cloud, serve, limit=60)

    assert (finding.outcome, finding.marks) == (Outcome.UNHEALTHY, ())
    assert finding.headline.endswith("whether that is new is not known")
    assert finding.details == "cut at the newest 60 lines"


async def test_an_empty_page_is_not_the_end_of_the_search(serve: Serve) -> None:
    def page(_: Any, body: dict[str, Any]) -> Any:
        return {"entries": said(4, "KeyError", 2)} if body.get("pageToken") == "2" else {"nextPageToken": "2"}

    finding = await look(DIAGNOSTIC, GoogleCloud({ENTRIES: page}), serve)

    assert "×2, new since 03:04 UTC" in finding.headline


async def test_a_search_that_comes_to_no_end_could_not_be_looked_at(serve: Serve) -> None:
    cloud = GoogleCloud({ENTRIES: {"nextPageToken": "more"}})

    with pytest.raises(Unreachable, match="nothing found, and the search is not at its end"):
        await look(DIAGNOSTIC, cloud, serve)
    assert len(cloud.asked) == 10


async def test_a_target_that_does_not_allow_logs_is_asked_nothing(serve: Serve) -> None:
    cloud = listed()
    doors = Doors({"REGION": "r", "CLOUDSDK_API_ENDPOINT_OVERRIDES_LOGGING": await serve(cloud)})

    with pytest.raises(Refused, match=r"add `allow: \[logs\]` to the target"):
        await DIAGNOSTIC.examine(Target(name="run", kind="google", address=ADDRESS), Asked(), doors)
    assert cloud.asked == []


@pytest.mark.parametrize(
    ("answer", "error", "why"),
    [
        (400, Unreachable, "HTTP 400: s3cret"),  # Google's own words about the filter that the author wrote
        (403, Refused, r"lack a right; it takes roles/logging\.viewer"),
        (500, Unreachable, "HTTP 500, expected 200"),
    ],
)
async def test_what_google_does_not_list_could_not_be_looked_at(
    answer: int, error: type[Exception], why: str, serve: Serve
) -> None:
    with pytest.raises(error, match=why):
        await look(DIAGNOSTIC, GoogleCloud({ENTRIES: answer}), serve)


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ("severity>=ERROR) OR (true", "found `)` without its beginning"),
        ("x={{ labels.a }}", "only inside double quotes"),
        (" ", "expected a filter such as severity>=ERROR"),
    ],
)
async def test_a_filter_that_could_mean_something_else_is_refused(wanted: str, why: str, serve: Serve) -> None:
    cloud = listed()

    with pytest.raises(Refused, match=re.escape(why)):
        await look(DIAGNOSTIC, cloud, serve, filter=wanted)
    assert cloud.asked == []


@pytest.mark.parametrize("wrong", [{"since": "5s"}, {"since": "8d"}, {"limit": 0}, {"limit": 1001}])
def test_what_cannot_be_asked_for_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Asked.model_validate(wrong)
