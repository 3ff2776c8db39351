from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from responder.clients.doors import Doors
from responder.diagnostics.github_deployments import DIAGNOSTIC, Asked
from responder.errors import CouldNotLook, NotConfigured, Refused, Unreachable
from responder.model.finding import Change, Finding, Outcome
from responder.model.pack import Target
from tests.systems.servers import Handler
from tests.systems.vendors import Vendor

Serve = Callable[[Handler], Awaitable[str]]
PATH = "/repos/shop/api/deployments"


def deployment(number: int, at: str, ref: str = "main", sha: str = "1a2b3c4d", **more: Any) -> dict[str, Any]:
    """As https://docs.github.com/en/rest/deployments/deployments shows one."""
    return {
        "id": number,
        "sha": sha,
        "ref": ref,
        "task": "deploy",
        "payload": {"deploy": "migrate s3cret"},
        "environment": "production",
        "description": "s3cret",
        "creator": {"login": "ann", "id": 1, "type": "User"},
        "created_at": at,
        "updated_at": at,
        "transient_environment": False,
        "production_environment": True,
        **more,
    }


def state(word: str) -> list[dict[str, Any]]:
    return [{"id": 1, "state": word, "description": "s3cret", "created_at": "2026-11-21T03:05:00Z"}]


async def look(vendor: Vendor, serve: Serve, *, address: str = "${OWNER}/api", since: str = "6h") -> Finding:
    doors = Doors({"GITHUB_API_URL": await serve(vendor), "OWNER": "shop", "TOKEN": "s3crettoken"})
    target = Target(
        name="deploys", kind="github", address=address, headers={"Authorization": "Bearer ${TOKEN}"}, per_minute=1000
    )
    try:
        return await DIAGNOSTIC.examine(target, Asked.model_validate({"since": since}), doors)
    finally:
        await doors.close()


async def test_recent_deployments_are_dated_changes_with_their_outcome(serve: Serve) -> None:
    vendor = Vendor(
        {
            PATH: [
                deployment(5, "2026-11-21T03:07:00Z", environment="preview-12", transient_environment=True),
                deployment(4, "2026-11-21T03:04:00Z"),
                deployment(3, "2026-11-21T01:00:00Z", ref="0" * 40, sha="0" * 40, environment="staging", creator=None),
                deployment(2, "2026-11-20T20:00:00Z", ref="v1.2", sha="9f8e7d6c"),
            ],
            f"{PATH}/4/statuses": state("success"),
            f"{PATH}/3/statuses": 500,
        }
    )

    finding = await look(vendor, serve)

    assert (finding.outcome, finding.marks) == (Outcome.HEALTHY, ("recent_rollout",))
    assert finding.headline == "2 deployments in the last 6h, latest main (1a2b3c4) to production, 03:04 UTC: success"
    assert finding.changes == (
        Change(
            at=datetime(2026, 11, 21, 3, 4, tzinfo=UTC),
            what="Deployment of main (1a2b3c4) to production: success",
            by="ann",
            about={"repository": "shop/api", "environment": "production"},
        ),
        Change(
            at=datetime(2026, 11, 21, 1, tzinfo=UTC),
            what="Deployment of 0000000 to staging: outcome not known",
            about={"repository": "shop/api", "environment": "staging"},
        ),
    )
    assert finding.found == {
        "repository": "shop/api",
        "ref": "main",
        "sha": "1a2b3c4d",
        "environment": "production",
        "previous_ref": "v1.2",
        "previous_sha": "9f8e7d6c",
    }
    assert finding.equivalent == "gh api repos/shop/api/deployments"
    assert sorted(vendor.asked) == [
        f"{PATH}/3/statuses?per_page=1",
        f"{PATH}/4/statuses?per_page=1",
        f"{PATH}?per_page=50",
    ]
    assert vendor.tokens == {"Bearer s3crettoken"}
    assert "s3cret" not in repr(finding)


async def test_without_a_recent_one_the_latest_is_named(serve: Serve) -> None:
    old = deployment(2, "2026-11-20T20:00:00Z", ref="v1.2")

    finding = await look(Vendor({PATH: [old]}), serve)

    assert finding.headline == "no deployment in the last 6h, latest v1.2 (1a2b3c4) to production, 2026-11-20 20:00 UTC"
    assert (finding.outcome, finding.changes, finding.marks, finding.found) == (Outcome.HEALTHY, (), (), {})
    assert (await look(Vendor({PATH: []}), serve)).headline == "no deployment in the last 6h"
    assert (await look(Vendor({PATH: [old]}), serve, since="8h")).marks == ("recent_rollout",)


@pytest.mark.parametrize("word", ["failure", "error"])
async def test_that_the_latest_failed_is_unhealthy(word: str, serve: Serve) -> None:
    vendor = Vendor({PATH: [deployment(4, "2026-11-21T03:04:00Z")], f"{PATH}/4/statuses": state(word)})

    finding = await look(vendor, serve)

    assert (finding.outcome, finding.gravity) == (Outcome.UNHEALTHY, 50)
    assert finding.headline == "the latest deployment failed: main (1a2b3c4) to production, 03:04 UTC"


async def test_of_many_only_the_newest_are_asked_how_they_ended_and_a_cut_list_says_so(serve: Serve) -> None:
    vendor = Vendor({PATH: [deployment(it, "2026-11-21T03:04:00Z") for it in range(50)]})

    finding = await look(vendor, serve)

    assert len(vendor.asked) == 4
    assert finding.details == "only the newest 50 were looked at"
    assert len(finding.changes) == 50


@pytest.mark.parametrize(
    ("answer", "error", "why"),
    [
        (401, Refused, "HTTP 401, the credentials are not accepted"),
        (403, Refused, "HTTP 403, the credentials are not accepted, or lack a right"),
        (404, Refused, "HTTP 404, nothing there that these credentials may see"),
        (502, Unreachable, "HTTP 502, expected 200"),
        ({"message": "s3cret"}, Unreachable, "JSON, but not an answer of GitHub"),
        ([{"id": 1}], Unreachable, "JSON, but not an answer of GitHub"),
    ],
)
async def test_what_is_no_list_could_not_be_looked_at(
    answer: Any, error: type[CouldNotLook], why: str, serve: Serve
) -> None:
    with pytest.raises(error, match=why) as caught:
        await look(Vendor({PATH: answer}), serve)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("address", ["shop", "shop/api/x", "shop/a?b", "https://x/y", "/api"])
async def test_what_is_no_repository_is_asked_nowhere(address: str, serve: Serve) -> None:
    vendor = Vendor({})

    with pytest.raises(NotConfigured, match="target deploys: expected owner/repository"):
        await look(vendor, serve, address=address)
    assert vendor.asked == []
