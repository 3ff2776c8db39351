"""As much of a kubelet as kube-apiserver needs to give logs of pods; it asks for the apiserver's own certificate."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

Log = bytes | int | Callable[[dict[str, str]], bytes]


@dataclass(kw_only=True)
class Kubelet:
    """`logs`: (namespace, pod, container) → its bytes, a status, or what makes bytes of the query's parameters; of
    the former container with " (previous)" after its name. `asked`: path and query of each request."""

    port: int
    logs: dict[tuple[str, str, str], Log] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def answer(self, target: str) -> tuple[int, bytes]:
        """What is said to one request; lines are cut as `tailLines` and `limitBytes` ask."""
        self.asked.append(target)
        parts = urlsplit(target)
        words = parts.path.strip("/").split("/")
        if len(words) != 4 or words[0] != "containerLogs":
            return 404, b"not found\n"
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        container = words[3] + (" (previous)" if query.get("previous") == "true" else "")
        log = self.logs.get((words[1], words[2], container))
        if log is None:
            return 404, b"container not found\n"
        if isinstance(log, int):
            return log, b"failed to try resolving symlinks in path\n"
        return 200, _shortened(log(query) if callable(log) else log, query)


def _shortened(log: bytes, query: dict[str, str]) -> bytes:
    lines = log.splitlines(keepends=True)
    kept = b"".join(lines[-int(query["tailLines"]) :] if "tailLines" in query else lines)
    return kept[: int(query["limitBytes"])] if "limitBytes" in query else kept


@contextmanager
def kubelet(pki: Path) -> Iterator[Kubelet]:
    """One that runs in threads of this process."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=pki / "ca.crt")
    context.load_cert_chain(pki / "server.crt", pki / "server.key")
    context.verify_mode = ssl.CERT_REQUIRED

    class Answering(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, body = made.answer(self.path)
            self.send_response(status)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True)
    made = Kubelet(port=server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
