"""What is over for long is forgotten whole, a bounded number at a time; what is open, or fires, never is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from responder.model.alert import Accepted, Alert, Webhook
from responder.store import forget
from responder.store.forget import (
    forget_counts,
    forget_findings,
    forget_incidents,
    forget_rule_sets,
    forget_strays,
)
from responder.store.store import Store
from tests.store.test_accept import accepting, rows

Alerts, Webhooks = Callable[..., Alert], Callable[..., Webhook]
YEAR = timedelta(days=400)
HANGING_ON = ("alerts", "links", "work", "steps", "samples", "reports", "deliveries", "timeline", "webhooks")
AGED = {
    "incidents": ("opened_at", "resolved_at"),
    "links": ("seen_at",),
    "alerts": ("first_seen", "last_seen"),
    "rule_sets": ("loaded_at",),
}
FILLED = {
    "rule_sets (hash, pack, files)": "values ('used', 'p', '{}'), ('other', 'p', '{}')",
    "steps (incident, run, name, outcome)": "select id, 0, 'readings', '{}' from incidents",
    "samples (incident, signal, at)": "select id, 's', now() from incidents",
    "reports (incident, body, severity_rank)": """select id, '{"findings": [1], "title": "t"}', 0 from incidents""",
    "deliveries (incident, sink, object, state)": "select id, 'pagerduty_note', 'Q', 'failed' from incidents",
    "work (kind, key)": """select 'deliver:pagerduty_note', id::text from deliveries
                           union all select 'read_note', id || '/Q/N' from incidents""",
}
ORPHANS = "select count(*) from alerts a where not exists (select 1 from links l where l.id = a.link)"


async def tell(store: Store, *webhooks: Webhook) -> list[Accepted]:
    async with accepting(store) as acceptor:
        return [await acceptor.accept(it) for it in webhooks]


async def run(store: Store, *statements: str) -> None:
    async with store.connection() as connection:
        for statement in statements:
            await connection.execute(statement)


async def long_ago(store: Store, days: int = 500) -> None:
    """Everything that is there now was so many days ago."""
    for table, columns in AGED.items():
        moved = ", ".join(f"{it} = {it} - interval '{days} days'" for it in columns)
        await run(store, f"update {table} set {moved}")


async def over(store: Store, alert: Alerts, webhook: Webhooks, *groups: bytes) -> None:
    """An incident a group, resolved long ago, with something in every table that hangs on incidents."""
    for group in groups:
        await tell(store, webhook(alert(), group=group), webhook(alert(resolved=5), group=group))
    await run(store, *(f"insert into {into} {values} on conflict do nothing" for into, values in FILLED.items()))
    await run(store, "update incidents set rule_set = 'used'")
    await long_ago(store)


async def slugs(store: Store) -> list[str]:
    return [slug for (slug,) in await rows(store, "select slug from incidents order by id")]


async def test_an_incident_goes_with_everything_that_hangs_on_it(
    store: Store, alert: Alerts, webhook: Webhooks
) -> None:
    await over(store, alert, webhook, b"1")
    full = {table: (await rows(store, f"select count(*) from {table}"))[0][0] for table in HANGING_ON}

    forgotten = await forget_incidents(store, YEAR)

    assert min(full.values()) >= 1, full
    assert forgotten == (1, True)
    assert {table: (await rows(store, f"select count(*) from {table}"))[0][0] for table in HANGING_ON} == dict.fromkeys(
        HANGING_ON, 0
    )
    assert await slugs(store) == []
    assert await forget_incidents(store, YEAR) == (0, False)


async def test_the_others_keep_all_they_have(store: Store, alert: Alerts, webhook: Webhooks) -> None:
    await over(store, alert, webhook, b"1", b"2")
    await run(store, "update incidents set resolved_at = now() where id = 2")
    before = {table: await rows(store, f"select * from {table} t order by t::text") for table in HANGING_ON}

    assert await forget_incidents(store, YEAR) == (1, True)

    after = {table: await rows(store, f"select * from {table} t order by t::text") for table in HANGING_ON}
    assert await slugs(store) == ["inc-0002"]
    assert {table: len(after[table]) * 2 for table in HANGING_ON} == {table: len(before[table]) for table in HANGING_ON}
    assert all(set(map(str, after[table])) <= set(map(str, before[table])) for table in HANGING_ON)


@pytest.mark.parametrize(
    "stays",
    [
        pytest.param("update incidents set state = 'open', resolved_at = null", id="open"),
        pytest.param("update incidents set state = 'open'", id="open, resolved once"),
        pytest.param("update incidents set resolved_at = now() - interval '399 days'", id="not so long ago"),
        pytest.param("update alerts set status = 0", id="settled by a person while an alert fires"),
        pytest.param(
            "with l as (update links set incident = null) update alerts set status = 0",
            id="an alert of it fires, whose link is another's by now",
        ),
        pytest.param(
            "update alerts set status = 0, incident = null", id="an alert of its link fires, of no incident yet"
        ),
    ],
)
async def test_what_may_still_matter_is_kept(store: Store, alert: Alerts, webhook: Webhooks, stays: str) -> None:
    await over(store, alert, webhook, b"1")
    await run(store, stays)

    assert await forget_incidents(store, YEAR) == (0, False)

    assert await slugs(store) == ["inc-0001"]
    assert (await rows(store, "select count(*) from links"))[0][0] == 1


async def test_a_refire_after_its_incident_was_forgotten_opens_a_new_one(
    store: Store, alert: Alerts, webhook: Webhooks
) -> None:
    await over(store, alert, webhook, b"1")
    await forget_incidents(store, YEAR)

    (again,) = await tell(store, webhook(alert(starts=60), group=b"1"))

    assert again == Accepted(accepted=1, incidents=("inc-0002",))
    assert await rows(store, "select slug, state, continues from incidents") == [("inc-0002", "open", None)]


async def test_a_later_incident_of_the_same_group_keeps_its_link_and_forgets_what_it_continued(
    store: Store, alert: Alerts, webhook: Webhooks
) -> None:
    await tell(store, webhook(alert("aa"), alert("bb")), webhook(alert("aa", resolved=5), alert("bb", resolved=5)))
    await long_ago(store)
    await tell(store, webhook(alert("aa", starts=60)))
    assert await rows(store, "select slug, continues from incidents order by id") == [
        ("inc-0001", None),
        ("inc-0002", 1),
    ]

    await forget_incidents(store, YEAR)

    assert await rows(store, "select slug, continues from incidents") == [("inc-0002", None)]
    assert await rows(store, "select incident from links") == [(2,)]
    assert await rows(store, "select incident, status from alerts") == [(2, 0)]
    (repeated,) = await tell(store, webhook(alert("aa", starts=60)))
    assert repeated == Accepted(duplicates=1, incidents=("inc-0002",))


async def test_what_was_folded_goes_only_with_the_one_that_goes_on(
    store: Store, alert: Alerts, webhook: Webhooks
) -> None:
    """Its marker may stand on a note that the elder has taken over."""
    await over(store, alert, webhook, b"1", b"2")
    await run(store, "update incidents set state = 'folded', folded_into = 1 where id = 2")
    await run(store, "update incidents set resolved_at = now() where id = 1")
    while_it_is_young = await forget_incidents(store, YEAR)
    await long_ago(store)

    first, second = await forget_incidents(store, YEAR), await forget_incidents(store, YEAR)

    assert while_it_is_young == (0, False)
    assert (first, second) == ((1, True), (1, True))
    assert await slugs(store) == []


async def test_a_batch_is_bounded_and_the_oldest_go_first(
    store: Store, alert: Alerts, webhook: Webhooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forget, "MOST_INCIDENTS", 2)
    await over(store, alert, webhook, b"1", b"2", b"3")

    assert await forget_incidents(store, YEAR) == (2, True)
    assert await forget_incidents(store, YEAR) == (1, True)


async def test_who_takes_in_a_refire_at_that_moment_is_not_waited_for_and_loses_nothing(
    store: Store, alert: Alerts, webhook: Webhooks
) -> None:
    await over(store, alert, webhook, b"1")
    async with store.transaction() as connection:
        await connection.execute("select id from incidents where id = 1 for update")
        assert await forget_incidents(store, YEAR) == (0, False)

    async with asyncio.TaskGroup() as group:
        told = group.create_task(tell(store, webhook(alert(starts=60), group=b"1")))
        for _ in range(20):
            await forget_incidents(store, YEAR)

    ((accepted,), (incident,)) = (
        told.result(),
        await rows(store, "select id, state from incidents where state = 'open'"),
    )
    assert accepted.accepted == 1
    assert await rows(store, "select l.incident, a.incident from alerts a join links l on l.id = a.link") == [
        (incident[0], incident[0])
    ]


async def test_groups_of_which_only_a_resolve_was_heard_go_as_well(
    store: Store, alert: Alerts, webhook: Webhooks
) -> None:
    await tell(store, webhook(alert(resolved=5), group=b"1"), webhook(alert(), group=b"2"))
    await tell(store, webhook(alert(resolved=5), group=b"4"))
    await long_ago(store)
    await run(store, "update alerts set last_seen = now() where link = (select max(id) from links)")
    await tell(store, webhook(alert(resolved=5), group=b"3"))

    assert await forget_strays(store, YEAR) is False

    keys = await rows(store, "select convert_from(rtrim(key, '\\x00'), 'utf8') from links order by 1")
    assert keys == [("2",), ("3",), ("4",)]
    assert await rows(store, ORPHANS) == [(0,)]


async def test_findings_go_before_their_report(store: Store, alert: Alerts, webhook: Webhooks) -> None:
    await over(store, alert, webhook, b"1", b"2", b"3")
    await run(store, "update incidents set state = 'open', resolved_at = null where id = 2")
    await run(store, "update incidents set resolved_at = now() - interval '89 days' where id = 3")

    assert await forget_findings(store, timedelta(days=90)) is False

    assert await rows(store, "select incident, body, stripped_at is not null from reports order by 1") == [
        (1, {"findings": [], "title": "t"}, True),
        (2, {"findings": [1], "title": "t"}, False),
        (3, {"findings": [1], "title": "t"}, False),
    ]
    assert await rows(store, "select incident from steps order by 1") == [(2,), (3,)]


async def test_rules_that_no_incident_began_with_go_unless_they_are_in_force(
    store: Store, alert: Alerts, webhook: Webhooks
) -> None:
    await over(store, alert, webhook, b"1")
    await run(store, "insert into rule_sets (hash, pack, files) values ('young', 'p', '{}')")

    in_force = await forget_rule_sets(store, in_force=[b"other"])
    not_in_force = await forget_rule_sets(store, in_force=[])

    assert (in_force, not_in_force) == (0, 1)
    assert await rows(store, "select hash from rule_sets order by 1") == [(b"used",), (b"young",)]
    await forget_incidents(store, YEAR)
    assert await forget_rule_sets(store, in_force=[]) == 1


async def test_how_often_targets_were_asked_is_kept_for_a_day(store: Store) -> None:
    await run(
        store,
        """insert into target_counts (pack, target, since, asked)
           values ('p', 't', now() - interval '25 hours', 1), ('p', 't', now() - interval '23 hours', 2)""",
    )

    await forget_counts(store)

    assert await rows(store, "select asked from target_counts") == [(2,)]
