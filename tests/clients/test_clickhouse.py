import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from responder.clients import clickhouse_statements
from responder.clients.clickhouse_statements import (
    DATABASES,
    MOST_ROWS,
    QUERIES,
    READ_ONLY_REPLICAS,
    REPLICAS,
    SERVERS,
    Statement,
)
from responder.clients.doors import Doors
from responder.errors import Refused, Unreachable
from responder.model.pack import Target
from tests.systems.plugin import LOOPBACK, System
from tests.systems.servers import Handler

Made = Callable[..., Target]
Serve = Callable[[Handler], Awaitable[str]]
MANY = Statement(name="many", sql=f"select number from system.numbers limit {MOST_ROWS + 1}")
ENDLESS = Statement(name="endless", sql="select count() from system.numbers")


def ours(server: System, password: str = "pw") -> str:
    return f"http://responder:{password}@{LOOPBACK}:{server.port}"


def refusing(status: int, body: str, **headers: str) -> Handler:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, text=body, headers={k.replace("_", "-"): v for k, v in headers.items()})

    return answer


def test_statements_are_bounded_read_system_tables_and_no_text_of_a_query() -> None:
    declared = [it for it in vars(clickhouse_statements).values() if isinstance(it, Statement)]

    assert len(declared) == 5
    for it in declared:
        for sql in filter(None, (it.sql, it.older)):
            assert re.findall(r"\bfrom (\S+)", sql)[0].startswith("system.")
            assert len(re.findall(r"\b(?:from|join)\b", sql)) == 1
            assert "*" not in sql
            assert ";" not in sql
            assert not re.search(r"\bquery\b", sql.replace("normalizedQueryHash(query)", ""))
            assert f"limit {MOST_ROWS + 1}" in sql or it in (READ_ONLY_REPLICAS, DATABASES)


@pytest.mark.system
@pytest.mark.parametrize(
    "statement", [SERVERS, REPLICAS, READ_ONLY_REPLICAS, DATABASES, QUERIES], ids=lambda it: it.name
)
@pytest.mark.parametrize("address", ["{}", "http://responder:pw@{}"], ids=["anybody", "the shipped user"])
async def test_each_statement_is_answered(
    statement: Statement, address: str, clickhouse_server: System, doors: Doors, target: Made
) -> None:
    host = f"{LOOPBACK}:{clickhouse_server.port}"
    at = address.format(host) if "@" in address else f"http://{host}"

    fetched = await doors.clickhouse(target("clickhouse", at)).fetch(statement)

    assert fetched.older == bool(statement.older)  # Debian's is of 2018
    assert all(isinstance(it, dict) for it in fetched.rows)


@pytest.mark.system
async def test_rows_are_cut(clickhouse_server: System, doors: Doors, target: Made) -> None:
    fetched = await doors.clickhouse(target("clickhouse", ours(clickhouse_server))).fetch(MANY)

    assert (len(fetched.rows), fetched.cut) == (200, True)


@pytest.mark.system
@pytest.mark.parametrize("user", ["default:", "responder:pw"])
@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("create table t (a Int8) engine = Memory", 164),
        ("drop table system.query_log", 164),
        ("insert into system.query_log select * from system.query_log", 164),
        ("set max_threads = 1", 164),
    ],
)
async def test_by_get_nothing_is_written_whoever_asks(
    sql: str, code: int, user: str, clickhouse_server: System, doors: Doors, target: Made
) -> None:
    door = doors.clickhouse(target("clickhouse", f"http://{user}@{LOOPBACK}:{clickhouse_server.port}"))

    with pytest.raises(Refused, match=r"code \d+"):
        await door.fetch(Statement(name="bad", sql=sql))


