"""What must be true before the embedded PostgreSQL is touched: who runs it, where it lies, that nobody else does.

All refusals are raised from here as UsageError, each with its cure.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import stat
import tempfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from responder.errors import UsageError

ROOT_DATA_DIR = Path("/var/lib/responder")
USER_DATA_DIR = Path("var")

SOCKET_NAME = ".s.PGSQL.5432"
LONGEST_SOCKET_PATH = 107
"""Bytes of a whole socket path: `sun_path` in unix(7) has 108 with its final NUL."""

ELSEWHERE = "or set RESPONDER_DATABASE_URL to a PostgreSQL server of your own"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerUser:
    """The account that PostgreSQL runs as; `dropped` when we are root and it is not (it refuses to run as root)."""

    name: str
    uid: int
    gid: int
    dropped: bool

    def rights(self) -> dict[str, Any]:
        """Keywords for subprocess that start a program with this account's rights and no others."""
        return {"user": self.uid, "group": self.gid, "extra_groups": ()} if self.dropped else {}

    def take(self, path: Path) -> None:
        """Give it `path`, which we have just made."""
        if self.dropped:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def may_enter(self, folder: Path) -> bool:
        """Whether the permission bits let it go through `folder` (access lists are not looked at)."""
        return self._has(folder.stat(), stat.S_IXOTH)

    def may_run(self, file: Path) -> bool:
        """Whether the permission bits let it read and run `file`, its folders left aside."""
        return self._has(file.stat(), stat.S_IROTH | stat.S_IXOTH)

    def _has(self, status: os.stat_result, bits: int) -> bool:
        shift = 6 if status.st_uid == self.uid else 3 if status.st_gid == self.gid else 0
        return (status.st_mode >> shift) & bits == bits


def data_dir_of(data_dir: Path | None, uid: int) -> Path:
    """Absolute, without symbolic links; None is /var/lib/responder for root, ./var for anybody else."""
    return (data_dir or (ROOT_DATA_DIR if uid == 0 else USER_DATA_DIR)).expanduser().resolve()


def server_user(uid: int, *, cluster: Path) -> ServerUser:
    """Whom the server runs as when we are `uid`: ourselves, or for root `postgres`, else `nobody`.

    Of those two, the one that owns `cluster` already. Raises UsageError when there is no such account.
    """
    if uid != 0:
        return _as_ourselves(uid)
    accounts = [entry for entry in map(_account, ("postgres", "nobody")) if entry is not None and entry.pw_uid != 0]
    if not accounts:
        raise UsageError(
            "responder runs as root, which PostgreSQL refuses, and found neither a user `postgres` nor `nobody` to run "
            f"it as; add one (`useradd --system postgres`), run responder as a plain user, {ELSEWHERE}"
        )
    owner = cluster.stat().st_uid if cluster.exists() else None
    entry = next((entry for entry in accounts if entry.pw_uid == owner), accounts[0])
    return ServerUser(name=entry.pw_name, uid=entry.pw_uid, gid=entry.pw_gid, dropped=True)


def _as_ourselves(uid: int) -> ServerUser:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        raise UsageError(
            f"responder runs as user id {uid}, which has no entry in /etc/passwd, and PostgreSQL's initdb asks for its "
            f"name; add one (`useradd --uid {uid} responder` in the image), run as a user that has one, {ELSEWHERE}"
        ) from None
    return ServerUser(name=entry.pw_name, uid=uid, gid=entry.pw_gid, dropped=False)


