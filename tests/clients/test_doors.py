import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from responder.clients.doors import Doors
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


@pytest.mark.parametrize("kind", ["http", "prometheus", "postgres", "redis"])
def test_an_unset_variable_is_named(kind: str, target: Callable[..., Target]) -> None:
    with pytest.raises(NotConfigured, match=r"^THE_URL is not set$"):
        getattr(Doors({}), kind)(target(kind, "${THE_URL}"))
