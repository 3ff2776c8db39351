"""How often something outside may be asked."""

from __future__ import annotations

from dataclasses import dataclass

MINUTE_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """At most `per_minute` in any sixty seconds, `burst` of them at once. `name`: who shares it, without a secret."""

    name: str
    per_minute: int
    burst: int = 1

    @property
    def every_seconds(self) -> float:
        """Between two turns at most, when the burst is used up: it may fall into the same minute."""
        return MINUTE_SECONDS / (self.per_minute - self.burst)
