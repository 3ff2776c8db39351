"""How commands write: tables that fit the screen, colours where they are wanted, times as people read them."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import textwrap
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import click

from responder.delivery.plain_text import inert
from responder.model.quantities import show_duration

GAP = "  "
PROGRESS_EVERY_SECONDS = 1.0
WIPE = "\r\x1b[K"
LEAST_WIDE = 20  # of a wrapped column, on a screen however narrow
GRAVITIES = ("bright_red", "yellow", "cyan", "")


class ListByDefault(click.Group):
    """A command of several whose first word may be left out: then it does the `default`."""

    default = "list"

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """`--json` alone is an option of the default, too."""
        if not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names):
            args = [self.default, *args]
        return super().parse_args(ctx, args)


def width() -> int:
    """Columns of the screen; what is piped elsewhere is not cut, unless COLUMNS says so."""
    return shutil.get_terminal_size((80, 24)).columns if sys.stdout.isatty() or "COLUMNS" in os.environ else 10_000


def coloured(text: str, colour: str) -> str:
    """In colour on a terminal, unless NO_COLOR is set (https://no-color.org)."""
    wanted = colour and sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    return click.style(text, fg=colour) if wanted else text


def colour_of(severity_rank: int | None) -> str:
    """The gravest stands out; its name is said all the same."""
    return GRAVITIES[min(severity_rank, len(GRAVITIES) - 1)] if severity_rank is not None else ""


def table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], *, wide: int, colours: Sequence[str] = ()
) -> Iterator[str]:
    """Columns as wide as they must be, the last one wrapped into what is left of `wide`.

    `colours`: one a row, of its first cell.
    """
    shown = [[inert(cell) for cell in row] for row in (heads, *rows)]
    widths = [max(len(row[n]) for row in shown) for n in range(len(heads) - 1)]
    before = sum(widths) + len(GAP) * len(widths)
    for at, row in enumerate(shown):
        cells = [cell.ljust(wide_of) for cell, wide_of in zip(row[:-1], widths, strict=True)]
        if at and colours:
            cells[0] = coloured(cells[0], colours[at - 1])
        last = _wrapped(row[-1], wide - before)
        yield GAP.join([*cells, last[0]]).rstrip()
        yield from (" " * before + line for line in last[1:])


def paragraph(head: str, text: str, *, wide: int, indent: int = 12) -> Iterator[str]:
    """`Head        text`, wrapped so that what follows stands under the text."""
    lines = _wrapped(inert(text), wide - indent)
    yield f"{head.ljust(indent)}{lines[0]}".rstrip()
    yield from (" " * indent + line for line in lines[1:])


def _wrapped(text: str, wide: int) -> list[str]:
    """Lines at spaces only: half of an id or of an address can be neither copied nor found."""
    return textwrap.wrap(text, max(wide, LEAST_WIDE), break_long_words=False, break_on_hyphens=False) or [""]


def clock(at: datetime | None, now: datetime) -> str:
    """`03:12:09`, with the date on another day than `now`; UTC. A dash for no time."""
    if at is None:
        return "–"
    at = at.astimezone(UTC)
    return f"{at:%H:%M:%S}" if at.date() == now.astimezone(UTC).date() else f"{at:%Y-%m-%d %H:%M:%S}"


def age(at: datetime, now: datetime) -> str:
    """`4m`, `3h20m`, at most two units."""
    seconds = max(0.0, (now - at).total_seconds())
    return show_duration(seconds if seconds < 3600 else seconds - seconds % 60)


@asynccontextmanager
async def progress(words: Callable[[], str]) -> AsyncIterator[None]:
    """Say on a terminal what is waited for, after a second and each second from then on; gone when it is over."""
    if not sys.stderr.isatty():
        yield
        return
    loop = asyncio.get_running_loop()
    began = loop.time()
    timers: list[asyncio.TimerHandle] = []

    def say() -> None:
        room = shutil.get_terminal_size((80, 24)).columns - 1
        sys.stderr.write(f"{WIPE}{f'{inert(words())}, {loop.time() - began:.0f} s'[:room]}")
        sys.stderr.flush()
        timers[:] = [loop.call_later(PROGRESS_EVERY_SECONDS, say)]

    timers[:] = [loop.call_later(PROGRESS_EVERY_SECONDS, say)]
    try:
        yield
    finally:
        timers[0].cancel()
        if loop.time() - began >= PROGRESS_EVERY_SECONDS:
            sys.stderr.write(WIPE)
            sys.stderr.flush()


def say_json(body: Mapping[str, Any]) -> None:
    """Print it for machines."""
    click.echo(json.dumps(body, ensure_ascii=False, indent=2, allow_nan=False))
