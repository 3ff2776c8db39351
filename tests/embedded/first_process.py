"""Supervision as the first process of a container, a program of its own: says what a dead server leaves behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from responder.embedded.server import EmbeddedPostgres


def zombies() -> list[str]:
    """Names of the children that have ended and were not waited for."""
    found = []
    for it in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            name, _, rest = it.read_text().partition("(")[2].rpartition(")")
            if rest.split()[:2] == ["Z", "1"]:
                found.append(name)
    return found


async def main(folder: Path) -> None:
    """Let a server die once, with sessions on it, and a child of ours beside it that nobody has waited for yet."""
    store = await EmbeddedPostgres.start(folder)
    supervision = asyncio.create_task(store.supervise())
    ours = subprocess.Popen(["sh", "-c", "exit 7"])
    killed = store.pid
    os.kill(killed, signal.SIGKILL)
    async with asyncio.timeout(60):
        while store.pid == killed:
            await asyncio.sleep(0.02)
    left: list[str] = []
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(10):
            while (left := zombies()) != ["sh"]:
                await asyncio.sleep(0.05)
    supervision.cancel()
    print(json.dumps({"process": os.getpid(), "left": left, "status": ours.wait()}))
    await store.stop()


asyncio.run(main(Path(sys.argv[1])))
