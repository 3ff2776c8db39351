"""Who we are at Google: a service account, by its key or by the metadata server of the machine that we run on.

google-auth signs with a key, and nothing goes over the network for it: the token says itself what it may do
(https://google.aip.dev/auth/4111). Its own way to the metadata server needs `requests`, which is not among our
libraries, so the one question is asked here. This is the only place that may ask a metadata server, at one fixed path,
at an address that no rule file and no alert can name; HttpDoor never goes there.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
from pydantic import BaseModel, Field
from pydantic_core import from_json

from responder.clients.resolve import text_of
from responder.errors import NotConfigured, Unreachable

if TYPE_CHECKING:
    from google.oauth2.service_account import Credentials as KeyHolder

# Cloud Run takes no narrower right to read, and not `cloud-platform.read-only`:
# https://run.googleapis.com/$discovery/rest?version=v2, https://logging.googleapis.com/$discovery/rest?version=v2
SCOPES = ("https://www.googleapis.com/auth/run.readonly", "https://www.googleapis.com/auth/logging.read")
KEY_VARIABLE = "GOOGLE_APPLICATION_CREDENTIALS"
METADATA_VARIABLE = "GCE_METADATA_HOST"  # Google's own name for it
METADATA_HOST = "metadata.google.internal"
METADATA_PATH = "/computeMetadata/v1/instance/service-accounts/default/token"
METADATA_SECONDS = 3.0  # it is beside us, or not there at all
MAX_TOKEN_BYTES = 64 * 1024
RENEWED_BEFORE_SECONDS = 225.0  # as google-auth does; the metadata server gives a new one 300 s before the end
CURE = f"set {KEY_VARIABLE} to the file of a service account's key, or give the target a header Authorization"
KIND = re.compile(r"[a-z_]{1,40}")


class Credentials:
    """Tokens that may read Cloud Run and Cloud Logging, each used until shortly before it ends.

    `environment`: where the two variables are looked up.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._key_text = ""
        self._key: KeyHolder | None = None
        self._ends_at = 0.0  # by the loop's clock
        self._turn = asyncio.Lock()
        self.token = ""

    async def authorization(self) -> str:
        """`Bearer …`; raises NotConfigured with the cure where there is nobody that we could be."""
        async with self._turn:
            path = self._environment.get(KEY_VARIABLE, "")
            if path:
                await self._sign(text_of(Path(path)))
            elif asyncio.get_running_loop().time() >= self._ends_at:
                await self._ask_metadata()
            return f"Bearer {self.token}"

    async def _sign(self, key_text: str) -> None:
        """The file is read each time, so that a new key is seen; signing takes a thread for some milliseconds."""
        if key_text != self._key_text or self._key is None:
            self._key = await asyncio.to_thread(_key_of, key_text)
            self._key_text = key_text
        if not self._key.valid:
            await asyncio.to_thread(self._key.refresh, None)
        self.token = str(self._key.token)

    async def _ask_metadata(self) -> None:
        host = self._environment.get(METADATA_VARIABLE) or METADATA_HOST
        try:
            async with asyncio.timeout(METADATA_SECONDS):
                given = await _metadata_token(host)
        except (aiohttp.ClientError, OSError, ValueError) as reason:  # TimeoutError is an OSError
            why = "no answer" if isinstance(reason, TimeoutError) else "not there"
            raise NotConfigured(f"no credentials for Google (metadata server {host}: {why}); {CURE}") from None
        self.token = given.access_token
        self._ends_at = asyncio.get_running_loop().time() + given.expires_in - RENEWED_BEFORE_SECONDS


class _Token(BaseModel):
    access_token: str = Field(pattern=r"^[!-~]+$")
    expires_in: float


async def _metadata_token(host: str) -> _Token:
    """https://cloud.google.com/compute/docs/access/authenticate-workloads; a virtual machine gives the scopes that
    it was made with, whatever is asked for."""
    session = aiohttp.ClientSession(trust_env=False, cookie_jar=aiohttp.DummyCookieJar())
    async with (
        session,
        session.get(
            f"http://{host}{METADATA_PATH}",
            params={"scopes": ",".join(SCOPES)},
            headers={"Metadata-Flavor": "Google"},
            allow_redirects=False,
        ) as answer,
    ):
        body = await answer.content.read(MAX_TOKEN_BYTES)
        if answer.headers.get("Metadata-Flavor") != "Google":
            raise ValueError("somebody else answers at this address")
        if answer.status != 200:
            raise Unreachable(f"metadata server {host}: HTTP {answer.status}, has this machine a service account?")
    try:
        return _Token.model_validate(from_json(body))
    except ValueError:  # a ValidationError is one
        raise Unreachable(f"metadata server {host}: not an answer of Google's") from None


def _key_of(text: str) -> KeyHolder:
    """Raises NotConfigured, whose text holds nothing of the file but the kind that it says it is."""
    try:
        info = from_json(text)
    except ValueError:
        info = None
    kind = info.get("type") if isinstance(info, dict) else None
    if kind != "service_account":
        known = isinstance(kind, str) and KIND.fullmatch(kind)
        found = f"credentials of the kind {kind}" if known else "something else"
        raise NotConfigured(f"{KEY_VARIABLE}: expected the JSON key of a service account, found {found}; {CURE}")
    try:
        from google.oauth2.service_account import Credentials as KeyHolder
    except ImportError:
        raise NotConfigured("the library google-auth is not there; install responder[gcp]") from None
    try:
        made: KeyHolder = KeyHolder.from_service_account_info(  # type: ignore[no-untyped-call]  # theirs has no types
            info, scopes=SCOPES, always_use_jwt_access=True
        )
    except (ValueError, TypeError, KeyError):  # MalformedError is a ValueError
        raise NotConfigured(f"{KEY_VARIABLE}: the key of the service account is damaged; make a new one") from None
    return made
