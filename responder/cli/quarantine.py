"""`responder quarantine`: what was accepted but not understood, and reading it once more."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

import click

from responder import terminal, wiring
from responder.attach import Attached, with_store
from responder.delivery.plain_text import inert
from responder.errors import UsageError, the_one
from responder.intake.again import is_understood, read_again
from responder.intake.arrange import arrange
from responder.intake.registry import sources
from responder.intake.source import Limits, UnknownSender, UnreadableBody
from responder.model.alert import Accepted, Webhook
from responder.model.intake import merged
from responder.model.pack import Pack
from responder.redaction.redact import Redactor
from responder.rules.ignored import without_ignored
from responder.store import look_up
from responder.store.accept import Acceptor
from responder.store.look_up import MOST, PutAside, Row
from responder.terminal import ListByDefault
from responder.web import answers

LEFT = 1  # the exit status when something stays in quarantine, or is not there
COUNTS = ("accepted", "duplicates", "stale", "ignored", "quarantined")


@click.group("quarantine", cls=ListByDefault)
def command() -> None:
    """What was accepted but not understood, and so not acted on."""


@command.command("list")
@click.option("--all", "every", is_flag=True, help="Also what was retried with success.")
@click.option("--limit", type=click.IntRange(1, MOST), default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def list_(every: bool, limit: int, as_json: bool) -> int:
    """The newest first."""

    async def do(attached: Attached) -> int:
        rows = await look_up.quarantine(attached.store, retried=None if every else False, limit=limit + 1)
        more, rows = len(rows) > limit, rows[:limit]
        if as_json:
            terminal.say_json(answers.quarantine(rows, more=more))
        else:
            click.echo("\n".join(_table(rows, wiring.clock(), more=more)))
        return 0

    return with_store(do)


@command.command("show")
@click.argument("number", metavar="ID", type=click.IntRange(1))
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def show(number: int, as_json: bool) -> int:
    """One entry, with the redacted text that was kept."""

    async def do(attached: Attached) -> int:
        found = await look_up.put_aside(attached.store, number)
        if found is None:
            click.echo(f"responder: nothing under {number} in quarantine", err=True)
            return LEFT
        if as_json:
            terminal.say_json(answers.put_aside(found))
        else:
            click.echo("\n".join(_lines(found, wiring.clock())))
        return 0

    return with_store(do)


@command.command("retry")
@click.argument("number", metavar="[ID]", type=click.IntRange(1), required=False)
@click.option("--all", "every", is_flag=True, help="Everything that was not retried with success, oldest first.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def retry(number: int | None, every: bool, as_json: bool) -> int:
    """Read it again with this version and these rules.

    What is understood is accepted as if it came in now. Exit status 1 when something stays in quarantine.
    """
    if (number is None) == (not every):
        raise UsageError("quarantine retry: expected an ID, or --all")

    async def do(attached: Attached) -> int:
        async with _retrying(attached) as retrying:
            numbers = [number] if number is not None else await look_up.left_aside(attached.store)
            told = []
            for it in numbers:
                told.append(await retrying.retry(it))
                if not as_json:
                    click.echo(str(told[-1]))
        if as_json:
            terminal.say_json({"retried": [it.as_json for it in told]})
        elif not told:
            click.echo("Nothing is left in quarantine.")
        if attached.alone and any(it.accepted for it in told):
            click.echo("No daemon runs: it is looked at as soon as one does.", err=True)
        return LEFT if any(it.why for it in told) else 0

    return with_store(do)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What came of one retry. `why`: the reason for which it stays; empty when it was accepted."""

    number: int
    accepted: Accepted | None = None
    why: str = ""

    def __str__(self) -> str:
        if self.accepted is None:
            return inert(f"{self.number}: stays: {self.why}")
        counts = ", ".join(f"{count} {word}" for word in COUNTS if (count := getattr(self.accepted, word)))
        to = f" → {', '.join(self.accepted.incidents)}" if self.accepted.incidents else ""
        return f"{self.number}: {counts or 'nothing in it'}{to}"

    @property
    def as_json(self) -> dict[str, object]:
        """The counts of a webhook's answer, or why it stays."""
        it = self.accepted
        counts = {word: getattr(it, word) for word in COUNTS} | {"incidents": list(it.incidents)} if it else {}
        return {"id": self.number, "understood": it is not None, "why": self.why, **counts}


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrying:
    """Everything that reading again needs."""

    attached: Attached
    redactor: Redactor
    packs: tuple[Pack, ...]
    acceptor: Acceptor

    async def retry(self, number: int) -> Told:
        """Accept it if it can be read now. Marked after the commit: cut off between, it is a duplicate next time."""
        aside = await look_up.put_aside(self.attached.store, number)
        if aside is None:
            return Told(number=number, why="it is not in quarantine (any more)")
        if aside.retried_at is not None:
            return Told(number=number, why=f"it was accepted at {aside.retried_at:%F %T} UTC")
        try:
            groups = self._groups(aside)
        except (UnreadableBody, UnknownSender) as why:
            return Told(number=number, why=str(why))
        if not any(is_understood(it) for it in groups):
            return Told(number=number, why="; ".join(it.reason for one in groups for it in one.quarantined))
        accepted = [await self.acceptor.accept(it) for it in groups]
        await look_up.mark_retried(self.attached.store, number)
        return Told(number=number, accepted=_sum(accepted))

    def _groups(self, aside: PutAside) -> Sequence[Webhook]:
        source = sources().get(aside.kind)
        if source is None:
            raise UnreadableBody(f"this version reads nothing from {aside.kind}")
        intake = merged(pack.intake for pack in self.packs)
        webhook = read_again(source, aside.source, aside.body, aside.identities, intake, self.redactor, Limits())
        return [without_ignored(it, self.packs) for it in arrange(webhook, intake)]


