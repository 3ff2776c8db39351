"""`responder init --from URL`: a first pack of rules from a Prometheus server's alerting rules."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import click

from responder.errors import UsageError
from responder.model.alerting_rule import AlertingRule
from responder.model.quantities import several
from responder.rules.first_pack import first_pack

MAX_ANSWER_BYTES = 32 * 1024 * 1024  # the active alerts of each rule come along
ANSWERS_WITHIN_SECONDS = 30.0
VARIABLE = "PROMETHEUS_URL"


@click.command("init")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path("rules/first"))
@click.option("--from", "url", required=True, help="Address of a Prometheus, http://prometheus:9090.")
def command(folder: Path, url: str) -> None:
    """Write a first pack from the alerting rules of a Prometheus.

    One rule for each of them, into FOLDER (default rules/first), which must not be there yet.
    """
    try:
        taken = folder.exists() and any(folder.iterdir())
    except OSError as wrong:
        raise UsageError(f"{folder}: {wrong.strerror}; expected a new folder that we may make") from None
    if taken:
        raise UsageError(f"{folder} is not empty; expected a new folder, nothing is overwritten")
    rules = asyncio.run(_alerting_rules(url))
    if not rules:
        raise UsageError(f"--from: {_shown(url)} has no alerting rules; expected at least one")
    files = first_pack(folder.resolve().name, _address(url), rules)
    _write(folder, files)
    bounds = sum(text.count("    thresholds: ") for text in files.values())
    made = sum(text.count("  - name: ") for text in files.values())
    click.echo(f"{folder}: {several(made, 'rule')} from {several(len(rules), 'alert')}, {bounds} with a bound")
    if _has_credential(url):
        click.echo(f"the address holds a credential and was not written: set {VARIABLE} to it")
    click.echo(f"next: responder check {folder}, then say in each rule what is to be looked at (docs/rules.md)")


async def _alerting_rules(url: str) -> tuple[AlertingRule, ...]:
    from responder.clients.budget import Budget  # the readers are loaded only where they are asked for
    from responder.clients.doors import HTTP
    from responder.clients.http import HttpDoor
    from responder.clients.prometheus import PrometheusDoor
    from responder.clients.resolve import resolve
    from responder.model.pack import Target

    resolved = resolve(Target(name="--from", kind="prometheus", address=url), os.environ, HTTP)
    budget = Budget(concurrency=1, per_minute=60)
    door = PrometheusDoor(HttpDoor(resolved, budget, max_body_bytes=MAX_ANSWER_BYTES))
    try:
        async with asyncio.timeout(ANSWERS_WITHIN_SECONDS):
            return await door.alerting_rules()
    except TimeoutError:
        raise UsageError(f"--from: {_shown(url)} did not answer within {ANSWERS_WITHIN_SECONDS:.0f} s") from None
    finally:
        await door.close()


def _write(folder: Path, files: Mapping[str, str]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text)
    except OSError as wrong:
        raise UsageError(f"{folder}: cannot be written: {wrong.strerror}") from wrong


def _address(url: str) -> str:
    return "${" + VARIABLE + "}" if _has_credential(url) else url.rstrip("/")


def _has_credential(url: str) -> bool:
    return "@" in url


def _shown(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2] or "it"
