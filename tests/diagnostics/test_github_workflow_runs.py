from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from responder.clients.doors import Doors
from responder.diagnostics.github_workflow_runs import DIAGNOSTIC, Asked
from responder.errors import Refused, Unreachable
from responder.model.finding import Change, Finding, Outcome
from responder.model.pack import Target
from tests.systems.servers import Handler
from tests.systems.vendors import Vendor

Serve = Callable[[Handler], Awaitable[str]]
PATH = "/repos/shop/api/actions/runs"
ABOUT = {"repository": "shop/api"}

ABOUT = {"repository": "shop/api"}


def run(number: int, at: str = "2026-11-21T03:04:00Z", **more: Any) -> dict[str, Any]:
    """As https://docs.github.com/en/rest/actions/workflow-runs shows one."""
    return {
        "id": 30433642 + number,
        "name": "Deploy",
        "head_branch": "main",
        "head_sha": "1a2b3c4d",
        "display_title": "Fix s3cret",
        "run_number": number,
        "event": "push",
        "status": "completed",
        "conclusion": "success",
        "workflow_id": 159038,
        "created_at": at,
        "updated_at": at,
        "run_started_at": at,
        "actor": {"login": "ann"},
        "triggering_actor": {"login": "ann"},
        "head_commit": {"message": "Fix s3cret", "author": {"email": "s3cret@example.com"}},
        **more,
    }


async def look(runs: Any, serve: Serve, repository: Any = None) -> tuple[Finding, Vendor]:
    vendor = Vendor(
        {
            PATH: {"total_count": len(runs), "workflow_runs": runs} if isinstance(runs, list) else runs,
            "/repos/shop/api": repository or {"default_branch": "main"},
        }
    )
    doors = Doors({"GITHUB_API_URL": await serve(vendor)})
    target = Target(name="deploys", kind="github", address="shop/api")
    try:
        return await DIAGNOSTIC.examine(target, Asked(), doors), vendor
    finally:
        await doors.close()


async def test_runs_that_may_have_changed_something_are_dated_changes(serve: Serve) -> None:
    running = {"conclusion": None, "status": "in_progress", "triggering_actor": {"login": "bob"}}
    again = {"created_at": "2026-11-19T00:00:00Z", "run_started_at": "2026-11-21T03:06:00Z", "event": "release"}

    finding, vendor = await look(
        [
            run(7),
            run(6, name="Migrate", event="workflow_dispatch", head_branch=None, **running),
            run(5, **again),
            run(4, "2026-11-20T21:07:59Z"),
        ],
        serve,
    )

    assert (finding.outcome, finding.marks) == (Outcome.HEALTHY, ("recent_rollout",))
    assert (
        finding.headline
        == "3 workflow runs in the last 6h, latest Workflow Deploy run 5 of main (1a2b3c4), 03:06 UTC: success"
    )
    at = datetime(2026, 11, 21, 3, 4, tzinfo=UTC)
    assert finding.changes == (
        Change(at=at.replace(minute=6), what="Workflow Deploy run 5 of main (1a2b3c4): success", by="ann", about=ABOUT),
        Change(at=at, what="Workflow Deploy run 7 of main (1a2b3c4): success", by="ann", about=ABOUT),
        Change(at=at, what="Workflow Migrate run 6 of 1a2b3c4: in progress", by="bob", about=ABOUT),
    )
    assert finding.found == {
        "repository": "shop/api",
        "workflow": "Deploy",
        "run": "5",
        "ref": "main",
        "sha": "1a2b3c4d",
    }
    assert finding.equivalent == "gh run list -R shop/api"
    assert vendor.asked == [f"{PATH}?per_page=50&exclude_pull_requests=true", "/repos/shop/api"]
    assert "s3cret" not in repr(finding)


@pytest.mark.parametrize(
    ("more", "counts"),
    [
        ({}, True),
        ({"head_branch": "fix-typo"}, False),
        ({"head_branch": "v2.15.0"}, True),
        ({"event": "pull_request"}, False),
        ({"event": "schedule"}, False),
        ({"event": "workflow_run", "head_branch": "fix-typo"}, True),
        ({"conclusion": "failure"}, True),
        ({"conclusion": "cancelled"}, False),
        ({"conclusion": "skipped"}, False),
    ],
)
async def test_a_run_that_rolls_nothing_out_is_no_news(more: dict[str, Any], counts: bool, serve: Serve) -> None:
    finding, _ = await look([run(7, **more)], serve)

    assert finding.marks == (("recent_rollout",) if counts else ())
    assert bool(finding.changes) is counts
    if not counts:
        assert finding.headline == (
            "no workflow rolled anything out in the last 6h (1 for pull requests, on a schedule or without effect)"
        )


async def test_one_run_is_told_whole_and_none_needs_no_branch(serve: Serve) -> None:
    one, _ = await look([run(7, conclusion="failure")], serve)
    none, vendor = await look([], serve)

    assert one.headline == "Workflow Deploy run 7 of main (1a2b3c4), 03:04 UTC: failure"
    assert none.headline == "no workflow rolled anything out in the last 6h"
    assert len(vendor.asked) == 1


async def test_a_cut_list_says_so(serve: Serve) -> None:
    finding, _ = await look([run(it) for it in range(50)], serve)

    assert (finding.details, len(finding.changes)) == ("only the newest 50 runs were looked at", 10)


async def test_what_is_no_list_or_has_no_branch_could_not_be_looked_at(serve: Serve) -> None:
    with pytest.raises(Refused, match="HTTP 403"):
        await look(403, serve)
    with pytest.raises(Unreachable, match="not an answer of GitHub"):
        await look({"total_count": 0}, serve)
    with pytest.raises(Refused, match="HTTP 404"):
        await look([run(7)], serve, 404)


@pytest.mark.parametrize(
    ("workflow", "is_told_less"),
    [("CI", True), ("Lint and test", True), ("CI/CD", False), ("Build and deploy", False), ("Flush cache", False)],
)
async def test_a_workflow_that_only_tests_by_its_name_tells_little(
    workflow: str, is_told_less: bool, serve: Serve
) -> None:
    finding, _ = await look([run(7, name=workflow)], serve)

    assert [it.weight < 1 for it in finding.changes] == [is_told_less]
