"""What is asked of the store."""

from __future__ import annotations

import pytest

from responder.errors import UsageError
from responder.store import look_up
from responder.store.store import Store
from responder.web.answers import why_it_waits


async def opened(store: Store, *numbers: int, **columns: str) -> None:
    async with store.connection() as connection:
        for number in numbers:
            await connection.execute(
                "insert into incidents (id, slug, state, first_report_due) values ($1, $2, $3, now())",
                number,
                f"inc-{number:04}",
                columns.get("state", "open"),
            )


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("inc-7K3F", "inc-7K3F"),
        ("inc-7k3f", "inc-7K3F"),
        ("7k3f", "inc-7K3F"),
        ("INC-7K3F", "inc-7K3F"),
        ("inc-7K3", None),
        ("inc-ILOU", None),
        ("inc-\x00000", None),
        ("", None),
    ],
)
def test_a_slug_is_known_as_people_type_it(text: str, slug: str | None) -> None:
    assert look_up.slug_in(text) == slug


async def test_pages_follow_one_another_newest_first(store: Store) -> None:
    await opened(store, 1, 2, 3)
    await opened(store, 4, state="resolved")

    assert [it["number"] for it in await look_up.listing(store, limit=2)] == [4, 3]
    assert [it["number"] for it in await look_up.listing(store, before=3)] == [2, 1]
    assert [it["number"] for it in await look_up.listing(store, states=["resolved"])] == [4]


async def test_work_is_told_of_its_own_incident_only(store: Store) -> None:
    """A delivery has a number of its own, which may be that of another incident."""
    await opened(store, 1, 2)
    async with store.connection() as connection:
        await connection.execute(
            "insert into deliveries (id, incident, sink, state) overriding system value values (1, 2, 'x', 'due')"
        )
        await connection.execute(
            """insert into work (kind, key, waits_for)
               values ('deliver:x', '1', 'the sink'), ('respond', '1', 'a look'), ('sweep', '', 'an hour')"""
        )

    first, second = await look_up.trace(store, "inc-0001"), await look_up.trace(store, "inc-0002")

    assert [(it["kind"], it["waits_for"], it["number"]) for it in first.work] == [("respond", "a look", 1)]
    assert [(it["kind"], it["waits_for"], it["number"]) for it in second.work] == [("deliver:x", "the sink", 2)]


async def test_every_kind_of_wait_is_told_with_its_reason_since_when_and_whether_it_is_held(store: Store) -> None:
    await opened(store, 1, 2)
    async with store.connection() as connection:
        await connection.execute(
            """insert into links (kind, source, key, incident)
               values ('alertmanager', 'eu', 'a', 1), ('pagerduty', '', 'b', 1), ('alertmanager', 'us', 'c', 2)"""
        )
        await connection.execute(
            """insert into work (kind, key, waits_for, held, failures, since, due_at)
               values ('respond', '1', '', true, 0, now() - interval '1 hour', now() + interval '9 s'),
                      ('link', '1', 'a PagerDuty incident', false, 0, now(), now() + interval '1 minute'),
                      ('read_note', '1/Q2X9/N1', 'the whole note', false, 2, now(), now() + interval '5 s'),
                      ('read_note', '11/Q2X9/N2', 'of another', false, 0, now(), now()),
                      ('ask_alertmanager', 'eu', 'nobody answers', false, 0, now(), now() + interval '1 minute'),
                      ('ask_alertmanager', 'us', 'of another', false, 0, now(), now()),
                      ('ask_pagerduty', '', '', false, 0, now(), now() - interval '1 s')"""
        )

    found = await look_up.waits(store, 1)
    traced = await look_up.trace(store, "inc-0001")

    assert [(it["kind"], it["object"], why_it_waits(it), it["held"], it["failures"]) for it in found] == [
        ("link", "", "a PagerDuty incident", False, 0),
        ("read_note", "Q2X9", "the whole note", False, 2),
        ("respond", "", "under way", True, 0),
        ("ask_alertmanager", "eu", "nobody answers", False, 0),
        ("ask_pagerduty", "", "due, and not taken up yet", False, 0),
    ]
    assert (found[2]["due_at"] - found[2]["since"]).total_seconds() == 3609
    assert traced.work == found


@pytest.mark.parametrize(
    ("held", "is_due", "waits_for", "says"),
    [
        pytest.param(True, False, "", "under way", id="held"),
        pytest.param(True, False, "a turn", "under way; before that: a turn", id="held after a wait"),
        pytest.param(True, True, "", "its worker has not been heard of, another takes it over", id="its lease is over"),
        pytest.param(False, True, "a turn", "due, and not taken up yet (it waited for: a turn)", id="due"),
        pytest.param(False, False, "a turn", "a turn", id="waits"),
        pytest.param(False, False, "", "its time", id="waits for nothing but its time"),
    ],
)
def test_a_wait_is_put_into_words(held: bool, is_due: bool, waits_for: str, says: str) -> None:
    assert why_it_waits({"held": held, "is_due": is_due, "waits_for": waits_for}) == says


async def test_links_without_an_external_id_are_not_what_an_empty_name_means(store: Store) -> None:
    for name in ("", " ", "a\x00"):
        with pytest.raises(UsageError, match="names nothing"):
            await look_up.trace(store, name)


async def test_a_name_may_stand_for_several_incidents(store: Store) -> None:
    await opened(store, 1, 2)
    async with store.connection() as connection:
        await connection.execute(
            """insert into links (kind, source, key, incident, external_id)
               values ('pagerduty', '', 'a', 1, 'Q2X9'), ('pagerduty', 'b', 'b', 2, 'Q2X9')"""
        )

    found = await look_up.trace(store, "Q2X9")

    assert [it.summary["slug"] for it in found.incidents] == ["inc-0001", "inc-0002"]


async def test_the_newest_schema_is_accepted(store: Store) -> None:
    await look_up.refuse_other_schema(store)
