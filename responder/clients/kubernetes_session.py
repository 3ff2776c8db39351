"""How a cluster is asked: by kubernetes-asyncio, which knows how to be somebody there, over a session of our own.

The library's sessions follow redirects, take proxies from the environment and can write. So theirs is replaced by
`Reads`, which sends what `kubernetes_paths` lists and refuses all else, also what the library itself would ask.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import aiohttp
from yarl import URL

from responder import __version__
from responder.clients.kubernetes_access import HOST, PORT, SERVICE_ACCOUNT, Access
from responder.clients.kubernetes_paths import REVIEW, is_review, why_not
from responder.clients.network import guarded_socket, tls
from responder.clients.resolve import Resolved
from responder.errors import NotConfigured, Refused

EXTRA = "kubernetes-asyncio is not installed: pip install 'responder[k8s]'"


async def client_of(resolved: Resolved, access: Access) -> Any:
    """The library's client; raises NotConfigured. Loading it takes a second and 100 MB, so it is done when somebody
    asks for the first time, and beside the event loop."""
    library = await asyncio.to_thread(_library)
    configuration = library.client.Configuration()
    try:
        await _configure(library, configuration, resolved, access)
    except (library.config.ConfigException, OSError, ValueError, TypeError) as reason:
        why = resolved.clean(str(reason))
        raise NotConfigured(f"target {resolved.name}: its credentials cannot be read: {why}") from None
    files = {"certificate": configuration.cert_file, "key": configuration.key_file}
    context = tls(replace(resolved, ca=configuration.ssl_ca_cert, **files))
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # as kubectl: authorities that clusters make are often not strict
    client = library.client.ApiClient(configuration)
    client.user_agent = f"responder/{__version__}"
    await client.rest_client.pool_manager.close()
    client.rest_client.pool_manager = Reads(resolved, context, configuration.tls_server_name)
    return client


async def _configure(library: Any, configuration: Any, resolved: Resolved, access: Access) -> None:
    if access.kubeconfig is None:
        at = resolved.address
        library.config.incluster_config.InClusterConfigLoader(
            token_filename=str(SERVICE_ACCOUNT / "token"),
            cert_filename=str(SERVICE_ACCOUNT / "ca.crt"),
            try_refresh_token=False,  # a rotated one is another target to `Doors`
            environ={HOST: at.host, PORT: str(at.port)},
        ).load_and_set(configuration)
    else:
        loader = library.config.kube_config.KubeConfigLoader(
            config_dict=dict(access.kubeconfig),
            active_context=access.kubeconfig["current-context"],
            config_base_path=access.folder,
        )
        await loader.load_and_set(configuration)
    configuration.api_key = {name: value.strip() for name, value in configuration.api_key.items()}


def _library() -> Any:
    try:
        import kubernetes_asyncio
        import kubernetes_asyncio.config.incluster_config
        import kubernetes_asyncio.config.kube_config
    except ImportError:
        raise NotConfigured(EXTRA) from None
    return kubernetes_asyncio


class Reads:
    """Stands where the library has its session: GET of what may be read, by guarded sockets, without redirects."""

    def __init__(self, resolved: Resolved, context: ssl.SSLContext, server_name: str | None) -> None:
        self._resolved = resolved
        self._server_name = server_name
        connector = aiohttp.TCPConnector(socket_factory=guarded_socket, ssl=context, use_dns_cache=False)
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),  # the caller keeps the time
            trust_env=False,
            auto_decompress=False,  # a small compressed answer could unfold without end
        )

    async def request(
        self, *, method: str, url: str, headers: Mapping[str, str], data: object = None, **_: object
    ) -> Any:
        """The library's way to ask; raises Refused before anything is sent that may not be."""
        where = URL(url, encoded=True)
        if url == f"{self._server}{REVIEW}" and is_review(method, REVIEW, data):
            return await self._session.post(
                where, data=data, headers=headers, allow_redirects=False, server_hostname=self._server_name
            )
        why = self._why_not(method, url, headers)
        if why:
            raise Refused(f"{self._resolved.shown}: {why}")
        return await self._session.get(where, headers=headers, allow_redirects=False, server_hostname=self._server_name)

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    @property
    def _server(self) -> str:
        base = self._resolved.address
        return f"{base.shown}{base.path}"

    def _why_not(self, method: str, url: str, headers: Mapping[str, str]) -> str:
        server = self._server
        if not url.startswith(f"{server}/"):
            return "another server would be asked"
        parts = urlsplit(url.removeprefix(server))
        pairs = parse_qsl(parts.query, keep_blank_values=True)
        query = dict(pairs)
        if len(query) != len(pairs) or parts.netloc or parts.fragment:
            return "the request can be read in two ways"
        return why_not(method, parts.path, query, headers.get("Accept", ""))
