"""Who was taken over writes nothing into the ledger any more, whichever write it is that comes late."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from responder.store import deliveries as ledger
from responder.store import targets
from responder.store.deliveries import Delivery
from responder.store.store import Store
from tests.report.situations import report

Write = Callable[[Store, Delivery], Awaitable[Any]]
LATE: dict[str, Write] = {
    "sending": lambda store, it: ledger.sending(store, it, uncertain=True, tag="late"),
    "shown": lambda store, it: ledger.shown(
        store, it, foreign_id="late", digest=b"late", report=report(), verify=True, tag="late"
    ),
    "aside": lambda store, it: ledger.aside(store, it, state="failed", why="late", digest=b"late"),
    "editing": lambda store, it: ledger.editing(store, it),
    "found": lambda store, it: ledger.found(store, it, foreign_id="late"),
    "verified": lambda store, it: ledger.verified(store, it, foreign_id="late"),
}


@pytest.fixture
async def taken_over(store: Store) -> Delivery:
    """As the one held it whom another has taken over from."""
    async with store.transaction() as connection:
        await connection.execute("insert into incidents (id, slug, first_report_due) values (1, 'inc-0001', now())")
        await connection.execute(
            "insert into deliveries (incident, sink, object, state) values (1, 'pagerduty_note', 'P1', 'due')"
        )
    former = await ledger.begin(store, 1, 1)
    assert former is not None
    assert await ledger.begin(store, 1, 2) is not None
    return former.delivery


async def row(store: Store) -> dict[str, Any]:
    async with store.connection() as connection:
        return dict(await connection.fetchrow("select * from deliveries"))


@pytest.mark.parametrize("write", LATE.values(), ids=LATE)
async def test_a_late_write_changes_nothing(store: Store, taken_over: Delivery, write: Write) -> None:
    before = await row(store)

    assert await write(store, taken_over) in (None, False)

    assert await row(store) == before


async def test_an_older_fence_takes_nothing_up(store: Store, taken_over: Delivery) -> None:
    assert await ledger.begin(store, 1, 1) is None
    assert await ledger.begin(store, 1, 2) is None


async def test_what_is_distrusted_is_asked_for_where_it_has_moved_to(store: Store, taken_over: Delivery) -> None:
    """The younger of two incidents had it when it was begun, the elder has it now."""
    async with store.transaction() as connection:
        await connection.execute("insert into incidents (id, slug, first_report_due) values (2, 'inc-0002', now())")
        await connection.execute("update deliveries set incident = 2, shown_state = 'open', digest = 'd'")

    await ledger.distrust(store, taken_over)

    found = await row(store)
    assert (found["digest"], found["shown_state"], found["verify"]) == (None, None, False)
    async with store.connection() as connection:
        assert await connection.fetchval("select kind || ' ' || key from work") == "deliver:pagerduty_note 1"


async def test_what_has_no_report_is_not_pending_for_it_will_never_be_sent(store: Store, taken_over: Delivery) -> None:
    none_pending = await ledger.pending(store), await targets.sinks(store, ["pagerduty_note"])
    async with store.connection() as connection:
        await connection.execute("insert into reports (incident, body, severity_rank) values (1, '{}', 0)")
    (kept,) = await targets.sinks(store, ["pagerduty_note"])

    assert none_pending[0].get("pagerduty_note", 0) == 0
    assert [(it.pending, it.pending_since, it.why) for it in none_pending[1]] == [(0, None, "")]
    assert await ledger.pending(store) == {"pagerduty_note": 1}
    assert (kept.pending, kept.pending_since) == (1, taken_over.known_at)
