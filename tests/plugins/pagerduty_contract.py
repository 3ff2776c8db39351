"""A fixture for every test that sends something to PagerDuty. Register it in `tests/conftest.py`."""

from __future__ import annotations

import pytest

from tests.contracts.pagerduty_openapi import EXTRACTS, PagerDutyContract


@pytest.fixture(scope="session")
def pagerduty_contract() -> PagerDutyContract:
    """`.check(request)` raises where PagerDuty's own description does not allow a recorded request."""
    if not (EXTRACTS / "rest-openapi.json").is_file():
        pytest.skip(f"PagerDuty's OpenAPI description is not at {EXTRACTS}; it may not be part of this repository")
    return PagerDutyContract()
