"""The command line: one file a command; the folder is the registry."""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys

import click

from responder.errors import ResponderError, UsageError


class Commands(click.Group):
    """Finds a command in the file of its name, and imports no other."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The files of this folder that hold a command."""
        package = importlib.import_module("responder.cli")
        return sorted(it.name for it in pkgutil.iter_modules(package.__path__) if it.name != "main")

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name; click says what is meant when there is none."""
        if cmd_name not in self.list_commands(ctx):
            return None
        command: click.Command = importlib.import_module(f"responder.cli.{cmd_name}").command
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Answers alerts with read-only findings on the incident."""


def main() -> int:
    """0 done, 1 findings (a failed check), 2 usage or settings."""
    _open_what_is_closed()
    try:
        status = cli(standalone_mode=False)
        return status if isinstance(status, int) else 0
    except click.ClickException as wrong:
        wrong.show()
        return 2
    except click.Abort:
        return 130
    except UsageError as wrong:
        click.echo(f"responder: {wrong}", err=True)
        return 2
    except ResponderError as failed:
        click.echo(f"responder: {failed}", err=True)
        return 1


def _open_what_is_closed() -> None:
    """Standard descriptors that whoever started us has closed: Python has None for them, and the next file that is
    opened would get their number, and our log written into it. What writes reports past Python is refused there."""
    closed = []
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            access = os.O_RDONLY if name == "stdout" else os.O_RDWR
            os.set_inheritable(os.open(os.devnull, access), True)  # the lowest number that is free
            closed.append(name)
    for name in closed:
        setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w"))  # noqa: SIM115 - until the process ends


if __name__ == "__main__":
    sys.exit(main())
