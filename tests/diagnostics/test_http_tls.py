import asyncio
import re
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from responder.clients.certificate import Certificate
from responder.clients.doors import Doors
from responder.diagnostics.http_tls import DIAGNOSTIC, Asked, _changes, _headline
from responder.errors import Refused, Unreachable
from responder.model.finding import Outcome
from responder.model.pack import Target
from tests.systems.plugin import program

Made = Callable[..., Target]
Issued = Callable[..., Path]
NOW = datetime(2026, 11, 21, 3, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def issued(tmp_path_factory: pytest.TempPathFactory) -> Issued:
    """A self-signed certificate for localhost: `issued(days=5)`, `issued(days=5, on="2020-01-01")`."""

    def one(*, days: int, on: str = "", name: str = "localhost") -> Path:
        folder = tmp_path_factory.mktemp("certificate")
        openssl = program("openssl", "apt-get install openssl")
        when = [program("faketime", "apt-get install faketime"), on] if on else []
        asked = f"req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days {days} -subj /O=Ours/CN={name}"
        files = ["-addext", f"subjectAltName=DNS:{name}", "-keyout", "key.pem", "-out", "cert.pem"]
        subprocess.run([*when, openssl, *asked.split(), *files], check=True, cwd=folder, capture_output=True)
        return folder

    return one


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[str]:
    """A TLS server that speaks no HTTP: the handshake must be enough."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, "localhost", 0, ssl=context)
    yield f"https://localhost:{server.sockets[0].getsockname()[1]}"
    server.close()
    await server.wait_closed()


@pytest.mark.system
@pytest.mark.parametrize(
    ("days", "asked", "outcome", "marks", "gravity"),
    [
        (100, Asked(), Outcome.HEALTHY, (), 0),
        (100, Asked(within="200d"), Outcome.UNHEALTHY, ("expires_soon",), 20),
        (5, Asked(), Outcome.UNHEALTHY, ("expires_soon",), 20),
    ],
)
async def test_a_certificate_is_held_against_its_end(
    days: int,
    asked: Asked,
    outcome: Outcome,
    marks: tuple[str, ...],
    gravity: int,
    issued: Issued,
    doors: Doors,
    target: Made,
) -> None:
    folder = issued(days=days)
    async with served(folder) as address:
        finding = await DIAGNOSTIC.examine(target("http", address, ca=str(folder / "cert.pem")), asked, doors)

    assert (finding.outcome, finding.marks, finding.gravity) == (outcome, marks, gravity)
    assert re.fullmatch(
        rf"certificate of localhost expires in {days - 1}d23h \(\d{{4}}-\d\d-\d\d\), issued by Ours", finding.headline
    )
    assert finding.found["host"] == "localhost"
    assert [it.what for it in finding.changes] == ["New certificate of localhost"]


@pytest.mark.system
async def test_one_that_has_expired_says_since_when(issued: Issued, doors: Doors, target: Made) -> None:
    folder = issued(days=30, on="2020-01-01 00:00:00")
    async with served(folder) as address:
        finding = await DIAGNOSTIC.examine(target("http", address, ca=str(folder / "cert.pem")), Asked(), doors)

    assert (finding.outcome, finding.marks, finding.gravity) == (Outcome.UNHEALTHY, ("expires_soon",), 90)
    assert re.fullmatch(r"certificate of localhost expired \d+d\d+h ago \(2020-01-31 00:00 UTC\)", finding.headline)
    assert [(it.at, it.what) for it in finding.changes] == [
        (datetime(2020, 1, 31, tzinfo=UTC), "Certificate of localhost expired")
    ]


@pytest.mark.system
async def test_what_is_not_trusted_for_another_reason_could_not_be_looked_at(
    issued: Issued, doors: Doors, target: Made
) -> None:
    ours, other = issued(days=100), issued(days=100, name="elsewhere.example")
    async with served(ours) as address:
        with pytest.raises(Unreachable, match="its certificate is not valid: self-signed certificate"):
            await DIAGNOSTIC.examine(target("http", address), Asked(), doors)
    async with served(other) as address:
        with pytest.raises(Unreachable, match="Hostname mismatch"):
            await DIAGNOSTIC.examine(target("http", address, ca=str(other / "cert.pem")), Asked(), doors)
    old = issued(days=30, on="2020-01-01 00:00:00", name="elsewhere.example")
    async with served(old) as address:
        with pytest.raises(Unreachable, match="Hostname mismatch"):
            await DIAGNOSTIC.examine(target("http", address, ca=str(old / "cert.pem")), Asked(), doors)


@pytest.mark.parametrize(
    ("address", "kind", "why"),
    [
        ("http://127.0.0.1:1", Refused, "expected an address that begins with https"),
        ("https://169.254.169.254", Refused, "which may not be looked at"),
        ("https://nowhere.invalid", Unreachable, "host name not found"),
        ("https://127.0.0.1:1", Unreachable, "connection refused"),
    ],
)
async def test_without_a_handshake_it_could_not_look(
    address: str, kind: type[Exception], why: str, doors: Doors, target: Made
) -> None:
    with pytest.raises(kind, match=why):
        await DIAGNOSTIC.examine(target("http", address), Asked(), doors)


async def test_what_speaks_no_tls_is_told(raw_server: Callable[..., object], doors: Doors, target: Made) -> None:
    port = await raw_server(b"HTTP/1.1 400 Bad Request\r\n\r\n")  # type: ignore[misc]

    with pytest.raises(Unreachable, match="TLS failed"):
        await DIAGNOSTIC.examine(target("http", f"https://127.0.0.1:{port}"), Asked(), doors)


def test_one_above_it_and_one_of_tomorrow_are_told_apart() -> None:
    def seen(began: int, ended: int, *, out_of_time: bool) -> Certificate:
        dates = {"valid_from": NOW + timedelta(days=began), "valid_until": NOW + timedelta(days=ended)}
        return Certificate(host="api", issuer="", out_of_time=out_of_time, seen_at=NOW, **dates)

    above, tomorrow = seen(-9, 9, out_of_time=True), seen(1, 9, out_of_time=True)
    assert _headline(above, 9 * 86_400) == "one above the certificate of api is out of time; it itself expires in 9d"
    assert _headline(tomorrow, 9 * 86_400) == "certificate of api is valid only from 2026-11-22 03:12 UTC on"
    assert (_changes(above), _changes(tomorrow)) == ((), ())
