"""Who is watched, when that is an alert, and who is told: the same for the real and for the played alerting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

ROUTING_KEY = "00000000000000000000000000000001"
RECEIVER = "responder-and-pagerduty"
ERROR_RATIO = (
    'sum(rate(http_requests_total{service="payments",status=~"5.."}[5s]))'
    ' / sum(rate(http_requests_total{service="payments"}[5s]))'
)
# The one template that the played side knows too.
VALUE = "{{ $value | humanizePercentage }}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRule:
    """Fires while `query` is above `bound` for `hold_seconds`. Annotations may contain VALUE."""

    name: str
    query: str
    bound: float
    hold_seconds: int
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    group_by: tuple[str, ...] = ("alertname", "service")

    @property
    def expression(self) -> str:
        """As PromQL."""
        return f"{self.query} > {self.bound}"

    @property
    def all_labels(self) -> dict[str, str]:
        """The labels of its alert, sorted by name."""
        return dict(sorted({"alertname": self.name, **self.labels}.items()))


HIGH_ERROR_RATE = AlertRule(
    name="HighErrorRate",
    query=ERROR_RATIO,
    bound=0.05,
    hold_seconds=2,
    labels={"severity": "critical", "service": "payments"},
    annotations={
        "summary": "payments answers too many requests with 5xx",
        "description": f"{VALUE} of the requests to payments end in 5xx; the bound is 5%.",
        "runbook_url": "https://runbooks.example.com/HighErrorRate",
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to scrape and whom to tell. Times in seconds.

    `webhook_token`: sent to responder as a bearer token. `events_url`: PagerDuty's `/v2/enqueue`, or a stand-in's.
    `group_interval_seconds`: also how soon something is sent again that was refused.
    """

    sample_url: str
    webhook_url: str
    webhook_token: str
    events_url: str
    routing_key: str = ROUTING_KEY
    rule: AlertRule = field(default=HIGH_ERROR_RATE)
    scrape_seconds: float = 1
    group_wait_seconds: float = 1
    group_interval_seconds: float = 2
