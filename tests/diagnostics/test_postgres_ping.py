import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from responder.clients.doors import Doors
from responder.diagnostics.parameters import Nothing
from responder.diagnostics.postgres_ping import DIAGNOSTIC, _changes
from responder.errors import Refused
from responder.model.finding import Outcome
from responder.model.pack import Target
from tests.systems.plugin import Postgres, free_port

Made = Callable[..., Target]

pytestmark = pytest.mark.system


async def test_a_server_that_answers_says_its_version_and_that_it_was_started(
    postgres: Postgres, doors: Doors, target: Made
) -> None:
    finding = await DIAGNOSTIC.examine(target("postgres", postgres.readonly_dsn), Nothing(), doors)

    assert (finding.outcome, finding.marks) == (Outcome.HEALTHY, ())
    assert re.fullmatch(r"PostgreSQL 1[58]\.\d+ answers in \d+ ms, up \d+[sm]", finding.headline)
    assert [it.what for it in finding.changes] == ["PostgreSQL started"]
    assert timedelta(0) < datetime.now(UTC) - finding.changes[0].at < timedelta(hours=1)
    assert finding.equivalent == f"pg_isready -d postgresql://127.0.0.1:{postgres.port}"


def test_a_start_long_ago_is_no_news() -> None:
    started_at = datetime(2026, 11, 21, 3, 12, tzinfo=UTC)

    assert _changes({"up_seconds": 6 * 3600 + 1, "started_at": started_at}) == ()


async def test_where_nothing_listens_is_unhealthy(doors: Doors, target: Made) -> None:
    given = target("postgres", f"postgresql://u:s3cret@127.0.0.1:{free_port()}/x")

    finding = await DIAGNOSTIC.examine(given, Nothing(), doors)

    assert (finding.outcome, finding.gravity) == (Outcome.UNHEALTHY, 95)
    assert finding.headline == "PostgreSQL does not answer: connection refused"


async def test_a_server_without_a_connection_left_does_not_answer(
    start_postgres: Callable[..., Postgres], doors: Doors, target: Made
) -> None:
    server = start_postgres(max_connections=4, superuser_reserved_connections=3, max_wal_senders=0)
    holding = Doors({})
    await DIAGNOSTIC.examine(target("postgres", server.readonly_dsn), Nothing(), holding)

    finding = await DIAGNOSTIC.examine(target("postgres", server.readonly_dsn), Nothing(), doors)

    assert finding.outcome is Outcome.UNHEALTHY
    assert finding.headline.startswith("PostgreSQL does not answer: remaining connection slots are reserved")
    await holding.close()
    server.stop()


async def test_a_wrong_name_is_no_news_of_the_server(postgres: Postgres, doors: Doors, target: Made) -> None:
    with pytest.raises(Refused, match=r'role ".*" does not exist'):
        await DIAGNOSTIC.examine(target("postgres", postgres.dsn.replace("postgres@", "nobody@")), Nothing(), doors)
