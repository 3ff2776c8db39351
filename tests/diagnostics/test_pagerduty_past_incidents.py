"""Earlier incidents like this one are told with the latest of them."""

from __future__ import annotations

import pytest

from responder.errors import CouldNotLook
from responder.model.finding import Outcome
from tests.contracts.pagerduty_openapi import PagerDutyContract
from tests.diagnostics.pagerduty_account import around


async def test_incidents_like_this_one_are_counted_and_the_latest_is_named(
    pagerduty_contract: PagerDutyContract,
) -> None:
    async with around() as it:
        for title in ("API error rate 7.3 %", "API error rate 7.3 %", "You forgot to feed the cat!"):
            it.pagerduty.resolve(it.pagerduty.create_incident(title))

        found = await it.found("pagerduty.past_incidents")

        latest = it.pagerduty.account.incidents[it.incident].created_at
        assert found.outcome is Outcome.HEALTHY
        assert (
            found.headline == f"2 incidents like this one in six months, latest {latest:%Y-%m-%d}: API error rate 7.3 %"
        )
        assert found.table is not None
        assert [row[2:] for row in found.table.rows] == [("API error rate 7.3 %", "46.8")] * 2
        for request in it.pagerduty.requests:
            pagerduty_contract.check(request)


async def test_as_many_as_were_asked_for_may_not_be_all() -> None:
    async with around() as it:
        for _ in range(3):
            it.pagerduty.resolve(it.pagerduty.create_incident("API error rate 7.3 %"))

        found = await it.found("pagerduty.past_incidents", limit=2)

        assert found.headline.startswith("at least 2 incidents like this one in six months, latest ")


async def test_none_is_said() -> None:
    async with around() as it:
        assert (await it.found("pagerduty.past_incidents")).headline == "no incident like this one in six months"


async def test_an_account_without_the_plan_is_told_which_it_needs() -> None:
    async with around() as it:
        it.pagerduty.fault("GET /incidents/*/past_incidents", "status", status=403)

        with pytest.raises(CouldNotLook, match=r"403.*past incidents are part of PagerDuty's AIOps plans$"):
            await it.found("pagerduty.past_incidents")
