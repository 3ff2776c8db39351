import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from responder.clients.doors import Doors
from responder.clients.http import HttpDoor
from responder.errors import NotConfigured
from responder.model.pack import Target


def test_a_plain_start_loads_no_library_of_a_target() -> None:
    program = (
        "import sys, responder.clients.doors, responder.diagnostics.diagnostic\n"
        "print([it for it in ('aiohttp', 'asyncpg', 'redis') if it in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


async def test_a_target_has_one_door(doors: Doors, target: Callable[..., Target]) -> None:
    first, again = doors.http(target("http", "http://a")), doors.http(target("http", "http://a"))
    other = doors.http(target("http", "http://b"))

    assert first is again
    assert first is not other


async def test_a_rotated_secret_opens_a_new_door(target: Callable[..., Target], tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("one")
    doors = Doors({})
    given = target("http", "http://a", headers={"Authorization": f"Bearer ${{file:{secret}}}"})
    first = doors.http(given)

    secret.write_text("two")

    assert doors.http(given) is not first
    await doors.close()


async def test_doors_that_nobody_wants_are_closed_once_nobody_asks_for_them(
    doors: Doors, target: Callable[..., Target], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, gone = target("http", "http://a"), target("http", "http://b")
    doors_of = [doors.http(kept), doors.http(gone)]
    closed: list[HttpDoor] = []

    async def close(door: HttpDoor) -> None:
        closed.append(door)

    monkeypatch.setattr(HttpDoor, "close", close)
    await doors.close_idle([kept])  # an open incident may still ask: it keeps the rules that it began with
    assert closed == []

    await doors.close_idle([kept], idle_seconds=0)

    assert closed == [doors_of[1]]
    assert doors.http(kept) is doors_of[0]
    assert doors.http(gone) is not doors_of[1]


async def test_what_a_rotated_secret_has_replaced_is_closed_in_time(
    doors: Doors, target: Callable[..., Target], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("one")
    given = target("http", "http://a", headers={"Authorization": f"Bearer ${{file:{tmp_path}/token}}"})
    old = doors.http(given)
    (tmp_path / "token").write_text("two")
    new = doors.http(given)
    closed: list[HttpDoor] = []

    async def close(door: HttpDoor) -> None:
        closed.append(door)

    monkeypatch.setattr(HttpDoor, "close", close)
    await doors.close_idle([given], idle_seconds=0)

    assert closed == [old]
    assert doors.http(given) is new


@pytest.mark.parametrize("kind", ["http", "prometheus", "postgres", "redis", "statuspage", "github"])
def test_an_unset_variable_is_named(kind: str, target: Callable[..., Target]) -> None:
    with pytest.raises(NotConfigured, match=r"^THE_URL is not set$"):
        getattr(Doors({}), kind)(target(kind, "${THE_URL}"))
