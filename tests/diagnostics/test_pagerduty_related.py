"""Other open incidents show how far the trouble goes."""

from __future__ import annotations

import shlex
from datetime import timedelta

import pytest

from responder.model.finding import Outcome
from tests.contracts.pagerduty_openapi import PagerDutyContract
from tests.diagnostics.pagerduty_account import around


async def test_open_incidents_of_the_service_and_related_ones_are_told_apart(
    pagerduty_contract: PagerDutyContract,
) -> None:
    async with around() as it:
        it.pagerduty.add_service("ledger", "1" * 32)
        it.pagerduty.acknowledge(it.pagerduty.create_incident("Latency is high"))
        it.pagerduty.create_incident("Ledger is slow", service="ledger")
        it.pagerduty.resolve(it.pagerduty.create_incident("Over by now"))

        found = await it.found("pagerduty.related")

        since = it.pagerduty.account.incidents[it.incident].created_at
        assert (found.outcome, found.gravity) == (Outcome.UNHEALTHY, 30)
        assert found.headline == (
            f"1 other incident of payments is open: #4712 Latency is high (acknowledged, since {since:%H:%M} UTC); "
            f"1 related incident at other services: #4713 Ledger is slow (triggered, since {since:%H:%M} UTC)"
        )
        assert found.table is not None
        assert [row[-1] for row in found.table.rows] == ["same service", "machine learning inferred"]
        for request in it.pagerduty.requests:
            pagerduty_contract.check(request)


async def test_the_incident_s_own_are_no_others() -> None:
    async with around() as it:
        other = it.pagerduty.create_incident("The same, at a second service")

        found = await it.found("pagerduty.related", incident=[it.incident, other])

        assert (found.outcome, found.headline) == (Outcome.HEALTHY, "no other incident of payments is open")


async def test_an_account_without_the_plan_still_hears_of_its_service() -> None:
    async with around() as it:
        it.pagerduty.create_incident("Latency is high")
        it.pagerduty.fault("GET /incidents/*/related_incidents", "status", status=403)

        found = await it.found("pagerduty.related")

        assert found.headline.startswith("1 other incident of payments is open: #4712 ")
        assert found.details == "other services were not looked at: PagerDuty relates incidents in its AIOps plans only"


async def test_what_is_open_since_another_day_says_which_day() -> None:
    async with around() as it:
        old = it.pagerduty.create_incident("Latency is high")
        for id_ in (it.incident, old):
            it.pagerduty.account.incidents[id_].created_at -= timedelta(days=3)

        found = await it.found("pagerduty.related")

        since = it.pagerduty.account.incidents[old].created_at
        assert f"since {since:%Y-%m-%d %H:%M} UTC" in found.headline


@pytest.mark.parametrize("check", ["pagerduty.related", "pagerduty.changes"])
@pytest.mark.parametrize("id_", ["P1'; touch x; '", "P1; touch x"])
async def test_an_id_that_pagerduty_gives_is_no_part_of_a_command(check: str, id_: str) -> None:
    async with around() as it:
        service = it.pagerduty.account.incidents[it.incident].service
        service.id = id_
        it.pagerduty.account.services[service.id] = service

        found = await it.found(check)

        assert "touch" not in shlex.split(found.equivalent)
        assert id_ in shlex.split(found.equivalent)[-1]
