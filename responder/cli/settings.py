"""`responder settings`: what is in force, and where each value comes from."""

from __future__ import annotations

import json
from typing import Any

import click
from pydantic import SecretStr

from responder.settings import PREFIX, Settings, load_settings


@click.command("settings")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def command(as_json: bool) -> None:
    """Effective settings, secrets masked."""
    settings = load_settings()
    rows = [_row(settings, name) for name in type(settings).model_fields]
    if as_json:
        click.echo(json.dumps({name: value for name, value, _ in rows}, indent=2))
        return
    wide = max(len(name) for name, _, _ in rows)
    for name, value, about in rows:
        click.echo(f"{name:<{wide}}  {value or '–':<28}  {about}")


def _row(settings: Settings, name: str) -> tuple[str, str, str]:
    field = type(settings).model_fields[name]
    return PREFIX + name.upper(), _shown(getattr(settings, name)), field.description or ""


def _shown(value: Any) -> str:
    match value:
        case None:
            return ""
        case SecretStr():
            return "***" if value.get_secret_value() else ""
        case tuple():
            return ", ".join(_shown(it) for it in value)
        case bool():
            return str(value).lower()
        case _:
            return str(value)
