"""Write down what was asked of targets, now and then and beside the path of an alert, for those who ask whether they
answer."""

from __future__ import annotations

import asyncio

import structlog

from responder.clients.budget import Tally
from responder.errors import StoreUnavailable
from responder.model.pack import Pack, Target
from responder.store.targets import Asked, save
from responder.work.desk import Desk

EVERY_SECONDS = 5.0
log = structlog.get_logger()


async def write_down(desk: Desk) -> None:
    """Until cancelled. While the store is away it is kept, and written when it is back."""
    while True:
        await asyncio.sleep(EVERY_SECONDS)
        try:
            await write_down_once(desk)
        except StoreUnavailable as away:
            log.debug("targets.not_written", why=str(away))


async def write_down_once(desk: Desk) -> None:
    """What was asked since the last time, if anything was; raises StoreUnavailable."""
    targets = [(pack, target) for pack in desk.packs for target in pack.targets.values()]
    asked = [_asked(pack, target, desk.doors.tally(target)) for pack, target in targets if _is_news(desk, target)]
    if not asked:
        return
    tallies = {id(tally): tally for tally in (desk.doors.tally(target) for _, target in targets) if tally.outcome}
    written = {key: tally.asked for key, tally in tallies.items()}
    await save(desk.store, asked)
    for key, tally in tallies.items():  # what was asked meanwhile stays for the next time
        tally.asked -= written[key]


def _is_news(desk: Desk, target: Target) -> bool:
    """Whether something came of a question since the last time."""
    tally = desk.doors.tally(target)
    return tally.asked > 0 and tally.outcome is not None


def _asked(pack: Pack, target: Target, tally: Tally) -> Asked:
    now = asyncio.get_running_loop().time()
    assert tally.outcome is not None
    return Asked(
        pack=pack.name,
        target=target.name,
        asked=tally.asked,
        outcome=tally.outcome.value,
        why=tally.why,
        ago=now - tally.at,
        answered_ago=None if tally.answered_at is None else now - tally.answered_at,
    )
