"""Reviewed statements by HTTP GET, which ClickHouse itself takes for read-only.

https://clickhouse.com/docs/interfaces/http and
https://clickhouse.com/docs/operations/settings/permissions-for-queries#readonly
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from responder.clients.clickhouse_statements import MOST_ROWS, Statement
from responder.clients.http import Answer, HttpDoor
from responder.errors import CouldNotLook, Refused, Unreachable

MAX_BODY_BYTES = 1024 * 1024
# A user whose profile says readonly=1 may not set them; its profile should then: deploy/roles/clickhouse.xml.
LIMITS = {"max_execution_time": "10", "max_result_rows": str(MOST_ROWS + 1)}
CODE = re.compile(rb"Code: (\d{1,5})")
# https://github.com/ClickHouse/ClickHouse/blob/master/src/Common/ErrorCodes.cpp
UNKNOWN_NAME = frozenset({46, 47})  # of a function, of a column
LIMITS_REFUSED = frozenset({115, 164, 452})  # unknown setting, read-only, against a constraint
SAYS_NO = {
    60: "no such table",
    164: "not allowed to a read-only user",
    192: "the credentials are not accepted",
    193: "the credentials are not accepted",
    194: "the credentials are not accepted",
    195: "the credentials are not accepted from this address",
    497: "the user lacks a right",
    516: "the credentials are not accepted",
}
SAYS_LATER = {
    159: "it took too long",
    202: "too many queries run at once",
    241: "no memory is left for a query",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """Rows by the names of the statement; `cut` when there were more than 200; `older` when the server knew only the
    older form."""

    rows: tuple[Mapping[str, Any], ...]
    cut: bool
    older: bool


class ClickhouseDoor:
    """Asks statements of `clickhouse_statements.py`; every method raises CouldNotLook."""

    def __init__(self, http: HttpDoor) -> None:
        self._http = http
        self._limits: Mapping[str, str] = LIMITS

    @property
    def shown(self) -> str:
        """Scheme, host and port, for people."""
        return self._http.shown

    async def close(self) -> None:
        """Close what was opened."""
        await self._http.close()

    async def fetch(self, statement: Statement) -> Fetched:
        """At most 200 rows."""
        answer = await self._asked(statement.sql)
        older = bool(statement.older) and _refused(answer, UNKNOWN_NAME)
        if older:
            answer = await self._asked(statement.older)
        rows = self._rows(answer, statement)
        return Fetched(rows=tuple(rows[:MOST_ROWS]), cut=len(rows) > MOST_ROWS, older=older)

    async def _asked(self, sql: str) -> Answer:
        query = {"query": f"{' '.join(sql.split())} format JSON"}
        answer = await self._http.get("/", query | dict(self._limits))
        if self._limits and _refused(answer, LIMITS_REFUSED):
            self._limits = {}
            answer = await self._http.get("/", query)
        return answer

    def _rows(self, answer: Answer, statement: Statement) -> list[dict[str, Any]]:
        where = f"{self.shown}: {statement.name}"
        if answer.status != 200:
            raise self._refusal(answer, where)
        if answer.cut:
            raise Unreachable(f"{where}: the answer is larger than {MAX_BODY_BYTES >> 20} MiB")
        try:
            told = _Told.model_validate_json(answer.body)
        except ValidationError:
            raise self._refusal(answer, where) from None
        if told.exception:  # it began to answer and could not go on
            raise self._refusal(answer, where)
        return told.data

    def _refusal(self, answer: Answer, where: str) -> CouldNotLook:
        code = _code(answer)
        if code is None and answer.status in (401, 403):
            return Refused(f"{where}: HTTP {answer.status}, the credentials are not accepted, or lack a right")
        if code is None:
            return Unreachable(f"{where}: HTTP {answer.status}, not an answer of ClickHouse")
        if code in SAYS_LATER:
            return Unreachable(f"{where}: {SAYS_LATER[code]} (code {code})")
        # Its own words may quote names of tables and users, and are left out.
        return Refused(f"{where}: {SAYS_NO.get(code, 'ClickHouse refused it')} (code {code})")


class _Told(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    data: list[dict[str, Any]]
    exception: str = ""


def _refused(answer: Answer, codes: frozenset[int]) -> bool:
    return answer.status != 200 and _code(answer) in codes


def _code(answer: Answer) -> int | None:
    """Of the exception that an answer is, or ends in; None where it names none."""
    given = answer.headers.get("x-clickhouse-exception-code", "")
    if given.isascii() and given.isdigit():
        return int(given)
    found = CODE.search(answer.body)
    return int(found[1]) if found else None
