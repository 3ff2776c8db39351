"""One daemon for all attacks, as a hostile network would have it; the table of what they did."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.faults.daemon import Daemon, Strike
from tests.hostile.attack import HONEST_BODY, PACK, ROWS, SECRET, TOKEN, ask, bearer, request


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Input, answers, the honest request beside it in milliseconds, extra memory."""
    if ROWS:
        terminalreporter.section("hostile input")
        terminalreporter.write_line(f"{'input':<58} {'answers':<26} {'p50':>6} {'p99':>6} {'max':>6}   MB more")
        for it in ROWS:
            terminalreporter.write_line(str(it))


@pytest.fixture(scope="session")
def daemon() -> Iterator[Daemon]:
    """Warm: what the first requests of its life cost is not the attacker's doing."""
    made = Daemon.made(
        {
            "RESPONDER_RULES": str(PACK),
            "RESPONDER_ALERTMANAGER_TOKENS": TOKEN,
            "RESPONDER_PAGERDUTY_WEBHOOK_SECRETS": f"{SECRET},another-{SECRET}",
            "RESPONDER_GRAFANA_TOKENS": TOKEN,
            "RESPONDER_GENERIC_TOKENS": TOKEN,
        }
    )
    try:
        made.start(Strike())
        asyncio.run(_warm(made))
        yield made
    finally:
        made.clean_up()


async def _warm(daemon: Daemon) -> None:
    for _ in range(50):
        answer = await ask(daemon, request("/webhooks/alertmanager/honest", HONEST_BODY, bearer()))
        assert answer.status == 202, answer
    large = b'{"x": "' + b"x" * (1024 * 1024 - 20) + b'"}'
    assert (await ask(daemon, request("/webhooks/alertmanager", large, bearer()))).status == 202
