"""`responder serve`: the daemon."""

from __future__ import annotations

import asyncio
import gc
import os
import threading

import click

LEAVE_WITHIN_SECONDS = 2.0  # all is written by then: a look-up of a name that hangs in its thread has no say any more
GARBAGE_LOOKED_FOR_AFTER = 20_000  # objects; Python's 700 are there after one large body, of which nothing is garbage


@click.command("serve")
def command() -> None:
    """Run the daemon until it is told to stop (SIGTERM, Ctrl-C)."""
    from responder import app, wiring  # the commands that need no daemon start without it
    from responder.settings import load_settings
    from responder.telemetry import Metrics, log_everything

    settings = load_settings()
    metrics = Metrics()
    loaded = wiring.load_rules(settings)
    redactor = wiring.redactor_of(settings, loaded.packs, metrics)
    log_everything(as_json=settings.log_as_json, level=settings.log_level, redact=redactor.again)
    gc.freeze()  # rules and code stay
    gc.set_threshold(GARBAGE_LOOKED_FOR_AFTER)
    with asyncio.Runner() as runner:
        runner.run(app.serve(settings, loaded, redactor, metrics))
        end = threading.Timer(LEAVE_WITHIN_SECONDS, os._exit, [0])
        end.daemon = True
        end.start()
    end.cancel()
