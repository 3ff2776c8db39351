"""Who may see the page, the API and the metrics: a token, or the machine itself.

Without a token they are served only if we listen on loopback, nobody forwarded the request and it asks for a
loopback host (a web page elsewhere cannot make a browser read it by DNS rebinding), unless `API_OPEN=true`.
"""

from __future__ import annotations

import base64
import hmac
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass

# What proxies, load balancers and tunnels say of whom they speak for; and whatever begins like the first.
FORWARDED_BEGINS = "x-forwarded"
FORWARDED = frozenset(
    {
        "forwarded",
        "via",
        "x-real-ip",
        "x-client-ip",
        "x-cluster-client-ip",
        "x-original-forwarded-for",
        "x-original-host",
        "true-client-ip",
        "cf-connecting-ip",
        "fastly-client-ip",
        "fly-client-ip",
        "x-appengine-user-ip",
        "x-azure-clientip",
        "x-envoy-external-address",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """`tokens`: any of them opens; `loopback`: whether we listen on loopback only."""

    tokens: tuple[str, ...] = ()
    open_to_all: bool = False
    loopback: bool = True
    proxy_header: str = ""
    trusted_proxies: tuple[str, ...] = ()

    def refusal(self, headers: Mapping[str, str], remote: str) -> tuple[int, str] | None:
        """Status and reason of a refusal, None when it may pass."""
        if self.open_to_all or self._named_by_proxy(headers, remote):
            return None
        if any(self.tokens):
            return None if self._has_token(headers) else (401, "a token is needed: Authorization: Bearer …")
        if self.loopback and _is_local(headers):
            return None
        return 403, "set RESPONDER_API_TOKENS, or RESPONDER_API_OPEN=true to serve this to anybody"

    def _named_by_proxy(self, headers: Mapping[str, str], remote: str) -> bool:
        return bool(self.proxy_header and headers.get(self.proxy_header) and remote in self.trusted_proxies)

    def _has_token(self, headers: Mapping[str, str]) -> bool:
        given = _bytes_of(_token_in(headers.get("Authorization", "")))
        return any(
            tuple(hmac.compare_digest(given, _bytes_of(token)) for token in self.tokens if token)
        )  # every one, always


def _bytes_of(text: str) -> bytes:
    """As they were sent, or stand in the environment: both may be no UTF-8."""
    return text.encode("utf-8", "surrogateescape")


def _token_in(header: str) -> str:
    """The bearer token, or the password of a basic credential (so that a browser can ask for it)."""
    scheme, _, value = header.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).decode().partition(":")[2]
        except ValueError:  # no base64, not ASCII, or no UTF-8 inside
            return ""
    return ""


def _is_local(headers: Mapping[str, str]) -> bool:
    return not any(map(_is_forwarding, headers)) and is_loopback(_host_in(headers.get("Host", "")))


def _is_forwarding(name: str) -> bool:
    name = name.lower()
    return name in FORWARDED or name.startswith(FORWARDED_BEGINS)


def _host_in(header: str) -> str:
    return header[1:].partition("]")[0] if header.startswith("[") else header.partition(":")[0]


def is_loopback(host: str) -> bool:
    """Whether a host, as written, can only be this machine."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
