import asyncio
import contextlib
import re
import ssl
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from responder import clients
from responder.clients.doors import Doors
from responder.clients.kafka_wire import ALLOWED, MAX_ANSWER_BYTES, Broker
from responder.clients.network import NoAnswer
from responder.clients.resolve import resolve
from responder.errors import CouldNotLook, NotConfigured, Refused, Unreachable
from responder.model.pack import Target
from tests.systems.kafka import VERSIONS, MockCluster, OwnBroker
from tests.systems.plugin import free_port, program

Made = Callable[..., Target]
Own = Callable[..., Awaitable[OwnBroker]]
ORDERS = ("orders", 0)
ONE = {"groups": {"g": {ORDERS: 10}}, "ends": {ORDERS: 50}}
QUESTIONS = {  # all that aiokafka can say to a broker: module, class, arguments
    "admin": ["CreateTopicsRequest", "DeleteTopicsRequest", "AlterConfigsRequest", "CreateAclsRequest"],
    "commit": ["OffsetCommitRequest"],
    "group": ["JoinGroupRequest", "SyncGroupRequest", "HeartbeatRequest", "LeaveGroupRequest"],
    "produce": ["ProduceRequest"],
    "fetch": ["FetchRequest"],
}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return issued(tmp_path_factory.mktemp("kafka"))


def issued(folder: Path) -> Path:
    openssl = program("openssl", "apt-get install openssl")
    asked = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 5 -subj /CN=localhost"
    files = ["-addext", "subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out", "cert.pem"]
    subprocess.run([openssl, *asked.split(), *files], check=True, cwd=folder, capture_output=True)
    return folder


def speaks_tls(folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


@pytest.mark.system
async def test_nothing_is_joined_committed_or_made(kafka_cluster: MockCluster, doors: Doors, target: Made) -> None:
    kafka_cluster.produce("quiet", {0: 5})
    kafka_cluster.commit("watched", "quiet", {0: 2})
    before = kafka_cluster.topics()
    door = doors.kafka(target("kafka", kafka_cluster.addresses[1]))

    first, again = await door.lags("watched"), await door.lags("watched")

    assert first == again
    assert [(it.committed, it.end) for it in first.partitions] == [(2, 5)]
    assert kafka_cluster.topics() == before


async def test_of_all_questions_only_six_kinds_are_asked(own_broker: Own, doors: Doors, target: Made) -> None:
    broker = await own_broker(**ONE)
    await doors.kafka(target("kafka", f"127.0.0.1:{broker.port}")).lags()

    assert set(broker.asked) == ALLOWED
    assert len(ALLOWED) == 6


@pytest.mark.parametrize(("module", "name"), [(module, it) for module, names in QUESTIONS.items() for it in names])
async def test_any_other_question_is_refused_before_it_is_sent(module: str, name: str, own_broker: Own) -> None:
    import importlib

    broker = await own_broker(**ONE)
    question = object.__new__(getattr(importlib.import_module(f"aiokafka.protocol.{module}"), name))
    resolved = resolve(Target(name="it", kind="kafka", address=f"kafka://127.0.0.1:{broker.port}"), {}, {"kafka"})  # type: ignore[arg-type]

    async with Broker(resolved, "127.0.0.1", broker.port, None) as it:
        with pytest.raises(Refused, match="is not one that responder asks"):
            await it.ask(question)

    assert broker.asked == [18]


@pytest.mark.parametrize(("newest", "named"), [(4, (["orders"], False)), (1, (None, None))])
async def test_a_topic_is_not_made_by_asking_for_it(
    newest: int, named: tuple[Any, Any], own_broker: Own, doors: Doors, target: Made
) -> None:
    """A broker that cannot be told so is asked for all topics: Kafka makes one that is named and not there."""
    broker = await own_broker(**ONE, versions=VERSIONS | {3: newest})

    lags = await doors.kafka(target("kafka", f"127.0.0.1:{broker.port}")).lags("g")

    assert [it.behind for it in lags.partitions] == [40]
    assert broker.named == [named]


@pytest.mark.system
async def test_over_tls_with_an_authority_of_ones_own(
    certificate: Path, own_broker: Own, doors: Doors, target: Made, tmp_path: Path
) -> None:
    broker = await own_broker(**ONE, host="localhost", tls=speaks_tls(certificate))
    at = f"localhost:{broker.port}"

    lags = await doors.kafka(target("kafka", at, ca=str(certificate / "cert.pem"))).lags("g")

    assert [it.behind for it in lags.partitions] == [40]
    with pytest.raises(Unreachable, match="its certificate is not valid: self-signed certificate"):
        await doors.kafka(target("kafka", at, ca=str(issued(tmp_path) / "cert.pem"))).lags("g")
    with pytest.raises(CouldNotLook, match=r"speaks TLS; give its authority|it may speak TLS only"):
        await doors.kafka(target("kafka", at)).lags("g")


async def test_a_listener_that_wants_sasl_is_told_apart(own_broker: Own, doors: Doors, target: Made) -> None:
    broker = await own_broker(**ONE, silent_at=10)

    with pytest.raises(NoAnswer, match="hung up on the first question; it may want SASL"):
        await doors.kafka(target("kafka", f"127.0.0.1:{broker.port}")).lags("g")


@pytest.mark.parametrize("host", ["169.254.169.254", "0.0.0.0", "::ffff:169.254.169.254"])
@pytest.mark.parametrize("named", [True, False], ids=["by the rule file", "by the cluster"])
async def test_what_may_never_be_looked_at_is_not_whoever_names_it(
    named: bool, host: str, own_broker: Own, doors: Doors, target: Made
) -> None:
    broker = await own_broker(**ONE, host=host)
    at = f"[{host}]:9092" if ":" in host else f"{host}:9092"

    with pytest.raises(Refused, match="which may not be looked at"):
        await doors.kafka(target("kafka", at if named else f"127.0.0.1:{broker.port}")).lags("g")


async def test_the_next_broker_is_asked_where_one_is_down(own_broker: Own, doors: Doors, target: Made) -> None:
    broker = await own_broker(**ONE)
    down = free_port()

    lags = await doors.kafka(target("kafka", f"127.0.0.1:{down}, 127.0.0.1:{broker.port}")).lags("g")

    assert [it.behind for it in lags.partitions] == [40]


async def test_a_leader_that_is_down_leaves_its_partitions_unknown(own_broker: Own, doors: Doors, target: Made) -> None:
    broker = await own_broker(**ONE)
    broker.advertised, down = free_port(), f"127.0.0.1:{broker.port}"

    with pytest.raises(NoAnswer, match=f"^kafka://127.0.0.1:{broker.advertised}: connection refused$"):
        await doors.kafka(target("kafka", down)).lags("g")  # here it is the coordinator too


@pytest.mark.parametrize(
    ("says", "why"),
    [
        (b"", "hung up without an answer; it may speak TLS only"),
        (b"\x15\x03\x03\x00\x02\x02\x46", "it speaks TLS; give its authority as `ca` of the target"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "the answer is not of Kafka"),
        ((MAX_ANSWER_BYTES + 1).to_bytes(4, "big"), "the answer is larger than 2 MiB"),
        (b"\xff\xff\xff\xff", "the answer is not of Kafka"),
        (
            b"\x00\x00\x00\x0a\x00\x00\x00\x07\x00\x00\x00\x00\x00\x00",
            "the answer is not of Kafka",
        ),  # to another question
        (b"\x00\x00\x00\x06\x00\x00\x00\x01\x00\x00", "the answer is not of Kafka"),  # ends early
    ],
)
async def test_something_else_that_answers(
    says: bytes, why: str, raw_server: Callable[[bytes], Awaitable[int]], doors: Doors, target: Made
) -> None:
    port = await raw_server(says)

    with pytest.raises(CouldNotLook, match=re.escape(f"kafka://127.0.0.1:{port}: {why}")):
        await doors.kafka(target("kafka", f"127.0.0.1:{port}")).lags("g")


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("s3cret:s3cret@broker:9092", "this version speaks no SASL"),
        ("", "expected host:9092"),
        ("http://broker:9092", "expected host:9092"),
        ("broker:port", "the address cannot be read"),
        ("broker:9092,broker:port", "the address cannot be read"),
    ],
)
async def test_addresses_are_read_strictly(address: str, why: str, doors: Doors, target: Made) -> None:
    with pytest.raises(NotConfigured, match=why) as caught:
        doors.kafka(target("kafka", address))

    assert "s3cret" not in str(caught.value)


