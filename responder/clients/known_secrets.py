"""What redaction is to know by its exact value: every secret by which we look at targets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from urllib.parse import unquote, urlsplit

from responder.clients.kubernetes_access import access_of
from responder.clients.resolve import CREDENTIALS, PLACE, replaced, value_of
from responder.errors import NotConfigured
from responder.model.pack import Target


def secrets_of(targets: Iterable[Target], environment: Mapping[str, str]) -> Iterator[str]:
    """Passwords in addresses, whatever is put into headers or behind the host, credentials that are written out, tokens
    for clusters; what is not set or cannot be read has none."""
    for target in targets:
        with suppress(NotConfigured, ValueError):
            yield from _of_address(target, environment)
        for text in (*target.headers.values(), _behind_host(target)):
            for place in PLACE.finditer(text):
                with suppress(NotConfigured):
                    yield value_of(place["name"], environment)
        for name, value in target.headers.items():
            if name.lower() in CREDENTIALS and not PLACE.search(value):
                yield value.rpartition(" ")[2]


def _of_address(target: Target, environment: Mapping[str, str]) -> Iterator[str]:
    if target.kind == "kubernetes":
        yield from access_of(target, environment).secrets
        return
    password = urlsplit(replaced(str(target.address), environment)).password
    yield from {password, unquote(password)} if password else ()


def _behind_host(target: Target) -> str:
    """Path and query of an address as it is written, where a token may be put in; host and port are none."""
    return target.address.partition("://")[2].partition("/")[2] if isinstance(target.address, str) else ""
