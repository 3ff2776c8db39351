"""Alerts for the demo: from the real Prometheus and Alertmanager where they are installed, else played."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from responder.demo.alerting_plan import HIGH_ERROR_RATE, ROUTING_KEY, AlertRule, Plan
from responder.demo.alerting_played import PlayedAlerting
from responder.demo.alerting_real import RealAlerting, installed
from responder.demo.local_server import wall_clock
from responder.demo.played_prometheus import Query
from responder.errors import UsageError


class Alerting:
    """One of the two, running. Make it with `start`."""

    def __init__(self, side: RealAlerting | PlayedAlerting) -> None:
        self._side = side

    @classmethod
    async def start(
        cls,
        *,
        sample_url: str,
        webhook_url: str,
        webhook_token: str,
        events_url: str,
        routing_key: str = ROUTING_KEY,
        rule: AlertRule = HIGH_ERROR_RATE,
        queries: Mapping[str, Query] | None = None,
        real: bool | None = None,
        clock: Callable[[], datetime] = wall_clock,
    ) -> Alerting:
        """Scrape the sample service, and tell responder and PagerDuty of what `rule` finds.

        `queries`: what the played side can answer besides the rule's own query; the real side needs none.
        `real`: None takes what is installed. Raises UsageError when True and not installed; ResponderError when a
        program does not get ready.
        """
        plan = Plan(
            sample_url=sample_url,
            webhook_url=webhook_url,
            webhook_token=webhook_token,
            events_url=events_url,
            routing_key=routing_key,
            rule=rule,
        )
        programs = None if real is False else installed()
        if programs is not None:
            return cls(await RealAlerting.start(plan, programs))
        if real:
            raise UsageError(
                "prometheus and alertmanager: expected both on the PATH, found not both;"
                " install them (Debian: prometheus, prometheus-alertmanager) or let their part be played"
            )
        return cls(await PlayedAlerting.start(plan, queries or {}, clock))

    @property
    def real(self) -> bool:
        """Whether these are the real programs."""
        return self._side.real

    @property
    def prometheus_url(self) -> str:
        """The base address for queries."""
        return self._side.prometheus_url

    @property
    def alertmanager_url(self) -> str:
        """The base address that webhooks have as `externalURL`."""
        return self._side.alertmanager_url

    async def stop(self) -> None:
        """End it all."""
        await self._side.stop()
