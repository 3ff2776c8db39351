"""GET and HEAD below one base address, and nothing else but the few paths that an API reads by POST."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import ClassVar
from urllib.parse import unquote, urlsplit

import aiohttp
from yarl import URL

from responder import __version__
from responder.clients.budget import Budget
from responder.clients.certificate import Certificate, shown_certificate
from responder.clients.network import NoAnswer, guarded_socket, in_words, tls
from responder.clients.resolve import Resolved
from responder.errors import CouldNotLook, NotConfigured, Refused, Unreachable

SHOWING = ("GET", "HEAD")
JSON = "application/json"
MAX_BODY_BYTES = 1024 * 1024
MAX_PATH = 16 * 1024  # servers refuse longer request lines with 414
MAX_DECODINGS = 3  # `%252e` is a dot to a server behind a proxy that decodes too


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer. `body`: at most 1 MiB unless its door takes more, `cut` when there was more; header names in lower
    case; `took_seconds` from having a turn to the end of the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    cut: bool
    took_seconds: float

    @property
    def text(self) -> str:
        """The body as UTF-8, what is not replaced."""
        return self.body.decode("utf-8", "replace")

    @property
    def sent_at(self) -> datetime | None:
        """By the server's clock; None where it does not tell, or not in a time that there is in UTC."""
        try:
            return parsedate_to_datetime(self.headers.get("date", "")).astimezone(UTC)
        except (ValueError, OverflowError):
            return None


