"""A report to a standard output that stalls, or that nobody holds any more."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from functools import partial

import pytest

from responder import printing
from responder.errors import DeliveryPostponed, DeliveryRefused, DeliveryUncertain
from responder.spool import Spool

PIPE_HOLDS = 64 * 1024


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for it in ends:
        os.close(it)


def read_all(descriptor: int) -> str:
    os.set_blocking(descriptor, False)
    got = b""
    try:
        while more := os.read(descriptor, PIPE_HOLDS):
            got += more
    except BlockingIOError:
        pass
    return got.decode()


async def test_what_is_read_is_printed(pipe: tuple[int, int]) -> None:
    await printing.printing(pipe[1])("a report\n", 30)

    assert read_all(pipe[0]) == "a report\n"


async def test_a_reader_that_has_gone_refuses_the_report() -> None:
    reading, writing = os.pipe()
    os.close(reading)

    with pytest.raises(DeliveryRefused, match="standard output refused it: Broken pipe"):
        await printing.printing(writing)("a report\n", 30)

    os.close(writing)


async def test_a_standard_output_that_was_closed_refuses_the_report() -> None:
    closed = os.open(os.devnull, os.O_RDONLY)  # as far as who writes can tell

    with pytest.raises(DeliveryRefused, match="standard output refused it: Bad file descriptor"):
        await printing.printing(closed)("a report\n", 30)

    os.close(closed)


async def test_a_reader_that_stalls_postpones_the_report_and_never_gets_the_one_that_was_taken_back(
    pipe: tuple[int, int],
) -> None:
    reading, writing = pipe
    write = printing.printing(writing)

    with pytest.raises(DeliveryUncertain, match="is not read, and some of the report may be in it"):
        await write("x" * PIPE_HOLDS + "y", 0.05)
    with pytest.raises(DeliveryPostponed, match="standard output is not read"):
        await write("taken back", 0.05)
    read = [os.read(reading, PIPE_HOLDS).decode()]
    await write("z", 30)

    assert "".join([*read, read_all(reading)]) == "x" * PIPE_HOLDS + "yz"


async def test_the_loop_goes_on_while_a_reader_stalls(pipe: tuple[int, int]) -> None:
    write = printing.printing(pipe[1])
    printed = asyncio.ensure_future(write("x" * 3 * PIPE_HOLDS, 30))

    while not printed.done():  # it could not, if the loop waited for it
        await asyncio.sleep(0)
        read_all(pipe[0])

    await printed


async def test_a_report_that_there_is_no_room_for_is_printed_later(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(printing, "Spool", partial(Spool, most_bytes=10))

    with pytest.raises(DeliveryPostponed, match="standard output is not read"):
        await printing.printing(pipe[1])("a report of more than ten bytes\n", 30)
