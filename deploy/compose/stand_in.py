"""Run a stand-in of the demo so that other containers reach it: by itself it listens on loopback only."""

from __future__ import annotations

import runpy
import sys

from responder.demo import local_server

if __name__ == "__main__":
    local_server.HOST = "0.0.0.0"  # noqa: S104 - inside a container; compose.yaml publishes the port on loopback
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__")
