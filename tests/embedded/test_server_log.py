from __future__ import annotations

import os
from pathlib import Path

from responder.embedded.server_log import KEPT_BYTES, LARGEST_BYTES, ServerLog


def test_a_log_that_grew_too_large_is_emptied_under_its_writer_and_its_end_is_kept(tmp_path: Path) -> None:
    log = ServerLog(tmp_path / "postgres.log")
    writer = log.open()
    os.write(writer, b"x" * LARGEST_BYTES + b"the end\n")

    log.trim()
    os.write(writer, b"goes on\n")
    os.close(writer)

    assert log.path.read_bytes() == b"goes on\n"
    assert (tmp_path / "postgres.log.1").read_bytes() == b"x" * (KEPT_BYTES - 8) + b"the end\n"
    assert (tmp_path / "postgres.log.1").stat().st_mode & 0o777 == 0o600


def test_a_small_log_is_left_alone(tmp_path: Path) -> None:
    log = ServerLog(tmp_path / "postgres.log")
    os.close(log.open())
    log.path.write_bytes(b"x" * LARGEST_BYTES)

    log.trim()

    assert log.size() == LARGEST_BYTES
    assert [it.name for it in tmp_path.iterdir()] == ["postgres.log"]


def test_a_log_is_emptied_even_when_its_end_cannot_be_kept(tmp_path: Path) -> None:
    log = ServerLog(tmp_path / "postgres.log")
    log.path.write_bytes(b"x" * (LARGEST_BYTES + 1))
    (tmp_path / "postgres.log.1").mkdir()

    log.trim()

    assert log.size() == 0


def test_the_last_words_of_a_server_are_told_without_their_time(tmp_path: Path) -> None:
    log = ServerLog(tmp_path / "postgres.log")
    log.path.write_text("2026-01-01 00:00:00.000 UTC [7] LOG:  of a former one\n")
    begins_at = log.size()
    with log.path.open("a") as file:
        file.write("2026-01-01 00:00:01.000 UTC [8] LOG:  starting\n")
        file.write("2026-01-01 00:00:01.000 UTC [8] FATAL:  it broke\n")

    assert log.since(begins_at) == "LOG:  starting · FATAL:  it broke"
    assert log.since(log.size()) == ""


def test_a_log_that_is_not_there_has_no_size(tmp_path: Path) -> None:
    ServerLog(tmp_path / "absent").trim()

    assert ServerLog(tmp_path / "absent").size() == 0
