"""Opens the read-only door to a target, once, and keeps to its budget."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol, TypeVar

from responder.clients.breaker import Breaker
from responder.clients.budget import Budget, Tally
from responder.clients.kubernetes_access import HTTPS, access_of, cluster
from responder.clients.locate import brokers_of, located, logging_of, place_of, project_of, repository_of
from responder.clients.resolve import Resolved, resolve, taken_apart
from responder.errors import CouldNotLook, Refused
from responder.model.pack import Target

if TYPE_CHECKING:  # a plain start loads no library of a target that nobody asks for
    from responder.clients.clickhouse import ClickhouseDoor
    from responder.clients.github import GithubDoor
    from responder.clients.google import GoogleDoor
    from responder.clients.http import HttpDoor
    from responder.clients.kafka import KafkaDoor
    from responder.clients.kubernetes import KubernetesDoor
    from responder.clients.loki import LokiDoor
    from responder.clients.pagerduty_around import Account, PagerDutyAround
    from responder.clients.pgbouncer import PgBouncerDoor
    from responder.clients.postgres import PostgresDoor
    from responder.clients.prometheus import PrometheusDoor
    from responder.clients.redis import RedisDoor
    from responder.clients.sentry import SentryDoor
    from responder.clients.statuspage import StatuspageDoor
    from responder.clients.tempo import TempoDoor

HTTP = frozenset({"http", "https"})
POSTGRES = frozenset({"postgres", "postgresql"})
REDIS = frozenset({"redis", "rediss"})
KAFKA = frozenset({"kafka"})
IDLE_SECONDS = 600.0  # longer than any look, and than the time between two looks at what is open
SCHEMES = {
    "http": HTTP,
    "prometheus": HTTP,
    "postgres": POSTGRES,
    "redis": REDIS,
    "statuspage": HTTP,
    "github": HTTP,
    "sentry": HTTP,
    "clickhouse": HTTP,
    "kafka": KAFKA,
    "kubernetes": HTTPS,
    "google": HTTP,
    "loki": HTTP,
    "tempo": HTTP,
}


class Door(Protocol):
    """What all doors have in common."""

    async def close(self) -> None:
        """Close what was opened."""
        ...


D = TypeVar("D", bound=Door)


class Doors:
    """Every door that diagnostics and signals may go through. None has a method that writes.

    `environment`: what `${NAME}` in targets is replaced from, each time a door is asked for, so that a rotated
    `${file:…}` is seen. `account`: responder's own at PagerDuty, None where there is none. `clock`: seconds that only
    go forward; by it a target that does not answer is left alone for a while. Every method raises NotConfigured when
    something is not set or no address, and Refused for a target that is `shut`: by `as_written` of it, why nothing is
    to be looked at through it.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        account: Account | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._environment = environment
        self._clock = clock
        self._account = account
        self._pagerduty: PagerDutyAround | None = None
        self._open: dict[tuple[object, ...], tuple[Resolved, Door]] = {}
        self._asked_for: dict[tuple[object, ...], float] = {}
        self._retired: list[tuple[float, Door]] = []
        self._tallies: dict[tuple[object, ...], Tally] = {}
        self._breakers: dict[tuple[object, ...], Breaker] = {}
        self.shut: Mapping[tuple[object, ...], str] = {}

    def http(self, target: Target) -> HttpDoor:
        """GET and HEAD below one base address."""
        from responder.clients.http import HttpDoor

        return self._door(target, "http", HTTP, lambda it: HttpDoor(it, self._budget(target, it)))

    def prometheus(self, target: Target) -> PrometheusDoor:
        """Instant and range queries."""
        from responder.clients.http import HttpDoor
        from responder.clients.prometheus import PrometheusDoor

        return self._door(target, "prometheus", HTTP, lambda it: PrometheusDoor(HttpDoor(it, self._budget(target, it))))

    def postgres(self, target: Target) -> PostgresDoor:
        """Named, reviewed queries, and guarded ones where it allows them, in a read-only session."""
        from responder.clients.postgres import PostgresDoor

        allowed = {"may_custom_sql": "custom_sql" in target.allow}
        return self._door(
            target, "postgres", POSTGRES, lambda it: PostgresDoor(it, self._budget(target, it), **allowed)
        )

    def pgbouncer(self, target: Target) -> PgBouncerDoor:
        """What the console of the PgBouncer at this address shows, whichever database the address names."""
        from responder.clients.pgbouncer import PgBouncerDoor

        return self._door(target, "pgbouncer", POSTGRES, lambda it: PgBouncerDoor(it, self._budget(target, it)))

    def redis(self, target: Target) -> RedisDoor:
        """The commands of an explicit list."""
        from responder.clients.redis import RedisDoor

        allowed = {"may_scan": "scan" in target.allow, "may_slowlog": "slowlog" in target.allow}
        return self._door(target, "redis", REDIS, lambda it: RedisDoor(it, self._budget(target, it), **allowed))

    def kubernetes(self, target: Target) -> KubernetesDoor:
        """Gets and lists of what is in a list."""
        from responder.clients.kubernetes import KubernetesDoor

        allowed = {"may_log": "logs" in target.allow, "may_helm": "helm" in target.allow}

        def opened(it: Resolved) -> KubernetesDoor:
            return KubernetesDoor(it, self._budget(target, it), access_of(target, self._environment), **allowed)

        return self._door(target, "kubernetes", HTTPS, opened)

    def sentry(self, target: Target) -> SentryDoor:
        """Which errors are counted."""
        from responder.clients.http import HttpDoor
        from responder.clients.sentry import MAX_BODY_BYTES, SentryDoor

        def opened(it: Resolved) -> HttpDoor:
            return HttpDoor(it, self._budget(target, it), max_body_bytes=MAX_BODY_BYTES)

        return SentryDoor(self._door(target, "sentry", HTTP, opened), *project_of(target, self._environment))

    def statuspage(self, target: Target) -> StatuspageDoor:
        """What a vendor says of itself."""
        from responder.clients.http import HttpDoor
        from responder.clients.statuspage import MAX_BODY_BYTES, StatuspageDoor

        def opened(it: Resolved) -> StatuspageDoor:
            return StatuspageDoor(HttpDoor(it, self._budget(target, it), max_body_bytes=MAX_BODY_BYTES))

        return self._door(target, "statuspage", HTTP, opened)

    def github(self, target: Target) -> GithubDoor:
        """What was rolled out of a repository."""
        from responder.clients.github import MAX_BODY_BYTES, GithubDoor
        from responder.clients.http import HttpDoor

        def opened(it: Resolved) -> HttpDoor:
            return HttpDoor(it, self._budget(target, it), max_body_bytes=MAX_BODY_BYTES)

        return GithubDoor(self._door(target, "github", HTTP, opened), repository_of(target, self._environment))

    def clickhouse(self, target: Target) -> ClickhouseDoor:
        """Reviewed statements that read system tables."""
        from responder.clients.clickhouse import MAX_BODY_BYTES, ClickhouseDoor
        from responder.clients.http import HttpDoor

        def opened(it: Resolved) -> ClickhouseDoor:
            return ClickhouseDoor(HttpDoor(it, self._budget(target, it), max_body_bytes=MAX_BODY_BYTES))

        return self._door(target, "clickhouse", HTTP, opened)

    def kafka(self, target: Target) -> KafkaDoor:
        """How far consumer groups are behind."""
        from responder.clients.kafka import KafkaDoor

        def opened(it: Resolved) -> KafkaDoor:
            others = brokers_of(target, self._environment)[1:]
            places = [taken_apart(other, f"target {target.name}", KAFKA) for other in others]
            return KafkaDoor(it, places, self._budget(target, it))

        return self._door(target, "kafka", KAFKA, opened)

    def pagerduty(self) -> PagerDutyAround:
        """What PagerDuty knows around an incident; responder's own account, and no target."""
        from responder.clients.pagerduty_around import Account, PagerDutyAround

        if self._pagerduty is None:
            self._pagerduty = PagerDutyAround(self._account or Account())
        return self._pagerduty

    async def prepare(self, targets: Iterable[Target]) -> None:
        """Load what is slow to load for these, so that the first look of an incident need not wait for it."""
        for target in targets:
            if target.kind == "kubernetes":
                with suppress(CouldNotLook):
                    await self.kubernetes(target).prepare()

    def google(self, target: Target) -> GoogleDoor:
        """What a service is at, and its log where the target allows it."""
        from responder.clients.google import Apis, EntriesHttp, GoogleDoor, GoogleHttp
        from responder.clients.google_credentials import Credentials

        def opened(it: Resolved) -> Apis:
            budget, credentials = self._budget(target, it), Credentials(self._environment)
            logging = resolve(logging_of(target, self._environment), self._environment, HTTP)
            return Apis(GoogleHttp(it, budget, credentials), EntriesHttp(logging, budget, credentials))

        place = place_of(target, self._environment)
        return GoogleDoor(self._door(target, "google", HTTP, opened), place, may_log="logs" in target.allow)

    def loki(self, target: Target) -> LokiDoor:
        """Lines of logs."""
        from responder.clients.http import HttpDoor
        from responder.clients.loki import MAX_BODY_BYTES, LokiDoor

        def opened(it: Resolved) -> LokiDoor:
            return LokiDoor(HttpDoor(it, self._budget(target, it), max_body_bytes=MAX_BODY_BYTES))

        return self._door(target, "loki", HTTP, opened)

    def tempo(self, target: Target) -> TempoDoor:
        """One trace."""
        from responder.clients.http import HttpDoor
        from responder.clients.tempo import MAX_BODY_BYTES, TempoDoor

        def opened(it: Resolved) -> TempoDoor:
            return TempoDoor(HttpDoor(it, self._budget(target, it), max_body_bytes=MAX_BODY_BYTES))

        return self._door(target, "tempo", HTTP, opened)

    def tally(self, target: Target) -> Tally:
        """What was asked of it, through whichever door; targets that are written alike are one."""
        return self._tallies.setdefault(as_written(target), Tally())

    def shown(self, target: Target) -> str:
        """Scheme, host and port, nothing that could be a secret; raises NotConfigured where it could not be opened."""
        return self._resolved(target, SCHEMES.get(target.kind, HTTP)).shown

    async def close(self) -> None:
        """Close every connection that was opened."""
        doors: list[Door] = [door for _, door in (*self._open.values(), *self._retired)]
        doors += [self._pagerduty] if self._pagerduty is not None else []
        self._pagerduty = None
        self._open.clear()
        self._retired.clear()
        for door in doors:
            await door.close()

    async def close_idle(self, wanted: Iterable[Target], *, idle_seconds: float = IDLE_SECONDS) -> None:
        """Close what is not among these targets, and what a rotated secret has replaced, once nobody asks for it."""
        keep, before = {as_written(it) for it in wanted}, time.monotonic() - idle_seconds
        idle = [key for key, at in self._asked_for.items() if at <= before and key[1:] not in keep]
        doors = [self._open.pop(key)[1] for key in idle] + [door for at, door in self._retired if at <= before]
        self._retired = [it for it in self._retired if it[0] > before]
        for key in idle:
            del self._asked_for[key]
            self._tallies.pop(key[1:], None)
            self._breakers.pop(key[1:], None)
        for door in doors:
            await door.close()

    def _resolved(self, target: Target, schemes: frozenset[str]) -> Resolved:
        if target.kind == "kubernetes":
            return cluster(target, self._environment)
        return resolve(located(target, self._environment), self._environment, schemes)

    def _budget(self, target: Target, resolved: Resolved) -> Budget:
        breaker = self._breakers.setdefault(as_written(target), Breaker(self._clock))
        tally = self.tally(target)
        return Budget(concurrency=resolved.concurrency, per_minute=resolved.per_minute, tally=tally, breaker=breaker)

    def _door(self, target: Target, kind: str, schemes: frozenset[str], opened: Callable[[Resolved], D]) -> D:
        resolved = self._resolved(target, schemes)
        key = (kind, *as_written(target))
        if key[1:] in self.shut:
            raise Refused(f"{resolved.shown}: {self.shut[key[1:]]}")
        now = self._asked_for[key] = time.monotonic()
        held = self._open.get(key)
        if held is not None and held[0] == resolved:
            return held[1]  # type: ignore[return-value]  # the kind is part of the key
        if held is not None:
            self._retired.append((now, held[1]))  # somebody may still be looking through it
        door = opened(resolved)
        self._open[key] = (resolved, door)
        return door


def as_written(target: Target) -> tuple[object, ...]:
    """All that says which target it is and how it is reached; secrets in it are not yet put in."""
    headers = tuple(sorted(target.headers.items()))
    how = (target.ca, target.certificate, target.key, target.concurrency, target.per_minute, target.allow)
    return (target.name, str(target.address), headers, *how)
