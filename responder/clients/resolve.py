"""A target with its `${NAME}` and `${file:/path}` replaced, and the text of its secrets taken out of complaints."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from responder.errors import NotConfigured
from responder.model.cut import cut
from responder.model.pack import Target

CREDENTIALS = frozenset(("authorization", "x-api-key", "cookie"))
PLACE = re.compile(r"\$\{(?P<name>[^}]*)\}")
MAX_SECRET_FILE_BYTES = 64 * 1024
SHORTEST_SECRET = 3  # taking out shorter ones would make a complaint unreadable and hide nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """One address, taken apart. `path` without a slash at its end; `user` and `password` percent-decoded."""

    scheme: str
    host: str
    port: int | None
    path: str
    query: str
    user: str = field(repr=False)
    password: str = field(repr=False)

    @property
    def shown(self) -> str:
        """Scheme, host and port: all that a complaint may say of an address."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + (f":{self.port}" if self.port is not None else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """A target that can be opened. `text` is the whole address as its library takes it."""

    name: str
    address: Address
    text: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    ca: str | None
    certificate: str | None
    key: str | None
    concurrency: int
    per_minute: int
    secrets: tuple[str, ...] = field(repr=False)

    @property
    def shown(self) -> str:
        """Scheme, host and port."""
        return self.address.shown

    def clean(self, text: str, *, longest: int = 300) -> str:
        """One line of somebody else's text, without our secrets, cut to `longest` characters."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return cut(" ".join(text.split()), longest)


def resolve(target: Target, environment: Mapping[str, str], schemes: frozenset[str]) -> Resolved:
    """Replace, take apart and check; raises NotConfigured, whose text holds no value that was put in."""
    where = f"target {target.name}"
    if not isinstance(target.address, str):
        raise NotConfigured(f"{where}: expected an address as text, got {type(target.address).__name__}")
    text = replaced(target.address, environment).strip()
    headers = {name: replaced(value, environment) for name, value in target.headers.items()}
    for name, value in headers.items():
        if any(ord(letter) < 32 or ord(letter) == 127 for letter in value):
            raise NotConfigured(f"{where}: the value of header {name} has a line break or control character in it")
    address = taken_apart(text, where, schemes)
    paths = [replaced(it, environment) if it else None for it in (target.ca, target.certificate, target.key)]
    return Resolved(
        name=target.name,
        address=address,
        text=text,
        headers=headers,
        ca=paths[0],
        certificate=paths[1],
        key=paths[2],
        concurrency=target.concurrency,
        per_minute=target.per_minute,
        secrets=tuple(_secrets(address, headers, text, _put_in(target, environment))),
    )


def replaced(text: str, environment: Mapping[str, str]) -> str:
    """Put values in for `${NAME}` and `${file:/path}`; raises NotConfigured for what is unset, empty or unreadable."""
    return PLACE.sub(lambda place: value_of(place["name"], environment), text)


def taken_apart(text: str, where: str, schemes: frozenset[str]) -> Address:
    """Read an address strictly; raises NotConfigured without quoting it, since it may be a secret."""
    expected = " or ".join(f"{it}://host:port" for it in sorted(schemes))
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise NotConfigured(f"{where}: the address cannot be read; expected {expected}") from None
    if "@" in parts.path + parts.query + parts.fragment:
        # urlsplit ends the host at the first / ? or #: an unescaped one in a password would make half of it the host
        raise NotConfigured(
            f"{where}: the address has an @ after its host; "
            "write / ? # @ in a user name or password percent-encoded (%2F %3F %23 %40)"
        )
    if parts.scheme not in schemes or not parts.hostname:
        raise NotConfigured(f"{where}: expected an address like {expected}")
    if any(ord(letter) <= 32 or letter == "\\" for letter in text):
        raise NotConfigured(f"{where}: the address has a space, backslash or control character in it")
    return Address(
        scheme=parts.scheme,
        host=parts.hostname,
        port=port,
        path=parts.path.rstrip("/"),
        query=parts.query,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )


def value_of(name: str, environment: Mapping[str, str]) -> str:
    if name.startswith("file:"):
        return text_of(Path(name.removeprefix("file:")))
    value = environment.get(name, "")
    if not value:
        raise NotConfigured(f"{name} is not set")
    return value


def text_of(path: Path) -> str:
    """One value in a small file; raises NotConfigured that names the file alone."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_SECRET_FILE_BYTES + 1)
    except OSError as reason:
        raise NotConfigured(f"{path} cannot be read: {reason.strerror}") from None
    if len(content) > MAX_SECRET_FILE_BYTES:
        raise NotConfigured(f"{path} is larger than {MAX_SECRET_FILE_BYTES // 1024} KiB, expected one value")
    value = content.decode("utf-8", "replace").rstrip("\r\n")
    if not value:
        raise NotConfigured(f"{path} is empty")
    return value


def _put_in(target: Target, environment: Mapping[str, str]) -> list[str]:
    """The values that were put into headers; those of the address are known by their place in it."""
    return [
        value_of(place["name"], environment) for value in target.headers.values() for place in PLACE.finditer(value)
    ]


def _secrets(address: Address, headers: Mapping[str, str], text: str, put_in: list[str]) -> Iterator[str]:
    """Every form in which a secret of this target could come back to us, longest first."""
    netloc = urlsplit(text).netloc
    userinfo = netloc.rpartition("@")[0]
    words = [userinfo, *userinfo.split(":", 1), address.user, address.password, *put_in]
    words += [value for name, value in headers.items() if name.lower() in CREDENTIALS]
    words += [quote(it, safe="") for it in words]
    if userinfo:
        words.append(base64.b64encode(f"{address.user}:{address.password}".encode()).decode())
    yield from sorted({it for it in words if len(it) >= SHORTEST_SECRET}, key=lambda it: (-len(it), it))
