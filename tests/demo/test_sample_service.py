"""The sample service counts as a real one would, and can be broken."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from responder.demo.sample_service import REASON, SampleService


class Clock:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def service(clock: Clock) -> AsyncIterator[SampleService]:
    running = await SampleService.start(now=clock)
    yield running
    await running.stop()


async def scraped(http: aiohttp.ClientSession, service: SampleService) -> dict[str, float]:
    """Values by `name/status` or `name/le`."""
    async with http.get(f"{service.url}/metrics") as answer:
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        families = list(text_string_to_metric_families(await answer.text()))
    samples = [sample for family in families for sample in family.samples]
    return {f"{it.name}/{it.labels.get('status') or it.labels.get('le') or ''}": it.value for it in samples}


async def test_the_traffic_follows_the_clock(http: Any, service: SampleService, clock: Clock) -> None:
    before = await scraped(http, service)
    clock.seconds += 10

    after = await scraped(http, service)

    assert before["http_requests_total/200"] == 0
    assert {key: value for key, value in after.items() if key.startswith("http_requests_total")} == {
        "http_requests_total/200": 1976,
        "http_requests_total/404": 20,
        "http_requests_total/500": 2,
        "http_requests_total/503": 2,
    }
    assert after["http_request_duration_seconds_count/"] == after["http_request_duration_seconds_bucket/+Inf"] == 2000
    assert after["http_request_duration_seconds_bucket/0.1"] == 1860


async def test_broken_about_seven_percent_end_in_5xx_and_mended_nearly_none(
    http: Any, service: SampleService, clock: Clock
) -> None:
    async def share_of_5xx() -> float:
        before = await scraped(http, service)
        clock.seconds += 100
        after = await scraped(http, service)
        more = {key: after[key] - before[key] for key in after if key.startswith("http_requests_total")}
        return sum(value for key, value in more.items() if "/5" in key) / sum(more.values())

    well = await share_of_5xx()
    service.break_it()
    broken = await share_of_5xx()
    service.mend()
    mended = await share_of_5xx()

    assert [round(it, 3) for it in (well, broken, mended)] == [0.002, 0.07, 0.002]


async def test_its_health_says_what_is_wrong(http: Any, service: SampleService) -> None:
    async def look(path: str) -> tuple[int, Any]:
        async with http.get(service.url + path) as answer:
            return answer.status, await answer.json()

    well = [await look(path) for path in ("/health", "/ready", "/health/circuit-breakers")]
    async with http.post(f"{service.url}/_break") as answer:
        assert await answer.json() == {"broken": True}
    broken = [await look(path) for path in ("/health", "/ready", "/health/circuit-breakers")]
    async with http.post(f"{service.url}/_mend") as answer:
        assert await answer.json() == {"broken": False}

    assert [status for status, _ in well] == [200, 200, 200]
    assert [status for status, _ in broken] == [503, 503, 200]
    assert broken[0][1]["reason"] == REASON
    assert broken[2][1] == {"card-gateway": {"state": "open"}, "ledger": {"state": "closed"}}
    assert (await look("/health"))[1]["status"] == "healthy"


async def test_it_runs_as_a_program_of_its_own() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "responder.demo.sample_service", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    url = (await process.stdout.readline()).decode().strip()

    async with aiohttp.ClientSession() as http, http.get(f"{url}/health") as answer:
        status = answer.status
    process.terminate()
    await process.wait()

    assert status == 200
