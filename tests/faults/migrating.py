"""Bring a database to the newest schema, as a daemon does when it starts: a program that waits for the word to begin.

Arguments: the address, and the folder of migrations.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from responder.store.migrate import migrate
from responder.store.store import Store


async def main(dsn: str, folder: Path) -> None:
    """Print `ready`, wait for a line, migrate, print the names of what was applied."""
    store = await Store.open(dsn, redact=lambda text: text)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    print(json.dumps(await migrate(store, folder)), flush=True)
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
