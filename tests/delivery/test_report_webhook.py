"""A receiver that records and misbehaves; a report arrives whole, and is posted again under the same key."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from responder.delivery.report_webhook import MAX_BYTES, ReportWebhook
from responder.delivery.send import Deadline, Sent, send
from responder.delivery.sink import Outlets, Rendering, sinks
from responder.demo.local_server import LocalServer
from responder.errors import DeliveryPostponed, DeliveryRefused, DeliveryUncertain, UsageError
from responder.model.report import Report
from responder.model.verdict import Clear
from responder.store import deliveries as ledger
from responder.store.incidents import REPORT
from responder.store.store import Store
from tests.report.situations import finding, report, says

SECRET = "canary-of-the-url-4471"
MARKER = "[responder:test:inc-0001]"
Answer = Callable[[web.Request], Any]


@dataclass
class Receiver:
    """Answers what it is told to, in turn, and 204 afterwards."""

    answers: list[Answer] = field(default_factory=list)
    posts: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    elsewhere: int = 0
    server: LocalServer = field(init=False)

    def __post_init__(self) -> None:
        application = web.Application(client_max_size=2 * MAX_BYTES)
        application.router.add_post("/hook", self._take)
        application.router.add_route("*", "/elsewhere", self._elsewhere)
        self.server = LocalServer(application)

    @property
    def url(self) -> str:
        return f"{self.server.url}/hook?key={SECRET}"

    async def _take(self, request: web.Request) -> web.StreamResponse:
        assert request.query["key"] == SECRET
        self.posts.append(await request.json())
        self.keys.append(request.headers["Idempotency-Key"])
        self.headers.append(dict(request.headers))
        if not self.answers:
            return web.Response(status=204)
        answer = self.answers.pop(0)(request)
        return await answer if asyncio.iscoroutine(answer) else answer

    async def _elsewhere(self, request: web.Request) -> web.Response:
        self.elsewhere += 1
        return web.Response()


def status(number: int, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: web.Response(status=number, headers=named, text=f"no, {SECRET}")


def reset(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def hang(request: web.Request) -> web.Response:
    await asyncio.sleep(5)
    return web.Response()


async def half(request: web.Request) -> web.StreamResponse:
    """Says that it took it, and never ends its answer."""
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b"{")
    await asyncio.sleep(5)
    return response


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    await made.server.start()
    yield made
    await made.server.stop()


@pytest.fixture
async def sink(receiver: Receiver) -> AsyncIterator[ReportWebhook]:
    made = ReportWebhook(receiver.url)
    yield made
    await made.close()


async def post(sink: ReportWebhook, it: Report | None = None, *, within: float = 2.0, **said: str) -> str:
    return await sink.post("", sink.render(it or report(), Rendering(marker=MARKER, **said)), within=within)


async def test_a_report_is_posted_as_json_under_its_key(receiver: Receiver, sink: ReportWebhook) -> None:
    posted = await post(sink)

    (body,) = receiver.posts
    assert (body["marker"], body["severity"], body["incident"]) == (MARKER, "P1", "inc-7K3F")
    assert receiver.keys == [f"{MARKER}:{body['digest']}"]
    assert body["digest"].startswith(posted)
    assert receiver.headers[0]["Content-Type"] == "application/json"


async def test_an_edit_has_the_same_marker_and_another_digest(receiver: Receiver, sink: ReportWebhook) -> None:
    first = await post(sink)
    better = report(verdicts=(says(Clear(), value=0.8),))
    await sink.edit("", first, sink.render(better, Rendering(marker=MARKER)), within=2)

    assert [key.rpartition(":")[0] for key in receiver.keys] == [MARKER, MARKER]
    assert len(set(receiver.keys)) == 2


async def test_a_tag_is_not_said_for_a_repetition_changes_nothing(receiver: Receiver, sink: ReportWebhook) -> None:
    await post(sink, tag="may be a duplicate")
    await post(sink)

    assert receiver.posts[0] == receiver.posts[1]
    assert "duplicate" not in json.dumps(receiver.posts)


@pytest.mark.parametrize("number", [200, 201, 202, 204, 299])
async def test_any_2xx_is_delivered(receiver: Receiver, sink: ReportWebhook, number: int) -> None:
    receiver.answers = [status(number)]

    assert await post(sink)


async def test_a_2xx_whose_body_never_ends_is_delivered(receiver: Receiver, sink: ReportWebhook) -> None:
    receiver.answers = [half]

    assert await post(sink, within=2)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        pytest.param(status(400), DeliveryRefused, id="400"),
        pytest.param(status(401), DeliveryRefused, id="401"),
        pytest.param(status(404), DeliveryRefused, id="404 is a wrong address, not a wish"),
        pytest.param(status(410), DeliveryRefused, id="410"),
        pytest.param(status(422), DeliveryRefused, id="422"),
        pytest.param(status(408), DeliveryUncertain, id="408"),
        pytest.param(status(500), DeliveryUncertain, id="500"),
        pytest.param(status(502), DeliveryUncertain, id="502"),
        pytest.param(status(503), DeliveryUncertain, id="503 that does not say when"),
        pytest.param(hang, DeliveryUncertain, id="no answer in time"),
        pytest.param(reset, DeliveryUncertain, id="hangs up"),
    ],
)
async def test_what_an_answer_means(
    receiver: Receiver, sink: ReportWebhook, answer: Answer, error: type[Exception]
) -> None:
    receiver.answers = [answer]

    with pytest.raises(error) as raised:
        await post(sink, within=0.5)

    assert SECRET not in str(raised.value)
    assert receiver.server.url in str(raised.value)
    assert not getattr(raised.value, "gone", False)


@pytest.mark.parametrize(
    ("answer", "after"),
    [
        pytest.param(status(429, Retry_After="20"), 20.0, id="429 in seconds"),
        pytest.param(status(429), 0.0, id="429 that does not say when"),
        pytest.param(status(503, Retry_After="7"), 7.0, id="503 in seconds"),
        pytest.param(status(409), 0.0, id="the first is still being worked on"),
        pytest.param(status(429, Retry_After="99999999999"), 3600.0, id="at most an hour"),
        pytest.param(
            status(503, Date="Sat, 21 Nov 2026 03:12:00 GMT", Retry_After="Sat, 21 Nov 2026 03:12:30 GMT"),
            30.0,
            id="a moment, by the receiver's own clock",
        ),
        pytest.param(status(429, Retry_After="soon"), 0.0, id="nonsense"),
    ],
)
async def test_later_is_later(receiver: Receiver, sink: ReportWebhook, answer: Answer, after: float) -> None:
    receiver.answers = [answer]

    with pytest.raises(DeliveryPostponed) as raised:
        await post(sink)

    assert raised.value.after_seconds == after


async def test_no_redirect_is_followed(receiver: Receiver, sink: ReportWebhook) -> None:
    receiver.answers = [status(307, Location=f"{receiver.server.url}/elsewhere")]

    with pytest.raises(DeliveryRefused, match="redirect"):
        await post(sink)

    assert receiver.elsewhere == 0


async def test_nobody_listens_is_known_not_to_have_arrived(receiver: Receiver, sink: ReportWebhook) -> None:
    await receiver.server.pause()

    with pytest.raises(DeliveryPostponed, match="no connection") as raised:
        await post(sink)

    assert SECRET not in f"{raised.value} {raised.value.__cause__}"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        pytest.param(f"https://127.0.0.1:{{port}}/{SECRET}", "no connection", id="no TLS there"),
        pytest.param(f"http://169.254.169.254/{SECRET}", "cloud metadata", id="where clouds hand out credentials"),
        pytest.param(f"http://nowhere.invalid/{SECRET}", "host name not found", id="no such host"),
    ],
)
async def test_why_there_is_no_connection(receiver: Receiver, url: str, says: str) -> None:
    sink = ReportWebhook(url.format(port=receiver.server.port))
    try:
        with pytest.raises((DeliveryPostponed, DeliveryUncertain), match=says) as raised:
            await post(sink)
    finally:
        await sink.close()

    assert SECRET not in str(raised.value)
    assert receiver.posts == []


async def test_a_certificate_that_nobody_vouches_for_is_refused(own_certificate: tuple[int, Any]) -> None:
    port, seen = own_certificate
    sink = ReportWebhook(f"https://localhost:{port}/hook")
    try:
        with pytest.raises(DeliveryPostponed, match="certificate is not valid"):
            await post(sink)
    finally:
        await sink.close()

    assert seen == []


async def test_a_password_in_the_address_goes_as_a_credential(receiver: Receiver) -> None:
    sink = ReportWebhook(receiver.url.replace("http://", "http://ann:secret-word@"))
    try:
        await post(sink)
    finally:
        await sink.close()

    assert receiver.headers[0]["Authorization"] == "Basic YW5uOnNlY3JldC13b3Jk"


async def test_a_huge_report_is_cut_to_a_mebibyte(receiver: Receiver, sink: ReportWebhook) -> None:
    findings = tuple(finding(f"check.{n}", "h", details="ä" * 4000) for n in range(400))

    await post(sink, report(findings=findings))

    assert len(json.dumps(receiver.posts[0], ensure_ascii=False).encode()) <= MAX_BYTES
    assert receiver.posts[0]["cut"] == ["findings.details", "findings.table", "findings.chart"]
    assert len(receiver.posts[0]["findings"]) == 400


@pytest.mark.parametrize(
    "url", [f"ftp://h/{SECRET}", f"//{SECRET}", SECRET, f"http:///{SECRET}", f"http://h:x/{SECRET}"]
)
def test_what_is_no_address_stops_the_start_without_showing_it(url: str) -> None:
    with pytest.raises(UsageError, match="RESPONDER_REPORT_WEBHOOK_URL: not a web address") as raised:
        sinks(Outlets(report_webhook_url=SecretStr(url)))

    assert SECRET not in str(raised.value)


def test_without_an_address_there_is_no_sink_and_outlets_hide_it() -> None:
    assert "report_webhook" not in sinks(Outlets())
    assert SECRET not in repr(Outlets(report_webhook_url=SecretStr(f"http://h/{SECRET}")))


# With the ledger


@pytest.fixture
async def sending(store: Store, sink: ReportWebhook) -> Callable[..., Any]:
    """`await sending(report)`: one attempt, as work makes it."""
    fence = iter(range(1, 99))
    async with store.transaction() as connection:
        await connection.execute("insert into incidents (id, slug, first_report_due) values (1, 'inc-0001', now())")
        await connection.execute(
            "insert into reports (incident, body, severity_rank) values (1, $1, 0)",
            REPORT.dump_python(report(), mode="json"),
        )
        await connection.execute("insert into deliveries (incident, sink, state) values (1, 'report_webhook', 'due')")

    async def attempt(it: Report | None = None, seconds: float = 2.0) -> Sent:
        begun = await ledger.begin(store, 1, next(fence))
        assert begun is not None
        return await send(
            store,
            sink,
            begun,
            it or report(),
            digest=b"d",
            markers=[MARKER],
            redact=store.redacted,
            deadline=Deadline(seconds),
            again_in=1.0,
        )

    return attempt


@pytest.mark.parametrize("answer", [hang, reset, status(500)])
async def test_what_may_have_arrived_is_posted_again_under_the_same_key(
    receiver: Receiver, sending: Callable[..., Any], answer: Answer
) -> None:
    receiver.answers = [answer]

    uncertain, again = await sending(seconds=0.5), await sending()

    assert (uncertain.outcome, again.outcome) == ("uncertain", "delivered")
    assert len(receiver.keys) == 2
    assert len(set(receiver.keys)) == 1


async def test_an_edit_that_may_have_arrived_is_posted_again_too(
    receiver: Receiver, sending: Callable[..., Any]
) -> None:
    better = report(verdicts=(says(Clear(), value=0.8),))
    await sending()
    receiver.answers = [reset]

    outcomes = [(await sending(better)).outcome, (await sending(better)).outcome]

    assert outcomes == ["uncertain", "edited"]
    assert receiver.keys[1] == receiver.keys[2] != receiver.keys[0]


async def test_texts_that_redaction_changes_leave_the_body_whole(store: Store, receiver: Receiver) -> None:
    sink = ReportWebhook(receiver.url)
    body = sink.render(report(notices=('the log says password="hunter22', "token=")), Rendering(marker=MARKER))
    store._redact = lambda text: text.replace("hunter22", "[redacted:secret]")
    try:
        await sink.post("", store.redacted(body), within=2)
    finally:
        await sink.close()

    assert receiver.posts[0]["notices"] == ['the log says password="[redacted:secret]', "token="]


@pytest.fixture
async def own_certificate(tmp_path: Any) -> AsyncIterator[tuple[int, list[str]]]:
    """A TLS server whose certificate nobody has signed: its port, and the paths that were asked for."""
    certificate, key = tmp_path / "it.pem", tmp_path / "it.key"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    seen: list[str] = []

    async def take(request: web.Request) -> web.Response:
        seen.append(request.path)
        return web.Response()

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", take)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    listening = socket.create_server(("127.0.0.1", 0))
    await web.SockSite(runner, listening, ssl_context=context).start()
    yield listening.getsockname()[1], seen
    await runner.cleanup()
