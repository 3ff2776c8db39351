"""Page people for a watched rule that says so: open an incident at PagerDuty, and resolve what we opened.

It is a delivery like any other: written down before a byte leaves, under a fence. Its sink says only whether the
incident is open, so it is sent when that changes and never for what else is new: the note says that.
"""

from __future__ import annotations

import structlog

from responder.delivery.send import SEND_WITHIN_SECONDS, Deadline, is_doubtful, send
from responder.delivery.sink import Sink
from responder.model.incident import PAGE, IncidentState, marker_of
from responder.report.compare import material_digest
from responder.store import deliveries as ledger
from responder.store.accept_write import ask_to_link
from responder.store.deliveries import Begun
from responder.store.work import Claimed
from responder.work.deliver import (
    PRIVATE,
    STALE_AGAIN_SECONDS,
    failed_lately,
    is_refused,
    refused_again,
    rests_after,
    tried,
    tries_of,
)
from responder.work.desk import OVER, Desk, Next
from responder.work.work import AGAIN_SECONDS, Kind

OVER_BEFORE = "it was over before anybody was paged"
log = structlog.get_logger()


async def page(row: Claimed, desk: Desk) -> Next:
    """Trigger, resolve, or nothing; says when it is due again."""
    deadline = Deadline(SEND_WITHIN_SECONDS)
    begun = await ledger.begin(desk.store, int(row.key), row.attempt) if desk.deliver else None
    if begun is None or begun.report is None or begun.delivery.state == "gone":
        return OVER
    if begun.report.private:
        doubtful = is_doubtful(begun.delivery)
        await ledger.aside(desk.store, begun.delivery, state="withheld", why=PRIVATE, is_doubtful=doubtful)
        return OVER
    if begun.report.state != begun.incident_state:
        return Next(in_seconds=STALE_AGAIN_SECONDS, waits_for="the look that is under way")
    sink = desk.sinks.get(begun.delivery.sink)
    if sink is None or _is_said(begun):
        return OVER
    if is_refused(begun):
        return refused_again(begun)
    if (failed := failed_lately(row, begun)) is not None and begun.incident_state == IncidentState.OPEN:
        return failed
    if begun.incident_state != IncidentState.OPEN and _was_never_sent(begun):
        await ledger.aside(desk.store, begun.delivery, state="none", why=OVER_BEFORE)
        return OVER
    return await _send(desk, sink, begun, row, deadline)


def _is_said(begun: Begun) -> bool:
    return begun.delivery.foreign_id is not None and begun.delivery.shown_state == begun.incident_state


def _was_never_sent(begun: Begun) -> bool:
    return begun.delivery.foreign_id is None and not is_doubtful(begun.delivery)


async def _send(desk: Desk, sink: Sink, begun: Begun, row: Claimed, deadline: Deadline) -> Next:
    report = begun.report
    assert report is not None
    tries = tries_of(row)
    sent = await send(
        desk.store,
        sink,
        begun,
        report,
        digest=material_digest(report),
        markers=[marker_of(desk.name, begun.slug)],
        redact=desk.store.redacted,
        deadline=deadline,
        again_in=AGAIN_SECONDS[min(tries, len(AGAIN_SECONDS) - 1)],
    )
    desk.metrics.reports.labels(sink.name, sent.outcome).inc()
    done = sent.outcome in ("delivered", "edited")
    is_open = report.state == IncidentState.OPEN
    say = log.info if done else log.error if sent.outcome == "refused" else log.warning
    say(
        f"page.{('triggered' if is_open else 'resolved') if done else sent.outcome}",
        incident=begun.slug,
        dedup_key=begun.delivery.object,
        why=sent.why,
        severity=report.severity,
    )
    if done and is_open:  # there is an incident to write the note on
        async with desk.store.transaction() as connection:
            await ask_to_link(connection, begun.delivery.incident, by_us=desk.pagerduty is not None)
    return Next(
        in_seconds=sent.again_in,
        waits_for=sent.why,
        payload=tried(sent, tries, begun, report, redact=desk.store.redacted),
        rests=rests_after(sent),
    )


def KIND(desk: Desk) -> list[Kind]:  # noqa: N802 - the name that the registry looks for
    """A queue of its own, as every sink has one."""
    paging = [name for name, kind in desk.told.items() if kind == PAGE]
    return [Kind(name=f"deliver:{name}", do=page, at_once=4, to_the_end=True) for name in paging]
