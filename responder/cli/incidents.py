"""`responder incidents`: the page in the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import click

from responder import terminal, wiring
from responder.attach import Attached, with_store
from responder.delivery.plain_text import inert, plain_text
from responder.model.incident import IncidentState, marker_of
from responder.store import look_up
from responder.store.look_up import MOST, One, Row
from responder.terminal import ListByDefault
from responder.web import answers

LOWEST = 99  # an incident without a severity goes last
ALERTS_MOST = 20  # of one incident on the screen; --json has them all
KEY_DIGITS, KEY_SHOWN = 64, 16  # of a SHA-256, a deduplication key of PagerDuty
NOT_FOUND = 1


@click.group("incidents", cls=ListByDefault)
def command() -> None:
    """What is open and what was, and everything known about one."""


@command.command("list")
@click.option("--state", type=click.Choice([str(it) for it in IncidentState]), help="Only these.")
@click.option("--limit", type=click.IntRange(1, MOST), default=50, show_default=True, help="Of those that are over.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def list_(state: str | None, limit: int, as_json: bool) -> int:
    """All that are open, the gravest first, then the newest of the others."""

    async def do(attached: Attached) -> int:
        found, more = await _listed(attached, state, limit)
        if as_json:
            terminal.say_json(answers.listing(found, more=more))
        else:
            for line in lines_of(found, wiring.clock(), terminal.width(), more=more):
                click.echo(line)
        return 0

    return with_store(do)


@command.command("show")
@click.argument("incident")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def show(incident: str, as_json: bool) -> int:
    """One, whole: its report, alerts, deliveries and timeline. INCIDENT looks like inc-7K3F."""

    async def do(attached: Attached) -> int:
        number = await look_up.number_of(attached.store, incident)
        found = await look_up.one(attached.store, number) if number is not None else None
        if found is None:
            click.echo(
                f"responder: there is no incident {incident!r} here; `responder incidents` lists them, "
                "`responder trace` takes other names",
                err=True,
            )
            return NOT_FOUND
        if as_json:
            report = answers.report(found, name=attached.settings.name)
            terminal.say_json(answers.one(found) | answers.timeline(found) | {"report": report})
        else:
            for line in lines_of_one(found, wiring.clock(), terminal.width(), name=attached.settings.name):
                click.echo(line)
        return 0

    return with_store(do)


async def _listed(attached: Attached, state: str | None, limit: int) -> tuple[list[Row], bool]:
    """Open ones whole, gravest first, and so many of the others, newest first; whether there are more of these."""
    is_open = str(IncidentState.OPEN)
    open_ones = await look_up.listing(attached.store, states=[is_open], limit=MOST) if state in (None, is_open) else []
    over = [state] if state else [str(it) for it in IncidentState if it is not IncidentState.OPEN]
    others = await look_up.listing(attached.store, states=over, limit=limit + 1) if state != is_open else []
    open_ones.sort(key=lambda it: it["severity_rank"] if it["severity_rank"] is not None else LOWEST)
    return [*open_ones, *others[:limit]], len(others) > limit


def lines_of(found: Sequence[Row], now: datetime, wide: int, *, more: bool) -> Iterator[str]:
    """The table of incidents, at most `wide` columns."""
    if not found:
        yield "No incident."
        return
    rows = [
        (
            it["severity"] or "–",
            it["slug"],
            it["state"],
            terminal.age(it["opened_at"], now),
            f"{it['alerts_firing']}/{it['alerts_total']}",
            it["title"] or "Not looked at yet",
        )
        for it in found
    ]
    colours = [terminal.colour_of(it["severity_rank"]) if it["state"] == "open" else "" for it in found]
    yield from terminal.table(("", "ID", "STATE", "AGE", "FIRING", "TITLE"), rows, wide=wide, colours=colours)
    if more:
        yield "and more; --limit shows them"


def lines_of_one(it: One, now: datetime, wide: int, *, name: str) -> Iterator[str]:
    """All of one incident. The report reads as in a note, and is not wrapped: its lines are copied."""
    row = it.summary
    yield f"{row['slug']}  {_state(row, now)}"
    for word, slug in (("continues", row["continues"]), ("goes on in", row["continued_in"])):
        if slug:
            yield f"{word} {slug}"
    yield ""
    if it.report is None:
        yield "No report yet; the timeline says why."
    else:
        note = plain_text(it.report, marker=marker_of(name, row["slug"]))
        yield from note.splitlines()
    yield from ("", f"Alerts ({row['alerts_firing']} of {row['alerts_total']} firing)")
    yield from (f"  {line}" for line in _alerts(it, now, wide - 2))
    yield from ("", "Deliveries")
    yield from (f"  {line}" for line in deliveries(it.deliveries, now, wide - 2))
    yield from ("", "Timeline (UTC)")
    for line in it.timeline:
        yield from terminal.paragraph(f"  {terminal.clock(line['at'], now)}", line["what"], wide=wide, indent=23)


def _short(name: str) -> str:
    """A key of 64 hex digits as `trace` shows one; ids of vendors are shorter and stay whole."""
    return f"{name[:KEY_SHOWN]}…" if len(name) == KEY_DIGITS else name


def deliveries(rows: Sequence[Row], now: datetime, wide: int) -> Iterator[str]:
    """Where the report went, one row a sink object, with the sink's own id."""
    if not rows:
        yield "Nothing was sent anywhere yet."
        return
    cells = [
        (
            it["sink"],
            _short(it["object"] or "–"),
            it["state"],
            terminal.clock(it["delivered_at"], now),
            "; ".join(part for part in (_short(it["foreign_id"] or ""), it["tag"], it["why"]) if part) or "–",
        )
        for it in rows
    ]
    yield from terminal.table(("SINK", "OBJECT", "STATE", "LAST SENT", "ID THERE, OR WHY"), cells, wide=wide)


def _state(row: Row, now: datetime) -> str:
    opened = f"opened {terminal.clock(row['opened_at'], now)} UTC"
    if row["resolved_at"] is not None:
        lasted = terminal.age(row["opened_at"], row["resolved_at"])
        return f"{row['state']} after {lasted}, {opened}"
    known = f", acknowledged {terminal.clock(row['acknowledged_at'], now)}" if row["acknowledged_at"] else ""
    return f"{row['state']} for {terminal.age(row['opened_at'], now)}, {opened}{known}"


def _alerts(it: One, now: datetime, wide: int) -> Iterator[str]:
    for alert in it.alerts[:ALERTS_MOST]:
        labels = " ".join(f"{name}={value}" for name, value in sorted(alert["labels"].items()))
        since = terminal.clock(alert["starts_at"], now)
        head = f"{alert['status']:<8}  {alert['fingerprint']}  since {since}"
        yield inert(head)
        yield from terminal.paragraph("", labels, wide=wide, indent=4)
    rest = it.summary["alerts_total"] - min(len(it.alerts), ALERTS_MOST)
    if rest > 0:
        yield f"and {rest} more; --json has them"
