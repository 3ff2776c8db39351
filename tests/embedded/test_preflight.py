from __future__ import annotations

import os
import re
import stat
from pathlib import Path

import pytest

from responder.embedded.preflight import (
    DataDirLock,
    ServerUser,
    closed_folder,
    data_dir_of,
    make_data_dir,
    make_socket_folder,
    refuse_foreign_cluster,
    server_user,
    socket_folder_of,
)
from responder.errors import UsageError

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives folders to another user")
SOMEBODY = ServerUser(name="somebody", uid=4711, gid=4711, dropped=True)


def test_root_has_another_default_folder_than_a_plain_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)

    assert data_dir_of(None, 0) == Path("/var/lib/responder")
    assert data_dir_of(None, 1000) == tmp_path.resolve() / "var"
    assert data_dir_of(Path("here"), 0) == tmp_path.resolve() / "here"


@needs_root
def test_root_drops_to_postgres_unless_nobody_owns_the_data_already(
    open_dir: Path, account: ServerUser, nobody: object
) -> None:
    owned = open_dir / "postgres"
    owned.mkdir()
    os.chown(owned, 65534, 65534)

    user = server_user(0, cluster=owned)

    assert account.name in {"postgres", "nobody"}
    assert account.dropped
    assert (user.name, user.dropped) == ("nobody", True)


def test_a_user_id_without_a_name_is_refused_with_the_cure() -> None:
    with pytest.raises(UsageError, match=r"user id 54321, which has no entry in /etc/passwd") as refusal:
        server_user(54321, cluster=Path("/nowhere"))

    assert "useradd --uid 54321" in str(refusal.value)
    assert "RESPONDER_DATABASE_URL" in str(refusal.value)


def test_a_plain_user_keeps_its_own_rights() -> None:
    user = ServerUser(name="me", uid=1000, gid=1000, dropped=False)

    assert user.rights() == {}


def test_a_dropped_user_gets_no_group_of_root() -> None:
    assert SOMEBODY.rights() == {"user": 4711, "group": 4711, "extra_groups": ()}


@pytest.mark.parametrize(
    ("mode", "closed"),
    [
        pytest.param(0o700, True, id="700 is closed to others"),
        pytest.param(0o710, True, id="710 opens it to another group only"),
        pytest.param(0o704, True, id="704 lets others list, not enter"),
        pytest.param(0o711, False, id="711 lets others through"),
    ],
)
def test_a_closed_folder_on_the_way_is_found(open_dir: Path, mode: int, closed: bool) -> None:
    parent = open_dir / "parent"
    parent.mkdir()
    parent.chmod(mode)

    assert closed_folder(parent / "not" / "there" / "yet", SOMEBODY) == (parent if closed else None)


def test_an_unreachable_data_folder_is_refused_naming_the_parent_and_nothing_is_made(open_dir: Path) -> None:
    parent = open_dir / "parent"
    parent.mkdir(mode=0o700)
    data_dir = parent / "deep" / "data"

    with pytest.raises(UsageError) as refusal:
        make_data_dir(data_dir, SOMEBODY)

    assert str(refusal.value) == (
        f"RESPONDER_DATA_DIR {data_dir} cannot be reached by user `somebody`, as which PostgreSQL runs because "
        f"responder runs as root: {parent} has mode 700; name another folder (/var/lib/responder is the default), "
        f"or `chmod o+x {parent}`"
    )
    assert list(parent.iterdir()) == []


def test_folders_that_we_make_can_be_entered_under_a_strict_umask(open_dir: Path) -> None:
    former = os.umask(0o077)
    try:
        make_data_dir(open_dir / "deep" / "data", SOMEBODY)
    finally:
        os.umask(former)

    assert stat.S_IMODE((open_dir / "deep").stat().st_mode) == 0o711
    assert stat.S_IMODE((open_dir / "deep" / "data").stat().st_mode) == 0o711


def test_a_data_folder_that_is_a_file_is_refused(open_dir: Path) -> None:
    (open_dir / "data").touch()

    with pytest.raises(UsageError, match=f"RESPONDER_DATA_DIR {open_dir}/data cannot be made: File exists"):
        make_data_dir(open_dir / "data", SOMEBODY)


def a_cluster(folder: Path, version: str, account: ServerUser) -> Path:
    cluster = folder / "postgres"
    cluster.mkdir()
    (cluster / "PG_VERSION").write_text(f"{version}\n")
    account.take(cluster)
    return cluster


