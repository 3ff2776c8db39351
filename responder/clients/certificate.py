"""The certificate that a server shows in the TLS handshake, and whether it would be trusted."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from responder.clients.network import guarded_socket, in_words, tls
from responder.clients.resolve import Resolved
from responder.errors import Refused, Unreachable

# OpenSSL's X509_V_FLAG_NO_CHECK_TIME, which Python does not name.
# https://docs.openssl.org/3.0/man3/X509_VERIFY_PARAM_set_flags/
ANY_TIME = 0x200000
CLOSE_WITHIN_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """Of the server itself, not of those above it. `out_of_time`: whether it, or one above it, has expired
    at `seen_at` or is not valid yet."""

    host: str
    issuer: str
    valid_from: datetime
    valid_until: datetime
    out_of_time: bool
    seen_at: datetime


async def shown_certificate(resolved: Resolved) -> Certificate:
    """One handshake, and a second one to read the dates of a certificate that is out of time. Raises Unreachable or
    Refused, also for one that is not trusted for another reason."""
    if resolved.address.scheme != "https":
        raise Refused(f"{resolved.shown}: expected an address that begins with https")
    context = tls(resolved)
    try:
        try:
            return _read(resolved, await _handshake(resolved, context), out_of_time=False)
        except ssl.SSLCertVerificationError:  # of another reason than time the second one complains as well
            pass
        context.verify_flags = ssl.VerifyFlags(context.verify_flags | ANY_TIME)
        return _read(resolved, await _handshake(resolved, context), out_of_time=True)
    except OSError as reason:
        raise in_words(resolved, reason) from None


async def _handshake(resolved: Resolved, context: ssl.SSLContext) -> Mapping[str, Any]:
    """What the library says of the certificate; every address of the host is held against those never looked at."""
    writer = await _connected(resolved, context)
    try:
        return dict(writer.get_extra_info("peercert") or {})
    finally:
        writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(CLOSE_WITHIN_SECONDS):
                await writer.wait_closed()


async def _connected(resolved: Resolved, context: ssl.SSLContext) -> asyncio.StreamWriter:
    loop = asyncio.get_running_loop()
    host, port = resolved.address.host, resolved.address.port or 443
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    failure: OSError = OSError("no address")
    for info in found:
        sock = guarded_socket(info)
        sock.setblocking(False)
        try:
            await loop.sock_connect(sock, info[4])
            _, writer = await asyncio.open_connection(sock=sock, ssl=context, server_hostname=host)
        except ssl.SSLError:
            sock.close()
            raise
        except OSError as reason:
            sock.close()
            failure = reason
        except BaseException:  # cancelled too: the socket is nobody else's
            sock.close()
            raise
        else:
            return writer
    raise failure


def _read(resolved: Resolved, given: Mapping[str, Any], *, out_of_time: bool) -> Certificate:
    if "notAfter" not in given:
        raise Unreachable(f"{resolved.shown}: its certificate cannot be read")
    return Certificate(
        host=resolved.address.host,
        issuer=_name(given.get("issuer", ())),
        valid_from=_date(str(given["notBefore"])),
        valid_until=_date(str(given["notAfter"])),
        out_of_time=out_of_time,
        seen_at=datetime.now(UTC),  # noqa: TID251 - the clock that the handshake itself has just judged it by
    )


def _date(text: str) -> datetime:
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(text), UTC)


def _name(parts: Sequence[Sequence[tuple[str, str]]]) -> str:
    """Organization or common name, whichever it says first."""
    names = {name: value for part in parts for name, value in part}
    return names.get("organizationName") or names.get("commonName") or ""
