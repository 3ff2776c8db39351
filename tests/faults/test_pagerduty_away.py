"""PagerDuty away: in seven ways for a while, for an hour, with a backlog behind it. Nothing is lost or told twice."""

from __future__ import annotations

import asyncio
import os
import ssl
import subprocess
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest

from responder.clients.doors import Doors
from responder.clients.pagerduty import PagerDutyApi, rate_of
from responder.delivery.pagerduty_note import PagerDutyNote
from responder.demo.faults import Fault
from responder.demo.pagerduty import TOKEN, StandInPagerDuty
from responder.demo.pagerduty_account import BOT_EMAIL, PagedIncident
from responder.redaction.redact import Redactor
from responder.rules.in_force import RulesInForce
from responder.rules.packs import Loaded
from responder.store import work as rows
from responder.store.incidents import REPORT
from responder.store.migrate import migrate
from responder.store.rates import SharedRate
from responder.store.store import Store
from responder.store.work import Claimed
from responder.telemetry import Metrics
from responder.wiring import clock
from responder.work.deliver import deliver
from responder.work.desk import Desk, Next
from responder.work.link import link
from tests.conftest import START
from tests.faults.daemon import Daemon
from tests.faults.nameless import HOST
from tests.faults.oracle import check_one_note
from tests.faults.sizes import FULL, size
from tests.faults.world import Case, World, noted, until
from tests.report.situations import report as payments_report
from tests.systems.plugin import program

AWAY_SECONDS = size(full=600, short=5)
CASES = size(full=20, short=3)
BACKLOG = size(full=1000, short=100)
GRAVE = BACKLOG // 5
PER_MINUTE = 900
HOUR = 3600.0
LONGEST_PAUSE_SECONDS = 60.0
NAMELESS = str(Path(__file__).parent / "nameless.py")
PACK = """pack: backlog
rules:
  - {name: grave, summary: Grave, match: ['severity="critical"'], level: critical}
  - {name: mild, summary: Mild, match: ['severity="warning"'], level: warning}
severity:
  levels: {P1: , P2: , P3: }
  otherwise: {critical: P1, warning: P3}
"""
Do = Callable[[Claimed, Desk], Awaitable[Next]]
pytestmark = [pytest.mark.faults, pytest.mark.timeout(size(full=5400, short=600))]


FAULTS: dict[str, dict[str, Any]] = {
    "429": {"do": "status", "status": 429},
    "429 with Retry-After": {"do": "status", "status": 429, "headers": {"Retry-After": "2"}},
    "500": {"do": "status", "status": 500},
    "502": {"do": "status", "status": 502, "body": "<html>Bad Gateway</html>"},
    "hangs": {"do": "hang", "seconds": 20},
}
TOGETHER = {way: [way] for way in FAULTS} if FULL else {"all of them": list(FAULTS)}


@pytest.mark.parametrize("ways", TOGETHER.values(), ids=TOGETHER)
async def test_what_is_accepted_while_pagerduty_is_away_is_told_once_when_it_is_back(
    seed: Path, ways: Sequence[str]
) -> None:
    await asyncio.gather(*(away_and_back(seed, FAULTS[it]) for it in ways))


async def away_and_back(seed: Path, fault: dict[str, Any]) -> None:
    """A PagerDuty and a daemon of its own for this fault."""
    async with World.opened() as world:
        daemon = await world.daemon(seed=seed)
        await world.start(daemon)
        before, during, linked = cases_of("Before"), cases_of("During"), cases_of("Linked")
        paged = {case: await world.page(case) for case in (*before, *during, *linked)}
        await post_all(world, daemon, before)
        await until(lambda: all(noted(paged[it]) for it in before))

        world.pagerduty.fault("POST /incidents/*/notes", times=None, **fault)
        await post_all(world, daemon, linked)  # their incidents are found, and no note can be posted
        await until(lambda: len(daemon.events("incident.linked")) == len(before) + len(linked))
        world.pagerduty.fault("GET /incidents*", times=None, **fault)
        await post_all(world, daemon, during)
        await asyncio.sleep(AWAY_SECONDS)
        assert [it.name for it in (*during, *linked) if noted(paged[it])] == []
        await world.mend()
        await until(lambda: all(noted(it) for it in paged.values()), 150, else_tell=lambda: daemon.log[-3000:])
        await asyncio.sleep(2)  # for a second note, if there were one

        check_all(world, paged)
        assert daemon.events("work.failed") == []


