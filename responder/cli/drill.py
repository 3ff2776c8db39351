"""`responder drill`: a marked TEST incident end to end, and how long it took to be told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import uuid4

import click

from responder import drill, terminal, wiring
from responder.attach import Attached, with_store
from responder.delivery.as_json import moment
from responder.drill import Drill, Followed
from responder.errors import UsageError
from responder.model.quantities import several
from responder.rules.match import matching
from responder.rules.packs import is_ignored, pack_for
from responder.settings import Settings
from responder.store.look_up import One

NOT_TOLD = 1


@click.command("drill")
@click.argument("labels", nargs=-1, metavar="[LABEL=VALUE]...")
@click.option("--url", help="Where the daemon is; default RESPONDER_LISTEN.")
@click.option("--routing-key", default="", help="Also page: an Events v2 integration key of a PagerDuty service.")
@click.option("--within", default=60.0, show_default=True, type=click.FloatRange(1, 900), help="Seconds to wait.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def command(labels: tuple[str, ...], url: str | None, routing_key: str, within: float, as_json: bool) -> int:
    """Post a TEST alert, wait until every sink shows it, resolve it.

    It goes to the running daemon as Alertmanager's would.

    LABEL=VALUE makes it look like an alert that a rule knows: alertname=HighErrorRate service=payments. Everything is
    real: checks are asked, reports are posted, people are told; its title begins with TEST. Exit 1 when a sink does
    not show it in time.
    """
    given = drill.labels_of(labels)

    async def do(attached: Attached) -> int:
        settings = attached.settings
        if attached.alone:
            raise UsageError("no daemon runs on this store; start `responder serve` first")
        _refuse_what_no_rule_takes(settings, given)
        planned = Drill(
            number=uuid4().hex[:12],
            labels=given,
            began=wiring.clock(),
            url=(url or _own_address(settings)).rstrip("/"),
            routing_key=routing_key,
        )
        waiting = ["the daemon to take it"]

        def told(found: One) -> None:
            late = [f"{it['sink']} ({it['state']})" for it in found.deliveries if it["first_at"] is None]
            waiting[:] = late if found.report else ["the first report"]

        async with terminal.progress(lambda: f"waiting for {', '.join(waiting) or 'the rest of the checks'}"):
            slug = await drill.begin(planned, settings)
            try:
                followed = await drill.follow(
                    attached.store, slug, within_seconds=within, is_paged=bool(routing_key), told=told
                )
            finally:
                await drill.end(planned, settings, wiring.clock())
        if as_json:
            terminal.say_json(_as_json(followed))
        else:
            for line in _lines(followed, is_paged=bool(routing_key)):
                click.echo(line)
        return 0 if followed.is_told else NOT_TOLD

    return with_store(do)


def _refuse_what_no_rule_takes(settings: Settings, labels: Mapping[str, str]) -> None:
    packs = wiring.load_rules(settings).packs
    known = {**labels, "source": "alertmanager"}
    pack = pack_for(packs, known)
    if pack is None or is_ignored(packs, known) or not matching(pack.rules, [known]):
        shown = ", ".join(f"{name}={value}" for name, value in labels.items())
        raise UsageError(
            f"no rule takes an alert with {shown}, so no report would be made; give the labels of one that a rule "
            "knows: responder drill alertname=HighErrorRate service=payments"
        )


def _own_address(settings: Settings) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 - what we listen on
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"


def _lines(it: Followed, *, is_paged: bool) -> Iterator[str]:
    report = it.found.report
    yield f"{it.slug}  {report.severity} · {report.title}" if report else f"{it.slug}  no report was made"
    if report is not None:
        whole = "" if report.complete else ", others had not answered yet"
        asked = several(report.asked, "check")
        yield f"{report.answered} of {asked} answered in {report.took_seconds:.1f} s{whole}"
    yield ""
    rows = [_row(it, row, is_paged=is_paged) for row in it.found.deliveries]
    heads = ("sink", "object", "state", "webhook→report", "why")
    yield from terminal.table(heads, rows, wide=terminal.width()) if rows else ["no sink is configured: see the page"]
    yield ""
    yield "it was resolved again; its reports say so within a minute"


def _row(it: Followed, row: Mapping[str, Any], *, is_paged: bool) -> Sequence[str]:
    seconds = it.seconds(row)
    took = "–" if seconds is None else f"{seconds:.2f} s"
    not_paged = row["state"] == "waiting" and not is_paged
    why = "nobody was paged, so there is no incident to write to; --routing-key pages" if not_paged else row["why"]
    return row["sink"], row["object"] or "–", row["state"], took, why or "–"


def _as_json(it: Followed) -> dict[str, Any]:
    report = it.found.report
    return {
        "incident": it.slug,
        "told": it.is_told,
        "accepted_at": moment(it.found.summary["opened_at"]),
        "title": report.title if report else None,
        "complete": report.complete if report else False,
        "sinks": [
            {
                "sink": row["sink"],
                "object": row["object"],
                "state": row["state"],
                "seconds": it.seconds(row),
                "why": row["why"],
            }
            for row in it.found.deliveries
        ],
    }
