"""Addresses that nobody may be made to look at: cloud metadata, link-local, multicast, unspecified.

Private and loopback addresses are what diagnostics are for. The list is held against the address that a socket is
about to connect to, so that neither a literal nor a DNS answer nor a rebinding gets round it.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

from responder.clients.resolve import Resolved
from responder.errors import CouldNotLook, NotConfigured, Refused, Unreachable

AnyAddress = IPv4Address | IPv6Address

# Where clouds hand out credentials to whoever asks; ipaddress.is_global says True for 192.0.0.192.
METADATA: dict[AnyAddress, str] = {
    ip_address(text): "a cloud metadata address"
    for text in (
        "169.254.169.254",
        "192.0.0.192",  # Oracle
        "100.100.100.200",  # Alibaba
        "168.63.129.16",  # Azure's host agent
        "fd00:ec2::254",  # AWS
        "fd20:ce::254",  # Google
    )
}
HANGS_UP = (ConnectionRefusedError, ConnectionResetError, ConnectionAbortedError)
NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052
COMPATIBLE = IPv6Network("::/96")  # RFC 4291 2.5.5.1, deprecated
THIS_NETWORK = IPv4Network("0.0.0.0/8")  # RFC 1122 3.2.1.3
FUTURE = IPv4Network("240.0.0.0/4")  # RFC 1112, with 255.255.255.255


class NoAnswer(Unreachable):
    """The host was there and would not speak with us: nothing listens, or it hung up."""


class NotAllowed(OSError):
    """The address that a socket was about to connect to may never be looked at."""


def why_never(text: str) -> str | None:
    """Why this IP address may never be looked at, or None when it may; text that is no address may not."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return "not an IP address"
    for form in (address, *_within(address)):
        why = _why_not(form)
        if why:
            return why
    return None


def guarded_socket(info: tuple[Any, ...]) -> socket.socket:
    """A socket for one address that `getaddrinfo` gave; raises NotAllowed before any is made."""
    family, kind, protocol, _, sockaddr = info
    why = why_never(str(sockaddr[0]))
    if why:
        raise NotAllowed(errno.EACCES, f"{sockaddr[0]} is {why}, which may not be looked at")
    return socket.socket(family, kind, protocol)


async def check_host(resolved: Resolved, default_port: int) -> None:
    """Look the host up and refuse if any of its addresses may never be looked at.

    For clients whose library makes its own sockets; the host comes from reviewed rule files, never from an alert.
    """
    loop = asyncio.get_running_loop()
    address = resolved.address
    try:
        found = await loop.getaddrinfo(address.host, address.port or default_port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise Unreachable(f"{resolved.shown}: host name not found") from None
    for *_, sockaddr in found:
        why = why_never(str(sockaddr[0]))
        if why:
            raise Refused(f"{resolved.shown}: the address is {why}, which may not be looked at")


def tls(resolved: Resolved) -> ssl.SSLContext:
    """TLS that verifies, with the target's own authority and certificate where it names them."""
    try:
        context = ssl.create_default_context(cafile=resolved.ca)
        if resolved.certificate:
            context.load_cert_chain(resolved.certificate, resolved.key)
    except (OSError, ValueError) as reason:
        why = getattr(reason, "strerror", None) or "not a PEM file"
        named = " ".join(it for it in (resolved.ca, resolved.certificate, resolved.key) if it)
        raise NotConfigured(f"target {resolved.name}: ca, certificate or key cannot be read ({named}): {why}") from None
    return context


def in_words(resolved: Resolved, reason: BaseException) -> CouldNotLook:
    """What a failed connection means, in the words of a report."""
    where = resolved.shown
    if isinstance(reason, NotAllowed):
        return Refused(f"{where}: {reason.strerror}")
    if isinstance(reason, ssl.SSLCertVerificationError):
        return Unreachable(f"{where}: its certificate is not valid: {reason.verify_message}")
    if isinstance(reason, ssl.SSLError):
        return Unreachable(f"{where}: TLS failed: {reason.reason or 'no common language'}")
    if isinstance(reason, socket.gaierror):
        return Unreachable(f"{where}: host name not found")
    if isinstance(reason, TimeoutError):
        return Unreachable(f"{where}: no answer in time")
    # refused or reset says something about the service, a missing route only about the way
    kind = NoAnswer if isinstance(reason, HANGS_UP) else Unreachable
    if isinstance(reason, OSError) and reason.errno is not None and reason.errno > 0:
        return kind(f"{where}: {os.strerror(reason.errno).lower()}")
    return kind(f"{where}: no connection")


def _within(address: AnyAddress) -> list[AnyAddress]:
    """IPv4 addresses that an IPv6 one stands for."""
    if isinstance(address, IPv4Address):
        return []
    found: list[AnyAddress] = [it for it in (address.ipv4_mapped, address.sixtofour) if it is not None]
    if address.teredo is not None:
        found += address.teredo
    if address in NAT64 or (address in COMPATIBLE and int(address) > 1):
        found.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return found


def _why_not(address: AnyAddress) -> str | None:
    if address in METADATA:
        return METADATA[address]
    if address.is_link_local:
        return "a link-local address"
    if address.is_multicast:
        return "a multicast address"
    if address.is_unspecified or (isinstance(address, IPv4Address) and address in THIS_NETWORK):
        return "an unspecified address"
    if isinstance(address, IPv4Address) and address in FUTURE:
        return "a broadcast or reserved address"
    return None
