"""A command, after which a library and the interpreter say all that they know: a program of its own."""

from __future__ import annotations

import logging
import os
import sys

from responder.cli import main as cli

if __name__ == "__main__":
    cli.main()
    logging.getLogger("a.library").critical("failed with %s", os.environ["RESPONDER_ALERTMANAGER_TOKENS"])
    sys.stdout.flush()
    raise RuntimeError(os.environ["RESPONDER_ALERTMANAGER_TOKENS"])
