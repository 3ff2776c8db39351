"""`responder doctor`: is everything there that responder needs, and nothing that it must not have?"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
from collections import Counter
from collections.abc import Awaitable, Sequence
from pathlib import Path

import click

from responder import terminal, wiring
from responder.attach import attached
from responder.clients.doors import Doors
from responder.clients.pagerduty import PagerDutyApi
from responder.diagnostics.catalogue import specs
from responder.doctor import kept, sinks, targets
from responder.doctor.line import Line, State, ok, warning, wrong
from responder.embedded.preflight import data_dir_of
from responder.errors import StoreUnavailable, UsageError
from responder.redaction.redact import Redactor
from responder.rules.packs import Loaded, load_packs
from responder.settings import Settings, load_settings, not_acted_on
from responder.site import credentials_of
from responder.telemetry import log_everything

COLOURS = {State.OK: "green", State.WARNING: "yellow", State.WRONG: "bright_red", State.UNKNOWN: "cyan"}
FOUND_WRONG = 1


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def command(as_json: bool) -> int:
    """Look whether everything is there and in order.

    Settings, rules, the store, every target, sinks and senders; exit 1 when anything is wrong.

    Every target is asked whether it answers, whether it lets us in, and whether our credentials could do more than
    look. Nothing is changed or sent anywhere.
    """
    settings = load_settings()
    loaded = load_packs(settings.rules, specs(), os.environ)
    redactor = wiring.redactor_of(settings, loaded.packs)
    log_everything(as_json=False, level="critical", redact=redactor.text)
    lines = asyncio.run(_looked(settings, loaded, redactor))
    if as_json:
        body = {"wrong": _wrong(lines), "lines": [dataclasses.asdict(it) for it in lines]}
        click.echo(redactor.text(json.dumps(body, ensure_ascii=False, indent=2, default=str)))
    else:
        for text in _table(lines):
            click.echo(redactor.text(text))
    return FOUND_WRONG if _wrong(lines) else 0


def _wrong(lines: Sequence[Line]) -> int:
    return sum(it.state is State.WRONG for it in lines)


async def _looked(settings: Settings, loaded: Loaded, redactor: Redactor) -> list[Line]:
    """Everything at once, in the order in which it is told."""
    waiting = ["store", "targets", "pagerduty", "alertmanager"]

    async def heard(name: str, lines: Awaitable[list[Line]]) -> list[Line]:
        try:
            return await lines
        finally:
            waiting.remove(name)

    async with terminal.progress(lambda: f"looking at {', '.join(waiting)}"):
        found = await asyncio.gather(
            heard("store", _store(settings, loaded, redactor)),
            heard("targets", _targets(settings, loaded)),
            heard("pagerduty", _pagerduty(settings)),
            heard("alertmanager", sinks.alertmanagers(settings)),
        )
    shut = {kind: it.let_nobody_in for kind, it in credentials_of(settings).items()}
    before = [*sinks.senders(shut, not_acted_on(settings)), *_rules(settings.rules, loaded)]
    return [*before, *found[0], *found[1], *sinks.others(settings), *found[2], *found[3]]


def _rules(path: Path, loaded: Loaded) -> list[Line]:
    rules = sum(len(it.rules) for it in loaded.packs)
    what = f"{path}: {_count(len(loaded.packs), 'pack')}, {_count(rules, 'rule')}"
    if loaded.problems:
        cure = f"`responder check {path}` shows each at its line"
        return [wrong("rules", f"{what}; {_count(len(loaded.problems), 'mistake')}", cure)]
    return [ok("rules", what)] if loaded.packs else [wrong("rules", f"{path}: no pack", "RESPONDER_RULES says where")]


async def _store(settings: Settings, loaded: Loaded, redactor: Redactor) -> list[Line]:
    data_dir = data_dir_of(settings.data_dir, os.geteuid()) if settings.database_url is None else None
    disk = [kept.disk(data_dir)] if data_dir is not None else []
    if data_dir is not None and not _is_there(data_dir):
        return [*disk, warning(kept.STORE, "no store yet; the first start makes it")]
    try:
        async with attached(settings, redactor) as store:
            kinds = wiring.kinds_of_work(settings, loaded, redactor)
            return [*disk, *await kept.lines(store.store, wiring.clock, kinds)]
    except (UsageError, StoreUnavailable) as why:
        return [*disk, wrong(kept.STORE, str(why))]


def _is_there(data_dir: Path) -> bool:
    try:
        return (data_dir / "postgres").exists()
    except PermissionError:
        return True  # the attempt to reach it says whose it is


async def _targets(settings: Settings, loaded: Loaded) -> list[Line]:
    within = settings.diagnostic_timeout.total_seconds()
    doors = Doors(os.environ)
    try:
        judged = await asyncio.gather(
            *(
                targets.judge(pack, it, doors, wiring.clock, within_seconds=within)
                for pack, it in targets.all_targets(loaded.packs)
            )
        )
    finally:
        await doors.close()
    return [targets.line_of(it) for it in judged]


async def _pagerduty(settings: Settings) -> list[Line]:
    if not settings.pagerduty_token:
        return []
    token = settings.pagerduty_token.get_secret_value()
    api = PagerDutyApi(token=token, sender=settings.pagerduty_from, url=settings.pagerduty_url)
    try:
        return await sinks.pagerduty(settings, api)
    finally:
        await api.close()


def _table(lines: Sequence[Line]) -> list[str]:
    rows = [(str(it.state), it.about, f"{it.says}; {it.cure}" if it.cure else it.says) for it in lines]
    colours = [COLOURS[it.state] for it in lines]
    counted = Counter(it.state for it in lines)
    summary = ", ".join(f"{counted[it]} {it}" for it in State if counted[it])
    return [*terminal.table(("state", "what", "says"), rows, wide=terminal.width(), colours=colours), "", summary]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
