"""Standard output for reports: whoever reads it may stall or have gone, and the ledger says so."""

from __future__ import annotations

import asyncio

from responder.delivery.sink import Print
from responder.errors import DeliveryPostponed, DeliveryRefused, DeliveryUncertain
from responder.spool import Spool

STANDARD_OUTPUT = 1
PRINTED_AGAIN_SECONDS = 30.0
NOT_READ = "standard output is not read"


def printing(descriptor: int = STANDARD_OUTPUT) -> Print:
    """Prints when there is room; what is not begun in time is taken back, to be printed later."""
    spool = Spool(descriptor)

    async def write(text: str, within: float) -> None:
        handed = spool.hand_over(text)
        if handed is None:
            raise DeliveryPostponed(NOT_READ, after_seconds=PRINTED_AGAIN_SECONDS)
        try:
            async with asyncio.timeout(within):
                await asyncio.wrap_future(handed)  # which cancels it with itself
        except TimeoutError:  # an OSError as well
            if handed.cancelled():
                raise DeliveryPostponed(NOT_READ, after_seconds=PRINTED_AGAIN_SECONDS) from None
            raise DeliveryUncertain(f"{NOT_READ}, and some of the report may be in it") from None
        except OSError as refused:
            raise DeliveryRefused(f"standard output refused it: {refused.strerror}") from refused

    return write
