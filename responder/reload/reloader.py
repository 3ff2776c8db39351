"""Take changed rules while running: read all, check all, then bring all into force; else the old set stays."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from responder.clients.doors import Doors
from responder.clients.known_secrets import secrets_of
from responder.errors import StoreUnavailable
from responder.model.pack import Pack, Position
from responder.redaction.redact import Redactor
from responder.rules.complaints import Problem
from responder.rules.in_force import Load, RulesInForce, with_clean_words
from responder.rules.packs import Loaded, cannot_be_read
from responder.rules.stamp import Stamp, stamp, stamp_of
from responder.store.incidents import keep_rules
from responder.store.store import Store
from responder.telemetry import Metrics

LOOK_EVERY_SECONDS = 1.0  # what is written is taken when nothing has changed from one look to the next
TRIES = 3
KEPT_FOR = timedelta(minutes=30)
STILL_WRITTEN = "the rule files change while they are read; they are read again when they have come to rest"
log = structlog.get_logger()


class Reloader:
    """Belongs to one event loop. `read`: the stamp of the files that `rules` came from; `load`: reads and checks a
    folder, in a thread."""

    def __init__(
        self,
        rules: RulesInForce,
        read: Stamp,
        load: Callable[[Path], Loaded],
        *,
        redactor: Redactor,
        doors: Doors,
        store: Store,
        metrics: Metrics,
        environment: Mapping[str, str],
        clock: Callable[[], datetime],
    ) -> None:
        self.rules = rules
        self._read = read
        self._load = load
        self._redactor, self._doors, self._store, self._metrics = redactor, doors, store, metrics
        self._environment, self._clock = environment, clock
        self._one_at_a_time = asyncio.Lock()
        self._kept: dict[bytes, datetime] = {}
        self._say(rules.last)

    async def reload(self, by: str) -> Load:
        """Read the files now; what is wrong in them is in the answer and in `rules.last`."""
        async with self._one_at_a_time:
            loaded = await self._loaded()
            if not loaded.problems:  # before anything is looked at with them
                await asyncio.to_thread(self._know_secrets, loaded.packs)
            before = self._targets()
            load = self.rules.take(with_clean_words(loaded, self._redactor.text), self._clock(), by)
            for name in before - self._targets():
                self._metrics.forget_target(name)
            self._say(load)
            self._tell(load)
        await self._keep()
        return load

    async def watch(self) -> None:
        """Reload whenever the files have changed and come to rest; until cancelled."""
        last = self._read
        while True:
            await self._keep()
            await self._doors.close_idle([target for pack in self.rules.packs for target in pack.targets.values()])
            found = await asyncio.to_thread(self._stamp)
            if found == last != self._read:
                await self.reload("a changed file")
            last = found
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    async def _loaded(self) -> Loaded:
        """The set as it stands in the files at one moment."""
        for _ in range(TRIES):
            loaded = await asyncio.to_thread(self._load_whatever_it_is)
            self._read = loaded.stamp
            if await asyncio.to_thread(self._stamp) == self._read:
                return loaded
        return self._refused(STILL_WRITTEN)

    def _load_whatever_it_is(self) -> Loaded:
        try:
            return self._load(self.rules.path)
        except OSError as wrong:
            return self._refused(cannot_be_read(wrong))
        except Exception as bug:  # noqa: BLE001 - the one boundary: a file that finds a bug must not end the daemon
            return self._refused(f"a bug in responder, {type(bug).__name__}: {bug}")

    def _refused(self, why: str) -> Loaded:
        here = Position(file=self.rules.path.as_posix(), line=1, column=1)
        return Loaded(packs=(), problems=(Problem(position=here, text=why),), warnings=(), stamp=self._stamp())

    def _stamp(self) -> Stamp:
        """Never raises: files that cannot be looked at are a change like others, which a reload then refuses."""
        try:
            return stamp(self.rules.path)
        except OSError as wrong:
            return stamp_of(wrong)

    def _know_secrets(self, packs: tuple[Pack, ...]) -> None:
        self._redactor.know(secrets_of((it for pack in packs for it in pack.targets.values()), self._environment))

    def _targets(self) -> set[str]:
        return {name for pack in self.rules.packs for name in pack.targets}

    async def _keep(self) -> None:
        """In the store, by their hash; as soon as it is there, and now and then, for replicas that lack one of them."""
        try:
            for pack in self.rules.packs:
                now, before = self._clock(), self._kept.get(pack.hash)
                if before is None or abs(now - before) >= KEPT_FOR:
                    await keep_rules(self._store, pack=pack.name, rule_set=pack.hash, files=pack.files)
                    self._kept[pack.hash] = now
        except StoreUnavailable as away:
            log.debug("rules.not_kept", why=str(away))

    def _say(self, load: Load) -> None:
        self._metrics.rules_loaded.set(self.rules.rules)
        self._metrics.reload_success.set(load.is_good)
        self._metrics.reload_time.set(load.at.timestamp())

    def _tell(self, load: Load) -> None:
        if load.is_good:
            log.info("rules.reloaded", by=load.by, changed=list(load.changed), rules=self.rules.rules)
            return
        log.error("rules.refused", by=load.by, problems=len(load.problems), why="the rules in force stay")
        for it in load.problems:
            log.error("rules.problem", at=str(it.position), why=it.text)