async def test_a_name_that_is_not_found_for_a_while_costs_nothing(seed: Path, tmp_path: Path) -> None:
    async with World.opened() as world:
        unknown = tmp_path / "unknown"
        url = f"http://{HOST}:{urlsplit(world.pagerduty.url).port}"
        daemon = await world.daemon(seed=seed, PAGERDUTY_URL=url)
        daemon.program = (NAMELESS, str(unknown))
        unknown.touch()
        paged = await told_while_away(world, daemon)
        unknown.unlink()
        await until(lambda: all(noted(it) for it in paged.values()), 150, else_tell=lambda: daemon.log[-3000:])

        check_all(world, paged)
        assert any("ClientConnectorDNSError" in str(it) for it in daemon.events())


async def test_a_certificate_that_is_not_trusted_for_a_while_costs_nothing(seed: Path, tmp_path: Path) -> None:
    trusted, other = [await asyncio.to_thread(certificate, tmp_path, name) for name in ("trusted", "other")]
    async with World.opened() as world, tls_before(world.pagerduty, other) as front:
        daemon = await world.daemon(seed=seed, PAGERDUTY_URL=f"https://localhost:{front.port}")
        daemon.environment = {**daemon.environment, "SSL_CERT_FILE": str(trusted)}
        paged = await told_while_away(world, daemon)
        front.show(trusted)
        await until(lambda: all(noted(it) for it in paged.values()), 150, else_tell=lambda: daemon.log[-3000:])

        check_all(world, paged)
        assert any("ClientConnectorCertificateError" in str(it) for it in daemon.events())


async def told_while_away(world: World, daemon: Daemon) -> dict[Case, PagedIncident]:
    """Start the daemon, tell it of some alerts, and wait in vain."""
    await world.start(daemon)
    cases = cases_of("During")
    paged = {case: await world.page(case) for case in cases}
    await post_all(world, daemon, cases)
    await asyncio.sleep(AWAY_SECONDS)
    assert [it for it in world.pagerduty.requests if it.path.startswith("/incidents")] == []
    return paged


def cases_of(name: str, number: int = CASES) -> list[Case]:
    return [Case(name=f"Killed{name}{of:03d}", service=f"{name}-{of}") for of in range(number)]


async def post_all(world: World, daemon: Daemon, cases: Sequence[Case]) -> None:
    for case in cases:
        await world.tell(daemon, case)


def check_all(world: World, paged: dict[Case, PagedIncident]) -> None:
    for case, incident in paged.items():
        check_one_note(case, incident)
    assert most_in_a_minute(world.pagerduty) <= PER_MINUTE


def most_in_a_minute(pagerduty: StandInPagerDuty) -> int:
    """The most REST requests that came within any sixty seconds."""
    at = sorted(it.at for it in pagerduty.requests if it.path != "/v2/enqueue")
    return max(
        (sum(1 for it in at[first:] if it - at[first] < timedelta(minutes=1)) for first in range(len(at))), default=0
    )


class Front:
    """A port that speaks TLS and hands on what it gets. `show` exchanges the certificate."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        self.port = port
        self._context = context

    def show(self, certificate: Path) -> None:
        """From the next connection on."""
        self._context.load_cert_chain(certificate)


@asynccontextmanager
async def tls_before(pagerduty: StandInPagerDuty, certificate: Path) -> AsyncIterator[Front]:
    """Ended with the block."""
    to = urlsplit(pagerduty.url).port

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind, before = await asyncio.open_connection("127.0.0.1", to)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(copied(reader, before))
                group.create_task(copied(behind, writer))
        finally:
            before.close()
            writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = await asyncio.start_server(pass_on, "127.0.0.1", 0, ssl=context)
    try:
        yield Front(server.sockets[0].getsockname()[1], context)
    finally:
        server.close()


async def copied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until there is no more."""
    try:
        while some := await reader.read(65536):
            writer.write(some)
            await writer.drain()
        writer.close()
    except OSError:
        pass  # one side has hung up


