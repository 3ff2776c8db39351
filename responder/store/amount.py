"""How much some webhooks are: the one measure that bounds a batch and what may wait for it."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(slots=True)  # not frozen: several are made for each webhook
class Amount:
    """Never changed. `bytes`: of bodies as they came; in memory they are several times as many."""

    webhooks: int = 0
    alerts: int = 0
    bytes: int = 0

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.webhooks + other.webhooks, self.alerts + other.alerts, self.bytes + other.bytes)

    def __sub__(self, other: Amount) -> Amount:
        return Amount(self.webhooks - other.webhooks, self.alerts - other.alerts, self.bytes - other.bytes)

    def reaches(self, bound: Amount) -> bool:
        """Whether there is as much as the bound of anything."""
        return self.webhooks >= bound.webhooks or self.alerts >= bound.alerts or self.bytes >= bound.bytes

    def in_the_way_of(self, more: Amount, bound: Amount) -> str:
        """What there is so much of that more would be over the bound (`2048 webhooks`); "" where there is room."""
        both = self + more
        if both.webhooks > bound.webhooks:
            return f"{self.webhooks} webhooks"
        if both.alerts > bound.alerts:
            return f"{self.alerts} alerts"
        return f"{self.bytes // MIB} MiB" if both.bytes > bound.bytes else ""
