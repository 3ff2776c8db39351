"""Each report as JSON, posted to one address of the user's choice: the first one, and every edit of it anew.

The receiver knows a repeated post again by its `Idempotency-Key`
(https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/) and an edit by the marker in it, so what
may have arrived is simply posted once more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from responder import __version__
from responder.clients.network import guarded_socket
from responder.delivery.as_json import as_json, encoded
from responder.delivery.sink import Outlets, Posted, Rendering, Sink
from responder.errors import DeliveryPostponed, DeliveryRefused, DeliveryUncertain, UsageError
from responder.model.report import Report

MAX_BYTES = 1024 * 1024
LONGEST_PAUSE_SECONDS = 3600.0  # whatever a receiver asks for: a report must not be parked for days
NOT_SENT = (aiohttp.ClientConnectorError, aiohttp.InvalidURL)
SETTING = "RESPONDER_REPORT_WEBHOOK_URL"


class ReportWebhook:
    """One address that takes reports. The address may hold a secret: only scheme, host and port are ever shown."""

    name = "report_webhook"
    foreign_kind: str | None = None
    reads_back = False
    repeats_safely = True
    """A second post of what arrived already changes nothing: it needs no "may be a duplicate"."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._shown = _shown(url)
        self._session: aiohttp.ClientSession | None = None

    def render(self, report: Report, said: Rendering) -> dict[str, Any]:
        """JSON-like data; a tag is not said, see `repeats_safely`."""
        return as_json(
            report,
            marker=said.marker,
            continues=said.continues,
            continued_in=said.continued_in,
            edition=said.edition,  # who sends may tell a return to what was shown before
        )

    async def find(self, object: str, markers: Sequence[str]) -> list[Posted]:  # noqa: A002 - the ledger's word
        """Nothing can be read back."""
        return []

    async def post(self, object: str, text: dict[str, Any], *, within: float) -> str:  # noqa: A002 - the ledger's word
        """POST it; its id is the beginning of its digest, by which the receiver's log may be searched."""
        headers = {"Idempotency-Key": f"{text['marker']}:{text['digest']}", "Content-Type": "application/json"}
        try:
            async with asyncio.timeout(within):
                status, answered = await self._send(encoded(text, MAX_BYTES), headers)
        except NOT_SENT as error:
            raise DeliveryPostponed(f"{self._shown}: no connection ({_words(error)})", after_seconds=0) from None
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise DeliveryUncertain(f"{self._shown}: {type(error).__name__}") from None
        _check(status, answered, self._shown)
        return f"{text['digest'][:16]}"

    async def edit(self, object: str, id: str, text: dict[str, Any], *, within: float) -> None:  # noqa: A002 - the ledger's word
        """POST the newer one: the same marker, another digest."""
        await self.post(object, text, within=within)

    async def delete(self, object: str, id: str) -> None:  # noqa: A002 - the ledger's word
        """What was posted stays."""

    async def close(self) -> None:
        """Close the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _send(self, body: bytes, headers: Mapping[str, str]) -> tuple[int, Mapping[str, str]]:
        """The status says all; the answer's body is left unread."""
        async with self._opened().post(self._url, data=body, headers=headers, allow_redirects=False) as response:
            status, answered = response.status, response.headers
            response.close()
            return status, answered

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(socket_factory=guarded_socket, force_close=True),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": f"responder/{__version__}", "Accept-Encoding": "identity"},
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),  # `within` keeps the time
                trust_env=False,
                auto_decompress=False,
            )
        return self._session


def _shown(url: str) -> str:
    """Scheme, host and port; raises UsageError, which repeats nothing of the address."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if parts.scheme not in ("http", "https") or not host or any(it.isspace() for it in url):
        raise UsageError(f"{SETTING}: not a web address; expected one such as https://hooks.example.com/reports")
    return f"report webhook {parts.scheme}://{f'[{host}]' if ':' in host else host}{f':{port}' if port else ''}"


def _check(status: int, headers: Mapping[str, str], shown: str) -> None:
    """Nothing for 2xx; what else a status means as the error that it is."""
    why = f"{shown} answered {status}"
    pause = _pause(headers)
    match status:
        case _ if 200 <= status < 300:
            return
        case 409:  # the draft's word for "the first post under this key is still being worked on"
            raise DeliveryPostponed(why, after_seconds=pause or 0)
        case 429:
            raise DeliveryPostponed(why, after_seconds=pause or 0)
        case 503 if pause is not None:
            raise DeliveryPostponed(why, after_seconds=pause)
        case 408:
            raise DeliveryUncertain(why)
        case _ if 300 <= status < 400:
            raise DeliveryRefused(f"{why}, a redirect, and none is followed; set the final address in {SETTING}")
        case _ if 400 <= status < 500:
            raise DeliveryRefused(why)
        case _:
            raise DeliveryUncertain(why)


def _pause(headers: Mapping[str, str]) -> float | None:
    """Seconds of `Retry-After`, by the receiver's own clock where it names a moment; None when it says nothing."""
    said = headers.get("Retry-After", "").strip()
    if said.isascii() and said.isdigit():
        return min(float(said[:9]), LONGEST_PAUSE_SECONDS)
    try:
        then, now = parsedate_to_datetime(said), parsedate_to_datetime(headers.get("Date", ""))
        return min(max((then - now).total_seconds(), 0.0), LONGEST_PAUSE_SECONDS)
    except (ValueError, TypeError):
        return None


def _words(error: Exception) -> str:
    """Which kind of failure; never its own text, which may quote the address."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return "its certificate is not valid"
        case aiohttp.ClientConnectorDNSError():
            return "host name not found"
        case aiohttp.ClientConnectorError() if error.os_error.strerror and not error.os_error.filename:
            return error.os_error.strerror.lower()
        case _:
            return type(error).__name__


def SINK(outlets: Outlets) -> Sink | None:  # noqa: N802 - the name that the registry looks for
    """Made when an address is configured."""
    url = outlets.report_webhook_url
    return ReportWebhook(url.get_secret_value()) if url and url.get_secret_value() else None
