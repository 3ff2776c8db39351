"""The daemon: what starts, and in which order it stops."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from functools import partial

import structlog
from aiohttp import web

from responder.delivery.pagerduty_event import PagerDutyEvent
from responder.delivery.report_webhook import ReportWebhook
from responder.delivery.sink import Print
from responder.doctor.refuse import WriteAccess
from responder.embedded.server import LOW_DISK_BYTES, EmbeddedPostgres
from responder.errors import CouldNotLook, StoreUnavailable, UsageError, the_one
from responder.intake.arrange import arrange
from responder.intake.registry import sources
from responder.loop_watch import watched_loop
from responder.model.assessment import Said
from responder.model.finding import Outcome
from responder.model.incident import IncidentState, marker_of
from responder.model.verdict import Level
from responder.printing import printing
from responder.redaction.patterns import KINDS
from responder.redaction.redact import Redactor
from responder.reload.reloader import Reloader
from responder.rules.ignored import without_ignored
from responder.rules.packs import Loaded
from responder.settings import Settings, not_acted_on
from responder.site import credentials_of, site_of
from responder.store import work as rows
from responder.store.accept import Acceptor
from responder.store.afresh import afresh
from responder.store.fit import refusing_others
from responder.store.migrate import migrate
from responder.store.store import Store
from responder.store.unfinished import take_up
from responder.telemetry import Metrics
from responder.web.room import ask_for_descriptors
from responder.web.server import application, malformed_requests
from responder.wiring import acceptor_of, clock, desk_of, reloader_of
from responder.work.asked import write_down
from responder.work.desk import Desk
from responder.work.vitals import Vitals
from responder.work.work import Worker, always_there, kinds

REQUESTS_END_WITHIN_SECONDS = 4.0  # acceptance answers within three; aiohttp gives what it cuts off the same again
WORK_ENDS_WITHIN_SECONDS = 8.0  # at the same time; longer than sending, which is not cut in the middle
LET_GO_SECONDS = 1.0
STORE_AGAIN_SECONDS = 2.0
WHO_ARE_WE_AGAIN_SECONDS = 60.0
IDLE_SECONDS = 9.0  # also what a sender has for its headers
UNREAD_SECONDS = 2.0  # for a sender that is still sending what was refused to read why
OUR_WORDS = (Outcome, Said, Level, IncidentState)
log = structlog.get_logger()


@dataclass(slots=True, kw_only=True)
class Running:
    """A daemon that runs: its address, and what a caller may look at."""

    url: str
    desk: Desk
    reloader: Reloader
    worker: Worker
    embedded: EmbeddedPostgres | None


@asynccontextmanager
async def running(
    settings: Settings, loaded: Loaded, redactor: Redactor, metrics: Metrics, write: Print
) -> AsyncIterator[Running]:
    """A daemon, from the store up; leaving the block drains it. Raises UsageError for what cannot start."""
    ask_for_descriptors()
    for name in not_acted_on(settings):
        log.warning("setting.not_acted_on", setting=name, why="this version does not use it yet")
    if not settings.pagerduty_token and not settings.report_webhook_url and not settings.prints_reports:
        log.warning("sink.none", why="reports are on the page only; set RESPONDER_PAGERDUTY_TOKEN to have them posted")
    if all(it.let_nobody_in for it in credentials_of(settings).values()):
        log.warning("intake.closed", why="every webhook is answered 503; set RESPONDER_ALERTMANAGER_TOKENS, say")
    write_access = WriteAccess(clock=clock) if settings.refuse_write_access else None
    if write_access is not None:
        await write_access.refuse(loaded.packs)
    embedded = await EmbeddedPostgres.start(settings.data_dir) if settings.database_url is None else None
    try:
        async with asyncio.TaskGroup() as group:
            watching = [group.create_task(embedded.supervise())] if embedded else []
            async with _closed_behind(Store(redact=redactor.text)) as store:
                desk = desk_of(settings, loaded, redactor, metrics, store, write)
                reloader = reloader_of(desk, loaded)
                if write_access is not None:
                    write_access.looked_through = desk.doors
                    watching.append(group.create_task(write_access.watch(lambda: desk.packs)))
                with watched_loop(metrics.loop_lag.observe):
                    async with _serving(settings, desk, reloader, embedded, group) as daemon:
                        yield daemon
            for it in watching:
                it.cancel()
    except BaseExceptionGroup as several:
        raise the_one(several) from None
    finally:
        if embedded is not None:
            await embedded.stop()


async def serve(settings: Settings, loaded: Loaded, redactor: Redactor, metrics: Metrics) -> None:
    """Run until SIGTERM or SIGINT, which also end a start that waits for its database."""
    _refuse_secrets_that_are_our_words(settings, redactor)
    stop = asyncio.Event()
    starting = asyncio.current_task()
    assert starting is not None
    _on_signals(starting.cancel)
    hung_up = asyncio.Event()  # a start reads the rules anyway
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hung_up.set)
    started = False
    try:
        async with running(settings, loaded, redactor, metrics, printing()) as daemon:
            started = True
            _on_signals(stop.set)
            log.info("daemon.started", url=daemon.url, rules=daemon.desk.rules.rules, sinks=list(daemon.desk.told))
            async with asyncio.TaskGroup() as group:
                targets = [target for pack in loaded.packs for target in pack.targets.values()]
                behind = [
                    group.create_task(_reload_at(hung_up, daemon.reloader)),
                    group.create_task(daemon.desk.doors.prepare(targets)),
                ]
                await stop.wait()
                for task in behind:
                    task.cancel()
            log.info("daemon.stopping", busy=daemon.worker.busy)
    except asyncio.CancelledError:
        if started:
            raise
    log.info("daemon.stopped")


async def _reload_at(hung_up: asyncio.Event, reloader: Reloader) -> None:
    while True:
        await hung_up.wait()
        hung_up.clear()
        await reloader.reload("SIGHUP")


def _on_signals(do: Callable[[], object]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, do)


def _refuse_secrets_that_are_our_words(settings: Settings, redactor: Redactor) -> None:
    """Redaction of such a secret would destroy reports, and a marker that changes is not found again."""
    words = [marker_of(settings.name, "inc-0001"), *(str(it) for kind in OUR_WORDS for it in kind)]
    for word in words:
        if redactor.text(word) != word:
            raise UsageError(
                f"redaction would take {word!r} out of our own reports: RESPONDER_NAME, or a secret of the settings, "
                "is such a word; choose another name or a longer secret"
            )


@asynccontextmanager
async def _closed_behind(store: Store) -> AsyncIterator[Store]:
    try:
        yield store
    finally:
        await store.close()


async def _reached(desk: Desk, settings: Settings, embedded: EmbeddedPostgres | None) -> None:
    """Wait for the database as long as it takes: senders are told 503 and keep what they cannot bring.

    Nobody else gets at it before its schema is ours.
    """
    dsn = embedded.dsn if embedded else settings.database_url.get_secret_value() if settings.database_url else ""
    while True:
        try:
            desk.store.take_over(await _opened(dsn, desk))
        except StoreUnavailable as away:
            log.warning("store.waits", why=str(away))
            await asyncio.sleep(STORE_AGAIN_SECONDS)
        else:
            return


async def _ask(desk: Desk, store: Store) -> None:
    """For the work that is always there, and for what other settings left undone."""
    async with store.transaction() as connection:
        await rows.ask(connection, always_there(kinds(desk)))
        await take_up(connection, desk.told)


async def _opened(dsn: str, desk: Desk) -> Store:
    store = await Store.open(dsn, redact=desk.redactor.text)
    try:
        with refusing_others(desk.redactor.text):
            for name in await migrate(store):
                log.info("store.migrated", migration=name)
            await afresh(partial(_ask, desk, store))
    except BaseException:  # cancelled too: a start that is given up leaves no session behind
        await store.close()
        raise
    return store


@asynccontextmanager
async def _serving(
    settings: Settings, desk: Desk, reloader: Reloader, embedded: EmbeddedPostgres | None, group: asyncio.TaskGroup
) -> AsyncIterator[Running]:
    acceptor = _acceptor(settings, desk, embedded)
    desk.accept = acceptor.accept
    desk.arrange = lambda webhook: [without_ignored(it, desk.packs) for it in arrange(webhook, desk.intake)]
    worker = Worker(desk, kinds(desk), is_pressed=lambda: acceptor.is_pressed)
    desk.metrics.begin_at_zero(sources=sources(), sinks=desk.sinks, kinds=worker.kinds, redactions=KINDS)
    beside = [group.create_task(acceptor.run())]
    working: list[asyncio.Task[None]] = []
    vitals = Vitals(desk=desk, acceptor=acceptor, worker=worker, embedded=embedded)
    site = site_of(settings, vitals, reloader)
    runner = web.AppRunner(
        application(site),
        access_log=None,
        logger=malformed_requests(),
        handle_signals=False,
        keepalive_timeout=IDLE_SECONDS,
        lingering_time=UNREAD_SECONDS,
        shutdown_timeout=REQUESTS_END_WITHIN_SECONDS,
        auto_decompress=False,  # any Content-Encoding is refused: the parser must not unpack it, nor answer for us
    )
    await runner.setup()
    try:
        assert runner.server is not None
        try:
            listening = await site.reception.room.listen(runner.server, settings.host, settings.port)
        except OSError as taken:
            raise UsageError(
                f"RESPONDER_LISTEN: cannot listen on {settings.listen}: {taken.strerror}; choose another address"
            ) from taken
        with closing(listening):
            port = listening.sockets[0].getsockname()[1]
            await _reached(desk, settings, embedded)
            working.append(group.create_task(worker.run()))
            beside.append(group.create_task(reloader.watch()))
            beside.append(group.create_task(_learn_who_we_are(desk)))
            beside.append(group.create_task(write_down(desk)))
            url = f"http://{settings.host}:{port}"
            yield Running(url=url, desk=desk, reloader=reloader, worker=worker, embedded=embedded)
    finally:
        worker.stop()
        await asyncio.gather(runner.cleanup(), *(_drained(it) for it in working))
        for it in beside:
            it.cancel()
        await desk.doors.close()
        for peer in (it for peers in desk.alertmanagers.values() for it in peers):
            await peer.close()
        if desk.pagerduty is not None:
            await desk.pagerduty.close()
        for sink in desk.sinks.values():
            if isinstance(sink, ReportWebhook | PagerDutyEvent):
                await sink.close()


async def _learn_who_we_are(desk: Desk) -> None:
    """PagerDuty tells us of our own writes: their author has to be known, so that they start nothing."""
    while desk.pagerduty is not None:
        try:
            await desk.pagerduty.learn_who_we_are()
        except CouldNotLook as why:
            log.warning("pagerduty.user_unknown", why=str(why))
            await asyncio.sleep(WHO_ARE_WE_AGAIN_SECONDS)
        else:
            return


async def _drained(working: asyncio.Task[None]) -> None:
    """Let what runs finish; what does not is abandoned to its lease."""
    _, late = await asyncio.wait([working], timeout=WORK_ENDS_WITHIN_SECONDS)
    for task in late:
        task.cancel()
    if late:  # what waits for a database that hangs ends with its connection, which is closed soon
        await asyncio.wait(late, timeout=LET_GO_SECONDS)


def _acceptor(settings: Settings, desk: Desk, embedded: EmbeddedPostgres | None) -> Acceptor:
    def room() -> bool:
        return embedded is None or embedded.free_disk_bytes() >= LOW_DISK_BYTES

    return acceptor_of(settings, desk.store, room)
