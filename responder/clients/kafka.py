"""How far consumer groups are behind: what they have committed, held against the ends of their partitions.

Nothing joins a group, commits, or makes a topic: Kafka may make one that is merely named in a question for metadata,
and is told not to.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from responder.clients.budget import Budget
from responder.clients.network import tls
from responder.clients.resolve import Address, Resolved
from responder.errors import CouldNotLook, NotConfigured, Refused, Unreachable

if TYPE_CHECKING:
    from responder.clients.kafka_wire import Broker

WITHOUT_LIBRARY = "Kafka cannot be looked at without its library; pip install 'responder[kafka]'"
DEFAULT_PORT = 9092
MOST_GROUPS = 50
MOST_BROKERS = 100
MOST_PARTITIONS = 20_000  # of all groups together
LATEST = -1  # of times of offsets: the end of the partition
KEEPS_TOPICS_AWAY = 4  # from this version on a question for metadata may say that no topic is to be made

Partition = tuple[str, int]
Place = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """One partition that a group has committed. `end` None: not known, `why` says so."""

    group: str
    topic: str
    partition: int
    committed: int
    end: int | None
    why: str = ""

    @property
    def behind(self) -> int:
        """Messages; 0 where the end is not known."""
        return 0 if self.end is None else max(self.end - self.committed, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lags:
    """`groups`: all that were looked at, with or without anything committed. `refused`: those we may not see; `cut`
    when there are more groups than 50."""

    groups: tuple[str, ...]
    partitions: tuple[Lag, ...]
    refused: tuple[str, ...]
    cut: bool


class KafkaDoor:
    """Every look makes its own connections, one to each broker that has to be asked."""

    def __init__(self, resolved: Resolved, others: Sequence[Address], budget: Budget) -> None:
        self._resolved = resolved
        self._first = [resolved.address, *others]
        self._budget = budget

    @property
    def shown(self) -> str:
        """`kafka://host:port`, of the first that is named."""
        return self._resolved.shown

    async def close(self) -> None:
        """Nothing stays open."""

    async def lags(self, group: str = "") -> Lags:
        """Of one group, or of all that the cluster lists; raises CouldNotLook."""
        try:
            from responder.clients import kafka_wire  # noqa: F401 - aiokafka is an extra
        except ImportError:
            raise NotConfigured(f"target {self._resolved.name}: {WITHOUT_LIBRARY}") from None
        context = tls(self._resolved) if self._resolved.ca or self._resolved.certificate else None
        async with self._budget.turn(), AsyncExitStack() as stack:
            cluster = _Cluster(self._resolved, self._first, context, stack)
            return await cluster.lags(group)


class _Cluster:
    """The connections of one look."""

    def __init__(self, resolved: Resolved, first: Sequence[Address], context: Any, stack: AsyncExitStack) -> None:
        self._resolved = resolved
        self._first = first
        self._context = context
        self._stack = stack
        self._open: dict[Place, Broker | CouldNotLook] = {}

    async def lags(self, group: str) -> Lags:
        names = [group] if group else await self._groups()
        committed: dict[str, Mapping[Partition, int]] = {}
        refused: list[str] = []
        for it in names[:MOST_GROUPS]:
            try:
                committed[it] = await self._committed(it)
            except Refused:
                if group:
                    raise
                refused.append(it)
            if sum(map(len, committed.values())) > MOST_PARTITIONS:
                cure = "" if group else ", so name a group"
                raise Refused(f"{self._resolved.shown}: more than {MOST_PARTITIONS} partitions{cure}")
        ends = await self._ends({it for places in committed.values() for it in places})
        lags = (
            Lag(group=name, topic=it[0], partition=it[1], committed=offset, end=ends[it][0], why=ends[it][1])
            for name, places in committed.items()
            for it, offset in places.items()
        )
        return Lags(
            groups=tuple(committed), partitions=tuple(lags), refused=tuple(refused), cut=len(names) > MOST_GROUPS
        )

    async def _groups(self) -> list[str]:
        """Each broker lists those that it coordinates; raises CouldNotLook when one of them cannot be asked."""
        from aiokafka.protocol.admin import ListGroupsRequest

        names: set[str] = set()
        for place in set((await self._metadata(())).brokers.values()):
            answer = await (await self._broker(place)).ask(ListGroupsRequest())
            _check(answer.error_code, f"{self._resolved.shown}: its groups")
            # what has no protocol was made by an administrator, or by one who commits and never joins
            names |= {name for name, protocol in answer.groups or () if protocol in ("consumer", "")}
        return sorted(names)

    async def _committed(self, group: str) -> Mapping[Partition, int]:
        from aiokafka.protocol.commit import OffsetFetchRequest
        from aiokafka.protocol.coordination import FindCoordinatorRequest

        where = f"{self._resolved.shown}: group {group}"
        found = await (await self._any()).ask(FindCoordinatorRequest(group, 0))
        _check(found.error_code, where)
        coordinator = await self._broker((found.host, found.port))
        answer = await coordinator.ask(OffsetFetchRequest(group, None))
        if answer.topics is None:  # Kafka says "none" by an empty list; what is like it may not know "all"
            everything = (await self._metadata(None)).by_topic()
            answer = await coordinator.ask(OffsetFetchRequest(group, everything))
        _check(answer.error_code, where)
        committed: dict[Partition, int] = {}
        for topic, partitions in answer.topics or ():
            for partition, offset, _, error in partitions or ():
                _check(error, f"{where}: topic {topic}")
                if offset >= 0:  # -1: nothing committed
                    committed[topic, partition] = offset
        return committed

    async def _ends(self, wanted: Iterable[Partition]) -> Mapping[Partition, tuple[int | None, str]]:
        """The end of each, or why it is not known."""
        ends: dict[Partition, tuple[int | None, str]] = dict.fromkeys(wanted, (None, "it has no such partition"))
        if not ends:
            return ends
        metadata = await self._metadata(sorted({topic for topic, _ in ends}))
        for place, partitions in metadata.led(ends).items():
            try:
                ends |= await self._ends_at(await self._broker(place), partitions)
            except CouldNotLook as why:  # the others are known all the same
                ends |= dict.fromkeys(partitions, (None, str(why)))
        for partition in metadata.leaderless & set(ends):
            ends[partition] = (None, "it has no leader")
        return ends

    async def _ends_at(self, broker: Broker, wanted: Iterable[Partition]) -> Mapping[Partition, tuple[int | None, str]]:
        from aiokafka.protocol.offset import OffsetRequest

        by_topic: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for topic, partition in wanted:
            by_topic[topic].append((partition, LATEST))
        answer = await broker.ask(OffsetRequest(-1, 0, list(by_topic.items())))
        return {
            (topic, partition): (None, _named(error)) if error else (offset, "")
            for topic, partitions in answer.topics or ()
            for partition, error, _, offset in partitions or ()
        }

    async def _metadata(self, topics: Sequence[str] | None) -> _Metadata:
        """Of these topics, None: of all."""
        from aiokafka.protocol.metadata import MetadataRequest

        from responder.clients.kafka_wire import METADATA

        broker = await self._any()
        quiet = broker.understands(METADATA) >= KEEPS_TOPICS_AWAY
        # An older broker would make a topic that is named and not there: of it all topics are asked for.
        named = list(topics) if quiet and topics is not None else None
        answer = await broker.ask(MetadataRequest(named, allow_auto_topic_creation=False))
        return _read(answer)

    async def _any(self) -> Broker:
        """One of those that the target names; raises what the last one said when none answers."""
        why: CouldNotLook = Unreachable(f"{self._resolved.shown}: no broker is named")
        for it in self._first:
            try:
                return await self._broker((it.host, it.port or DEFAULT_PORT))
            except CouldNotLook as reason:
                why = reason
        raise why

    async def _broker(self, place: Place) -> Broker:
        from responder.clients.kafka_wire import Broker

        if place not in self._open:
            if len(self._open) >= MOST_BROKERS:
                raise Refused(f"{self._resolved.shown}: more than {MOST_BROKERS} brokers")
            host, port = place
            there = replace(self._resolved, address=replace(self._resolved.address, host=host, port=port))
            try:
                self._open[place] = await self._stack.enter_async_context(Broker(there, host, port, self._context))
            except CouldNotLook as why:
                self._open[place] = why
        found = self._open[place]
        if isinstance(found, CouldNotLook):
            raise found
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Metadata:
    """Where brokers are, by number, and who leads which partition."""

    brokers: Mapping[int, Place]
    leaders: Mapping[Partition, int]

    @property
    def leaderless(self) -> set[Partition]:
        return {it for it, leader in self.leaders.items() if leader not in self.brokers}

    def by_topic(self) -> list[tuple[str, list[int]]]:
        """All partitions."""
        found: dict[str, list[int]] = defaultdict(list)
        for topic, partition in self.leaders:
            found[topic].append(partition)
        return list(found.items())

    def led(self, wanted: Iterable[Partition]) -> Mapping[Place, list[Partition]]:
        """What to ask of which broker."""
        by_place: dict[Place, list[Partition]] = defaultdict(list)
        for it in wanted:
            if self.leaders.get(it) in self.brokers:
                by_place[self.brokers[self.leaders[it]]].append(it)
        return by_place


def _read(answer: Any) -> _Metadata:
    return _Metadata(
        brokers={node: (host, port) for node, host, port, *_ in answer.brokers or () if host},
        leaders={
            (topic, partition): leader
            for _, topic, *_, partitions in answer.topics or ()
            for _, partition, leader, *_ in partitions or ()
        },
    )


def _check(code: int, where: str) -> None:
    """Raise what an error code of Kafka means: https://kafka.apache.org/protocol.html#protocol_error_codes"""
    if not code:
        return
    from aiokafka import errors

    kind = Unreachable if getattr(errors.for_code(code), "retriable", False) else Refused
    raise kind(f"{where}: {_named(code)}")


def _named(code: int) -> str:
    """`group authorization failed (error 30)`."""
    from aiokafka import errors

    name = errors.for_code(code).__name__.removesuffix("Error")
    words = "".join(f" {it.lower()}" if it.isupper() else it for it in name).strip()
    return f"{words} (error {code})"
