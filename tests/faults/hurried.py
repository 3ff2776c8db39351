"""The daemon, but what it asks senders about each minute it asks each second: a program of its own."""

from __future__ import annotations

import sys
from datetime import timedelta

from responder.cli.main import main
from responder.incidents import reconcile as decide
from responder.report import compare
from responder.work import reconcile

if __name__ == "__main__":
    reconcile.EVERY_SECONDS = 1.0
    compare.BETWEEN_EDITS = timedelta(seconds=1)
    decide.QUIET_FOR = decide.ABSENT_FOR = decide.GRACE = timedelta(seconds=2)
    decide.long_absent.__kwdefaults__["absent_for"] = decide.ABSENT_FOR
    decide.is_missed.__kwdefaults__["grace"] = decide.GRACE
    sys.argv[1:] = ["serve"]
    main()
