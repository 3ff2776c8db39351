"""`responder doctor` as a process, beside a daemon that runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Command
from tests.kept import Kept
from tests.systems.plugin import Postgres, System, free_port

RULES = """
pack: shop
targets:
  database: {postgres: "${DATABASE}"}
  cache: {redis: "${CACHE}"}
  unset: {http: "${UNSET_URL}"}
rules: [{name: any, default: true}]
"""


@pytest.mark.system
async def test_everything_is_looked_at_and_what_is_wrong_is_named(
    kept: Kept, command: Command, tmp_path: Path, postgres_server: Postgres, redis_server: System
) -> None:
    (tmp_path / "rules.yaml").write_text(RULES)
    where = {"RESPONDER_RULES": str(tmp_path / "rules.yaml"), "RESPONDER_ALERTMANAGER_TOKENS": "canary-3391"}
    where |= {"DATABASE": postgres_server.dsn, "CACHE": redis_server.address, "COLUMNS": "400"}
    where |= {"RESPONDER_ALERTMANAGER_URLS": f"http://127.0.0.1:{free_port()}"}

    shown = await command("doctor", **where)
    told = json.loads((await command("doctor", "--json", **where)).stdout)

    assert shown.returncode == 1, shown.stderr
    state = {it["about"]: it["state"] for it in told["lines"]}
    assert state == {
        "settings": "ok",
        "rules": "ok",
        "store": "ok",
        "clock": "ok",
        "timers": "ok",
        "target shop/database": "wrong",
        "target shop/cache": "wrong",
        "target shop/unset": "warning",
        "sinks": "warning",
        "alertmanager default": "wrong",
    }
    assert told["wrong"] == 3
    assert [line.split()[0] for line in shown.stdout.splitlines()[1:11]] == list(state.values())
    assert "TOO ALLOWED: is a superuser: may do everything; deploy/roles/postgres.sql makes a role" in shown.stdout
    (cache,) = [it["facts"] for it in told["lines"] if it["about"] == "target shop/cache"]
    assert (cache["reachable"], cache["allowed"], cache["can_write"]) == (True, True, True)
    assert shown.stdout.splitlines()[-1] == "5 ok, 2 warning, 3 wrong"
    assert "canary" not in shown.stdout + shown.stderr + json.dumps(told)


async def test_work_is_counted_by_the_settings_that_are_there(kept: Kept, command: Command, tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text("rules: [{name: any, default: true}]\n")
    async with kept.daemon.desk.store.connection() as connection:
        await connection.execute(
            "insert into work (kind, key, due_at) values ('link', '0', now() - interval '2 minutes')"
        )
    rules = str(tmp_path / "rules.yaml")

    async def told(**settings: str) -> dict[str, str]:
        shown = await command("doctor", "--json", RESPONDER_RULES=rules, **settings)
        return {it["about"]: it["state"] for it in json.loads(shown.stdout)["lines"] if "timers" in it["about"]}

    without = await told()
    with_a_key = await told(RESPONDER_PAGERDUTY_TOKEN="a-key-of-nobody", RESPONDER_PAGERDUTY_URL="http://127.0.0.1:1")
    async with kept.daemon.desk.store.connection() as connection:
        await connection.execute("delete from work where kind = 'link'")

    assert without == {"timers": "ok", "timers of others": "warning"}
    assert with_a_key == {"timers": "wrong"}


async def test_what_is_well_is_0_and_a_mistake_in_the_rules_is_not(command: Command, tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text("rules: [{name: any, default: true}]\n")
    (tmp_path / "bad.yaml").write_text("rulez: []\n")
    data = {"RESPONDER_DATA_DIR": str(tmp_path / "not-there"), "COLUMNS": "200"}

    good = await command("doctor", RESPONDER_RULES=str(tmp_path / "good.yaml"), **data)
    bad = await command("doctor", RESPONDER_RULES=str(tmp_path / "bad.yaml"), **data)

    assert (good.returncode, bad.returncode) == (0, 1)
    assert "no store yet; the first start makes it" in good.stdout
    assert not (tmp_path / "not-there").exists()
    assert "`responder check" in bad.stdout
