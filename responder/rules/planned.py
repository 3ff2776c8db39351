"""Checks that the language knows and this version has not built: name → the marks they will give.

A check leaves this table when its diagnostic is written; a pack that asks for one is warned, never refused, and what it
asks stands in the pack: tests of rules may answer it, reports say that it could not be asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from pydantic import Field, model_validator

from responder.model.catalogue import CheckSpec, Parameters

PLANNED: dict[str, frozenset[str]] = {
    name: frozenset(marks)
    for name, marks in {
        "http.status": ["failing"],
        "http.json": [],
        "http.metrics": [],
        "http.tls": ["expires_soon"],
        "prometheus.query": [],
        "prometheus.graph": [],
        "prometheus.alerts": [],
        "prometheus.targets": ["scrape_down"],
        "prometheus.rules": [],
        "postgres.ping": [],
        "postgres.connections": ["near_limit"],
        "postgres.long_queries": ["long_query"],
        "postgres.locks": ["blocked"],
        "postgres.idle_in_transaction": ["idle_in_transaction"],
        "postgres.table_sizes": [],
        "postgres.slow_statements": [],
        "postgres.replication": ["lagging"],
        "postgres.vacuum": [],
        "postgres.pgbouncer": ["near_limit"],
        "redis.ping": [],
        "redis.info": ["near_limit"],
        "redis.queues": ["backlog"],
        "redis.keys": [],
        "redis.slowlog": [],
        "redis.cluster": ["degraded"],
        "kubernetes.pods": ["crash_loop", "oom_killed", "not_ready"],
        "kubernetes.logs": ["new_errors"],
        "kubernetes.events": [],
        "kubernetes.rollouts": ["recent_rollout"],
        "kubernetes.nodes": ["node_not_ready", "pressure"],
        "kubernetes.usage": ["near_limit"],
        "kubernetes.hpa": ["at_maximum"],
        "kubernetes.helm": ["recent_rollout"],
        "statuspage.status": ["vendor_incident"],
        "pagerduty.changes": ["recent_rollout"],
        "pagerduty.related": [],
        "pagerduty.past_incidents": [],
        "github.deployments": ["recent_rollout"],
        "github.workflow_runs": ["recent_rollout"],
        "google.revisions": ["recent_rollout"],
        "google.service": [],
        "google.logs": ["new_errors"],
        "kafka.lag": ["backlog"],
        "clickhouse.clusters": ["degraded"],
        "clickhouse.queries": ["long_query"],
        "sentry.issues": ["new_errors"],
        "loki.errors": ["new_errors"],
        "tempo.trace": [],
    }.items()
}
SERVED_BY = {"json": "http", "metrics": "http"}  # kinds of signals that have no targets of their own kind
KINDS = frozenset(name.split(".")[0] for name in PLANNED) | set(SERVED_BY)


class Unbuilt(Parameters):
    """Whatever a rule says to a check that is not built yet."""

    escapes: ClassVar[Mapping[str, Callable[[str], str]]] = {"given": str}

    given: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _as_given(cls, value: Any) -> Any:
        return value if isinstance(value, Mapping) and set(value) == {"given"} else {"given": value}


def unbuilt(name: str) -> CheckSpec:
    """What is known of a check of this table."""
    return CheckSpec(
        name=name, target_kind=name.split(".")[0], parameters=Unbuilt, marks=PLANNED[name], question="not built yet"
    )
