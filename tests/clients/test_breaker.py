import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable

import pytest

from responder.clients.breaker import FAILURES, PAUSE_SECONDS, Breaker
from responder.clients.budget import Budget
from responder.clients.doors import Doors
from responder.clients.network import NoAnswer
from responder.errors import CouldNotLook, Refused, Unreachable
from responder.model.pack import Target
from tests.systems.plugin import free_port

Made = Callable[..., Target]


class Clock:
    """Stands until it is moved."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(clock)


def ask(breaker: Breaker, ends: BaseException | None = None, *, clock: Clock | None = None, after: float = 0) -> str:
    """What one question came to: `answered`, or the complaint."""
    try:
        with breaker.asks():
            if clock is not None:
                clock.now += after
            if ends is not None:
                raise ends
    except (CouldNotLook, asyncio.CancelledError) as reason:
        return str(reason)
    return "answered"


def break_it(breaker: Breaker) -> None:
    for _ in range(FAILURES):
        ask(breaker, Unreachable("db: no answer in time"))


def test_after_three_failures_in_a_row_it_is_left_alone_for_a_while(breaker: Breaker, clock: Clock) -> None:
    break_it(breaker)

    clock.now += 5.5
    assert ask(breaker) == "not asked for 25 s more after 3 failures in a row, the last: db: no answer in time"
    with pytest.raises(Unreachable):
        breaker.check()
    clock.now += 24.5
    assert ask(breaker) == "answered"


@pytest.mark.parametrize("between", [None, Refused("no"), ValueError("a bug is no failure of the target")])
def test_an_answer_between_them_begins_the_count_anew(between: Exception | None, breaker: Breaker) -> None:
    ask(breaker, Unreachable("a"))
    ask(breaker, Unreachable("b"))
    with contextlib.suppress(ValueError):
        ask(breaker, between)
    ask(breaker, Unreachable("c"))
    ask(breaker, Unreachable("d"))

    assert ask(breaker) == "answered"


def test_after_the_pause_one_goes_first_and_the_others_only_after_it(breaker: Breaker, clock: Clock) -> None:
    break_it(breaker)
    clock.now += PAUSE_SECONDS

    with breaker.asks():
        assert ask(breaker).startswith("not asked for 30 s more")
    assert ask(breaker) == "answered"


@pytest.mark.parametrize(
    ("becomes", "others"),
    [
        (None, "answered"),
        (Unreachable("again"), "not asked for 30 s more after 4 failures in a row, the last: again"),
        (asyncio.CancelledError(), "answered"),  # the next one goes first
    ],
)
async def test_who_asks_while_one_goes_first_waits_for_what_becomes_of_it(
    becomes: BaseException | None, others: str, breaker: Breaker, clock: Clock
) -> None:
    budget = Budget(concurrency=3, per_minute=1000, breaker=breaker)
    break_it(breaker)
    clock.now += PAUSE_SECONDS
    over = asyncio.Event()

    async def first() -> None:
        async with budget.turn():
            await over.wait()
            if becomes is not None:
                raise becomes

    async def other() -> str:
        try:
            async with budget.turn():
                await asyncio.sleep(0)
                return "answered"
        except Unreachable as why:
            return str(why)

    async with asyncio.timeout(10):
        leading = asyncio.create_task(first())
        await asyncio.sleep(0.01)
        following = [asyncio.create_task(other()) for _ in range(5)]
        await asyncio.sleep(0.01)
        assert not any(it.done() for it in following)
        over.set()
        assert await asyncio.gather(*following) == [others] * 5
        await asyncio.wait([leading])


def test_one_that_goes_first_and_fails_begins_the_pause_anew(breaker: Breaker, clock: Clock) -> None:
    break_it(breaker)
    clock.now += PAUSE_SECONDS

    assert ask(breaker, Unreachable("again"), clock=clock, after=10) == "again"
    assert ask(breaker) == "not asked for 30 s more after 4 failures in a row, the last: again"


def test_one_that_goes_first_and_is_not_wanted_any_more_says_nothing(breaker: Breaker, clock: Clock) -> None:
    break_it(breaker)
    clock.now += PAUSE_SECONDS

    ask(breaker, asyncio.CancelledError(), clock=clock, after=0.1)

    assert ask(breaker) == "answered"


def test_what_was_given_up_counts_when_the_target_had_time_to_answer(breaker: Breaker, clock: Clock) -> None:
    for _ in range(20):
        ask(breaker, asyncio.CancelledError(), clock=clock, after=0.9)
    assert ask(breaker) == "answered"

    for _ in range(FAILURES):
        ask(breaker, asyncio.CancelledError(), clock=clock, after=1)
    assert ask(breaker).endswith("the last: given up before it answered: its time was over")


def test_what_is_given_up_while_others_are_answered_does_not_count(breaker: Breaker, clock: Clock) -> None:
    for _ in range(FAILURES):
        with contextlib.suppress(asyncio.CancelledError), breaker.asks():
            clock.now += 10
            ask(breaker)
            raise asyncio.CancelledError

    assert ask(breaker) == "answered"


def test_those_that_were_asked_at_once_are_one_failure(breaker: Breaker, clock: Clock) -> None:
    """As when our own process stood still for a moment."""
    with contextlib.suppress(asyncio.CancelledError), contextlib.ExitStack() as stack:
        for _ in range(10):
            stack.enter_context(breaker.asks())
        clock.now += 5
        raise asyncio.CancelledError

    assert ask(breaker) == "answered"


def test_what_hangs_up_at_once_is_asked_each_time_and_what_hangs_is_not(breaker: Breaker, clock: Clock) -> None:
    for _ in range(20):
        ask(breaker, NoAnswer("connection refused"))
    assert ask(breaker) == "answered"

    for _ in range(FAILURES):
        ask(breaker, NoAnswer("no answer within 5 s"), clock=clock, after=5)
    with pytest.raises(NoAnswer, match="no answer within 5 s"):  # still one that says: it is down
        breaker.check()


async def test_a_target_that_is_left_alone_costs_nobody_a_turn(clock: Clock) -> None:
    breaker = Breaker(clock)
    budget = Budget(concurrency=1, per_minute=1, breaker=breaker)
    break_it(breaker)

    async with asyncio.timeout(5):
        for _ in range(10):
            with pytest.raises(Unreachable, match="not asked"):
                async with budget.turn():
                    pytest.fail("it was asked")
    clock.now += PAUSE_SECONDS
    async with asyncio.timeout(5), budget.turn():
        pass


@pytest.fixture
async def silent() -> AsyncIterator[tuple[int, list[int]]]:
    """A port that takes connections and says nothing, and its connections so far."""
    seen: list[int] = []
    over = asyncio.Event()

    async def hold(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(len(seen))
        await over.wait()
        writer.close()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1], seen
    over.set()
    server.close()
    await server.wait_closed()
    await asyncio.sleep(0)


KINDS = ["http", "prometheus", "postgres", "redis", "clickhouse"]


async def look(doors: Doors, target: Target) -> None:
    """One question through the door of its kind."""
    from responder.clients.clickhouse_statements import QUERIES
    from responder.clients.postgres_queries import CONNECTION_LIMITS

    match target.kind:
        case "http":
            await doors.http(target).get("/")
        case "prometheus":
            await doors.prometheus(target).alerts()
        case "postgres":
            await doors.postgres(target).fetch(CONNECTION_LIMITS)
        case "redis":
            await doors.redis(target).ask("PING")
        case "clickhouse":
            await doors.clickhouse(target).fetch(QUERIES)


@pytest.mark.parametrize("kind", KINDS)
async def test_whatever_the_door_one_that_hangs_is_left_alone(
    kind: str, silent: tuple[int, list[int]], clock: Clock, target: Made
) -> None:
    port, connections = silent
    scheme = {"postgres": "postgresql", "redis": "redis"}.get(kind, "http")
    doors, given = Doors({}, clock=clock), target(kind, f"{scheme}://127.0.0.1:{port}", per_minute=1000)

    getattr(doors, kind)(given)  # loads the library of its kind
    for _ in range(FAILURES):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.1):
                asyncio.get_running_loop().call_later(0.05, lambda: setattr(clock, "now", clock.now + 1))
                await look(doors, given)
    async with asyncio.timeout(10):
        while len(connections) < FAILURES:
            await asyncio.sleep(0.01)
    with pytest.raises(Unreachable, match="not asked for 30 s more after 3 failures in a row"):
        await look(doors, given)
    await doors.close()
    await asyncio.sleep(0.05)

    assert len(connections) == FAILURES


@pytest.mark.parametrize("kind", KINDS)
async def test_whatever_the_door_one_where_nothing_listens_is_asked_each_time(kind: str, target: Made) -> None:
    scheme = {"postgres": "postgresql", "redis": "redis"}.get(kind, "http")
    doors, given = Doors({}), target(kind, f"{scheme}://127.0.0.1:{free_port()}", per_minute=1000)

    for _ in range(FAILURES + 2):
        with pytest.raises(Unreachable, match=re.escape("connection refused")):
            await look(doors, given)
    await doors.close()


async def test_doors_of_one_target_share_what_became_of_it(
    silent: tuple[int, list[int]], clock: Clock, target: Made
) -> None:
    port, _ = silent
    doors, given = Doors({}, clock=clock), target("http", f"http://127.0.0.1:{port}")
    for _ in range(FAILURES):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.05):
                asyncio.get_running_loop().call_later(0.02, lambda: setattr(clock, "now", clock.now + 1))
                await doors.http(given).get("/")

    with pytest.raises(Unreachable, match="not asked"):
        await doors.prometheus(given).alerts()
    await doors.close()
