"""Read a note whole whose webhook brought it cut, before anything is made of it: our marker stands at its end."""

from __future__ import annotations

import re

from responder.errors import CouldNotLook
from responder.model.incident import ANY_MARKER
from responder.store import incidents
from responder.store.work import Claimed
from responder.work.desk import OVER, Desk, Next
from responder.work.work import AGAIN_SECONDS, Kind

GIVE_UP_AFTER = 20  # about a quarter of an hour; then what came has to do
MOST_SHOWN = 300  # characters, as of a note that came whole


async def read_note(row: Claimed, desk: Desk) -> Next:
    """Add a person's note to the timeline; the key is `<incident>/<PagerDuty incident>/<note>`."""
    number, paged, note = row.key.split("/", 2)
    line, tries = str(row.payload.get("line", "")), row.payload.get("tries", 0)
    tries = tries if isinstance(tries, int) else 0
    if desk.pagerduty is None:
        return OVER
    try:
        notes = await desk.pagerduty.notes(paged)
    except CouldNotLook as why:
        if tries < GIVE_UP_AFTER:
            pause = AGAIN_SECONDS[min(tries, len(AGAIN_SECONDS) - 1)]
            return Next(in_seconds=pause, waits_for=f"the whole note ({why})", payload={"tries": tries + 1})
        notes = []
    whole = next((str(it.get("content", "")) for it in notes if it.get("id") == note), None)
    if whole is None:
        await incidents.note(desk.store, int(number), line)
    elif not re.search(ANY_MARKER, whole):
        said = " ".join(desk.redactor.text(whole).split())
        who = line.partition(":")[0] or "a note"
        await incidents.note(desk.store, int(number), f"{who}: {said[:MOST_SHOWN]}")
    return OVER


def KIND(desk: Desk) -> list[Kind]:  # noqa: N802 - the name that the registry looks for
    """None without a key for PagerDuty: a replica that has one may do it."""
    return [Kind(name="read_note", do=read_note, at_once=4)] if desk.pagerduty is not None else []
