"""A cheap sender in a process of its own: kept-alive connections to loopback, requests mostly made beforehand.

Closed loop (`rate` None): each connection sends its next request when it has its answer. Open loop: requests are due
at a fixed rate whatever the server does, and their time counts from when they were due, not from when they were sent.
Takes a `Plan` as JSON in its first argument and prints what happened as JSON.
"""

from __future__ import annotations

import json
import selectors
import socket
import statistics
import sys
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

import bodies

ANSWERS_WITHIN_SECONDS = 10.0
"""After the last request was sent; what is not answered by then is counted as dropped."""
RECEIVE_BYTES = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to send. `cycle`: begin again with the same bodies when all are sent, for servers that keep nothing.

    `rate` is requests a second, None for as many as are answered; `keep`: report each request's time and answer;
    `late`: make each request when it is due, since all of them would not fit into memory.
    """

    port: int
    path: str
    token: str
    alerts: int
    first: int
    count: int
    seconds: float
    connections: int
    form: str = "webhook"
    cycle: bool = False
    rate: float | None = None
    keep: bool = False
    late: bool = False


@dataclass(slots=True, kw_only=True)
class Result:
    """What came back. `seconds`: from the first request to the last answer; `cpu`: the sender's share of one core."""

    sent: int
    answered: int
    dropped: int
    statuses: dict[str, int]
    seconds: float
    per_second: float
    alerts_per_second: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    cpu: float
    kept: list[dict[str, Any]] = field(default_factory=list)


class Connection:
    """One connection with at most one request on its way."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.socket = _connected(port)
        self.number = -1
        self.due_at = 0.0
        self._received = b""

    def send(self, number: int, request: bytes, due_at: float) -> None:
        """Send all of it; loopback takes a body at once."""
        self.number, self.due_at = number, due_at
        self.socket.sendall(request)

    def answer(self) -> bytes | None:
        """The whole answer, None while more is to come; raises ConnectionError."""
        data = self.socket.recv(RECEIVE_BYTES)
        if not data:
            raise ConnectionError("closed by the server")
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator or len(body) < _content_length(head):
            return None
        whole, self._received = self._received, b""
        return whole


class Load:
    """One run of a plan."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        starts_at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        requests = bodies.Requests(
            address=f"127.0.0.1:{plan.port}",
            path=plan.path,
            token=plan.token,
            form=plan.form,
            alerts=plan.alerts,
            first=plan.first,
            count=plan.count,
            starts_at=starts_at,
        )
        self._requests = requests if plan.late else list(requests)
        self._free = [Connection(plan.port) for _ in range(plan.connections)]
        self._busy: set[Connection] = set()
        self._selector = selectors.DefaultSelector()
        for it in self._free:
            self._selector.register(it.socket, selectors.EVENT_READ, it)
        self._sent = 0
        self._dropped = 0
        self._took: list[float] = []
        self._statuses: dict[str, int] = {}
        self._kept: list[dict[str, Any]] = []
        self._start = 0.0

    def run(self) -> Result:
        """Send until time or bodies are used up, and wait for what is on its way."""
        cpu_before = time.process_time()
        self._start = time.perf_counter()
        last = self._start + self._plan.seconds
        while True:
            now = time.perf_counter()
            if now < last:
                self._send_what_is_due(now)
            elif now > last + ANSWERS_WITHIN_SECONDS:
                break
            if not self._busy and (now >= last or self._sent == self._most):
                break
            for key, _ in self._selector.select(self._patience(now, last)):
                self._take(key.data)
        took = time.perf_counter() - self._start
        return self._result(took, time.process_time() - cpu_before)

    @property
    def _most(self) -> int:
        return sys.maxsize if self._plan.cycle else len(self._requests)

    def _due_at(self, now: float) -> float:
        """When the next request is due."""
        return now if self._plan.rate is None else self._start + self._sent / self._plan.rate

    def _send_what_is_due(self, now: float) -> None:
        while self._free and self._sent < self._most and (due_at := self._due_at(now)) <= now:
            connection = self._free.pop()
            number = self._sent % len(self._requests)
            self._busy.add(connection)
            connection.send(number, self._requests[number], due_at)
            if self._plan.keep:
                self._kept.append({"number": self._plan.first + number, "sent_at": time.time()})
            self._sent += 1

    def _patience(self, now: float, last: float) -> float:
        """How long to wait for answers: not beyond the next request that is due."""
        if now >= last:
            return 0.1
        until = self._due_at(last) if self._free and self._sent < self._most else last
        return max(0.0, min(until - now, 0.1))

    def _take(self, connection: Connection) -> None:
        try:
            answer = connection.answer()
        except ConnectionError:
            self._replace(connection)
            return
        if answer is None:
            return
        self._took.append(time.perf_counter() - connection.due_at)
        status = answer[9:12].decode()
        self._statuses[status] = self._statuses.get(status, 0) + 1
        if self._plan.keep:
            self._kept[connection.number]["answer"] = answer.partition(b"\r\n\r\n")[2].decode()
        self._busy.discard(connection)
        self._free.append(connection)

    def _replace(self, connection: Connection) -> None:
        """The server hung up: what was on its way is lost, and the next request goes over a new connection."""
        self._dropped += connection in self._busy
        self._busy.discard(connection)
        self._selector.unregister(connection.socket)
        connection.socket.close()
        fresh = Connection(self._plan.port)
        self._selector.register(fresh.socket, selectors.EVENT_READ, fresh)
        if connection in self._free:
            self._free.remove(connection)
        self._free.append(fresh)

    def _result(self, took: float, cpu: float) -> Result:
        answered = len(self._took)
        percentiles = statistics.quantiles(self._took, n=100) if answered > 1 else [0.0] * 99
        return Result(
            sent=self._sent,
            answered=answered,
            dropped=self._dropped + len(self._busy),
            statuses=self._statuses,
            seconds=took,
            per_second=answered / took,
            alerts_per_second=answered * self._plan.alerts / took,
            p50_ms=percentiles[49] * 1000,
            p99_ms=percentiles[98] * 1000,
            max_ms=max(self._took, default=0.0) * 1000,
            cpu=cpu / took,
            kept=self._kept,
        )


def _connected(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=ANSWERS_WITHIN_SECONDS)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _content_length(head: bytes) -> int:
    at = head.lower().find(b"content-length:")
    return int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0


def main() -> None:
    """Run the plan in the first argument."""
    plan = Plan(**json.loads(sys.argv[1]))
    json.dump(asdict(Load(plan).run()), sys.stdout)


if __name__ == "__main__":
    main()
