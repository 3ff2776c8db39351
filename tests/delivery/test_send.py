"""One visible note per PagerDuty incident, whatever happens to the request or to whoever sent it."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from responder.clients.pagerduty import PagerDutyApi
from responder.delivery.pagerduty_note import PagerDutyNote
from responder.delivery.send import MAY_BE_A_DUPLICATE, Deadline, Lost, Sent, send, verify
from responder.demo.pagerduty import TOKEN, StandInPagerDuty
from responder.demo.pagerduty_account import BOT_EMAIL
from responder.errors import CouldNotLook, DeliveryUncertain, LeaseLost, Unreachable
from responder.model.report import Report
from responder.store import deliveries as ledger
from responder.store.deliveries import Begun
from responder.store.incidents import REPORT
from responder.store.store import Store
from responder.work.deliver import rests_after, tried
from tests.conftest import START
from tests.report.situations import report as payments_report

MARKER = "[responder:test:inc-0001]"


@dataclass
class Desk:
    """A delivery that waits to be made, and everything that it needs."""

    store: Store
    pagerduty: StandInPagerDuty
    sink: PagerDutyNote
    report: Report
    object: str
    fence: int = 0

    async def begin(self) -> Begun:
        self.fence += 1
        begun = await ledger.begin(self.store, 1, self.fence)
        assert begun is not None
        return begun

    async def send(self, begun: Begun | None = None, *, seconds: float = 2.0, within: Deadline | None = None) -> Sent:
        begun = begun or await self.begin()
        others = None if begun.others is None else frozenset(f"[responder:test:{it}]" for it in begun.others)
        return await send(
            self.store,
            self.sink,
            begun,
            self.report,
            digest=b"d",
            markers=[MARKER],
            redact=lambda text: text,
            deadline=within or Deadline(seconds),
            again_in=1.0,
            lost=None if others is None else Lost(beginning="[responder:test:", known=others),
        )

    @property
    def notes(self) -> list[str]:
        incident = self.pagerduty.account.incidents[self.object]
        return [note.content for note in incident.notes if MARKER in note.content]

    async def state(self) -> str:
        async with self.store.connection() as connection:
            state: str = await connection.fetchval("select state from deliveries where id = 1")
            return state

    async def store_rows(self, query: str) -> list[tuple[object, ...]]:
        async with self.store.connection() as connection:
            return [tuple(it) for it in await connection.fetch(query)]

    async def age_uncertainty(self, age: timedelta) -> None:
        async with self.store.connection() as connection:
            await connection.execute("update deliveries set uncertain_since = now() - $1::interval", age)


@pytest.fixture
async def desk(store: Store) -> AsyncIterator[Desk]:
    pagerduty = await StandInPagerDuty.start(event_delay_seconds=0)
    event = {
        "payload": {"summary": "s", "source": "x", "severity": "error"},
        "event_action": "trigger",
        "routing_key": "0" * 31 + "1",
    }
    incident = pagerduty.account.take_event(event, "k", START)
    assert incident is not None
    report = payments_report()
    async with store.transaction() as connection:
        await connection.execute("insert into incidents (id, slug, first_report_due) values (1, 'inc-0001', now())")
        await connection.execute(
            "insert into reports (incident, body, severity_rank) values (1, $1, 0)",
            REPORT.dump_python(report, mode="json"),
        )
        await connection.execute(
            "insert into deliveries (incident, sink, object, state) values (1, 'pagerduty_note', $1, 'due')",
            incident.id,
        )
    api = PagerDutyApi(token=TOKEN, sender=BOT_EMAIL, url=pagerduty.url)
    yield Desk(store=store, pagerduty=pagerduty, sink=PagerDutyNote(api), report=report, object=incident.id)
    await api.close()
    await pagerduty.stop()


async def test_a_report_is_posted_once_and_then_edited(desk: Desk) -> None:
    first, second = await desk.send(), await desk.send()

    assert (first.outcome, second.outcome, len(desk.notes)) == ("delivered", "edited", 1)
    assert [it.method for it in desk.pagerduty.requests] == ["POST", "PUT"]


@pytest.mark.parametrize("do", ["hang", "reset", "status", "garbage", "cut"])
async def test_a_note_that_was_stored_but_not_answered_is_found_and_not_posted_again(desk: Desk, do: str) -> None:
    desk.pagerduty.fault("POST /incidents/*/notes", do, store=True, seconds=5)

    uncertain = await desk.send(seconds=0.5)
    found = await desk.send()

    assert (uncertain.outcome, found.outcome, await desk.state()) == ("uncertain", "delivered", "visible")
    assert len(desk.notes) == 1
    assert len(desk.pagerduty.asked("POST *")) == 1


@pytest.mark.parametrize("do", ["hang", "status"])
async def test_what_an_edit_without_an_answer_left_there_is_not_known(desk: Desk, do: str) -> None:
    await desk.send()
    desk.pagerduty.fault("PUT /incidents/*/notes/*", do, store=True, seconds=5)

    sent = await desk.send(seconds=0.5)
    left = (await desk.begin()).delivery

    assert (sent.outcome, left.digest, left.shown_state) == ("uncertain", None, None)


async def test_it_is_not_known_either_after_a_kill_in_the_middle_of_an_edit(desk: Desk) -> None:
    await desk.send()
    desk.pagerduty.fault("PUT /incidents/*/notes/*", "hang", store=True, seconds=60)
    sending = asyncio.create_task(desk.send(seconds=60))
    while not desk.pagerduty.asked("PUT *"):
        await asyncio.sleep(0.01)
    sending.cancel()
    await asyncio.wait([sending])

    left = (await desk.begin()).delivery

    assert (left.state, left.digest, left.shown_state) == ("visible", None, None)


async def test_one_that_arrived_and_whose_edit_is_refused_is_not_posted_again(desk: Desk) -> None:
    desk.pagerduty.fault("POST /incidents/*/notes", "reset", store=True)
    desk.pagerduty.fault("PUT /incidents/*/notes/*", "status", status=400, times=2)  # whole, and short

    outcomes = [(await desk.send()).outcome for _ in range(3)]

    assert outcomes == ["uncertain", "refused", "edited"]
    assert len(desk.notes) == len(desk.pagerduty.asked("POST *")) == 1


async def test_one_that_may_have_arrived_is_looked_for_also_after_a_refusal(desk: Desk) -> None:
    desk.pagerduty.fault("POST /incidents/*/notes", "reset", store=True)
    await desk.send()
    desk.pagerduty.fault("GET /incidents/*/notes", "status", status=200, body='{"notes": []}')  # its list is late
    desk.pagerduty.fault("POST /incidents/*/notes", "status", status=400, times=2)

    desk.pagerduty.fault("PUT /incidents/*/notes/*", "status", status=500)

    outcomes = [(await desk.send()).outcome for _ in range(2)]

    assert outcomes == ["refused", "uncertain"]
    assert (await desk.begin()).delivery.digest is None  # that of the refused one does not stand there
    assert len(desk.notes) == 1


async def test_one_that_is_found_is_not_given_up_for_one_answer_that_it_is_gone(desk: Desk) -> None:
    desk.pagerduty.fault("POST /incidents/*/notes", "reset", store=True)
    desk.pagerduty.fault("PUT /incidents/*/notes/*", "status", status=404)

    outcomes = [(await desk.send()).outcome for _ in range(2)]

    assert (outcomes, await desk.state(), len(desk.notes)) == (["uncertain", "delivered"], "visible", 1)


async def test_an_edit_is_made_only_when_the_answer_shows_the_note(desk: Desk) -> None:
    await desk.send()
    desk.pagerduty.fault("PUT /incidents/*/notes/*", "garbage")  # 200, from whatever stands between

    garbage, again = await desk.send(), await desk.send()

    assert (garbage.outcome, again.outcome, len(desk.notes)) == ("uncertain", "edited", 1)


@pytest.mark.parametrize("body", ['{"notes": null}', "{}", '{"notes": [null]}', "[" * 100_000, "<html>"])
async def test_what_is_no_list_of_notes_is_not_taken_for_none(desk: Desk, body: str) -> None:
    desk.pagerduty.fault("POST /incidents/*/notes", "reset", store=True)
    desk.pagerduty.fault("GET /incidents/*/notes", "status", status=200, body=body)

    outcomes = [(await desk.send()).outcome for _ in range(3)]

    assert outcomes == ["uncertain", "uncertain", "delivered"]
    assert len(desk.notes) == len(desk.pagerduty.asked("POST *")) == 1


@pytest.mark.parametrize("do", ["hang", "reset", "status"])
async def test_a_note_that_was_not_stored_is_posted_again_after_reading_back(desk: Desk, do: str) -> None:
    desk.pagerduty.fault("POST /incidents/*/notes", do, store=False, seconds=5)

    await desk.send(seconds=0.5)
    again = await desk.send()

    assert (again.outcome, again.again_in, len(desk.notes)) == ("delivered", 30.0, 1)


async def test_one_that_arrives_late_is_deleted_when_the_object_is_listed_once_more(desk: Desk) -> None:
    desk.pagerduty.fault("POST /incidents/*/notes", "reset", store=False)
    await desk.send()
    await desk.send()
    desk.pagerduty.add_note(desk.object, f"the first one, stored late {MARKER}")

    begun = await desk.begin()
    await verify(desk.store, desk.sink, begun, markers=[MARKER])

    assert begun.delivery.verify is True
    assert len(desk.notes) == 1
    assert "stored late" not in desk.notes[0]


EMPTY = '{"notes": []}'  # a list that is behind


async def test_a_list_that_lacks_what_was_posted_is_asked_for_again(desk: Desk) -> None:
    desk.pagerduty.fault("POST /incidents/*/notes", "reset", store=True)
    desk.pagerduty.fault("GET /incidents/*/notes", "status", status=200, body=EMPTY, times=3)
    await desk.send()
    await desk.send()  # nothing is listed before it posts, nor after

    with pytest.raises(CouldNotLook, match="does not show yet"):
        await verify(desk.store, desk.sink, await desk.begin(), markers=[MARKER])
    await verify(desk.store, desk.sink, await desk.begin(), markers=[MARKER])

    assert len(desk.pagerduty.asked("POST *")) == 2
    assert len(desk.notes) == 1


async def test_a_list_that_shows_another_of_ours_alone_is_no_reason_to_forget_what_was_posted(desk: Desk) -> None:
    desk.pagerduty.fault("POST /incidents/*/notes", "reset", store=True)
    desk.pagerduty.fault("GET /incidents/*/notes", "status", status=200, body=EMPTY)
    await desk.send()
    first = desk.pagerduty.account.incidents[desk.object].notes[0]
    shown = {"id": first.id, "content": first.content, "created_at": first.created_at.isoformat()}
    late = json.dumps({"notes": [shown]})
    desk.pagerduty.fault("GET /incidents/*/notes", "status", status=200, body=late, times=2)
    await desk.send()

    with pytest.raises(CouldNotLook, match="does not show yet"):
        await verify(desk.store, desk.sink, await desk.begin(), markers=[MARKER])
    await verify(desk.store, desk.sink, await desk.begin(), markers=[MARKER])

    assert [it.id for it in desk.pagerduty.account.incidents[desk.object].notes if MARKER in it.content] == [first.id]


async def test_what_is_missing_for_ten_minutes_is_not_late(desk: Desk) -> None:
    desk.pagerduty.fault("POST /incidents/*/notes", "reset", store=False)
    await desk.send()
    await desk.send()
    desk.pagerduty.account.incidents[desk.object].notes.clear()  # by a person
    async with desk.store.connection() as connection:
        await connection.execute("update deliveries set delivered_at = now() - interval '10 minutes'")

    await verify(desk.store, desk.sink, await desk.begin(), markers=[MARKER])

    assert (await desk.begin()).delivery.verify is False


@pytest.mark.parametrize("status", [429, 401, 500])
async def test_a_second_one_that_cannot_be_deleted_now_is_deleted_later(desk: Desk, status: int) -> None:
    desk.pagerduty.fault("POST /incidents/*/notes", "reset", store=False)
    await desk.send()
    await desk.send()
    desk.pagerduty.add_note(desk.object, f"the first one, stored late {MARKER}")
    desk.pagerduty.fault("DELETE /incidents/*/notes/*", "status", status=status)

    with pytest.raises(CouldNotLook, match="could not be deleted yet"):
        await verify(desk.store, desk.sink, await desk.begin(), markers=[MARKER])
    await verify(desk.store, desk.sink, begun := await desk.begin(), markers=[MARKER])

    assert (begun.delivery.verify, len(desk.notes)) == (True, 1)


async def test_what_cannot_be_read_back_waits_and_is_posted_once_with_a_tag_after_ten_minutes(desk: Desk) -> None:
    desk.pagerduty.fault("POST /incidents/*/notes", "reset", store=False)
    await desk.send()
    desk.pagerduty.fault("GET /incidents/*/notes", "status", status=500, times=3)

    early = await desk.send()
    await desk.age_uncertainty(timedelta(minutes=9, seconds=50))
    still_early = await desk.send()
    await desk.age_uncertainty(timedelta(minutes=10))
    late = await desk.send()

    assert (early.outcome, still_early.outcome, late.outcome) == ("uncertain", "uncertain", "delivered")
    assert [MAY_BE_A_DUPLICATE in note for note in desk.notes] == [True]


async def test_the_ten_minutes_begin_anew_when_it_could_be_read(desk: Desk) -> None:
    desk.pagerduty.fault("POST /incidents/*/notes", "reset", store=False)
    await desk.send()
    await desk.age_uncertainty(timedelta(minutes=11))  # ten of them with a list that was read each time
    desk.pagerduty.fault("POST /incidents/*/notes", "reset", store=True)
    await desk.send()
    desk.pagerduty.fault("GET /incidents/*/notes", "status", status=500)

    outcomes = [(await desk.send()).outcome for _ in range(2)]

    assert (outcomes, len(desk.notes)) == (["uncertain", "delivered"], 1)


async def test_what_stays_unreadable_is_posted_blindly_only_once(desk: Desk) -> None:
    desk.pagerduty.fault("POST /incidents/*/notes", "reset", store=False)
    await desk.send()
    await desk.age_uncertainty(timedelta(minutes=11))
    desk.pagerduty.fault("GET /incidents/*/notes", "status", status=500, times=None)
    desk.pagerduty.fault("POST /incidents/*/notes", "reset", store=True)

    outcomes = [(await desk.send()).outcome for _ in range(4)]

    assert outcomes == ["uncertain"] * 4
    assert len(desk.notes) == 1


async def test_a_blind_post_that_was_refused_is_not_the_one(desk: Desk) -> None:
    desk.pagerduty.fault("POST /incidents/*/notes", "reset", store=False)
    await desk.send()
    await desk.age_uncertainty(timedelta(minutes=11))
    desk.pagerduty.fault("GET /incidents/*/notes", "status", status=500, times=None)
    desk.pagerduty.fault("POST /incidents/*/notes", "status", status=400, times=2)  # whole, and short

    outcomes = [(await desk.send()).outcome for _ in range(2)]

    assert outcomes == ["refused", "delivered"]
    assert [MAY_BE_A_DUPLICATE in note for note in desk.notes] == [True]


async def test_a_blind_post_that_there_was_no_time_for_is_not_the_one(desk: Desk) -> None:
    desk.pagerduty.fault("POST /incidents/*/notes", "reset", store=False)
    await desk.send()
    await desk.age_uncertainty(timedelta(minutes=11))
    desk.pagerduty.fault("GET /incidents/*/notes", "status", status=500, times=None)
    moments = iter([0.0, 1.0, 6.1])  # it begins, it reads, and then it is over

    with pytest.raises(LeaseLost):
        await desk.send(within=Deadline(6.0, clock=lambda: next(moments)))
    sent = await desk.send()

    assert (sent.outcome, [MAY_BE_A_DUPLICATE in note for note in desk.notes]) == ("delivered", [True])


async def test_a_blind_post_that_never_left_is_not_the_one(desk: Desk) -> None:
    desk.pagerduty.fault("POST /incidents/*/notes", "reset", store=False)
    await desk.send()
    await desk.age_uncertainty(timedelta(minutes=11))
    desk.pagerduty.fault("GET /incidents/*/notes", "status", status=500, times=None)
    desk.pagerduty.fault("POST /incidents/*/notes", "status", status=429)

    outcomes = [(await desk.send()).outcome for _ in range(2)]

    assert outcomes == ["postponed", "delivered"]
    assert [MAY_BE_A_DUPLICATE in note for note in desk.notes] == [True]


async def test_a_note_that_was_posted_is_known_though_it_cannot_be_listed_once_more(desk: Desk) -> None:
    desk.pagerduty.fault("POST /incidents/*/notes", "reset", store=False)
    await desk.send()
    await desk.age_uncertainty(timedelta(minutes=11))
    desk.pagerduty.fault("GET /incidents/*/notes", "status", status=500, times=None)

    first, second = await desk.send(), await desk.send()

    assert (first.outcome, second.outcome, len(desk.notes)) == ("delivered", "edited", 1)


def stored_late(desk: Desk) -> None:
    """An elder one appears, with the text of another time."""
    desk.pagerduty.add_note(desk.object, f"the first one, stored late {MARKER}")
    notes = desk.pagerduty.account.incidents[desk.object].notes
    notes.insert(0, notes.pop())
    notes[0].created_at -= timedelta(seconds=10)


async def test_when_the_late_one_is_the_elder_it_lives_on_and_is_written_anew(desk: Desk) -> None:
    desk.pagerduty.fault("POST /incidents/*/notes", "reset", store=False)
    await desk.send()
    await desk.send()
    stored_late(desk)

    is_another = await verify(desk.store, desk.sink, await desk.begin(), markers=[MARKER])
    known = (await desk.begin()).delivery
    edited = await desk.send()

    assert (is_another, known.digest, known.shown_state) == (True, None, None)
    assert (edited.outcome, len(desk.notes)) == ("edited", 1)
    assert "stored late" not in desk.notes[0]


async def test_an_elder_one_that_is_listed_at_once_is_written_anew_at_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.pagerduty.fault("POST /incidents/*/notes", "reset", store=False)
    await desk.send()
    post = desk.sink.post

    async def crossed(object_: str, text: str, *, within: float) -> str:
        posted = await post(object_, text, within=within)
        stored_late(desk)
        return posted

    monkeypatch.setattr(desk.sink, "post", crossed)
    sent = await desk.send()

    assert (sent.outcome, len(desk.notes), (await desk.begin()).delivery.verify) == ("delivered", 1, True)
    assert "stored late" not in desk.notes[0]


async def went_on_from_a_replica(store: Store, ago: str) -> None:
    """The history of the database began anew so long ago."""
    async with store.connection() as connection:
        await connection.execute("update lineage set since = now() - $1::text::interval", ago)
        await connection.execute("insert into lineage values ('00000000', now() - interval '1 year')")


async def test_a_store_that_goes_on_from_a_replica_takes_over_the_note_that_it_has_lost(desk: Desk) -> None:
    await went_on_from_a_replica(desk.store, "1 minute")
    lost = desk.pagerduty.add_note(desk.object, "of an incident that was lost [responder:test:inc-0007]")
    desk.pagerduty.add_note(desk.object, "of another installation [responder:other:inc-0007]")

    sent = await desk.send()

    assert (sent.outcome, [it.method for it in desk.pagerduty.requests]) == ("delivered", ["GET", "PUT"])
    assert [it.id for it in desk.pagerduty.account.incidents[desk.object].notes if MARKER in it.content] == [lost.id]


async def test_it_takes_over_no_note_of_an_incident_that_it_knows(desk: Desk) -> None:
    await went_on_from_a_replica(desk.store, "1 minute")
    async with desk.store.connection() as connection:
        await connection.execute("insert into incidents (id, slug, first_report_due) values (7, 'inc-0007', now())")
        await connection.execute(
            "insert into deliveries (incident, sink, object, state) values (7, 'pagerduty_note', $1, 'visible')",
            desk.object,
        )
    desk.pagerduty.add_note(desk.object, "of the former incident [responder:test:inc-0007]")

    sent = await desk.send()

    assert (sent.outcome, len(desk.notes)) == ("delivered", 1)
    assert [it.method for it in desk.pagerduty.requests] == ["GET", "POST"]


async def test_what_cannot_be_read_before_the_first_post_is_not_posted(desk: Desk) -> None:
    await went_on_from_a_replica(desk.store, "1 minute")
    desk.pagerduty.fault("GET /incidents/*/notes", "status", status=500)

    first, second = await desk.send(), await desk.send()

    assert (first.outcome, second.outcome, len(desk.notes)) == ("uncertain", "delivered", 1)


async def test_a_week_later_nothing_is_read_before_the_first_post(desk: Desk) -> None:
    await went_on_from_a_replica(desk.store, "8 days")

    await desk.send()

    assert [it.method for it in desk.pagerduty.requests] == ["POST"]


async def test_a_note_that_a_person_quotes_the_marker_in_is_theirs(desk: Desk) -> None:
    desk.pagerduty.add_note(desk.object, f"who wrote {MARKER} here?")

    assert await desk.sink.find(desk.object, [MARKER]) == []


async def test_an_answer_in_many_pieces_is_read_whole(desk: Desk) -> None:
    for n in range(300):
        desk.pagerduty.add_note(desk.object, f"note {n} of a long night " + "x" * 2000)
    await desk.send()

    assert len(await desk.sink.find(desk.object, [MARKER])) == 1


async def test_an_edit_under_a_fence_that_has_moved_is_not_made(desk: Desk) -> None:
    await desk.send()
    sleeper = await desk.begin()
    await desk.begin()

    with pytest.raises(LeaseLost):
        await desk.send(sleeper)

    assert desk.pagerduty.asked("PUT *") == []


async def test_two_that_send_at_once_leave_one_note(desk: Desk) -> None:
    sleeper = await desk.begin()
    assert await ledger.sending(desk.store, sleeper.delivery, uncertain=False, tag="")
    taker = await desk.send()  # finds it `sending`, reads back, posts
    posted_late = await desk.sink.post(
        desk.object, f"late {MARKER}", within=5
    )  # the sleeper's request, on its way all along

    wrote = await ledger.shown(
        desk.store, sleeper.delivery, foreign_id=posted_late, digest=b"", report=desk.report, verify=False, tag=""
    )
    await verify(desk.store, desk.sink, await desk.begin(), markers=[MARKER])

    assert (taker.outcome, wrote, len(desk.notes)) == ("delivered", False, 1)


async def test_what_a_sleeper_sent_late_without_an_answer_is_looked_for_by_whoever_goes_on(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    under_way, ended = asyncio.Event(), asyncio.Event()

    async def post(*_: object, within: float) -> str:
        under_way.set()
        await ended.wait()
        raise DeliveryUncertain(f"no answer within {within:.0f} s")

    asleep = PagerDutyNote(desk.sink._api)
    monkeypatch.setattr(asleep, "post", post)
    sleeper = asyncio.create_task(replace(desk, sink=asleep).send(await desk.begin()))
    await under_way.wait()
    await desk.send()
    ended.set()
    await sleeper
    desk.pagerduty.add_note(desk.object, f"late {MARKER}")

    asked = await desk.store_rows("select kind, key from work")
    await verify(desk.store, desk.sink, begun := await desk.begin(), markers=[MARKER])

    assert asked == [("deliver:pagerduty_note", "1")]
    assert (begun.delivery.state, begun.delivery.verify, len(desk.notes)) == ("visible", True, 1)


async def test_a_sleeper_that_wakes_after_its_time_sends_nothing(desk: Desk) -> None:
    moments = iter([0.0, 6.1])

    with pytest.raises(LeaseLost):
        await desk.send(within=Deadline(6.0, clock=lambda: next(moments)))

    assert desk.pagerduty.asked("POST *") == []


@pytest.mark.parametrize("jump_seconds", [86_400.0, -86_400.0])
def test_the_time_to_send_runs_by_a_clock_that_nobody_sets(
    jump_seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    deadline = Deadline(6.0)
    before = time.time()
    monkeypatch.setattr(time, "time", lambda: before + jump_seconds)

    assert 0 < deadline.left() <= 6.0


async def test_a_fence_that_has_moved_stops_the_send(desk: Desk) -> None:
    sleeper = await desk.begin()
    await desk.begin()

    with pytest.raises(LeaseLost):
        await desk.send(sleeper)

    assert desk.pagerduty.asked("POST *") == []


@pytest.mark.parametrize(
    ("status", "headers", "after"),
    [
        pytest.param(429, {"ratelimit-reset": "20"}, 20.0, id="it says when"),
        pytest.param(429, {}, 1.0, id="it does not"),
        pytest.param(401, {}, 60.0, id="a credential that somebody will mend"),
    ],
)
async def test_later_is_later_and_not_uncertain(desk: Desk, status: int, headers: dict[str, str], after: float) -> None:
    desk.pagerduty.fault("POST /incidents/*/notes", "status", status=status, headers=headers, body="")

    sent = await desk.send()

    assert (sent.outcome, sent.again_in, await desk.state()) == ("postponed", after, "due")


@pytest.mark.parametrize("status", [400, 404, 410, 413, 422])
async def test_a_refused_report_is_kept_with_its_reason(desk: Desk, status: int) -> None:
    body = '{"error": {"message": "Invalid Input Provided", "code": 2001, "errors": ["Content is odd"]}}'
    desk.pagerduty.fault("POST /incidents/*/notes", "status", status=status, body=body, times=None)

    sent = await desk.send()

    assert (sent.outcome, sent.again_in, await desk.state()) == ("refused", 900.0, "failed")
    assert sent.why == f"PagerDuty answered {status} (Invalid Input Provided: Content is odd)"
    assert len(desk.pagerduty.asked("POST *")) == 2  # whole, and short


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_what_is_refused_whole_is_shown_in_a_short_form(desk: Desk, method: str) -> None:
    if method == "PUT":
        await desk.send()
    desk.pagerduty.fault(f"{method} /incidents/*", "status", status=413)

    await desk.send()

    (note,) = desk.notes
    assert "Note: shortened: PagerDuty refused the whole text" in note or note.count("\n") < 3
    assert note.startswith("P1 - API error rate 7.3 %")
    assert note.endswith(MARKER)
    assert note.isascii()
    assert len(note) <= 1000
    assert await desk.state() == "visible"


async def test_a_note_that_a_person_deleted_stays_deleted(desk: Desk) -> None:
    await desk.send()
    desk.pagerduty.account.incidents[desk.object].notes.clear()

    sent = await desk.send()

    assert (sent.outcome, await desk.state(), desk.notes) == ("gone", "gone", [])


async def test_a_note_that_may_stand_under_another_id_is_not_given_up(desk: Desk) -> None:
    """The younger of two was deleted, and the object cannot be listed now: the elder is ours."""
    await desk.send()
    first = desk.pagerduty.account.incidents[desk.object].notes[0]
    desk.pagerduty.account.incidents[desk.object].notes.clear()
    desk.pagerduty.add_note(desk.object, f"the first one, stored late {MARKER}")
    desk.pagerduty.fault("GET /incidents/*/notes", "status", status=500)

    unread = await desk.send()
    found = await desk.send()

    assert (unread.outcome, found.outcome, await desk.state()) == ("postponed", "edited", "visible")
    assert first.content == desk.notes[0]


async def test_nobody_listens_is_known_not_to_have_arrived(desk: Desk) -> None:
    await desk.pagerduty.pause()
    away = await desk.send()
    await desk.pagerduty.resume()
    back = await desk.send()

    assert (away.outcome, back.outcome, len(desk.notes)) == ("postponed", "delivered", 1)
    assert [it.method for it in desk.pagerduty.requests] == ["POST"]


async def test_every_request_is_one_that_pagerduty_describes(
    desk: Desk, pagerduty_contract: Callable[..., object]
) -> None:
    await desk.send()
    await desk.send()
    await desk.sink.find(desk.object, [MARKER])
    await desk.sink.delete(desk.object, "NOT_THERE")

    for request in desk.pagerduty.requests:
        pagerduty_contract.check(request)  # type: ignore[attr-defined]


class NoTurn:
    """As the shared rate when so many others asked before."""

    async def take(self, *, within: float) -> float:
        return within + 3

    async def pause(self, seconds: float) -> None:
        raise AssertionError


async def test_without_a_turn_nothing_was_tried_and_no_other_delivery_would_get_one_either(desk: Desk) -> None:
    api = PagerDutyApi(token=TOKEN, sender=BOT_EMAIL, url=desk.pagerduty.url, turns=NoTurn())
    desk.sink = PagerDutyNote(api)
    begun = await desk.begin()

    sent = await desk.send(begun, seconds=6)
    await api.close()

    assert (sent.outcome, desk.pagerduty.requests, await desk.state()) == ("postponed", [], "due")
    assert 6 < rests_after(sent) < 8
    assert tried(sent, 3, begun, desk.report, redact=str) == {"tries": 3, "failed": None}


async def test_a_second_note_that_can_never_be_deleted_is_left_after_ten_minutes(desk: Desk) -> None:
    await desk.send()
    desk.pagerduty.add_note(desk.object, f"another one {MARKER}")
    desk.pagerduty.fault("DELETE /incidents/*/notes/*", "status", status=403, times=None)
    counted: list[str] = []

    async def verified() -> bool:
        return await verify(desk.store, desk.sink, await desk.begin(), markers=[MARKER], on_duplicate=counted.append)

    with pytest.raises(Unreachable, match="could not be deleted yet"):
        await verified()
    async with desk.store.connection() as connection:
        await connection.execute("update deliveries set delivered_at = delivered_at - interval '11 minutes'")

    assert await verified() is False
    assert counted == ["stays"]


async def test_what_a_sink_said_is_remembered_as_it_is_shown(desk: Desk) -> None:
    begun = await desk.begin()
    desk.pagerduty.fault("POST /incidents/*/notes", "status", status=503)
    sent = await desk.send(begun)

    remembered = tried(sent, 0, begun, desk.report, redact=lambda text: text.replace("503", "[…]"))

    assert "503" in sent.why
    assert (remembered["tries"], remembered["failed"][2]) == (1, sent.why.replace("503", "[…]"))


async def test_time_that_the_ledger_took_uses_up_no_blind_post(desk: Desk) -> None:
    desk.pagerduty.fault("POST /incidents/*/notes", "reset", store=False)
    await desk.send()
    await desk.age_uncertainty(timedelta(minutes=11))
    desk.pagerduty.fault("GET /incidents/*/notes", "status", status=500, times=2)
    moments = itertools.chain([0.0, 0.0, 0.0], itertools.repeat(9.0))  # begun, to read back, to go on; then too late

    with pytest.raises(LeaseLost):
        await desk.send(within=Deadline(6, lambda: next(moments)))
    posted = await desk.send()

    assert (posted.outcome, len(desk.notes)) == ("delivered", 1)
    assert MAY_BE_A_DUPLICATE in desk.notes[0]