def certificate(folder: Path, name: str) -> Path:
    """Key and certificate for localhost in one file; it vouches for itself."""
    path = folder / f"{name}.pem"
    openssl = program("openssl", "apt-get install openssl")
    options = f"-x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={name} -addext subjectAltName=DNS:localhost"
    subprocess.run(
        [openssl, "req", *options.split(), "-keyout", f"{path}.key", "-out", f"{path}.crt"],
        check=True,
        stderr=subprocess.DEVNULL,
    )
    path.write_text(Path(f"{path}.key").read_text() + Path(f"{path}.crt").read_text())
    path.chmod(0o644)
    return path


async def test_a_backlog_is_drained_within_the_rate_and_the_gravest_first(seed: Path, tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(PACK)
    async with World.opened() as world:
        daemon = await world.daemon(seed=seed, RULES=str(rules))
        await world.start(daemon)
        mild = [Case(name=f"Mild{of:04d}", service=f"m{of}", severity="warning") for of in range(BACKLOG - GRAVE)]
        grave = [Case(name=f"Grave{of:04d}", service=f"g{of}") for of in range(GRAVE)]
        paged = {case: await world.page(case) for case in (*mild, *grave)}
        world.pagerduty.fault("* /incidents*", "status", status=500, times=None)
        await post_all(world, daemon, [*mild, *grave])  # the gravest come last
        await until(lambda: len(daemon.events("report.composed")) >= BACKLOG, 300)
        await asyncio.sleep(AWAY_SECONDS)

        await all_due_at_once(daemon)
        before = len(world.pagerduty.requests)
        began = time.monotonic()
        await world.mend()
        await until(lambda: all(noted(it) for it in paged.values()), 700, else_tell=lambda: daemon.log[-3000:])
        took = time.monotonic() - began
        asked = Counter(it.method for it in world.pagerduty.requests[before:])
        await asyncio.sleep(2)  # for a second note, if there were one

    names = {incident.id: case.severity for case, incident in paged.items()}
    posts = [it.path.split("/")[2] for it in world.pagerduty.requests if it.method == "POST" and not it.fault]
    order = [names[it] for it in posts if it in names]
    milder_before = order[: len(order) - order[::-1].index("critical")].count("warning")
    most = most_in_a_minute(world.pagerduty)
    print(
        f"{BACKLOG} notes {took:.0f} s after the return, {asked.total() / BACKLOG:.1f} requests a note ({dict(asked)}),"
        f" at most {most} in any minute; {milder_before} P3 before the last P1"
    )
    check_all(world, paged)
    assert took <= 600
    assert asked.total() <= 5 * BACKLOG
    assert milder_before <= 16  # what was under way already: eight look-ups and eight posts at once


async def all_due_at_once(daemon: Daemon) -> None:
    """As after an hour, when the pauses have long lost their step."""
    connection = await asyncpg.connect(daemon.dsn)
    await connection.execute(
        "update work set due_at = now() where not held and (kind = 'link' or kind like 'deliver:%')"
    )
    await connection.close()


AWAY_FOR_AN_HOUR = {
    "429": Fault(match="* /incidents*", do="status", status=429, times=None),
    "429, Retry-After 7": Fault(
        match="* /incidents*", do="status", status=429, headers={"Retry-After": "7"}, times=None
    ),
    "429, for eleven days": Fault(
        match="* /incidents*",
        do="status",
        status=429,
        headers={"Retry-After": "999999", "ratelimit-reset": "9" * 400},
        times=None,
    ),
    "429, rubbish": Fault(
        match="* /incidents*",
        do="status",
        status=429,
        headers={"Retry-After": "soon", "ratelimit-reset": "-1"},
        times=None,
    ),
    "500": Fault(match="* /incidents*", do="status", status=500, times=None),
    "502": Fault(match="* /incidents*", do="status", status=502, body="<html>", times=None),
    "hangs": Fault(match="* /incidents*", do="hang", seconds=0.35, times=None),
}


@pytest.mark.parametrize("way", [*AWAY_FOR_AN_HOUR, "TLS", "DNS"])
async def test_an_hour_away_is_an_hour_of_bounded_pauses_and_then_one_note(
    embedded_database: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("responder.work.deliver.SEND_WITHIN_SECONDS", 0.3)  # what hangs costs the test real time
    pagerduty = await StandInPagerDuty.start(event_delay_seconds=0)
    away = {"TLS": pagerduty.url.replace("http:", "https:"), "DNS": "http://pagerduty.invalid"}.get(way, pagerduty.url)
    store = await Store.open(embedded_database, redact=lambda text: text)
    await migrate(store)
    turns = SharedRate(store, rate_of(TOKEN))
    apis = [PagerDutyApi(token=TOKEN, sender=BOT_EMAIL, url=url, turns=turns) for url in (away, pagerduty.url)]
    incident = await waiting_delivery(store, pagerduty)
    if way in AWAY_FOR_AN_HOUR:
        it = AWAY_FOR_AN_HOUR[way]
        pagerduty.fault(
            it.match, it.do, status=it.status, headers=it.headers, body=it.body, seconds=it.seconds, times=None
        )

    desk = desk_of(store, PagerDutyNote(apis[0]))
    pauses: list[float] = []
    while sum(pauses) < HOUR:
        pauses.append(await one_try(desk))
        await let_pass(store, pauses[-1])
    tries = len(pagerduty.requests)
    pagerduty._front.faults.clear()
    desk = desk_of(store, PagerDutyNote(apis[1]))
    await one_try(desk)

    print(f"{way}: {len(pauses)} tries in an hour, {tries} requests, pauses {sorted(set(pauses))}")
    assert max(pauses) <= LONGEST_PAUSE_SECONDS
    assert HOUR / LONGEST_PAUSE_SECONDS <= len(pauses) <= HOUR / LONGEST_PAUSE_SECONDS + 10
    assert pauses[0] == {"429, Retry-After 7": 7.0, "429, for eleven days": 60.0}.get(way, 1.0)
    assert len(incident.notes) == 1
    for opened in (*apis, store):
        await opened.close()
    await pagerduty.stop()


async def test_an_hour_away_uses_up_none_of_the_looks_for_an_incident(embedded_database: str) -> None:
    pagerduty = await StandInPagerDuty.start(event_delay_seconds=0)
    store = await Store.open(embedded_database, redact=lambda text: text)
    await migrate(store)
    api = PagerDutyApi(token=TOKEN, sender=BOT_EMAIL, url=pagerduty.url)
    desk = replace(desk_of(store, PagerDutyNote(api)), pagerduty=api)
    async with store.transaction() as connection:
        await connection.execute("insert into incidents (id, slug, first_report_due) values (1, 'inc-0001', now())")
        await connection.execute(
            "insert into links (kind, source, key, incident) values ('alertmanager', 'default', $1, 1)", b"k" * 32
        )
        await rows.ask(connection, [rows.Ask(kind="link", key="1")])
    pagerduty.fault("GET /incidents*", "status", status=503, times=None)

    pauses: list[float] = []
    while sum(pauses) < HOUR:
        pauses.append(await one_try(desk, "link", link))
        await let_pass(store, pauses[-1])
    pagerduty._front.faults.clear()
    after = [await one_try(desk, "link", link)]
    while after[-1]:
        await let_pass(store, after[-1])
        after.append(await one_try(desk, "link", link))

    print(f"{len(pauses)} looks in an hour away, {len(after)} in the {sum(after) / 60:.0f} min after it")
    assert max(pauses) <= LONGEST_PAUSE_SECONDS
    assert sum(after) >= 13 * 60  # of the quarter of an hour; it ends because there is none
    for opened in (api, store):
        await opened.close()
    await pagerduty.stop()


async def test_a_database_whose_clock_was_set_back_holds_up_no_edit(embedded_database: str) -> None:
    pagerduty = await StandInPagerDuty.start(event_delay_seconds=0)
    store = await Store.open(embedded_database, redact=lambda text: text)
    await migrate(store)
    api = PagerDutyApi(token=TOKEN, sender=BOT_EMAIL, url=pagerduty.url)
    desk = desk_of(store, PagerDutyNote(api))
    await waiting_delivery(store, pagerduty)
    await one_try(desk)

    async with store.transaction() as connection:
        await connection.execute("update deliveries set delivered_at = now() + interval '1 hour', digest = 'other'")
        await rows.ask(connection, [rows.Ask(kind="deliver:pagerduty_note", key="1")])
    await one_try(desk)

    assert [it.method for it in pagerduty.requests] == ["POST", "PUT"]
    for opened in (api, store):
        await opened.close()
    await pagerduty.stop()


def desk_of(store: Store, sink: PagerDutyNote) -> Desk:
    """What a delivery needs of a desk."""
    return Desk(
        name="test",
        store=store,
        doors=Doors(os.environ),
        catalogue={},
        diagnostics={},
        sinks={sink.name: sink},
        pagerduty=None,
        metrics=Metrics(),
        clock=clock,
        redactor=Redactor(()),
        rules=RulesInForce.begin(Path("rules"), Loaded(packs=(), problems=(), warnings=()), START),
    )


async def waiting_delivery(store: Store, pagerduty: StandInPagerDuty) -> PagedIncident:
    """A report that is due on a PagerDuty incident."""
    event = {
        "payload": {"summary": "s", "source": "x", "severity": "error"},
        "event_action": "trigger",
        "routing_key": "0" * 31 + "1",
    }
    incident = pagerduty.account.take_event(event, "k", START)
    assert incident is not None
    body = REPORT.dump_python(payments_report(), mode="json")
    async with store.transaction() as connection:
        await connection.execute("insert into incidents (id, slug, first_report_due) values (1, 'inc-0001', now())")
        await connection.execute("insert into reports (incident, body, severity_rank) values (1, $1, 0)", body)
        await connection.execute(
            "insert into deliveries (incident, sink, object, state) values (1, 'pagerduty_note', $1, 'due')",
            incident.id,
        )
        await rows.ask(connection, [rows.Ask(kind="deliver:pagerduty_note", key="1")])
    return incident


async def one_try(desk: Desk, kind: str = "deliver:pagerduty_note", do: Do = deliver) -> float:
    """Claim, do, let go, as the worker does; the pause until the next one, 0 when it is over."""
    [row] = await rows.claim(desk.store, kind, limit=1, lease_seconds=9)
    after = await do(row, desk)
    await rows.finish(desk.store, row, next_in=after.in_seconds, waits_for=after.waits_for, payload=after.payload)
    return after.in_seconds or 0.0


async def let_pass(store: Store, seconds: float) -> None:
    """All that the database has dated lies so much longer ago."""
    async with store.transaction() as connection:
        await connection.execute("update work set due_at = due_at - make_interval(secs => $1)", seconds)
        await connection.execute(
            """update work set payload = jsonb_set(payload, '{failed,0}',
                   to_jsonb((payload->'failed'->>0)::timestamptz - make_interval(secs => $1)))
               where payload->'failed'->>0 is not null""",
            seconds,
        )
        await connection.execute(
            "update deliveries set uncertain_since = uncertain_since - make_interval(secs => $1)", seconds
        )
        await connection.execute(
            "update rates set next_at = next_at - make_interval(secs => $1), newest = newest - $1::int", seconds
        )