@asynccontextmanager
async def _retrying(attached: Attached) -> AsyncIterator[Retrying]:
    loaded = wiring.load_rules(attached.settings)
    redactor = wiring.redactor_of(attached.settings, loaded.packs)
    acceptor = wiring.acceptor_of(attached.settings, attached.store, attached.room)
    try:
        async with asyncio.TaskGroup() as group:
            committing = group.create_task(acceptor.run())
            yield Retrying(attached=attached, redactor=redactor, packs=loaded.packs, acceptor=acceptor)
            committing.cancel()
    except BaseExceptionGroup as several:
        raise the_one(several) from None


def _sum(several: Sequence[Accepted]) -> Accepted:
    counts = {word: sum(getattr(it, word) for it in several) for word in COUNTS}
    return Accepted(**counts, incidents=tuple(dict.fromkeys(slug for it in several for slug in it.incidents)))


def _table(rows: Sequence[Row], now: datetime, *, more: bool) -> list[str]:
    if not rows:
        return ["Nothing is left in quarantine."]
    cells = [
        (
            str(it["id"]),
            terminal.clock(it["at"], now),
            f"{it['kind']} {it['source']}".strip(),
            it["reason"] + (" (retried)" if it["retried_at"] is not None else ""),
        )
        for it in rows
    ]
    lines = list(terminal.table(("ID", "AT (UTC)", "FROM", "WHY"), cells, wide=terminal.width()))
    return [*lines, *(["and more; --limit shows them"] if more else [])]


def _lines(it: PutAside, now: datetime) -> list[str]:
    known = ", ".join(f"{name} {value}" for name, value in sorted(it.identities.items()))
    facts = (
        ("Why", it.reason),
        ("From", f"{it.kind} {it.source}"),
        ("At", f"{terminal.clock(it.at, now)} UTC"),
        ("Known as", known or "–"),
        ("Retried", f"{terminal.clock(it.retried_at, now)} UTC" if it.retried_at else "no"),
    )
    shown = [line for head, text in facts for line in terminal.paragraph(head, text, wide=terminal.width())]
    return [*shown, "", *(inert(line) for line in _pretty(it.body).splitlines())]


def _pretty(text: str) -> str:
    try:
        return json.dumps(json.loads(text), ensure_ascii=False, indent=2)
    except ValueError:
        return text or "(nothing of it was kept)"
