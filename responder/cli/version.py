"""`responder version`."""

from __future__ import annotations

import json
import platform

import click

from responder import __version__


@click.command("version")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def command(as_json: bool) -> None:
    """Version of responder and of the Python that runs it."""
    if as_json:
        click.echo(json.dumps({"responder": __version__, "python": platform.python_version()}))
    else:
        click.echo(f"responder {__version__} (Python {platform.python_version()})")
