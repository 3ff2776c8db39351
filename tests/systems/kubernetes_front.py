"""What stands in front of the real apiserver where a test wants another answer of some paths: newer kinds, 429, 503."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import kubernetes_validate

NEWEST = "1.37"
NOT_IN_THE_SCHEMAS = "metrics.k8s.io"  # an API of its own, which the apiserver hands on
HANDED_ON = ("Authorization", "Accept", "Content-Type")
Answer = Mapping[str, Any] | int | bytes | str | Callable[[str], Any]


@dataclass(kw_only=True)
class Front:
    """`answers`: path → a body that Kubernetes' own schema accepts, a status, raw bytes, a text: the address of a
    redirect, or what makes one of these of the path with its query. `asked`: (method, path and query) of each request,
    also of those that were handed on."""

    port: int
    answers: Mapping[str, Answer]
    asked: list[tuple[str, str]] = field(default_factory=list)
    accepted: list[str] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"https://127.0.0.1:{self.port}"


def valid(body: Mapping[str, Any]) -> bytes:
    """The body, once each of its objects is what its kind's schema says."""
    things = body.get("items", [body])
    for it in things:
        whole = {"apiVersion": body["apiVersion"], "kind": body["kind"].removesuffix("List"), **it}
        if NOT_IN_THE_SCHEMAS not in whole["apiVersion"]:
            kubernetes_validate.validate(whole, NEWEST, strict=True)
    return json.dumps(body).encode()


@contextmanager
def front(behind: int, pki: Path, answers: Mapping[str, Answer]) -> Iterator[Front]:
    """One that runs in threads of this process."""
    inward = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    inward.load_cert_chain(pki / "server.crt", pki / "server.key")
    outward = ssl.create_default_context(cafile=pki / "ca.crt")

    class Answering(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            made.asked.append((self.command, self.path))
            made.accepted.append(self.headers.get("Accept", ""))
            own = answers.get(self.path.partition("?")[0])
            answer = own(self.path) if callable(own) else own
            if answer is None:
                self._say(*self._handed_on())
            elif isinstance(answer, int):
                self._say(answer, {"Retry-After": "1"}, b"s3cret\n")
            elif isinstance(answer, str):
                self._say(307, {"Location": answer}, b"")
            else:
                body = answer if isinstance(answer, bytes) else valid(answer)
                self._say(200, {"Content-Type": "application/json"}, body)

        do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 - names that http.server looks for

        def _handed_on(self) -> tuple[int, dict[str, str], bytes]:
            connection = http.client.HTTPSConnection("127.0.0.1", behind, context=outward, timeout=20)
            headers = {name: self.headers[name] for name in HANDED_ON if name in self.headers}
            connection.request(self.command, self.path, headers=headers)
            answer = connection.getresponse()
            given = answer.read()
            connection.close()
            return answer.status, {"Content-Type": answer.headers["Content-Type"]}, given

        def _say(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    server.daemon_threads = True
    server.socket = inward.wrap_socket(server.socket, server_side=True)
    made = Front(port=server.server_address[1], answers=answers)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
