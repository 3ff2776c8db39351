"""A dump of a whole database by pg_dump, which comes along with the embedded server: no lock, no pause, one moment."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from responder.embedded.programs import installed_programs
from responder.errors import StoreUnavailable, UsageError

CLOSED = 0o600  # it holds labels, host names and what was found


async def dump(dsn: str, file: Path) -> None:
    """Write it in pg_dump's own format (`-Fc`), readable by our user alone; whole or not at all.

    Raises UsageError where the file is there or cannot be written, StoreUnavailable with pg_dump's words.
    """
    part = _begun(file)
    try:
        await _run(dsn, part)
        part.rename(file)
    finally:
        part.unlink(missing_ok=True)


def _begun(file: Path) -> Path:
    """The empty file that becomes it once it is whole."""
    if file.exists():
        raise UsageError(f"{file} is there already; name another file, or move it away")
    part = file.with_name(f"{file.name}.part")
    try:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, CLOSED))
    except OSError as why:
        raise UsageError(f"{file} cannot be written: {why.strerror}") from None
    return part


async def _run(dsn: str, part: Path) -> None:
    """The password goes by the environment: what stands in the arguments can be read by everybody."""
    address = urlsplit(dsn)
    password = unquote(address.password or "")
    host = address.netloc.rpartition("@")
    user = host[0].partition(":")[0]
    plain = address._replace(netloc=f"{user}@{host[2]}" if user else host[2]).geturl()
    program = str(installed_programs().path("pg_dump"))
    process = await asyncio.create_subprocess_exec(
        program,
        "--format=custom",
        "--no-password",
        f"--file={part}",
        plain,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **({"PGPASSWORD": password} if password else {})},
    )
    try:
        _, said = await process.communicate()
    except BaseException:  # cancelled too: it must not go on writing
        process.kill()
        await process.wait()
        raise
    if process.returncode != 0:
        words = " ".join(said.decode("utf-8", "replace").split())[-500:]
        raise StoreUnavailable(f"pg_dump: {words or f'ended with {process.returncode}'}")