def _account(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def closed_folder(path: Path, user: ServerUser) -> Path | None:
    """The outermost folder on the way to `path`, itself included, that `user` may not enter; None: reachable."""
    on_the_way = [it for it in (*reversed(path.parents), path) if it.is_dir()]
    return next((it for it in on_the_way if not user.may_enter(it)), None)


def make_data_dir(data_dir: Path, user: ServerUser) -> None:
    """Make the folder, entered by us (and by the dropped user). Raises UsageError; makes nothing when unreachable."""
    _refuse_unreachable(data_dir, user)
    try:
        _make_folders(data_dir, user)
    except OSError as why:
        raise UsageError(
            f"RESPONDER_DATA_DIR {data_dir} cannot be made: {why.strerror}: {why.filename}; give user "
            f"`{user.name}` the right to write there, name another folder, {ELSEWHERE}"
        ) from None
    if not os.access(data_dir, os.W_OK | os.X_OK):
        raise UsageError(
            f"RESPONDER_DATA_DIR {data_dir} cannot be written by user `{user.name}`; "
            f"`chown {user.name} {data_dir}`, name another folder, {ELSEWHERE}"
        )


def _refuse_unreachable(data_dir: Path, user: ServerUser) -> None:
    closed = closed_folder(data_dir, user) if user.dropped else None
    if closed is not None:
        raise UsageError(
            f"RESPONDER_DATA_DIR {data_dir} cannot be reached by user `{user.name}`, as which PostgreSQL runs because "
            f"responder runs as root: {closed} has mode {stat.S_IMODE(closed.stat().st_mode):o}; "
            f"name another folder ({ROOT_DATA_DIR} is the default), or `chmod o+x {closed}`"
        )


def not_permitted(data_dir: Path, user: ServerUser, why: PermissionError) -> UsageError:
    """What to do when the system forbids a step that our account should be able to take."""
    if not user.dropped:
        return UsageError(
            f"PostgreSQL on {data_dir} cannot be started by user `{user.name}`: {why}; `chown` it to them"
        )
    return UsageError(
        f"PostgreSQL on {data_dir} cannot be started as user `{user.name}`: {why}; responder runs as root without the "
        "capabilities CHOWN, DAC_OVERRIDE, SETUID and SETGID: grant them, run it as a plain user "
        f"that owns the folder, {ELSEWHERE}"
    )


def _make_folders(data_dir: Path, user: ServerUser) -> None:
    if not user.dropped:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        return
    for folder in (*reversed(data_dir.parents), data_dir):
        if not folder.is_dir():
            folder.mkdir()
            folder.chmod(0o711)  # entered, not listed; said apart, because the umask may forbid even that


def refuse_foreign_cluster(cluster: Path, user: ServerUser, *, ours: int) -> None:
    """Raise UsageError unless `cluster` is absent, or a data folder of `user` and of major version `ours`."""
    if not cluster.exists():
        return
    owner = cluster.stat().st_uid
    if owner != user.uid:
        raise UsageError(
            f"{cluster} belongs to user id {owner}, and PostgreSQL would run as `{user.name}` ({user.uid}); run "
            f"responder as the user that made it, or `chown -R {user.name} {cluster}`"
        )
    theirs = _major_version(cluster)
    if theirs != str(ours):
        raise UsageError(
            f"{cluster} was made by PostgreSQL {theirs}, and this responder brings PostgreSQL {ours}, which cannot "
            "read it; go back to the responder that made it until `responder store upgrade` is there "
            "(not in this version)"
        )


def _major_version(cluster: Path) -> str:
    try:
        return (cluster / "PG_VERSION").read_text("utf-8", "replace").strip()
    except FileNotFoundError:
        raise UsageError(
            f"{cluster} has no file PG_VERSION, so it is no data folder of PostgreSQL; move it away, "
            "or name another folder in RESPONDER_DATA_DIR"
        ) from None


def socket_folder_of(data_dir: Path, user: ServerUser) -> Path:
    """Where the socket goes: in the data folder if its path is short and plain enough, else in a run or temp folder.

    The same each time for the same folder and user. Raises UsageError when no place will do.
    """
    inside = data_dir / "run"
    if _fits_a_socket(inside):
        return inside
    name = f"responder-{sha256(f'{user.uid}:{data_dir}'.encode()).hexdigest()[:12]}"
    places = [Path("/run")] if user.dropped else []
    for place in (*places, Path(tempfile.gettempdir()).resolve(), Path("/tmp")):  # noqa: S108 - the folder is private and checked
        fits = _fits_a_socket(place / name) and os.access(place, os.W_OK | os.X_OK)
        if fits and closed_folder(place, user) is None:
            return place / name
    raise UsageError(
        f"RESPONDER_DATA_DIR {data_dir} is too long for a socket ({LONGEST_SOCKET_PATH} bytes), and neither the run "
        "nor the temporary folder will do; name a shorter folder"
    )


def _fits_a_socket(folder: Path) -> bool:
    plain = all(it.isascii() and (it.isalnum() or it in "/._-+@ ") for it in str(folder))  # a comma would be a list
    return plain and len(os.fsencode(folder / SOCKET_NAME)) <= LONGEST_SOCKET_PATH


def make_socket_folder(folder: Path, user: ServerUser) -> None:
    """Make it private to `user`. Raises UsageError when something of somebody else stands there."""
    try:
        folder.mkdir(mode=0o700)
        user.take(folder)
    except FileExistsError:
        status = folder.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != user.uid or status.st_mode & 0o077:
            raise UsageError(
                f"{folder} must be a folder of user `{user.name}` alone (mode 700), for PostgreSQL's socket, and is "
                "not; remove it"
            ) from None
    for stale in folder.glob(".s.PGSQL.*"):
        stale.unlink()  # nobody listens: its lock would stop us if another process had the same number by now


class DataDirLock:
    """The right to be the one daemon on a data folder; the kernel takes it back when we die."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    @classmethod
    def take(cls, data_dir: Path) -> DataDirLock:
        """Raises UsageError when another process has it, or the folder's file system has no locks."""
        path = data_dir / "lock"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)  # not inherited by the server
        except OSError as why:
            raise UsageError(f"{path} cannot be opened: {why.strerror}; make it ours, or remove it") from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as why:
            holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise UsageError(_why_no_lock(data_dir, why, holder)) from None
        with contextlib.suppress(OSError):  # for the other's message only; a full disk must not matter
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        return cls(descriptor)

    def release(self) -> None:
        """Let another daemon take it; doing it twice is doing it once."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _why_no_lock(data_dir: Path, why: OSError, holder: str) -> str:
    if not isinstance(why, BlockingIOError):
        return f"RESPONDER_DATA_DIR {data_dir} cannot be locked: {why.strerror}; name a folder on a local disk"
    return (
        f"RESPONDER_DATA_DIR {data_dir} is in use by another responder (process {holder or 'unknown'}); stop that one, "
        "give this one a folder of its own, or give both the same RESPONDER_DATABASE_URL to share their work"
    )
