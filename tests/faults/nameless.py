"""The daemon in a world whose name server knows PagerDuty only now and then: a program of its own.

While the file that its first argument names exists, nobody finds the host `pagerduty.test`; else it is loopback.
"""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import Any

from responder.cli.main import main

HOST = "pagerduty.test"


def asked(host: Any, *rest: Any, **more: Any) -> Any:
    """As the name server answers."""
    if host != HOST:
        return known(host, *rest, **more)
    if unknown.exists():
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    return known("127.0.0.1", *rest, **more)


if __name__ == "__main__":
    unknown, known = Path(sys.argv[1]), socket.getaddrinfo
    socket.getaddrinfo = asked
    sys.argv[1:] = ["serve"]
    main()