class HttpDoor:
    """One base address. Keeps no cookies, follows no redirect, takes no proxy from the environment.

    Every method raises Unreachable or Refused, whose texts name scheme, host and port only.
    """

    # A door to an API that reads by POST names the path here: a reviewed exception (docs/operations.md).
    _read_by_post: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, resolved: Resolved, budget: Budget, *, max_body_bytes: int = MAX_BODY_BYTES) -> None:
        self._resolved = resolved
        self._budget = budget
        self.max_body_bytes = max_body_bytes
        self._session: aiohttp.ClientSession | None = None

    @property
    def shown(self) -> str:
        """Scheme, host and port of the base address, for people."""
        return self._resolved.shown

    @property
    def shows_credentials(self) -> bool:
        """Whether a user, a password, a certificate or headers of the target's own are sent."""
        address = self._resolved.address
        return bool(address.user or address.password or self._resolved.headers or self._resolved.certificate)

    def clean(self, text: str) -> str:
        """One line of the target's own text, without our secrets, cut."""
        return self._resolved.clean(text)

    async def get(
        self,
        path: str,
        params: Mapping[str, str] | None = None,
        accept: str | None = None,
        *,
        within_seconds: float | None = None,
    ) -> Answer:
        """Ask for a path below the base address; `within_seconds` counts from having a turn, None leaves the time
        to the caller."""
        return await self._ask("GET", path, params, accept, within_seconds)

    async def head(self, path: str, *, within_seconds: float | None = None) -> Answer:
        """Ask for the headers of a path; the body is empty."""
        return await self._ask("HEAD", path, None, None, within_seconds)

    async def certificate(self) -> Certificate:
        """What certificate the server shows; nothing is asked of it beyond the handshake."""
        async with self._budget.turn():
            return await shown_certificate(self._resolved)

    async def close(self) -> None:
        """Close the session, if there is one."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _authorized(self) -> Mapping[str, str]:
        """Headers that differ from question to question."""
        return {}

    async def _ask(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None,
        accept: str | None,
        within: float | None,
        document: bytes | None = None,
    ) -> Answer:
        if method not in SHOWING and (method != "POST" or path not in self._read_by_post):
            raise Refused(f"{self.shown}: {method} {path[:80]} may not be asked, it could write")
        url = self._url(path)
        if params:
            url = url.extend_query(params)
        headers = ({"Accept": accept} if accept else {}) | ({"Content-Type": JSON} if document is not None else {})
        async with self._budget.turn():
            try:
                async with asyncio.timeout(within):
                    return await self._exchange(method, url, headers | dict(await self._authorized()), document)
            except TimeoutError:
                raise NoAnswer(f"{self.shown}: no answer within {within:g} s") from None

    async def _exchange(self, method: str, url: URL, headers: Mapping[str, str], document: bytes | None) -> Answer:
        loop = asyncio.get_running_loop()
        session = self._opened()
        started = loop.time()
        try:
            async with session.request(method, url, headers=headers, data=document, allow_redirects=False) as response:
                body, cut = await body_of(response, self.max_body_bytes)
        except (aiohttp.ClientError, OSError, ValueError) as reason:
            raise translated(self._resolved, reason) from None
        return Answer(
            status=response.status,
            headers={name.lower(): value for name, value in response.headers.items()},
            body=body,
            cut=cut,
            took_seconds=loop.time() - started,
        )

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            secure = self._resolved.address.scheme == "https"
            connector = aiohttp.TCPConnector(
                socket_factory=guarded_socket,
                ssl=tls(self._resolved) if secure else False,
                force_close=True,  # each look makes its own connection: a kept one hides that no new one is taken
                use_dns_cache=False,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                headers=_headers(self._resolved),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),  # the caller keeps the time
                trust_env=False,
                auto_decompress=False,  # a small compressed answer could unfold without end
            )
        return self._session

    def _url(self, path: str) -> URL:
        """The base address with a path behind it; the host cannot change, whatever the path is."""
        why = _why_no_path(path)
        if why:
            raise Refused(f"{self.shown}: path {path[:80]!r} {why}; expected one like /health")
        base = self._resolved.address
        if base.query:
            raise NotConfigured(f"target {self._resolved.name}: a base address has no ?query; put it into the path")
        url = URL(f"{base.shown}{base.path}{path}")
        if url.host != URL(base.shown).host or url.explicit_port != base.port or url.user is not None:
            raise Refused(f"{self.shown}: path {path[:80]!r} would lead to another host")
        return url


def translated(resolved: Resolved, reason: Exception) -> CouldNotLook:
    """What went wrong between us and a server, in the words of a report."""
    shown = resolved.shown
    match reason:
        case aiohttp.ClientConnectorCertificateError():
            return in_words(resolved, reason.certificate_error)
        case aiohttp.ClientConnectorDNSError():
            return Unreachable(f"{shown}: host name not found")
        case aiohttp.ClientConnectorError():
            return in_words(resolved, reason.os_error)
        case aiohttp.ServerDisconnectedError():
            return NoAnswer(f"{shown}: closed the connection without an answer")
        case aiohttp.ClientPayloadError():
            return NoAnswer(f"{shown}: the answer ended early")
        case aiohttp.ClientResponseError() | aiohttp.InvalidURL():
            return NoAnswer(f"{shown}: the answer is not HTTP")
        case _:
            return in_words(resolved, reason)


def _headers(resolved: Resolved) -> dict[str, str]:
    headers = {"User-Agent": f"responder/{__version__}", "Accept-Encoding": "identity"}
    address = resolved.address
    if address.user or address.password:
        credentials = base64.b64encode(f"{address.user}:{address.password}".encode()).decode()
        headers["Authorization"] = f"Basic {credentials}"
    return headers | dict(resolved.headers)


def _why_no_path(path: str) -> str | None:
    """What is wrong with a path, or None."""
    if not path.startswith("/"):
        return "does not begin with /"
    if len(path) > MAX_PATH:
        return f"is longer than {MAX_PATH} characters"
    for form in _decoded(path):
        if form.startswith("//") or "\\" in form:
            return "could name another host"
        if any(ord(letter) < 32 or ord(letter) == 127 for letter in form):
            return "has a control character in it"
        if ".." in urlsplit(form).path.split("/"):
            return "leads out of the base address"
    if "#" in path or " " in path:
        return "has a space or # in it"
    return None


def _decoded(path: str) -> Iterator[str]:
    """The path as written and as servers may decode it."""
    for _ in range(MAX_DECODINGS):
        yield path
        path = unquote(path)


async def body_of(response: aiohttp.ClientResponse, most: int) -> tuple[bytes, bool]:
    """The body up to the limit, and whether there was more."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > most:
            response.close()
            return bytes(body[:most]), True
    return bytes(body), False
