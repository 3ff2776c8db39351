"""The path of one alert, retold: from an accepted incident to a report that its sinks are asked to show.

A look that was cut short starts again and goes on where it was: readings and findings are kept under their names.
"""

from __future__ import annotations

from responder.store.work import Claimed
from responder.work.desk import OVER, Desk, Next
from responder.work.failing import TELL_AFTER, tell_of_failure
from responder.work.look import Look
from responder.work.work import Kind


async def respond(row: Claimed, desk: Desk) -> Next:
    """Look at one incident: read, judge, examine, tell; due again until it is resolved."""
    if row.failures >= TELL_AFTER:
        await tell_of_failure(desk, int(row.key))
    look = await Look.begin(desk, int(row.key))
    if look is None:
        return OVER
    if look.waits:
        return look.waits
    rules = look.rules()
    if not rules:
        return await look.end_without_rule()

    readings = await look.read(rules)
    verdicts = look.verdicts(rules, readings)
    if await look.settles(verdicts):
        return OVER
    async with look.examine(rules, verdicts) as examination:
        await examination.wait(look.seconds_to_first_report())
        if examination.still_looking:
            await look.tell(verdicts, readings, examination, last=False)
            await examination.wait(look.seconds_to_give_up())
        await look.tell(verdicts, readings, examination, last=True)
    return await look.end(rules, verdicts, readings)


# Most of a look is waiting, up to the deadline where targets hang; what waits must not keep others from their first
# report. Each holds its incident in memory, which is what bounds it.
KIND = Kind(name="respond", do=respond, at_once=256)
