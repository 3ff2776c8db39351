"""`responder trace ID`: where is my alert? Accepted, deduplicated, matched, decided, delivered, waited for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import click

from responder import terminal, wiring
from responder.attach import Attached, with_store
from responder.cli.incidents import deliveries
from responder.model.quantities import several
from responder.store import look_up
from responder.store.look_up import One, Trace
from responder.web import answers

NOT_FOUND = 1
WEBHOOKS_MOST = 10  # on the screen; --json has the last two hundred
COUNTS = ("accepted", "duplicates", "stale", "ignored", "quarantined")


@click.command("trace")
@click.argument("name", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def command(name: str, as_json: bool) -> int:
    """Tell where an alert went.

    ID is its fingerprint, the group key (as text, or its SHA-256 in hex), an incident of PagerDuty, or inc-….
    """

    async def do(attached: Attached) -> int:
        found = await look_up.trace(attached.store, name)
        if not (found.incidents or found.quarantine or found.webhooks[None]):
            click.echo(
                f"responder: nothing was kept of {name!r}: it was never accepted here, was left out on its way "
                "(see `request.refused` in the log), or is older than RESPONDER_RETAIN_WEBHOOKS",
                err=True,
            )
            return NOT_FOUND
        if as_json:
            terminal.say_json(answers.trace(found))
        else:
            for line in lines_of(found, wiring.clock(), terminal.width()):
                click.echo(line)
        return 0

    return with_store(do)


def lines_of(found: Trace, now: datetime, wide: int) -> Iterator[str]:
    """Each incident that the name stands for, then what no incident came of. Times are UTC."""
    told = answers.trace(found)
    for number, (it, shown) in enumerate(zip(found.incidents, told["incidents"], strict=True)):
        yield from ([""] if number else [])
        yield from _incident(it, shown, now, wide)
    for webhook in told["webhooks_without_incident"][:WEBHOOKS_MOST]:
        yield from _say("Accepted", f"{_webhook(webhook, now)}; no incident came of it", wide)
    for entry in found.quarantine:
        shows = f"`responder quarantine show {entry['id']}`"
        after = f"accepted {terminal.clock(entry['retried_at'], now)}" if entry["retried_at"] else shows
        what = f"{terminal.clock(entry['at'], now)} number {entry['id']}: {entry['reason']}"
        yield from _say("Quarantined", f"{what}; {after}", wide)


def _incident(it: One, shown: Mapping[str, Any], now: datetime, wide: int) -> Iterator[str]:
    severity = terminal.coloured(it.summary["severity"] or "", terminal.colour_of(it.summary["severity_rank"]))
    yield "  ".join(part for part in (it.summary["slug"], it.summary["state"], severity, it.summary["title"]) if part)
    for link in it.links:
        known = f"{link['kind']} {link['external_id'] or link['source']}".strip()
        yield from _say("Known as", f"{known}, key {link['key'][:16]}… {link['url']}".strip(), wide)
    yield from _accepted(shown["webhooks"], now, wide)
    yield from _say("Matched", ", ".join(shown["matched"]) or "no rule yet; see the timeline", wide)
    if it.report is not None:
        yield from _say("Decided", f"{it.report.severity} by {shown['decided_by']}", wide)
    yield "Delivered"
    yield from (f"  {line}" for line in deliveries(it.deliveries, now, wide - 2))
    for wait in shown["waits"]:
        yield from _say("Waits", _wait(wait, now), wide)
    for line in it.timeline:
        yield from _say("Timeline", f"{terminal.clock(line['at'], now)} {line['what']}", wide)


def _wait(wait: Mapping[str, Any], now: datetime) -> str:
    """What, why, since when, until when, how often it has failed."""
    what = f"{wait['work']} {wait['object']}".strip()
    since, until = (terminal.clock(datetime.fromisoformat(wait[it]), now) for it in ("since", "due_at"))
    then = f"held until {until} or longer" if wait["held"] else f"next at {until}"
    failed = f", failed {several(wait['failures'], 'time')} in a row" if wait["failures"] else ""
    return f"{what}: {wait['why']}; asked for at {since}, {then}{failed}"


def _accepted(webhooks: Sequence[Mapping[str, Any]], now: datetime, wide: int) -> Iterator[str]:
    """The first one, which began it, and the last of the others, oldest first."""
    shown = [*webhooks[:WEBHOOKS_MOST], *(webhooks[-1:] if len(webhooks) > WEBHOOKS_MOST else [])]
    left_out = len(webhooks) - len(shown)
    for place, webhook in enumerate(reversed(shown)):
        yield from _say("Accepted", _webhook(webhook, now), wide)
        if left_out > 0 and place == 0:
            yield from _say("", f"… {left_out} more …", wide)


def _webhook(webhook: Mapping[str, Any], now: datetime) -> str:
    at = terminal.clock(datetime.fromisoformat(webhook["at"]), now)
    counts = ", ".join(f"{webhook[word]} {word}" for word in COUNTS if webhook[word]) or "nothing in it"
    what = " ".join(it for it in (webhook["kind"], webhook["source"], webhook["event"]) if it)
    return f"{at} {what}: {counts}"


def _say(head: str, text: str, wide: int) -> Iterator[str]:
    yield from terminal.paragraph(head, text, wide=wide, indent=13)