@pytest.mark.system
@pytest.mark.parametrize(
    "sql",
    ["select * from default.patients", "select * from url('http://127.0.0.1:1', CSV, 'a Int8')", "kill query where 1"],
)
async def test_the_shipped_user_reads_system_tables_and_no_other(sql: str, clickhouse_server: System) -> None:
    async with aiohttp.ClientSession() as session:
        made = "create table if not exists default.patients (name String) engine = Memory"
        async with session.post(clickhouse_server.address, data=made) as done:
            assert done.status == 200
        async with session.post(ours(clickhouse_server), data=sql) as answer:
            said = await answer.text()

    if sql.startswith("kill"):  # of others' queries it is told of none, so that it can end none
        assert said == ""
    else:
        assert re.match(r"Code: (164|291|60)", said), said


@pytest.mark.system
async def test_a_wrong_password_is_refused_without_its_text(
    clickhouse_server: System, doors: Doors, target: Made
) -> None:
    with pytest.raises(Refused) as caught:
        await doors.clickhouse(target("clickhouse", ours(clickhouse_server, "s3cret"))).fetch(QUERIES)

    where = f"http://{LOOPBACK}:{clickhouse_server.port}"
    assert str(caught.value) == f"{where}: running queries: the credentials are not accepted (code 193)"


async def test_limits_are_set_where_they_may_be_and_left_to_the_profile_else(
    serve: Serve, doors: Doors, target: Made
) -> None:
    asked: list[dict[str, str]] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(dict(request.query))
        if "max_execution_time" in request.query:
            said = "Code: 164. DB::Exception: Cannot modify 'max_execution_time' setting in readonly mode"
            return web.Response(status=500, text=said)
        return web.json_response({"data": [{"read_only": 0}]})

    door = doors.clickhouse(target("clickhouse", await serve(answer)))
    await door.fetch(READ_ONLY_REPLICAS)
    await door.fetch(READ_ONLY_REPLICAS)

    assert [set(it) - {"query"} for it in asked] == [{"max_execution_time", "max_result_rows"}, set(), set()]
    assert {it["query"] for it in asked} == {f"{READ_ONLY_REPLICAS.sql} format JSON"}


@pytest.mark.parametrize(
    ("handler", "kind", "why"),
    [
        (refusing(500, "Code: 241. DB::Exception: Memory limit"), Unreachable, "no memory is left for a query"),
        (refusing(404, "Code: 60. DB::Exception: s3cret"), Refused, "no such table (code 60)"),
        (refusing(403, "", X_ClickHouse_Exception_Code="516"), Refused, "the credentials are not accepted (code 516)"),
        (refusing(500, "Code: 999. s3cret"), Refused, "ClickHouse refused it (code 999)"),
        (refusing(403, "s3cret"), Refused, "HTTP 403, the credentials are not accepted, or lack a right"),
        (refusing(200, "Ok.\n"), Unreachable, "HTTP 200, not an answer of ClickHouse"),
        (refusing(200, "[]"), Unreachable, "not an answer of ClickHouse"),
        (refusing(302, "", Location="http://s3cret"), Unreachable, "HTTP 302, not an answer of ClickHouse"),
        (refusing(200, '{"data": [{"a": 1}Code: 159. s3cret'), Unreachable, "it took too long (code 159)"),
        (refusing(200, json.dumps({"data": [], "exception": "Code: 241. s3cret"})), Unreachable, "no memory"),
        (refusing(200, " " * (1024 * 1024 + 1)), Unreachable, "the answer is larger than 1 MiB"),
    ],
)
async def test_what_is_no_answer_is_told_in_words_of_our_own(
    handler: Handler, kind: type[Exception], why: str, serve: Serve, doors: Doors, target: Made
) -> None:
    with pytest.raises(kind, match=re.escape(why)) as caught:
        await doors.clickhouse(target("clickhouse", await serve(handler))).fetch(QUERIES)

    assert "s3cret" not in str(caught.value)


@pytest.mark.system
async def test_a_look_that_is_given_up_hangs_up(clickhouse_server: System, doors: Doors, target: Made) -> None:
    door: Any = doors.clickhouse(target("clickhouse", clickhouse_server.address))

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await door.fetch(ENDLESS)

    assert not any(door._http._session.connector._acquired)
