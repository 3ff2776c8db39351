from __future__ import annotations

from typing import Any

import pytest

from responder.diagnostics.google_service import DIAGNOSTIC
from responder.model.finding import Outcome
from tests.diagnostics.google_service import SERVICE, Serve, condition, look, service
from tests.systems.google import GoogleCloud


async def test_a_service_that_is_ready_says_since_when_and_what_serves(serve: Serve) -> None:
    cloud = GoogleCloud({SERVICE: service(42)})

    finding = await look(DIAGNOSTIC, cloud, serve)

    assert (finding.outcome, finding.gravity) == (Outcome.HEALTHY, 0)
    assert finding.headline == "api-00042 serves 100 %; the service is ready since 03:04 UTC"
    assert finding.found == {"service": "api", "revision": "api-00042", "ready_revision": "api-00042"}
    assert finding.table is not None
    assert finding.table.rows[1] == ("RoutesReady", "succeeded", "03:04 UTC")
    assert finding.equivalent == "gcloud run services describe api --region=europe-west1 --project=shop-prod"
    assert cloud.asked == [("GET", SERVICE)]
    assert "s3cret" not in repr(finding)


FAILED = condition("Ready", "FAILED", "03:05:30", reason="REVISION_FAILED")


@pytest.mark.parametrize(
    ("shown", "gravity", "headline"),
    [
        pytest.param(
            service(42, ready=41, terminalCondition=FAILED),
            75,
            "revision api-00042 is not ready (revision failed) since 03:05 UTC; api-00041 serves 100 %",
            id="the latest that was created is not ready",
        ),
        pytest.param(
            service(42, ready=41, reconciling=True, terminalCondition=condition("Ready", "RECONCILING")),
            40,
            "revision api-00042 is being rolled out since 03:04 UTC; api-00041 serves 100 %",
            id="it is under way",
        ),
        pytest.param(
            service(42, conditions=[condition("RoutesReady", "FAILED", severity="ERROR")]),
            75,
            "RoutesReady has failed since 03:04 UTC; api-00042 serves 100 %",
            id="a condition has failed",
        ),
        pytest.param(
            service(42, trafficStatuses=[]),
            75,
            "no revision serves; the service is ready since 03:04 UTC",
            id="nothing gets traffic",
        ),
    ],
)
async def test_what_is_not_as_it_is_meant_to_be_is_unhealthy(
    shown: Any, gravity: int, headline: str, serve: Serve
) -> None:
    finding = await look(DIAGNOSTIC, GoogleCloud({SERVICE: shown}), serve)

    assert (finding.outcome, finding.gravity, finding.headline) == (Outcome.UNHEALTHY, gravity, headline)


async def test_a_warning_is_no_fault(serve: Serve) -> None:
    warned = service(42, conditions=[condition("Busy", "FAILED", severity="WARNING")])

    finding = await look(DIAGNOSTIC, GoogleCloud({SERVICE: warned}), serve)

    assert finding.outcome is Outcome.HEALTHY
