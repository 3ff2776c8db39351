"""`responder demo`: the whole path on this machine."""

from __future__ import annotations

import asyncio
import time

import click


@click.command("demo")
@click.option("--once", is_flag=True, help="Stop after the recovery; exit 1 when no note came.")
@click.option(
    "--real/--played",
    "real",
    default=None,
    help="Prometheus and Alertmanager: real, or played. Default: what is installed.",
)
def command(once: bool, real: bool | None) -> int:
    """Break a sample service; see its alert become a note."""
    from responder.demo.narrator import Narrator
    from responder.demo.run import demo

    return asyncio.run(demo(real=real, once=once, narrator=Narrator(time.monotonic)))
