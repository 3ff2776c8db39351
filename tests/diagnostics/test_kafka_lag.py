from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from responder.clients.doors import Doors
from responder.diagnostics.kafka_lag import DIAGNOSTIC, Asked
from responder.errors import Refused, Unreachable
from responder.model.finding import Finding, Outcome, Table
from responder.model.pack import Target
from tests.systems.kafka import MockCluster, OwnBroker

Made = Callable[..., Target]
Own = Callable[..., Awaitable[OwnBroker]]
ORDERS, MAIL = ("orders", 0), ("mail", 0)


@pytest.fixture
def looked(doors: Doors, target: Made) -> Callable[..., Awaitable[Finding]]:
    """`await looked(broker, group="billing", over=100)`."""

    async def look(broker: OwnBroker, **asked: Any) -> Finding:
        at = target("kafka", f"127.0.0.1:{broker.port}")
        return await DIAGNOSTIC.examine(at, Asked(**asked), doors)

    return look


@pytest.mark.system
async def test_a_group_that_is_behind_is_told_with_its_worst_partition(
    kafka_cluster: MockCluster, doors: Doors, target: Made
) -> None:
    kafka_cluster.produce("orders", {0: 300, 1: 20, 3: 1400})
    kafka_cluster.produce("mail", {2: 10})
    kafka_cluster.commit("billing", "orders", {0: 100, 1: 20, 3: 100})
    kafka_cluster.commit("billing", "mail", {2: 4})
    at = target("kafka", ", ".join(kafka_cluster.addresses))

    behind = await DIAGNOSTIC.examine(at, Asked(group="billing", over=1000), doors)
    enough = await DIAGNOSTIC.examine(at, Asked(group="billing", over=1506), doors)

    assert (behind.outcome, behind.marks) == (Outcome.UNHEALTHY, ("backlog",))
    assert behind.headline == "group billing: 1,506 behind, worst topic orders partition 3 (1,300)"
    assert behind.found == {"group": "billing", "topic": "orders"}
    assert isinstance(behind.table, Table)
    assert behind.table.rows == (
        ("billing", "orders", "3", "1,300", "100", "1400"),
        ("billing", "orders", "0", "200", "100", "300"),
        ("billing", "mail", "2", "6", "4", "10"),
        ("billing", "orders", "1", "0", "20", "20"),
    )
    first = kafka_cluster.addresses[0]
    assert behind.equivalent == f"kafka-consumer-groups.sh --bootstrap-server {first} --describe --group billing"
    assert (enough.outcome, enough.marks) == (Outcome.HEALTHY, ())


@pytest.mark.system
async def test_a_group_that_nobody_knows_is_none_that_is_well(
    kafka_cluster: MockCluster, doors: Doors, target: Made
) -> None:
    with pytest.raises(Refused, match="group nobody has committed nothing: no such group, or its offsets have expired"):
        await DIAGNOSTIC.examine(target("kafka", kafka_cluster.addresses[0]), Asked(group="nobody"), doors)


async def test_without_a_group_all_are_looked_at(own_broker: Own, looked: Callable[..., Awaitable[Finding]]) -> None:
    groups = {"billing": {ORDERS: 10, MAIL: 0}, "mailer": {MAIL: 60}, "new": {}, "secret": 30}
    broker = await own_broker(groups=groups, ends={ORDERS: 50, MAIL: 70})

    finding = await looked(broker, over=5)

    assert finding.outcome is Outcome.UNHEALTHY
    assert finding.headline == (
        "group billing: 110 behind, worst topic mail partition 0 (70); 2 of 2 groups have a backlog"
    )
    assert finding.details == "1 group not shown to us, such as secret; 1 group without anything committed"
    assert finding.equivalent.endswith("--describe --all-groups")


async def test_all_groups_that_keep_up(own_broker: Own, looked: Callable[..., Awaitable[Finding]]) -> None:
    groups = {"a": {ORDERS: 50}, "b": {ORDERS: 49}}
    broker = await own_broker(groups=groups, ends={ORDERS: 50})

    assert (await looked(broker)).headline == (
        "group b: 1 behind, worst topic orders partition 0 (1), the furthest of 2 groups"
    )
    assert (await looked(broker, group="a")).headline == "group a: not behind on 1 partition"


async def test_more_groups_than_are_looked_at_is_said(
    own_broker: Own, looked: Callable[..., Awaitable[Finding]]
) -> None:
    broker = await own_broker(groups={f"g{it:03}": {ORDERS: 50} for it in range(60)}, ends={ORDERS: 50})

    finding = await looked(broker)

    assert finding.headline == "50 groups, none behind"
    assert finding.details == "only 50 groups were looked at, in order of name"


async def test_an_end_that_is_not_known_is_not_taken_for_none_behind(
    own_broker: Own, looked: Callable[..., Awaitable[Finding]]
) -> None:
    broker = await own_broker(groups={"billing": {ORDERS: 10, MAIL: 0}}, ends={ORDERS: -6, MAIL: 70})

    with pytest.raises(Unreachable, match="the end of 1 of 2 partitions is not known") as caught:
        await looked(broker, group="billing", over=100)
    backlog = await looked(broker, group="billing", over=5)

    assert str(caught.value).endswith("(orders 0: not leader for partition (error 6)), 70 behind on the others")
    assert backlog.outcome is Outcome.UNHEALTHY
    assert "the end of 1 of 2 partitions is not known" in backlog.details


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"groups": {"g": 30}}, "group g: group authorization failed (error 30)"),
        ({"groups": {"g": {ORDERS: 1}}, "ends": {MAIL: 1}}, "orders 0: it has no such partition"),
        ({"groups": {"g": {ORDERS: 1}}, "ends": {ORDERS: 1}, "leader": 7}, "orders 0: it has no leader"),
    ],
)
async def test_what_cannot_be_seen_is_said(
    said: dict[str, Any], why: str, own_broker: Own, looked: Callable[..., Awaitable[Finding]]
) -> None:
    with pytest.raises((Refused, Unreachable)) as caught:
        await looked(await own_broker(**said), group="g")

    assert why in str(caught.value)


async def test_where_no_group_is_shown_it_says_which_right_is_missing(
    own_broker: Own, looked: Callable[..., Awaitable[Finding]]
) -> None:
    with pytest.raises(Refused, match="none of 2 groups is shown to us; grant DESCRIBE on groups"):
        await looked(await own_broker(groups={"a": 30, "b": 30}))
