"""`responder noise` on the store of a daemon whose alert was over before anybody touched it."""

from __future__ import annotations

import json

import asyncpg

from tests.cli.conftest import Command
from tests.kept import FIRING, Kept

OVER = FIRING | {"status": "resolved", "endsAt": "2026-11-21T03:20:00Z"}


async def test_what_came_back_and_was_over_untouched_is_noise(kept: Kept, command: Command) -> None:
    before = await command("noise")
    await kept.post(OVER)
    await kept.post(FIRING | {"startsAt": "2026-11-21T03:21:00Z"})
    await kept.post(OVER | {"startsAt": "2026-11-21T03:21:00Z", "endsAt": "2026-11-21T03:22:00Z"})

    at_once = await command("noise")
    database = await asyncpg.connect(kept.database)
    await database.execute("update incidents set resolved_at = resolved_at - interval '11 minutes'")
    await database.close()
    after = await command("noise", COLUMNS="120")
    told = json.loads((await command("noise", "--json", "--since", "1h")).stdout)

    assert before.stdout == at_once.stdout
    assert at_once.stdout == (
        "0 incidents of the last 7d: 0 of them noise; 1 more left out: open, or over for less than 10m\n"
    )
    heads, row, summary = after.stdout.splitlines()
    assert heads.split()[0] == "alert"
    assert row.split() == ["KilledNobody", "1", "–", "1", "(1×)", "1", "inc-0001"]
    assert summary == "1 incident of the last 7d: 1 of them noise"
    (alert,) = told["alerts"]
    assert (alert["alert"], alert["reopened"], alert["untouched"], alert["clear"]) == ("KilledNobody", 1, 1, 0)


async def test_a_span_that_is_none_is_refused(command: Command) -> None:
    done = await command("noise", "--since", "yesterday")

    assert done.returncode == 2
    assert "--since: expected a duration" in done.stderr
