"""How long Python takes to come as far as a command or an open door, and what is then resident; each in a process of
its own, in turn with `python -c pass`."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import processes

ROUNDS, STARTS = 5, 3
IDLE_SECONDS = 3.0  # after the start, until what a start needs has been given back
PACK = "pack: empty\ntime_zone: UTC\nrules: [{name: any, default: true, summary: An alert}]\n"

DOORS = """
from responder.clients.doors import Doors
from responder.model.pack import Target
doors = Doors({})
"""
NOTHING, COMMAND, WITHOUT, SERVE = "python -c pass", "responder version", "doors, none opened", "responder serve, idle"
STEPS = {  # what a process does until it is there
    NOTHING: "pass",
    COMMAND: """
import sys
from responder.cli.main import main
sys.argv = ["responder", "version"]
try:
    main()
except SystemExit:
    pass
""",
    WITHOUT: DOORS,
    "door of Kubernetes (extra k8s)": DOORS
    + """
import asyncio, pathlib, tempfile
with tempfile.NamedTemporaryFile("w", suffix=".kubeconfig") as file:
    file.write('''
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: u, user: {token: t}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
''')
    file.flush()
    target = Target(name="it", kind="kubernetes", address={"kubeconfig": file.name})
    asyncio.run(doors.kubernetes(target).prepare())
import sys
assert "kubernetes_asyncio" in sys.modules
""",
    "door of Kafka (extra kafka)": DOORS
    + """
doors.kafka(Target(name="it", kind="kafka", address="127.0.0.1:1"))
import responder.clients.kafka_wire
""",
    "door of Google, with a key (extra gcp)": DOORS
    + """
service = {"project": "shop", "region": "europe-west1", "service": "api"}
doors.google(Target(name="it", kind="google", address=service))
import google.oauth2.service_account
""",
    "guard of SQL (extra sql)": DOORS
    + """
allow = frozenset({"custom_sql"})
doors.postgres(Target(name="it", kind="postgres", address="postgresql://a@127.0.0.1:1/a", allow=allow))
from responder.clients.sql_guard import guarded
guarded("select count(*) from orders")
""",
}
STAY = "\nprint('there', flush=True)\ninput()"


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """`seconds` from the start of the process until it is there; `cpu_seconds` of it likewise."""

    seconds: float
    cpu_seconds: float
    resident_bytes: int


def weights(progress: Callable[[str], None]) -> str:
    """The table, medians."""
    found: dict[str, list[Weight]] = {name: [] for name in STEPS}
    for number in range(ROUNDS):
        progress(f"what a process weighs, round {number + 1} of {ROUNDS}")
        for name, code in STEPS.items():
            found[name].append(_of_code(code))
    served = _median(list(_of_daemon(progress)))
    rows = {name: _median(it) for name, it in found.items()}
    rows = {NOTHING: rows.pop(NOTHING), COMMAND: rows.pop(COMMAND), SERVE: served, **rows}
    return _markdown(rows)


def _of_code(code: str) -> Weight:
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-c", code + STAY], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        while (said := process.stdout.readline()) != b"there\n":
            if not said:
                raise RuntimeError(f"it ended before it was there: {code}")
        return _now(process.pid, time.perf_counter() - began)
    finally:
        process.kill()
        process.communicate()


def _of_daemon(progress: Callable[[str], None]) -> Iterator[Weight]:
    """Without targets, before its first webhook; the embedded store's processes are not counted."""
    with tempfile.TemporaryDirectory(prefix="responder-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)  # root's PostgreSQL runs as another user, who must pass through
        (folder / "pack").mkdir()
        (folder / "pack" / "pack.yaml").write_text(PACK)
        server = processes.responder(folder, {"RESPONDER_RULES": str(folder / "pack")})
        server.start()  # the first makes the store
        for number in range(STARTS):
            server.stop()
            progress(f"responder serve, start {number + 1} of {STARTS}")
            try:
                there = _started(server)
                time.sleep(IDLE_SECONDS)
                yield replace(there, resident_bytes=_now(server.pid, 0).resident_bytes)
            finally:
                server.stop()


def _started(server: processes.Server) -> Weight:
    took = server.start()
    return _now(server.pid, took)


def _now(pid: int, seconds: float) -> Weight:
    return Weight(
        seconds=seconds, cpu_seconds=processes.cpu_seconds([pid]), resident_bytes=processes.whole_resident_bytes(pid)
    )


def _median(several: list[Weight]) -> Weight:
    return Weight(
        seconds=statistics.median(it.seconds for it in several),
        cpu_seconds=statistics.median(it.cpu_seconds for it in several),
        resident_bytes=int(statistics.median(it.resident_bytes for it in several)),
    )


def _markdown(rows: dict[str, Weight]) -> str:
    nothing = rows[NOTHING]
    lines = [
        "\n## What it weighs\n",
        "| process | start ms | × `pass` | CPU ms | resident MB | × `pass` |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, it in rows.items():
        start = f"{it.seconds * 1000:.0f} | {it.seconds / nothing.seconds:.0f}"
        memory = f"{it.resident_bytes / 1e6:.0f} | {it.resident_bytes / nothing.resident_bytes:.1f}"
        lines.append(f"| {name} | {start} | {it.cpu_seconds * 1000:.0f} | {memory} |")
    return "\n".join(lines)
