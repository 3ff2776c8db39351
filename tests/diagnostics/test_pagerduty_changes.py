"""Change events of the incident's service become dated changes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from responder.errors import CouldNotLook
from responder.model.finding import Outcome
from tests.contracts.pagerduty_openapi import PagerDutyContract
from tests.diagnostics.pagerduty_account import around


def at(pagerduty: Any, change: int) -> datetime:
    found: datetime = pagerduty.account.change_events[change].at
    return found.replace(microsecond=0)


async def test_the_latest_change_is_told_and_each_is_dated(pagerduty_contract: PagerDutyContract) -> None:
    async with around() as it:
        it.pagerduty.add_change("Deploy 2.14.0", minutes_ago=300)
        it.pagerduty.add_change("Deploy 2.15.0", source="ci", link="https://ci.example/42", minutes_ago=4)
        it.pagerduty.add_change("Long ago", minutes_ago=400)

        found = await it.found("pagerduty.changes")

        latest = at(it.pagerduty, 1)
        assert (found.outcome, found.marks) == (Outcome.HEALTHY, ("recent_rollout",))
        assert found.headline == f"2 changes of payments in the last 6h, latest: Deploy 2.15.0, {latest:%H:%M} UTC"
        assert [(one.at, one.what, one.by) for one in found.changes] == [
            (latest, "Change of payments: Deploy 2.15.0", "ci"),
            (at(it.pagerduty, 0), "Change of payments: Deploy 2.14.0", "ci"),
        ]
        assert found.found == {
            "change": "Deploy 2.15.0",
            "source": "ci",
            "link": "https://ci.example/42",
            "service": "payments",
        }
        assert {request.method for request in it.pagerduty.requests} == {"GET"}
        for request in it.pagerduty.requests:
            pagerduty_contract.check(request)


async def test_a_change_of_another_service_that_pagerduty_relates_is_told_too() -> None:
    async with around() as it:
        it.pagerduty.add_service("ledger", "1" * 32)
        it.pagerduty.add_change("Schema 12", service="ledger", reason="related_service", minutes_ago=10)
        it.pagerduty.add_change("Not related", service="ledger", minutes_ago=10)

        found = await it.found("pagerduty.changes")

        assert [one.what for one in found.changes] == ["Change of ledger: Schema 12"]


async def test_without_a_change_the_time_that_was_looked_at_is_said() -> None:
    async with around() as it:
        it.pagerduty.add_change("Deploy", minutes_ago=31)

        found = await it.found("pagerduty.changes", since="30m")

        assert (found.headline, found.changes, found.marks) == ("no change event of payments in the last 30m", (), ())


async def test_what_pagerduty_does_not_relate_is_said_beside_the_service_s_own() -> None:
    async with around() as it:
        it.pagerduty.add_change("Deploy", minutes_ago=1)
        it.pagerduty.fault("GET /incidents/*/related_change_events", "status", status=402)

        found = await it.found("pagerduty.changes")

        assert len(found.changes) == 1
        assert found.details.startswith("changes of other services were not looked at: ")


@pytest.mark.parametrize("status", [401, 404, 429, 500])
async def test_no_list_is_not_no_change(status: int) -> None:
    async with around() as it:
        it.pagerduty.fault("GET /services/*/change_events", "status", status=status)

        with pytest.raises(CouldNotLook, match=str(status)):
            await it.found("pagerduty.changes")


async def test_a_change_of_another_day_says_which_day() -> None:
    async with around() as it:
        it.pagerduty.add_change("Deploy 2.14.0", minutes_ago=3 * 1440)

        found = await it.found("pagerduty.changes", since="1w")

        assert found.headline.endswith(f"Deploy 2.14.0, {at(it.pagerduty, 0):%Y-%m-%d %H:%M} UTC")