def test_a_foreign_version_is_refused_naming_both_and_the_command(open_dir: Path, account: ServerUser) -> None:
    cluster = a_cluster(open_dir, "17", account)

    with pytest.raises(UsageError) as refusal:
        refuse_foreign_cluster(cluster, account, ours=18)

    assert str(refusal.value) == (
        f"{cluster} was made by PostgreSQL 17, and this responder brings PostgreSQL 18, which cannot read it; "
        "go back to the responder that made it until `responder store upgrade` is there (not in this version)"
    )


def test_our_own_version_and_no_folder_at_all_are_fine(open_dir: Path, account: ServerUser) -> None:
    refuse_foreign_cluster(open_dir / "absent", account, ours=18)
    refuse_foreign_cluster(a_cluster(open_dir, "18", account), account, ours=18)


def test_a_folder_that_is_no_data_folder_is_refused(open_dir: Path, account: ServerUser) -> None:
    cluster = a_cluster(open_dir, "18", account)
    (cluster / "PG_VERSION").unlink()

    with pytest.raises(UsageError, match="has no file PG_VERSION"):
        refuse_foreign_cluster(cluster, account, ours=18)


def test_a_data_folder_of_somebody_else_is_refused(open_dir: Path, account: ServerUser) -> None:
    cluster = a_cluster(open_dir, "18", account)

    with pytest.raises(UsageError, match=f"belongs to user id {account.uid}.*chown -R somebody"):
        refuse_foreign_cluster(cluster, SOMEBODY, ours=18)


def test_the_socket_lies_in_the_data_folder_when_its_path_is_short_enough(account: ServerUser) -> None:
    longest = Path("/" + "x" * 88)  # 89 + "/run" + "/.s.PGSQL.5432" are 107 bytes

    assert socket_folder_of(longest, account) == longest / "run"
    assert socket_folder_of(Path(f"{longest}x"), account) != Path(f"{longest}x") / "run"


@pytest.mark.parametrize("data_dir", ["/" + "x" * 120, "/a,b", "/größer", '/say "so"'])
def test_a_path_that_no_socket_can_have_gets_a_short_folder_the_same_each_time(
    data_dir: str, account: ServerUser
) -> None:
    folder = socket_folder_of(Path(data_dir), account)

    assert re.fullmatch(r"/.*/?responder-[0-9a-f]{12}", str(folder))
    assert len(os.fsencode(folder / ".s.PGSQL.5432")) <= 107
    assert socket_folder_of(Path(data_dir), account) == folder
    assert socket_folder_of(Path(f"{data_dir},"), account) != folder


def test_a_socket_folder_that_others_can_enter_is_refused(open_dir: Path, account: ServerUser) -> None:
    (open_dir / "run").mkdir()
    account.take(open_dir / "run")
    (open_dir / "run").chmod(0o755)

    with pytest.raises(UsageError, match=r"must be a folder of user .* alone \(mode 700\)"):
        make_socket_folder(open_dir / "run", account)


def test_a_link_planted_in_place_of_the_socket_folder_is_refused(open_dir: Path, account: ServerUser) -> None:
    (open_dir / "elsewhere").mkdir(mode=0o700)
    account.take(open_dir / "elsewhere")
    (open_dir / "run").symlink_to(open_dir / "elsewhere")

    with pytest.raises(UsageError, match="must be a folder of user"):
        make_socket_folder(open_dir / "run", account)


def test_a_socket_left_behind_is_cleared_away(open_dir: Path, account: ServerUser) -> None:
    make_socket_folder(open_dir / "run", account)
    (open_dir / "run" / ".s.PGSQL.5432.lock").write_text("1\n")

    make_socket_folder(open_dir / "run", account)

    assert list((open_dir / "run").iterdir()) == []


def test_a_second_lock_is_refused_naming_folder_holder_and_cure_until_the_first_is_let_go(open_dir: Path) -> None:
    first = DataDirLock.take(open_dir)

    with pytest.raises(UsageError) as refusal:
        DataDirLock.take(open_dir)
    first.release()
    first.release()

    assert str(refusal.value) == (
        f"RESPONDER_DATA_DIR {open_dir} is in use by another responder (process {os.getpid()}); stop that one, "
        "give this one a folder of its own, or give both the same RESPONDER_DATABASE_URL to share their work"
    )
    DataDirLock.take(open_dir).release()
