"""The real Prometheus and Alertmanager, as children with a configuration of their own in a temporary folder."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from responder.demo.alerting_plan import RECEIVER, Plan
from responder.demo.child import Child, free_port
from responder.demo.local_server import HOST

ALERTMANAGER_NAMES = ("prometheus-alertmanager", "alertmanager")  # Debian's name first


def installed() -> tuple[str, str] | None:
    """The programs for Prometheus and Alertmanager, None where one is missing."""
    prometheus = shutil.which("prometheus")
    alertmanager = next(filter(None, map(shutil.which, ALERTMANAGER_NAMES)), None)
    return (prometheus, alertmanager) if prometheus and alertmanager else None


class RealAlerting:
    """Both programs, running. Make it with `start`."""

    real = True

    def __init__(self, prometheus_port: int, alertmanager_port: int) -> None:
        self.prometheus_url = f"http://{HOST}:{prometheus_port}"
        self.alertmanager_url = f"http://{HOST}:{alertmanager_port}"
        self._open = contextlib.AsyncExitStack()

    @classmethod
    async def start(cls, plan: Plan, programs: tuple[str, str]) -> RealAlerting:
        """Start both and wait until both are ready. Raises ResponderError when one is not in time."""
        running = cls(free_port(), free_port())
        async with contextlib.AsyncExitStack() as open_:
            folder = Path(open_.enter_context(tempfile.TemporaryDirectory(prefix="responder-demo-")))
            prometheus, alertmanager = programs
            write_configuration(folder, plan, running.alertmanager_url)
            # Prometheus is ended first: what it sends must find its Alertmanager, or it logs errors at the end.
            await running._child(open_, alertmanager_command(alertmanager, folder, running.alertmanager_url), folder)
            await running._child(open_, prometheus_command(prometheus, folder, running.prometheus_url), folder)
            running._open = open_.pop_all()
        return running

    async def stop(self) -> None:
        """End both and remove their folder."""
        await self._open.aclose()

    async def _child(self, open_: contextlib.AsyncExitStack, command: list[str], folder: Path) -> None:
        url = next(it for it in command if it.startswith("--web.external-url=")).partition("=")[2]
        log = folder / f"{Path(command[0]).name}.log"
        open_.push_async_callback((await Child.start(command, log=log, ready_url=f"{url}/-/ready")).stop)


def alertmanager_command(program: str, folder: Path, url: str) -> list[str]:
    """How to run Alertmanager alone, without gossip."""
    return [
        program,
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address={urlsplit(url).netloc}",
        f"--web.external-url={url}",  # else it would tell this machine's name
        "--cluster.listen-address=",
    ]


def prometheus_command(program: str, folder: Path, url: str) -> list[str]:
    """How to run Prometheus with two hours of memory."""
    return [
        program,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'prometheus'}",
        "--storage.tsdb.retention.time=2h",
        f"--web.listen-address={urlsplit(url).netloc}",
        f"--web.external-url={url}",
        "--log.level=warn",
    ]


def write_configuration(folder: Path, plan: Plan, alertmanager_url: str) -> None:
    """Write `prometheus.yml`, `rules.yml` and `alertmanager.yml`."""
    for name, said in (
        ("prometheus.yml", _prometheus(plan, alertmanager_url)),
        ("rules.yml", _rules(plan)),
        ("alertmanager.yml", _alertmanager(plan)),
    ):
        (folder / name).write_text(yaml.safe_dump(said, sort_keys=False), "utf-8")


def _prometheus(plan: Plan, alertmanager_url: str) -> dict[str, Any]:
    every = _duration(plan.scrape_seconds)
    return {
        "global": {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every},
        "rule_files": ["rules.yml"],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [urlsplit(alertmanager_url).netloc]}]}]},
        "scrape_configs": [
            {"job_name": "sample-service", "static_configs": [{"targets": [urlsplit(plan.sample_url).netloc]}]}
        ],
    }


def _rules(plan: Plan) -> dict[str, Any]:
    rule = plan.rule
    one = {
        "alert": rule.name,
        "expr": rule.expression,
        "for": _duration(rule.hold_seconds),
        "labels": dict(rule.labels),
        "annotations": dict(rule.annotations),
    }
    return {"groups": [{"name": "demo", "rules": [one]}]}


def _alertmanager(plan: Plan) -> dict[str, Any]:
    webhook = {
        "url": plan.webhook_url,
        "send_resolved": True,
        "http_config": {"authorization": {"type": "Bearer", "credentials": plan.webhook_token}},
    }
    pagerduty = {"routing_key": plan.routing_key, "url": plan.events_url, "send_resolved": True}
    return {
        "route": {
            "receiver": RECEIVER,
            "group_by": list(plan.rule.group_by),
            "group_wait": _duration(plan.group_wait_seconds),
            "group_interval": _duration(plan.group_interval_seconds),
            "repeat_interval": "4h",
        },
        "receivers": [{"name": RECEIVER, "webhook_configs": [webhook], "pagerduty_configs": [pagerduty]}],
    }


def _duration(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"
