"""A check of responder's own account looks around the PagerDuty incident that is linked, and says when none is."""

from __future__ import annotations

import pytest

from responder.clients.doors import Doors
from responder.diagnostics.catalogue import catalogue
from responder.diagnostics.examine import NO_TARGET
from responder.diagnostics.pagerduty_incident import OfIncident
from responder.errors import CouldNotLook
from responder.model.catalogue import Beside

CHECKS = [it for it in catalogue().values() if it.target_kind == "pagerduty"]


@pytest.mark.parametrize("check", CHECKS, ids=lambda it: it.name)
async def test_without_a_linked_incident_it_could_not_look_and_asks_nothing(check: object) -> None:
    asked = check.parameters().beside(Beside(pagerduty=[]))  # type: ignore[attr-defined]

    with pytest.raises(CouldNotLook, match=r"^no PagerDuty incident is linked yet$"):
        await check.examine(NO_TARGET, asked, Doors({}))  # type: ignore[attr-defined]


def test_an_incident_that_is_named_goes_before_the_linked_ones() -> None:
    assert OfIncident(incident="Q1").beside(Beside(pagerduty=["Q2"])).looked_around == "Q1"
    assert OfIncident().beside(Beside(pagerduty=["Q2", "Q3"])).incident == ("Q2", "Q3")


def test_what_is_no_id_is_refused() -> None:
    with pytest.raises(ValueError, match="pattern"):
        OfIncident(incident="../users/me")