async def test_without_its_library_it_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, doors: Doors, target: Made
) -> None:
    monkeypatch.setitem(sys.modules, "aiokafka", None)
    monkeypatch.delitem(sys.modules, "responder.clients.kafka_wire")
    monkeypatch.delattr(clients, "kafka_wire")

    with pytest.raises(NotConfigured, match=re.escape("pip install 'responder[kafka]'")):
        await doors.kafka(target("kafka", "127.0.0.1:1")).lags("g")


async def test_a_look_that_is_given_up_hangs_up(own_broker: Own, doors: Doors, target: Made) -> None:
    gone = asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while await reader.read(1000):
                pass
        gone.set()
        writer.close()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    at = target("kafka", f"127.0.0.1:{server.sockets[0].getsockname()[1]}")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await doors.kafka(at).lags("g")
    async with asyncio.timeout(10):
        await gone.wait()
    server.close()
    await server.wait_closed()


async def test_older_brokers_than_can_say_what_all_of_a_group_is(own_broker: Own, doors: Doors, target: Made) -> None:
    broker = await own_broker(**ONE, versions=VERSIONS | {9: 1})

    with pytest.raises((Refused, Unreachable), match="it does not understand OffsetFetchRequest as we ask it"):
        await doors.kafka(target("kafka", f"127.0.0.1:{broker.port}")).lags("g")


@pytest.mark.parametrize(("group", "cure"), [("g", ""), ("", ", so name a group")])
async def test_more_partitions_than_are_looked_at_are_refused(
    group: str, cure: str, own_broker: Own, doors: Doors, target: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("responder.clients.kafka.MOST_PARTITIONS", 1)
    many = {("orders", 0): 1, ("orders", 1): 1}
    broker = await own_broker(groups={"g": many}, ends=many)

    with pytest.raises(Refused, match=f": more than 1 partitions{cure}$"):
        await doors.kafka(target("kafka", f"127.0.0.1:{broker.port}")).lags(group)
