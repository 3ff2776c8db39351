"""The daemon, beside libraries and threads that say all that they know: a program of its own."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import warnings
from typing import Any

from responder import app
from responder.cli import main as cli

serve = app.serve


async def serve_among_gossips(*given: Any) -> None:
    """As `app.serve`, after everything that can reach standard error has been said once."""
    said = os.environ["GOSSIP"]
    for name in ("asyncio", "aiohttp.server", "urllib3", "a.library"):
        logging.getLogger(name).error("failed with %s", said)
        logging.getLogger(name).info("asked %s", {"password": said})
        logging.getLogger(name).debug("debug: %s", os.environ["RAW_GOSSIP"])
    logging.getLogger("a.library").error("%d of that", "token=x")  # cannot be put together
    try:
        raise RuntimeError(said)
    except RuntimeError:
        logging.getLogger("a.library").exception("caught")
    warnings.warn(said, stacklevel=1)
    asyncio.get_running_loop().call_exception_handler({"message": said, "exception": RuntimeError(said)})
    task = asyncio.get_running_loop().create_task(_fails(said))
    await asyncio.wait([task])
    del task
    thread = threading.Thread(target=_raises, args=(said,), name="gossip")
    thread.start()
    thread.join()
    sys.unraisablehook(_Unraisable(RuntimeError(said)))  # type: ignore[arg-type] # as the interpreter calls it
    await serve(*given)
    raise RuntimeError(said)


async def _fails(said: str) -> None:
    raise RuntimeError(said)


def _raises(said: str) -> None:
    raise RuntimeError(said)


class _Unraisable:
    def __init__(self, error: BaseException) -> None:
        self.exc_value, self.exc_type, self.exc_traceback = error, type(error), error.__traceback__
        self.err_msg, self.object = None, None


if __name__ == "__main__":
    app.serve = serve_among_gossips
    sys.argv[1:] = ["serve"]
    sys.exit(cli.main())
