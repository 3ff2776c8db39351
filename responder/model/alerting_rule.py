"""An alerting rule as Prometheus tells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertingRule:
    """`group`: the name of the group that it stands in; labels and annotations with their templates; `failing`: why it
    cannot be evaluated, empty when it can."""

    group: str
    alert: str
    expression: str
    for_seconds: float = 0.0
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    failing: str = ""
