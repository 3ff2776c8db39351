"""What an error on the way to PagerDuty means for a delivery; what its answers mean is each sink's to say."""

from __future__ import annotations

from typing import Any

import aiohttp

from responder.clients.pagerduty import Answer, PagerDutyDoor
from responder.errors import DeliveryPostponed, DeliveryUncertain, Throttled

NOT_SENT = (aiohttp.ClientConnectorError, aiohttp.InvalidURL)


async def answered(door: PagerDutyDoor, method: str, path: str, body: Any, *, within: float) -> Answer:
    """One request; raises DeliveryPostponed where nothing was sent, DeliveryUncertain where it may have arrived."""
    try:
        return await door.request(method, path, body=body, within=within)
    except Throttled as busy:
        raise DeliveryPostponed(str(busy), after_seconds=busy.after_seconds, is_our_rate=True) from busy
    except NOT_SENT as error:
        raise DeliveryPostponed(f"PagerDuty: no connection ({type(error).__name__})", after_seconds=0) from error
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        raise DeliveryUncertain(f"PagerDuty: {type(error).__name__}") from error
