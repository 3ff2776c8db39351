"""`/rules`, `/api/v1/rules` and the request to reload, asked of a daemon."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.kept import PACK, Kept, kept_in

API = "/api/v1/rules"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "faults"
    made.mkdir()
    (made / "pack.yaml").write_text(PACK.read_text())
    return made


@pytest.fixture
async def kept(embedded_database: str, monkeypatch: pytest.MonkeyPatch, folder: Path) -> AsyncIterator[Kept]:
    async with kept_in(embedded_database, monkeypatch, rules=folder) as made:
        yield made


async def reload(kept: Kept, expect: int, **headers: str) -> dict[str, Any]:
    async with kept.http.post(f"{kept.daemon.url}{API}/reload", headers=headers) as answer:
        assert (answer.status, answer.content_type) == (
            expect,
            "application/json" if expect == 200 else "application/problem+json",
        )
        told: dict[str, Any] = await answer.json()
        return told


async def test_the_rules_in_force_are_told(kept: Kept, folder: Path) -> None:
    body = await kept.json(API)

    assert (body["path"], body["rules_loaded"], body["warnings"]) == (str(folder), 4, [])
    assert (body["last_load"]["good"], body["last_load"]["by"]) == (True, "the start")
    (pack,) = body["packs"]
    assert (pack["pack"], pack["levels"], pack["targets"], pack["signals"]) == (
        "faults",
        ["P1", "P2"],
        {"api": "http"},
        {"serving": "percent"},
    )
    assert pack["rules"][0] == {
        "rule": "serving",
        "written_at": f"{folder}/pack.yaml:11:5",
        "summary": "Serving",
        "match": ['alertname=~"Killed.*"'],
        "default": False,
        "watch_seconds": None,
        "thresholds": {"serving": {"critical": "< 50%"}},
        "combine": "any",
        "level": None,
        "private": False,
        "runbook": "",
        "diagnose": ["http.status(api)", "slow"],
        "suggest": [],
    }


async def test_a_reload_brings_what_is_right_into_force_and_names_what_is_wrong(kept: Kept, folder: Path) -> None:
    file = folder / "pack.yaml"
    file.write_text(PACK.read_text().replace('"< 50%"}}\n    diag', '"< 40%"}}\n    diag'))
    good = await reload(kept, 200)
    file.write_text(PACK.read_text().replace("summary: Serving", "sumary: Serving"))
    bad = await reload(kept, 422)

    assert (good["last_load"]["changed"], good["rules_loaded"]) == (["faults"], 4)
    assert "the rule files hold 1 mistake; the rules in force stay" in bad["detail"]
    assert bad["problems"] == [
        {
            "file": str(file),
            "line": 12,
            "column": 5,
            "severity": "error",
            "text": "unknown key `sumary`; did you mean `summary`?",
        }
    ]
    shown = await kept.json(API)
    assert shown["packs"][0]["rules"][0]["thresholds"] == {"serving": {"critical": "< 40%"}}
    assert shown["last_load"]["problems"] == bad["problems"]
    _, _, page = await kept.get("/rules")
    assert f"{file}:12:5" in page
    _, _, start = await kept.get("/")
    assert "Changed rule files hold 1 mistake and are not in force" in start
    file.write_text(PACK.read_text())
    await reload(kept, 200)
    assert "are not in force" not in (await kept.get("/"))[2]
    file.write_text(PACK.read_text().replace("summary: Serving", "sumary: Serving"))
    await reload(kept, 422)
    _, _, figures = await kept.get("/metrics")
    assert "responder_rules_last_reload_success 0.0" in figures
    assert "responder_rules_loaded 4.0" in figures


async def test_a_page_of_another_site_cannot_make_a_browser_reload(kept: Kept) -> None:
    refused = await reload(kept, 403, Origin="https://evil.example.com")
    ours = await reload(kept, 200, Origin=kept.daemon.url)

    assert "another site" in refused["detail"]
    assert ours["last_load"]["changed"] == []


async def test_every_set_that_was_in_force_is_kept_by_its_hash(kept: Kept, folder: Path) -> None:
    first = (await kept.json(API))["packs"][0]["hash"]
    (folder / "pack.yaml").write_text(PACK.read_text() + "# another\n")
    await reload(kept, 200)
    second = (await kept.json(API))["packs"][0]["hash"]

    async with asyncio.timeout(20), kept.daemon.desk.store.connection() as connection:
        while {first, second} != {it["hash"].hex() for it in await connection.fetch("select hash from rule_sets")}:
            await asyncio.sleep(0.05)
