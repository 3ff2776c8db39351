"""Our own writing comes back as an event of PagerDuty; each of the guards against a loop holds alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from responder.model.alert import Webhook
from responder.model.paged import PagedEvent, PagedStatus
from responder.web.webhooks import _without_our_own
from tests.store.test_adopt import heard
from tests.work.conftest import World

Start = Callable[..., Awaitable[World]]
US = frozenset({"PBOT"})


def by(agent: str, what: str = "annotated", status: PagedStatus | None = None) -> Webhook:
    webhook = heard(what, status, note="N1" if what == "annotated" else "")
    assert webhook.event is not None
    return replace(webhook, event=replace(webhook.event, agent=agent))


def is_ours(webhook: Webhook) -> bool:
    event: PagedEvent | None = _without_our_own(webhook, US).event
    assert event is not None
    return event.is_ours


@pytest.mark.parametrize(
    ("webhook", "expected"),
    [
        (by("PBOT"), True),
        (by("PANN"), False),
        (by(""), False),
        (by("PBOT", "priority_updated", PagedStatus.TRIGGERED), True),
        (by("PBOT", "acknowledged", PagedStatus.ACKNOWLEDGED), False),  # we never do: a person shares our key
        (by("PBOT", "status_update_published"), True),
    ],
)
def test_what_our_own_user_writes_is_ours(webhook: Webhook, expected: bool) -> None:
    assert is_ours(webhook) is expected


async def test_the_daemon_asks_whose_key_it_has(world: Start) -> None:
    it = await world()
    api = it.daemon.desk.pagerduty
    assert api is not None
    await it.until(lambda: api.ourselves)

    assert api.ourselves == {it.pagerduty.account.bot.id}


async def test_an_account_key_belongs_to_nobody_and_the_first_note_tells(world: Start) -> None:
    it = await world(account_key=True)
    api = it.daemon.desk.pagerduty
    assert api is not None
    await it.until(lambda: it.pagerduty.asked("GET /users/me"))
    before = set(api.ourselves)
    incident = await it.page()
    await it.post()
    await it.until(lambda: it.notes(incident))
    await it.until(lambda: api.ourselves)

    assert (before, api.ourselves) == (set(), {it.pagerduty.account.bot.id})
