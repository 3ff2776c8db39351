import asyncio
import ssl
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web

from responder.clients import network
from responder.clients.doors import Doors
from responder.clients.http import MAX_BODY_BYTES, Answer, HttpDoor
from responder.clients.network import NoAnswer
from responder.errors import NotConfigured, Refused, Unreachable
from responder.model.pack import Target
from tests.systems.plugin import free_port, program
from tests.systems.servers import Handler

Serve = Callable[[Handler], Awaitable[str]]
Made = Callable[..., Target]


async def test_a_get_gives_status_headers_body_and_time(serve: Serve, doors: Doors, target: Made) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.json_response({"path": request.path_qs, "accept": request.headers["Accept"]}, status=503)

    base = await serve(handler)
    answer = await doors.http(target("http", base + "/base/")).get("/health?full=1", {"a": "x&y"}, "application/json")

    assert answer.status == 503
    assert answer.text == '{"path": "/base/health?full=1&a=x%26y", "accept": "application/json"}'
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert not answer.cut
    assert 0 < answer.took_seconds < 5


async def test_a_head_has_no_body(serve: Serve, doors: Doors, target: Made) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=request.method)

    answer = await doors.http(target("http", await serve(handler))).head("/")

    assert (answer.status, answer.body) == (200, b"")


def test_there_is_no_method_that_writes() -> None:
    public = {name for name in dir(HttpDoor) if not name.startswith("_")}

    assert public == {"get", "head", "certificate", "close", "shown", "shows_credentials", "clean"}


@pytest.mark.parametrize(
    "path",
    [
        "//evil",
        "http://evil/",
        "@evil",
        ":80@evil",
        ".evil",
        "",
        "health",
        "/../x",
        "/a/../../x",
        "/%2e%2e/x",
        "/%252e%252e/x",
        "/..%2fx",
        "/\\evil",
        "/%5cevil",
        "/%2fevil",
        "/a\r\nX: y",
        "/%0d%0aX: y",
        "/a b",
        "/a#b",
        "/" + "x" * 20000,
    ],
)
async def test_a_path_cannot_lead_elsewhere(path: str, serve: Serve, doors: Doors, target: Made) -> None:
    asked = []

    async def handler(request: web.Request) -> web.Response:
        asked.append(request.path_qs)
        return web.Response()

    door = doors.http(target("http", await serve(handler) + "/base"))

    with pytest.raises(Refused, match="path"):
        await door.get(path)
    assert asked == []


async def test_an_at_sign_behind_the_host_is_only_a_letter(serve: Serve, doors: Doors, target: Made) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=f"{request.host} {request.path}")

    base = await serve(handler)

    assert (await doors.http(target("http", base)).get("/x@evil")).text == f"{base.removeprefix('http://')} /x@evil"


async def test_a_large_body_is_cut(serve: Serve, doors: Doors, target: Made) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 65536)
        except ConnectionError:
            return response

    answer = await doors.http(target("http", await serve(handler))).get("/")

    assert (len(answer.body), answer.cut) == (MAX_BODY_BYTES, True)


async def test_a_compressed_body_is_not_unfolded(serve: Serve, doors: Doors, target: Made) -> None:
    async def handler(request: web.Request) -> web.Response:
        asked.append(request.headers["Accept-Encoding"])
        response = web.Response(body=b"0" * 30_000_000)
        response.enable_compression(web.ContentCoding.gzip)
        return response

    asked: list[str] = []
    answer = await doors.http(target("http", await serve(handler))).get("/")

    assert asked == ["identity"]
    assert not answer.cut
    assert len(answer.body) < 100_000


async def test_a_redirect_is_an_answer_and_is_not_followed(serve: Serve, doors: Doors, target: Made) -> None:
    asked = []

    async def handler(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=302, headers={"Location": "/other"})

    answer = await doors.http(target("http", await serve(handler))).get("/")

    assert (answer.status, asked) == (302, ["/"])


