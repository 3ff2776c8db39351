from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import jwt

from responder.clients.google_credentials import METADATA_PATH, SCOPES, Credentials
from responder.errors import CouldNotLook, NotConfigured, Unreachable
from tests.systems.plugin import free_port
from tests.systems.servers import Handler

Serve = Callable[[Handler], Awaitable[str]]
EMAIL = "responder@shop-prod.iam.gserviceaccount.com"


@pytest.fixture(scope="session")
def pair() -> tuple[str, bytes]:
    """A private key as Google writes it into a file, and the public one."""
    key = rsa.generate_private_key(65537, 2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public


def key_file(folder: Path, private: str, **more: Any) -> dict[str, str]:
    """As `gcloud iam service-accounts keys create` writes it; the environment that names it."""
    path = folder / "key.json"
    key = {
        "type": "service_account",
        "project_id": "shop-prod",
        "private_key_id": "0123abcd",
        "private_key": private,
        "client_email": EMAIL,
        "client_id": "1",
        "token_uri": "https://oauth2.googleapis.com/token",
        **more,
    }
    path.write_text(json.dumps(key) + "\n")
    return {"GOOGLE_APPLICATION_CREDENTIALS": str(path)}


def test_the_library_is_loaded_for_a_key_and_for_nothing_else() -> None:
    program = (
        "import sys, responder.clients.google, responder.clients.google_credentials\n"
        "print([it for it in ('google.auth', 'requests') if it in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


async def test_a_key_signs_a_token_that_may_read_and_no_more(tmp_path: Path, pair: tuple[str, bytes]) -> None:
    private, public = pair

    said = await Credentials(key_file(tmp_path, private)).authorization()

    claims = jwt.decode(said.removeprefix("Bearer "), certs=public)  # type: ignore[no-untyped-call]
    assert claims["scope"].split() == list(SCOPES)
    assert all(it.endswith((".readonly", ".read")) for it in SCOPES)
    assert (claims["iss"], claims["sub"]) == (EMAIL, EMAIL)
    assert 0 < claims["exp"] - datetime.now(UTC).timestamp() <= 3600


async def test_a_token_is_signed_once_and_again_where_the_key_is_another(
    tmp_path: Path, pair: tuple[str, bytes]
) -> None:
    environment = key_file(tmp_path, pair[0])
    credentials = Credentials(environment)

    first, again = await credentials.authorization(), await credentials.authorization()
    key_file(tmp_path, pair[0], client_email="other@shop-prod.iam.gserviceaccount.com")
    other = await credentials.authorization()

    assert first == again
    assert jwt.decode(other.removeprefix("Bearer "), certs=pair[1])["iss"].startswith("other@")  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ('{"type": "authorized_user", "refresh_token": "s3cret"}', "found credentials of the kind authorized_user"),
        ('{"type": "s3 cret"}', "found something else"),
        ("s3cret", "found something else"),
        ('{"type": "service_account", "private_key": "s3cret"}', "the key of the service account is damaged"),
        (
            '{"type": "service_account", "private_key": "s3cret", "client_email": "a", "token_uri": "b"}',
            "the key of the service account is damaged",
        ),
        ('{"type": "service_account", "private_key": 7, "client_email": 7, "token_uri": 7}', "is damaged"),
    ],
)
async def test_what_is_no_key_is_said_and_not_shown(content: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    path.write_text(content)

    with pytest.raises(NotConfigured, match=why) as caught:
        await Credentials({"GOOGLE_APPLICATION_CREDENTIALS": str(path)}).authorization()
    assert "s3" not in str(caught.value)


async def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotConfigured, match=r"nothing\.json cannot be read: No such file"):
        await Credentials({"GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "nothing.json")}).authorization()


class Metadata:
    """https://cloud.google.com/compute/docs/access/authenticate-workloads"""

    def __init__(self, answer: Any, *, flavor: str = "Google") -> None:
        self.answer, self.flavor = answer, flavor
        self.asked: list[str] = []

    async def __call__(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        assert (request.method, request.headers["Metadata-Flavor"]) == ("GET", "Google")
        assert request.query["scopes"].split(",") == list(SCOPES)
        headers = {"Metadata-Flavor": self.flavor}
        if isinstance(self.answer, int):
            return web.Response(status=self.answer, headers=headers, text="s3cret")
        return web.json_response(self.answer, headers=headers)


async def by_metadata(server: Metadata, serve: Serve, *, times: int = 1) -> str:
    credentials = Credentials({"GCE_METADATA_HOST": (await serve(server)).removeprefix("http://")})
    for _ in range(times):
        said = await credentials.authorization()
    return said


async def test_without_a_key_the_metadata_server_is_asked_once_until_the_token_ends(serve: Serve) -> None:
    lasting = Metadata({"access_token": "ya29.x", "expires_in": 3599, "token_type": "Bearer"})
    ending = Metadata({"access_token": "ya29.y", "expires_in": 200, "token_type": "Bearer"})

    assert await by_metadata(lasting, serve, times=2) == "Bearer ya29.x"
    assert await by_metadata(ending, serve, times=2) == "Bearer ya29.y"

    assert (lasting.asked, ending.asked) == ([METADATA_PATH], [METADATA_PATH] * 2)


@pytest.mark.parametrize(
    ("server", "error", "why"),
    [
        (Metadata(404), Unreachable, "HTTP 404, has this machine a service account?"),
        (Metadata({"access_token": "a\r\nb", "expires_in": 1}), Unreachable, "not an answer of Google's"),
        (Metadata({"s3cret": 1}), Unreachable, "not an answer of Google's"),
        (Metadata({"access_token": "s3cret", "expires_in": 9}, flavor="Other"), NotConfigured, "no credentials for"),
    ],
)
async def test_what_is_no_token_is_not_taken(
    server: Metadata, error: type[CouldNotLook], why: str, serve: Serve
) -> None:
    with pytest.raises(error, match=why) as caught:
        await by_metadata(server, serve)
    assert "s3cret" not in str(caught.value)


async def test_where_there_are_no_credentials_the_cure_is_said() -> None:
    nowhere = {"GCE_METADATA_HOST": f"127.0.0.1:{free_port()}"}

    with pytest.raises(NotConfigured) as caught:
        await Credentials(nowhere).authorization()

    said = str(caught.value)
    assert said.startswith("no credentials for Google (metadata server 127.0.0.1:")
    assert said.endswith(
        "; set GOOGLE_APPLICATION_CREDENTIALS to the file of a service account's key, "
        "or give the target a header Authorization"
    )


async def test_a_metadata_server_that_says_nothing_is_given_up(
    raw_server: Callable[[bytes | None], Awaitable[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("responder.clients.google_credentials.METADATA_SECONDS", 0.2)

    with pytest.raises(NotConfigured, match=r"metadata server .*: no answer\); set GOOGLE_APPLICATION_CREDENTIALS"):
        await Credentials({"GCE_METADATA_HOST": f"127.0.0.1:{await raw_server(None)}"}).authorization()
