from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from pydantic import ValidationError

from responder.clients.doors import Doors
from responder.diagnostics.sentry_issues import DIAGNOSTIC, Asked
from responder.errors import CouldNotLook, NotConfigured, Refused, Unreachable
from responder.model.finding import Finding, Outcome
from responder.model.pack import Target
from tests.systems.servers import Handler
from tests.systems.vendors import Vendor

Serve = Callable[[Handler], Awaitable[str]]
PATH = "/api/0/organizations/shop/issues/"
PROJECT = {"organization": "${ORGANIZATION}", "project": "api"}


def issue(short: str, count: int, began: str, kind: Any = "KeyError", **more: Any) -> dict[str, Any]:
    """As https://docs.sentry.io/api/events/list-an-organizations-issues/ shows one; the count is text."""
    return {
        "id": "1",
        "shortId": short,
        "title": f"{kind}: s3cret",
        "culprit": "s3cret in /patients/7",
        "permalink": "https://shop.sentry.io/issues/1/",
        "level": "error",
        "status": "unresolved",
        "metadata": {"type": kind, "value": "s3cret", "filename": "s3cret.py", "function": "s3cret"},
        "count": str(count),
        "userCount": 4,
        "firstSeen": began,
        "lastSeen": "2026-11-21T03:07:00Z",
        **more,
    }


async def look(vendor: Vendor, serve: Serve, *, address: Any = None, since: str = "1h") -> Finding:
    url = await serve(vendor)
    doors = Doors({"ORGANIZATION": "shop", "TOKEN": "s3crettoken"})
    target = Target(
        name="errors",
        kind="sentry",
        address={"url": url, **(address or PROJECT)},
        headers={"Authorization": "Bearer ${TOKEN}"},
    )
    try:
        return await DIAGNOSTIC.examine(target, Asked.model_validate({"since": since}), doors)
    finally:
        await doors.close()


async def test_new_errors_are_told_by_class_and_count_and_nothing_that_somebody_wrote(serve: Serve) -> None:
    long_ago = {"lifetime": {"firstSeen": "2026-01-01T00:00:00Z"}}
    vendor = Vendor(
        {
            PATH: [
                issue("API-1F", 3, "2026-11-21T03:04:00Z"),
                issue("API-2", 90, "2026-11-01T00:00:00Z", "TimeoutError"),
                issue("API-3", 40, "2026-11-21T03:00:00Z", "OldError", **long_ago),
                issue("API-20", 212, "2026-11-21T02:08:00.000Z", "stripe.error.CardError"),
            ]
        }
    )

    finding = await look(vendor, serve)

    assert (finding.outcome, finding.gravity, finding.marks) == (Outcome.UNHEALTHY, 60, ("new_errors",))
    assert finding.headline == (
        "2 new errors in the last 1h: stripe.error.CardError ×212 since 02:08 UTC (API-20), "
        "KeyError ×3 since 03:04 UTC (API-1F)"
    )
    assert finding.found == {"error": "stripe.error.CardError", "issue": "API-20"}
    assert finding.table is not None
    assert finding.table.rows[2:] == (
        ("TimeoutError", "API-2", "90", "4", "2026-11-01 00:00 UTC"),
        ("OldError", "API-3", "40", "4", "2026-01-01 00:00 UTC"),
    )
    asked = "project=-1&query=is:unresolved+issue.category:error+project:api&statsPeriod=60m&sort=freq&limit=50"
    assert vendor.asked == [f"{PATH}?{asked}"]
    assert vendor.tokens == {"Bearer s3crettoken"}
    assert "s3cret" not in repr(finding)


async def test_errors_that_are_always_there_are_no_news(serve: Serve) -> None:
    known = issue("API-2", 90, "2026-11-01T00:00:00Z", "TimeoutError")

    one, two = await look(Vendor({PATH: [known]}), serve), await look(Vendor({PATH: [known] * 2}), serve)
    none = await look(Vendor({PATH: []}), serve, since="90s", address={"organization": "shop"})

    assert (one.outcome, one.marks, one.found) == (Outcome.HEALTHY, (), {})
    assert one.headline == "no new error in the last 1h; 1 known error, TimeoutError ×90"
    assert two.headline == "no new error in the last 1h; 2 known errors, first TimeoutError ×90"
    assert (none.outcome, none.headline) == (Outcome.HEALTHY, "no error in the last 1m30s")


@pytest.mark.parametrize(
    "kind", ["Error: no chart for Jane s3cret", "jane@s3cret.org", "E4111111111111111", "", None, 7, "x" * 101]
)
async def test_what_is_no_name_of_a_class_is_not_shown(kind: Any, serve: Serve) -> None:
    more = {"shortId": "no id, s3cret", "metadata": {"type": kind, "title": "s3cret"}}

    finding = await look(Vendor({PATH: [issue("", 1, "2026-11-21T03:04:00Z", **more)]}), serve)

    assert finding.headline == "1 new error in the last 1h: without a class ×1 since 03:04 UTC"
    assert finding.found == {}
    assert "s3cret" not in repr(finding)


async def test_of_many_the_most_frequent_are_shown_and_the_rest_is_said_to_be_cut(serve: Serve) -> None:
    many = [issue(f"API-{it}", it, "2026-11-21T03:04:00Z") for it in range(50)]

    finding = await look(Vendor({PATH: many}), serve)

    assert finding.headline.endswith("KeyError ×47 since 03:04 UTC (API-47), and 47 more")
    assert finding.details == "only the 50 most frequent were looked at"


@pytest.mark.parametrize(
    ("answer", "error", "why"),
    [
        (401, Refused, "HTTP 401, the credentials are not accepted"),
        (400, Unreachable, "HTTP 400, expected 200"),
        (429, Unreachable, "the rate that it allows is used up"),
        ({"detail": "s3cret"}, Unreachable, "JSON, but not an answer of Sentry"),
        ([{"shortId": "s3cret"}], Unreachable, "JSON, but not an answer of Sentry"),
    ],
)
async def test_what_is_no_list_could_not_be_looked_at(
    answer: Any, error: type[CouldNotLook], why: str, serve: Serve
) -> None:
    with pytest.raises(error, match=why) as caught:
        await look(Vendor({PATH: answer}), serve)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [{"organization": "a/b"}, {"organization": ""}, {"organization": "shop", "project": "api is:resolved"}],
)
async def test_what_is_no_slug_is_asked_nowhere(address: dict[str, str], serve: Serve) -> None:
    vendor = Vendor({})

    with pytest.raises(NotConfigured, match="target errors: expected slugs such as"):
        await look(vendor, serve, address=address)
    assert vendor.asked == []


@pytest.mark.parametrize("since", ["5s", "15d", "soon"])
def test_a_time_that_sentry_does_not_count_is_refused(since: str) -> None:
    with pytest.raises(ValidationError):
        Asked.model_validate({"since": since})
