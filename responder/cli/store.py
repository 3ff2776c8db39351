"""`responder store`: the embedded or given database: what is in it, and a dump of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from responder import terminal, wiring
from responder.attach import Attached, with_store
from responder.delivery.as_json import moment
from responder.diagnostics.text import size
from responder.embedded.dump import dump
from responder.store.contents import Contents, contents


class StatusByDefault(terminal.ListByDefault):
    """Without a word it tells the status."""

    default = "status"


@click.group("store", cls=StatusByDefault)
def command() -> None:
    """The database of everything that is kept: its status, backups."""


@command.command("status")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def status(as_json: bool) -> int:
    """Tell where it is, how large, and since when what is kept."""

    async def do(attached: Attached) -> int:
        found = await contents(attached.store)
        if as_json:
            terminal.say_json(_as_json(attached, found))
            return 0
        for line in _lines(attached, found):
            click.echo(attached.redactor.text(line))
        return 0

    return with_store(do)


@command.command("backup")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def backup(file: Path) -> int:
    """Dump the whole database into FILE while it runs.

    pg_restore puts it into an empty one.
    """

    async def do(attached: Attached) -> int:
        async with terminal.progress(lambda: f"dumping into {file}"):
            await dump(attached.dsn, file)
        return 0

    with_store(do)
    click.echo(f"{file}: {size(file.stat().st_size)}; into an empty database it goes by")
    click.echo(f"  pg_restore --no-owner --exit-on-error -d postgresql://… {file}")
    return 0


def _where(attached: Attached) -> str:
    if attached.settings.database_url is not None:
        return "given by RESPONDER_DATABASE_URL"
    return "embedded, started for this command: no daemon runs" if attached.alone else "embedded, that of the daemon"


def _lines(attached: Attached, found: Contents) -> Iterator[str]:
    now = wiring.clock()
    yield f"PostgreSQL {found.version}, {_where(attached)}"
    yield f"{size(found.bytes)}, schema {found.schema:04}, {found.open} open incident{'' if found.open == 1 else 's'}"
    yield ""
    rows = [(name, str(count), terminal.clock(oldest, now)) for name, (count, oldest) in found.kept.items()]
    yield from terminal.table(("kept", "rows", "oldest (UTC)"), rows, wide=terminal.width())


def _as_json(attached: Attached, found: Contents) -> dict[str, Any]:
    return {
        "version": found.version,
        "where": "given" if attached.settings.database_url is not None else "embedded",
        "daemon_runs": None if attached.settings.database_url is not None else not attached.alone,
        "schema": found.schema,
        "bytes": found.bytes,
        "open_incidents": found.open,
        "kept": {name: {"rows": count, "oldest": moment(oldest)} for name, (count, oldest) in found.kept.items()},
    }
