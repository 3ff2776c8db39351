"""`responder diagnose CHECK [k=v…]`: one diagnostic by hand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence

import click

from responder import terminal, wiring
from responder.delivery.as_json import finding_as_json
from responder.diagnostics.catalogue import catalogue, specs
from responder.diagnostics.examine import examined, not_asked
from responder.diagnostics.plan import Plan, plan
from responder.model.finding import Finding, Outcome
from responder.model.verdict import Breach, Level, RuleVerdict
from responder.rules.by_hand import chosen, compiled, parsed
from responder.settings import Settings, load_settings
from responder.telemetry import log_everything
from responder.terminal_finding import lines_of

NOT_HEALTHY = 1


@click.command("diagnose")
@click.argument("check", required=False)
@click.argument("given", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def command(check: str | None, given: tuple[str, ...], as_json: bool) -> int:
    """Ask a check, or a bundle, now; without CHECK, list them.

    NAME=VALUE as in a rule file: target=database over=30s targets=[openai,stripe]. pack=NAME says whose targets and
    defaults, labels.NAME=VALUE what a label of an alert would say. Exit 0: healthy; 1: not healthy, or could not look.
    """
    if check is None:
        _list(as_json)
        return 0
    settings = load_settings()
    values, labels = parsed(given)
    packs = wiring.load_rules(settings).packs
    pack = chosen(packs, check, values.get("target"), values.pop("pack", None))
    made, rule = compiled(pack, check, values, specs())
    redactor = wiring.redactor_of(settings, packs)
    log_everything(as_json=False, level="error", redact=redactor.text)
    breach = RuleVerdict(rule=rule.name, verdict=Breach(level=Level.CRITICAL))
    asked = plan(made, [(rule, breach)], [labels])
    findings = asyncio.run(_findings(asked, settings))
    _tell(findings, redactor.text, as_json=as_json)
    return 0 if findings and all(it.outcome is Outcome.HEALTHY for it in findings) else NOT_HEALTHY


def _list(as_json: bool) -> None:
    found = specs().values()
    if as_json:
        rows = [{"check": it.name, "question": it.question, "marks": sorted(it.marks)} for it in found]
        terminal.say_json({"checks": rows})
        return
    for line in terminal.table(("check", "asks"), [(it.name, it.question) for it in found], wide=terminal.width()):
        click.echo(line)


async def _findings(asked: Plan, settings: Settings) -> list[Finding]:
    waiting = [it.name for it in asked.asks]

    seconds = settings.diagnostic_timeout.total_seconds()

    async def heard(finding: Finding) -> None:
        waiting.remove(finding.name)

    doors = wiring.doors_of(settings)
    try:
        async with terminal.progress(lambda: f"asking {', '.join(waiting)}"):
            found = await examined(
                asked.asks, catalogue(), doors, timeout_seconds=seconds, clock=wiring.clock, on_finding=heard
            )
    finally:
        await doors.close()
    return [*found, *not_asked(asked)]


def _tell(findings: Sequence[Finding], redact: Callable[[str], str], *, as_json: bool) -> None:
    if as_json:
        body = {"findings": [finding_as_json(it) for it in findings]}
        click.echo(redact(json.dumps(body, ensure_ascii=False, indent=2, allow_nan=False)))
        return
    for number, it in enumerate(findings):
        if number:
            click.echo("")
        for line in lines_of(it, wiring.clock(), terminal.width()):
            click.echo(redact(line))