async def test_no_cookie_is_kept_and_no_proxy_is_taken(
    serve: Serve, doors: Doors, target: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    cookies = []

    async def handler(request: web.Request) -> web.Response:
        cookies.append(dict(request.cookies))
        response = web.Response()
        response.set_cookie("session", "1")
        return response

    base = await serve(handler)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    door = doors.http(target("http", base.replace("127.0.0.1", "localhost")))
    await door.get("/")
    await door.get("/")

    assert cookies == [{}, {}]


async def test_credentials_of_the_address_and_headers_are_sent(serve: Serve, target: Made) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.json_response([request.headers.get("Authorization"), request.headers.get("X-Key")])

    base = await serve(handler)
    doors = Doors({"URL": base.replace("//", "//ann:p%40ss@"), "KEY": "abc"})
    answer = await doors.http(target("http", "${URL}", headers={"X-Key": "${KEY}"})).get("/")

    assert answer.text == '["Basic YW5uOnBAc3M=", "abc"]'
    await doors.close()


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "0.0.0.0",
        "[fe80::1]",
        "[fd00:ec2::254]",
        "192.0.0.192",
        "100.100.100.200",
        "224.0.0.1",
        "[::ffff:169.254.169.254]",
        "[::ffff:a9fe:a9fe]",
        "[64:ff9b::a9fe:a9fe]",
        "[2002:a9fe:a9fe::]",
        "[2001:0:a9fe:a9fe::]",
        "[::a9fe:a9fe]",
        "[ff02::1]",
        "255.255.255.255",
        "[::]",
    ],
)
async def test_no_socket_is_made_for_what_may_never_be_looked_at(
    host: str, doors: Doors, target: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    monkeypatch.setattr(network.socket, "socket", lambda *it: made.append(it))

    with pytest.raises(Refused, match="which may not be looked at"):
        await doors.http(target("http", f"http://{host}/")).get("/")
    assert made == []


async def test_a_name_that_leads_to_such_an_address_is_refused_too(
    doors: Doors, target: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def rebound(*_: object, **__: object) -> list[tuple[object, ...]]:
        return [(2, 1, 6, "", ("169.254.169.254", 80))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", rebound)

    with pytest.raises(Refused, match=r"169\.254\.169\.254 is a cloud metadata address"):
        await doors.http(target("http", "http://innocent.example/")).get("/")


@pytest.mark.parametrize("host", ["2130706433", "127.1", "0177.0.0.1", "0x7f.1"])
async def test_other_spellings_of_a_loopback_address_reach_nothing(host: str, doors: Doors, target: Made) -> None:
    with pytest.raises(Unreachable):
        await doors.http(target("http", f"http://{host}:{free_port()}/")).get("/")


async def test_where_nothing_listens_there_is_no_answer(doors: Doors, target: Made) -> None:
    port = free_port()

    with pytest.raises(NoAnswer) as caught:
        await doors.http(target("http", f"http://ann:s3cret@127.0.0.1:{port}/secret-path")).get("/x")
    assert str(caught.value) == f"http://127.0.0.1:{port}: connection refused"


async def test_an_unknown_host_is_not_the_services_fault(doors: Doors, target: Made) -> None:
    with pytest.raises(Unreachable) as caught:
        await doors.http(target("http", "http://ann:s3cret@nowhere.invalid/")).get("/")

    assert str(caught.value) == "http://nowhere.invalid: host name not found"
    assert not isinstance(caught.value, NoAnswer)


@pytest.mark.parametrize(
    ("says", "why"),
    [
        (b"", "closed the connection without an answer"),
        (b"SSH-2.0-OpenSSH\r\n", "the answer is not HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", "the answer ended early"),
    ],
)
async def test_half_an_answer_is_none(
    says: bytes, why: str, raw_server: Callable[[bytes], Awaitable[int]], doors: Doors, target: Made
) -> None:
    port = await raw_server(says)

    with pytest.raises(NoAnswer) as caught:
        await doors.http(target("http", f"http://127.0.0.1:{port}")).get("/")
    assert str(caught.value) == f"http://127.0.0.1:{port}: {why}"


async def test_a_server_that_hangs_is_given_up(
    raw_server: Callable[[bytes | None], Awaitable[int]], doors: Doors, target: Made
) -> None:
    door = doors.http(target("http", f"http://127.0.0.1:{await raw_server(None)}"))

    with pytest.raises(NoAnswer, match=r"no answer within 0.1 s"):
        await door.get("/", within_seconds=0.1)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await door.get("/")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    command = (
        program("openssl", "apt-get install openssl")
        + " req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=localhost"
    )
    subprocess.run(
        [*command.split(), "-addext", "subjectAltName=IP:127.0.0.1"], cwd=folder, check=True, capture_output=True
    )
    return folder


async def test_a_certificate_counts_only_with_its_authority(certificate: Path, doors: Doors, target: Made) -> None:
    async def handler(_: web.BaseRequest) -> web.Response:
        return web.Response(text="safe")

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    runner = web.ServerRunner(web.Server(handler))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    base = f"https://127.0.0.1:{runner.addresses[0][1]}"

    trusted = await doors.http(target("http", base, ca=str(certificate / "cert.pem"))).get("/")
    with pytest.raises(Unreachable, match="its certificate is not valid: self-signed certificate"):
        await Doors.http(other := Doors({}), target("http", base)).get("/")

    assert trusted.text == "safe"
    await other.close()
    await runner.cleanup()


async def test_an_unreadable_authority_is_named(doors: Doors, target: Made) -> None:
    with pytest.raises(NotConfigured, match=r"target it: ca, certificate or key cannot be read \(/none.pem\)"):
        await doors.http(target("http", "https://127.0.0.1", ca="/none.pem")).get("/")


@pytest.mark.parametrize("said", ["", "today", "Mon, 01 Jan 2026 99:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 -1400"])
def test_a_date_that_is_none_is_not_known(said: str) -> None:
    assert Answer(status=200, headers={"date": said}, body=b"", cut=False, took_seconds=0).sent_at is None
