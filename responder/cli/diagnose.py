"""`responder diagnose CHECK [k=v…]`: one diagnostic by hand."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from responder import terminal

if TYPE_CHECKING:  # a list of checks needs neither settings nor rules
    from responder.diagnostics.plan import Plan
    from responder.model.finding import Finding

UNHEALTHY = 1


@click.command("diagnose")
@click.argument("check", required=False)
@click.argument("given", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def command(check: str | None, given: tuple[str, ...], as_json: bool) -> int:
    """Ask CHECK (or every check of a bundle) now; without it, list the checks and what each asks.

    NAME=VALUE as in a rule file: target=database over=30s targets=[openai,stripe]. pack=NAME says whose targets and
    defaults, labels.NAME=VALUE what a label of an alert would say. Exit 0: healthy; 1: not healthy, or could not look.
    """
    if check is None:
        _list(as_json)
        return 0
    return _ask(check, given, as_json)


def _list(as_json: bool) -> None:
    from responder.diagnostics.catalogue import specs

    found = specs().values()
    if as_json:
        terminal.say_json(
            {"checks": [{"check": it.name, "question": it.question, "marks": sorted(it.marks)} for it in found]}
        )
        return
    for line in terminal.table(("check", "asks"), [(it.name, it.question) for it in found], wide=terminal.width()):
        click.echo(line)


def _ask(check: str, words: Sequence[str], as_json: bool) -> int:
    from responder import app
    from responder.diagnostics.catalogue import specs
    from responder.diagnostics.plan import plan
    from responder.model.verdict import Breach, Level, RuleVerdict
    from responder.rules.by_hand import chosen, compiled, parsed
    from responder.settings import load_settings
    from responder.telemetry import set_up_log

    settings = load_settings()
    given, labels = parsed(words)
    packs = app.load_rules(settings).packs
    pack = chosen(packs, check, given.get("target"), given.pop("pack", None))
    made, rule = compiled(pack, check, given, specs())
    redactor = app.redactor_of(settings, packs)
    set_up_log(as_json=False, level="error", redact=redactor.text)
    asked = plan(made, [(rule, RuleVerdict(rule=rule.name, verdict=Breach(level=Level.CRITICAL)))], [labels])
    findings = asyncio.run(_findings(asked, settings.diagnostic_timeout.total_seconds()))
    return _tell(findings, redactor.text, as_json=as_json)


async def _findings(asked: Plan, seconds: float) -> list[Finding]:
    from responder import app
    from responder.clients.doors import Doors
    from responder.diagnostics.catalogue import catalogue
    from responder.diagnostics.examine import examined, not_asked

    waiting = [it.name for it in asked.asks]

    async def heard(finding: Finding) -> None:
        waiting.remove(finding.name)

    doors = Doors(os.environ)
    try:
        async with terminal.progress(lambda: f"asking {', '.join(waiting)}"):
            found = await examined(
                asked.asks, catalogue(), doors, timeout_seconds=seconds, clock=app.clock, on_finding=heard
            )
    finally:
        await doors.close()
    return [*found, *not_asked(asked)]


def _tell(findings: Sequence[Finding], redact: Any, *, as_json: bool) -> int:
    import json

    from responder import app
    from responder.delivery.as_json import finding_as_json
    from responder.model.finding import Outcome
    from responder.terminal_finding import lines_of

    if as_json:
        body = {"findings": [finding_as_json(it) for it in findings]}
        click.echo(redact(json.dumps(body, ensure_ascii=False, indent=2, allow_nan=False)))
    for number, it in enumerate(() if as_json else findings):
        if number:
            click.echo("")
        for line in lines_of(it, app.clock(), terminal.width()):
            click.echo(redact(line))
    return 0 if findings and all(it.outcome is Outcome.HEALTHY for it in findings) else UNHEALTHY
