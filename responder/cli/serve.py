"""`responder serve`: the daemon."""

from __future__ import annotations

import asyncio

import click


@click.command("serve")
def command() -> None:
    """Run the daemon until it is told to stop (SIGTERM, Ctrl-C)."""
    from responder import app  # the commands that need no daemon start without it
    from responder.settings import load_settings
    from responder.telemetry import Metrics, set_up_log

    settings = load_settings()
    metrics = Metrics()
    loaded = app.load_rules(settings)
    redactor = app.redactor_of(settings, loaded.packs, metrics)
    set_up_log(as_json=settings.log_as_json, level=settings.log_level, redact=redactor.text)
    asyncio.run(app.serve(settings, loaded, redactor, metrics))
