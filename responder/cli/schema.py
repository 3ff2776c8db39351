"""`responder schema`: the JSON Schema of rule files, for editors."""

from __future__ import annotations

import json

import click


@click.command("schema")
def command() -> None:
    """Print the JSON Schema of rule files. In a file: # yaml-language-server: $schema=PATH."""
    from responder.diagnostics.catalogue import specs
    from responder.rules.schema import schema_of_rules

    click.echo(json.dumps(schema_of_rules(specs()), indent=1, ensure_ascii=False))
