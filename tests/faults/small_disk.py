"""A disk that is soon full: a small file system in memory."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

SMALLEST_PIECE_BYTES = 4096


@dataclass(frozen=True, kw_only=True)
class SmallDisk:
    """Mounted at `folder`; open it with `mounted`."""

    folder: Path

    @classmethod
    @contextlib.contextmanager
    def mounted(cls, folder: Path, *, megabytes: int) -> Iterator[SmallDisk]:
        """Until the block ends; skips the test where nothing may be mounted."""
        folder.mkdir(exist_ok=True)
        options = f"size={megabytes}m,mode=755"
        tried = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, check=False
        )
        if tried.returncode != 0:
            pytest.skip(f"a full disk needs the right to mount one: {tried.stderr.decode().strip()}")
        try:
            yield cls(folder=folder)
        finally:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)

    def fill(self, *, but_megabytes: int = 0) -> None:
        """Take all that is free, or all but so much."""
        with (self.folder / "filling").open("ab") as file:
            while (left := self._free() - but_megabytes * 1024 * 1024) >= SMALLEST_PIECE_BYTES:
                with contextlib.suppress(OSError):  # somebody else was faster
                    os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, left)

    def empty(self) -> None:
        """Give it back."""
        (self.folder / "filling").unlink(missing_ok=True)

    def _free(self) -> int:
        disk = os.statvfs(self.folder)
        return disk.f_bavail * disk.f_frsize
