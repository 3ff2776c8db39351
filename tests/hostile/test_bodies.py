"""S2, S3, S7: bodies that are too large, endless, packed or of a length that is a lie; requests inside of requests."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import time
import zlib

import pytest

from tests.faults.daemon import Daemon
from tests.hostile.attack import MB, Answer, all_of, answer_of, ask, attacked, bearer, connected, head, request, signed

PATH = "/webhooks/alertmanager"
CHUNKED = "Transfer-Encoding: chunked"
PIECE = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"

pytestmark = [pytest.mark.faults, pytest.mark.alone]


async def poured(daemon: Daemon, start: bytes, piece: bytes, most_bytes: int) -> Answer:
    """Send as much as is taken, without looking at the answer before the other side closes."""
    async with connected(daemon) as (reader, writer):
        began = time.monotonic()
        answer = asyncio.get_running_loop().create_task(answer_of(reader, began, until_closed=True))
        with contextlib.suppress(ConnectionError):
            writer.write(start)
            for _ in range(most_bytes // len(piece)):
                writer.write(piece)
                await writer.drain()
        return await answer


@pytest.mark.parametrize(
    ("what", "start", "piece"),
    [
        pytest.param("100 MB body", head(PATH, bearer(), f"Content-Length: {100 * MB}"), b"x" * 65536, id="100 MB"),
        pytest.param("100 MB in chunks", head(PATH, bearer(), CHUNKED), PIECE, id="endless in chunks"),
        pytest.param(
            "100 MB in chunks, signature forged",
            head("/webhooks/pagerduty", signed(b"else"), CHUNKED),
            PIECE,
            id="endless from a stranger",
        ),
        pytest.param(
            "2 MB in chunks of 1 byte", head(PATH, bearer(), CHUNKED), b"1\r\nx\r\n" * 8192, id="chunks of a byte"
        ),
    ],
)
async def test_a_body_over_the_limit_is_413_and_closed(daemon: Daemon, what: str, start: bytes, piece: bytes) -> None:
    async with attacked(daemon, f"4 × {what}") as attack:
        answers = await all_of(poured(daemon, start, piece, 100 * MB) for _ in range(4))
        attack.saw(*answers)

    assert {it.status for it in answers} == {413}
    assert max(it.seconds for it in answers) <= 13


async def test_no_body_is_asked_for_that_would_be_refused(daemon: Daemon) -> None:
    """Length and encoding are refused by the headers alone: nothing of the body was sent."""
    too_long = head(PATH, bearer(), f"Content-Length: {100 * MB}")
    packed = [head(PATH, bearer(), "Content-Length: 1000", f"Content-Encoding: {it}") for it in ("gzip", "br", "zstd")]

    assert (await ask(daemon, too_long, within_seconds=5)).status == 413
    assert {(await ask(daemon, it, within_seconds=5)).status for it in packed} == {415}


async def test_packed_bodies_are_415_and_nothing_is_unpacked(daemon: Daemon) -> None:
    bomb = zlib.compress(b"\0" * 100 * MB, 9)
    bodies = {
        "gzip": gzip.compress(b"\0" * 100 * MB, 9),
        "deflate": bomb,
        "br": b"\xcf\xff\xff\x7f\xf8" + b"\0" * 1000,
        "gzip, gzip": gzip.compress(gzip.compress(b"\0" * 100 * MB)),
        "GZIP": b"no gzip at all",
        "zstd": b"\x28\xb5\x2f\xfd",
        "identity, gzip": gzip.compress(b"{}"),
        "x": b"{}",
        "identity": b"{}",
    }
    requests = [request(PATH, body, bearer(), f"Content-Encoding: {name}") for name, body in bodies.items()]
    requests += [request("/webhooks/pagerduty", bomb, signed(bomb), "Content-Encoding: deflate")]

    async with attacked(daemon, "gzip, deflate, br bombs of 100 MB, bad gzip") as attack:
        answers = await all_of(ask(daemon, it) for it in requests)
        attack.saw(*answers)

    assert [it.status for it in answers] == [415] * len(requests)
    assert {it.headers["accept-encoding"] for it in answers} == {"identity"}


async def test_a_length_that_is_too_short_is_no_request_at_all(daemon: Daemon) -> None:
    """It comes in one piece, so the parser sees that the rest is none before anything of it is taken."""
    raw = head(PATH, bearer(), "Content-Length: 2") + b'{} and "alerts": []}'

    async with attacked(daemon, "Content-Length shorter than the body") as attack:
        async with connected(daemon) as (reader, writer):
            writer.write(raw)
            answer = await answer_of(reader, time.monotonic(), until_closed=True)
        attack.saw(answer)

    assert (answer.status, answer.rest) == (400, b"")


SMUGGLED = b"POST /webhooks/alertmanager HTTP/1.1\r\nHost: localhost\r\n" + bearer().encode() + b"\r\n"
MALFORMED = {
    "CL and TE": head(PATH, bearer(), "Content-Length: 4", CHUNKED) + b"0\r\n\r\n" + SMUGGLED,
    "TE and CL": head(PATH, bearer(), CHUNKED, "Content-Length: 4") + b"0\r\n\r\n" + SMUGGLED,
    "two lengths": head(PATH, bearer(), "Content-Length: 2", "Content-Length: 40") + b"{}" + SMUGGLED,
    "two equal lengths": head(PATH, bearer(), "Content-Length: 2", "Content-Length: 2") + b"{}",
    "list of lengths": head(PATH, bearer(), "Content-Length: 2, 2") + b"{}",
    "length with a sign": head(PATH, bearer(), "Content-Length: +2") + b"{}",
    "negative length": head(PATH, bearer(), "Content-Length: -1") + b"{}",
    "no number": head(PATH, bearer(), "Content-Length: 0x2") + b"{}",
    "length of 5,000 digits": head(PATH, bearer(), f"Content-Length: {'9' * 5000}"),
    "space before the colon": head(PATH, bearer(), "Content-Length : 2") + b"{}",
    "TE of another kind": head(PATH, bearer(), "Transfer-Encoding: xchunked") + b"0\r\n\r\n",
    "TE twice": head(PATH, bearer(), CHUNKED, CHUNKED) + b"0\r\n\r\n",
    "chunked, then identity": head(PATH, bearer(), "Transfer-Encoding: chunked, identity") + b"0\r\n\r\n",
    "folded TE": head(PATH, bearer(), "Transfer-Encoding:\r\n chunked") + b"0\r\n\r\n",
    "chunk size with a sign": head(PATH, bearer(), CHUNKED) + b"-1\r\n{}\r\n0\r\n\r\n",
    "chunk size of 300 digits": head(PATH, bearer(), CHUNKED) + b"f" * 300 + b"\r\n{}\r\n0\r\n\r\n",
    "chunk without its end": head(PATH, bearer(), CHUNKED) + b"2\r\n{}XX0\r\n\r\n",
    "20,000 headers": head(PATH, bearer(), *(f"X-{number}: a" for number in range(20000)), "Content-Length: 2") + b"{}",
    "header of 100 kB": head(PATH, bearer(), "X-Long: " + "a" * 100_000, "Content-Length: 2") + b"{}",
    "name of 100 kB": head(PATH, bearer(), "X" * 100_000 + ": a", "Content-Length: 2") + b"{}",
    "path of 100 kB": head(PATH + "?" + "a" * 100_000, bearer(), "Content-Length: 2") + b"{}",
    "20,000 trailers": head(PATH, bearer(), CHUNKED) + b"2\r\n{}\r\n0\r\n" + b"X-a: b\r\n" * 20000 + b"\r\n",
    "control character": head(PATH, bearer(), "X-A: a\x01b", "Content-Length: 2") + b"{}",
    "NUL": head(PATH, bearer(), "X-A: a\x00b", "Content-Length: 2") + b"{}",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"a" * 500 + b"\r\n\r\n",
    "HTTP/9.9": b"POST /webhooks/alertmanager HTTP/9.9\r\nHost: localhost\r\n\r\n",
}


async def test_what_two_servers_could_read_differently_is_400_and_closed(daemon: Daemon) -> None:
    async def asked(raw: bytes) -> Answer:
        async with connected(daemon) as (reader, writer):
            with contextlib.suppress(ConnectionError):
                writer.write(raw)
                await writer.drain()
            return await answer_of(reader, time.monotonic(), until_closed=True)

    async with attacked(daemon, f"{len(MALFORMED)} kinds of malformed HTTP, smuggling") as attack:
        answers = dict(zip(MALFORMED, await all_of(asked(it) for it in MALFORMED.values()), strict=True))
        attack.saw(*answers.values())

    assert {name: it.status for name, it in answers.items() if it.status != 400} == {}
    assert {name: it.rest for name, it in answers.items() if it.rest} == {}  # one answer: nothing hid in it


async def test_the_log_does_not_quote_a_malformed_request(daemon: Daemon) -> None:
    before = len(daemon.events("request.refused"))

    answer = await ask(daemon, head(PATH, "Authorization: Bearer planted-canary\x01", "Content-Length: 2") + b"{}")

    assert answer.status == 400
    assert len(daemon.events("request.refused")) == before + 1
    assert "planted-canary" not in daemon.log
    assert "Traceback" not in daemon.log
