"""`responder noise`: alerts that fired while signals read clear, that come and go, or were over before anybody touched
them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import timedelta

import click

from responder import terminal, wiring
from responder.attach import Attached, with_store
from responder.diagnostics.catalogue import specs
from responder.errors import UsageError
from responder.model.pack import Pack
from responder.model.quantities import parse_duration, several
from responder.rules.packs import pack_from_files
from responder.store.incidents import rule_files
from responder.store.recorded import numbers, recorded, reopened
from responder.work.noise import Heard, Noise, heard, noise_of
from responder.work.replay import replayed

HEADS = ("alert", "incidents", "read clear", "came back", "untouched", "such as")


@click.command("noise")
@click.option("--since", default="7d", show_default=True, help="How far back: 12h, 3d, 2w.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def command(since: str, as_json: bool) -> int:
    """List the alerts of late that cost attention for nothing.

    By what was recorded of their incidents.

    Read clear: at every look every bound of its rules did. Came back: it fired again within RESPONDER_REOPEN_WITHIN of
    its end. Untouched: it was over before anybody took it on or settled it. Incidents that are open, or over for less
    than 10 minutes, are left out.
    """
    try:
        span = timedelta(seconds=parse_duration(since))
    except ValueError as wrong:
        raise UsageError(f"--since: {wrong}") from None

    async def do(attached: Attached) -> int:
        packs: dict[bytes, Pack | None] = {}
        told = [await _heard(attached, it, packs) for it in await numbers(attached.store, span)]
        over = [it for it in told if it is not None and it.over]
        left_out = sum(it is not None and not it.over for it in told)
        found = noise_of(over)
        if as_json:
            alerts = [asdict(it) for it in found]
            terminal.say_json({"since": since, "incidents": len(over), "left_out": left_out, "alerts": alerts})
        else:
            for line in _lines(found, over, left_out, since):
                click.echo(line)
        return 0

    return with_store(do)


async def _heard(attached: Attached, number: int, packs: dict[bytes, Pack | None]) -> Heard | None:
    """None for what is gone by now, and for drills."""
    found = await recorded(attached.store, number)
    if found is None or found.incident.is_drill:
        return None
    began = found.incident.rule_set
    if began is not None and began not in packs:
        packs[began] = await _pack(attached, began)
    pack = packs.get(began) if began is not None else None
    said = replayed(found, pack, pack) if pack is not None and found.moments else None
    again = await reopened(attached.store, number)
    return heard(found.incident, said, pack, reopened=again, now=wiring.clock())


async def _pack(attached: Attached, began: bytes) -> Pack | None:
    """The rules as they were; None where this version cannot read them any more."""
    try:
        return pack_from_files(*await rule_files(attached.store, began), specs())
    except UsageError:
        return None


def _lines(found: Sequence[Noise], heard_of: Sequence[Heard], left_out: int, since: str) -> Iterator[str]:
    rows = [
        (
            it.alert,
            str(it.incidents),
            str(it.clear or "–"),
            f"{it.flapped} ({it.reopened}×)" if it.flapped else "–",
            str(it.untouched or "–"),
            " ".join(it.examples),
        )
        for it in found
    ]
    if rows:
        yield from terminal.table(HEADS, rows, wide=terminal.width())
    noisy = sum(it.is_noise for it in heard_of)
    more = f"; {left_out} more left out: open, or over for less than 10m" if left_out else ""
    yield f"{several(len(heard_of), 'incident')} of the last {since}: {noisy} of them noise{more}"
