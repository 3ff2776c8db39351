"""Kafka for tests: librdkafka's mock cluster, which speaks the real protocol but lists no groups; and a broker of our
own that says what a test wants, in the messages of aiokafka."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

GIVEN_WITHIN_SECONDS = 30
VERSIONS = {2: 1, 3: 4, 9: 2, 10: 0, 16: 0, 18: 0}


class MockCluster:
    """Three brokers. `addresses`: one a broker."""

    def __init__(self) -> None:
        from confluent_kafka import Producer

        self._producer = Producer({"test.mock.num.brokers": 3, "log_level": 0})
        brokers = self._producer.list_topics(timeout=GIVEN_WITHIN_SECONDS).brokers.values()
        self.addresses = [f"{it.host}:{it.port}" for it in brokers]

    def topics(self) -> set[str]:
        """All that there are."""
        return set(self._producer.list_topics(timeout=GIVEN_WITHIN_SECONDS).topics)

    def produce(self, topic: str, counts: Mapping[int, int]) -> None:
        """So many messages to each partition."""
        for partition, count in counts.items():
            for number in range(count):
                self._producer.produce(topic, f"s3cret {number}".encode(), partition=partition)
                self._producer.poll(0)
        assert self._producer.flush(GIVEN_WITHIN_SECONDS) == 0

    def commit(self, group: str, topic: str, offsets: Mapping[int, int]) -> None:
        """As a consumer of that group would."""
        from confluent_kafka import Consumer, TopicPartition

        settings = {"bootstrap.servers": self.addresses[0], "group.id": group, "log_level": 0}
        consumer = Consumer(settings | {"enable.auto.commit": False})
        consumer.commit(offsets=[TopicPartition(topic, *it) for it in offsets.items()], asynchronous=False)
        consumer.close()


@pytest.fixture(scope="session")
def kafka_cluster() -> MockCluster:
    """One for the whole run; tests name topics and groups of their own."""
    return MockCluster()


@dataclass(kw_only=True)
class OwnBroker:
    """Says what it is told. `groups`: committed offsets by (topic, partition), or an error code; `ends`: the end of
    each partition, or a negative error code; `asked`: kinds of the questions, in order;
    `connections`: that are open now."""

    groups: Mapping[str, Mapping[tuple[str, int], int] | int]
    ends: Mapping[tuple[str, int], int]
    host: str = "127.0.0.1"
    leader: int = 0
    versions: Mapping[int, int] = field(default_factory=lambda: VERSIONS)
    silent_at: int = -1
    asked: list[int] = field(default_factory=list)
    named: list[Any] = field(default_factory=list)
    port: int = 0
    advertised: int = 0
    connections: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connections += 1
        try:
            while True:
                message = await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big"))
                key, version = (int.from_bytes(message[at : at + 2], "big") for at in (0, 2))
                self.asked.append(key)
                if key == self.silent_at:
                    break
                length = int.from_bytes(message[8:10], "big")
                said = message[4:8] + self._answer(key, version, message[10 + length :])
                writer.write(len(said).to_bytes(4, "big") + said)
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            self.connections -= 1
        writer.close()

    def _answer(self, key: int, version: int, body: bytes) -> bytes:
        from aiokafka.protocol import admin, commit, coordination, metadata, offset

        place = (self.host, self.advertised or self.port)
        match key:
            case 18:
                listed = [(it, 0, newest) for it, newest in self.versions.items()]
                return admin.ApiVersionResponse_v0(0, listed).encode()
            case 16:
                return admin.ListGroupsResponse_v0(0, [(it, "consumer") for it in self.groups]).encode()
            case 10:
                return coordination.FindCoordinatorResponse_v0(0, 0, *place).encode()
            case 3:
                asked = getattr(metadata, f"MetadataRequest_v{version}").decode(body)
                self.named.append((asked.topics, getattr(asked, "allow_auto_topic_creation", None)))
                topics = [
                    (0, topic, False, [(0, it[1], self.leader, [0], [0]) for it in self.ends if it[0] == topic])
                    for topic in sorted({it[0] for it in self.ends})
                ]
                brokers = [(0, *place, None)]
                if version >= 4:
                    return metadata.MetadataResponse_v4(0, brokers, "c", 0, topics).encode()
                return metadata.MetadataResponse_v1(brokers, 0, topics).encode()
            case 9:
                group = commit.OffsetFetchRequest_v2.decode(body).consumer_group
                found = self.groups.get(group, {})
                if isinstance(found, int):
                    return commit.OffsetFetchResponse_v2([], found).encode()
                told = [(topic, [(partition, it, "", 0)]) for (topic, partition), it in found.items()]
                return commit.OffsetFetchResponse_v2(told, 0).encode()
            case 2:
                wanted = offset.OffsetRequest_v1.decode(body).topics
                told = [(topic, [self._end(topic, it[0]) for it in partitions]) for topic, partitions in wanted]
                return offset.OffsetResponse_v1(told).encode()
        raise AssertionError(f"responder asked a question of kind {key}")

    def _end(self, topic: str, partition: int) -> tuple[int, int, int, int]:
        end = self.ends[topic, partition]
        return (partition, -end, -1, -1) if end < 0 else (partition, 0, -1, end)


@pytest.fixture
async def own_broker() -> AsyncIterator[Callable[..., Awaitable[OwnBroker]]]:
    """`broker = await own_broker(groups=…, ends=…)`; with `tls` it speaks TLS only."""
    servers: list[asyncio.Server] = []

    async def start(*, tls: ssl.SSLContext | None = None, **said: Any) -> OwnBroker:
        broker = OwnBroker(**{"groups": {}, "ends": {}} | said)
        server = await asyncio.start_server(broker.serve, "127.0.0.1", 0, ssl=tls)
        servers.append(server)
        broker.port = server.sockets[0].getsockname()[1]
        return broker

    yield start
    for server in servers:
        server.close()
        await server.wait_closed()
    await asyncio.sleep(0)
