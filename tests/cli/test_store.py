"""`responder store` beside a daemon: its status, and a dump that comes back whole."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from responder.embedded.programs import installed_programs
from responder.store.migrate import migrations
from tests.cli.conftest import Command
from tests.conftest import fresh_database
from tests.kept import Kept


async def test_what_is_kept_is_told(kept: Kept, command: Command) -> None:
    shown = await command("store")
    told = json.loads((await command("store", "--json")).stdout)

    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.splitlines()[0].endswith("given by RESPONDER_DATABASE_URL")
    assert (told["where"], told["open_incidents"], told["kept"]["incidents"]["rows"]) == ("given", 1, 1)
    assert told["schema"] == migrations()[-1].number
    assert told["bytes"] > 1_000_000


async def test_a_dump_comes_back_whole_and_is_closed_to_others(
    kept: Kept, command: Command, tmp_path: Path, embedded_dsn: str
) -> None:
    done = await command("store", "backup", "kept.dump")
    again = await command("store", "backup", "kept.dump")

    file = tmp_path / "kept.dump"
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("kept.dump: ")
    assert (again.returncode, "is there already" in again.stderr) == (2, True)
    assert os.stat(file).st_mode & 0o777 == 0o600
    assert [it.name for it in tmp_path.iterdir()] == ["kept.dump"]
    async with fresh_database(embedded_dsn) as empty:
        restore = [str(installed_programs().path("pg_restore")), "--no-owner", "--exit-on-error", "-d", empty]
        subprocess.run([*restore, str(file)], check=True)
        told = json.loads((await command("incidents", "--json", RESPONDER_DATABASE_URL=empty)).stdout)
        assert [it["incident"] for it in told["incidents"]] == ["inc-0001"]


async def test_what_cannot_be_dumped_leaves_no_file_and_no_password(command: Command, tmp_path: Path) -> None:
    address = "postgresql://me:canary-4410@127.0.0.1:1/none"

    done = await command("store", "backup", "kept.dump", RESPONDER_DATABASE_URL=address)

    assert done.returncode == 1
    assert "canary-4410" not in done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == []
