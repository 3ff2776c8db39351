"""For how long webhooks have come and none was kept: the rest of a database may be well while it refuses them."""

from __future__ import annotations

REMEMBERED_SECONDS = 15.0
"""A refusal counts for so long: where senders are kept away from who is not ready, none would come to show that all is
well again."""


class Standstill:
    """`waiting`: webhooks that are neither committed nor refused yet. Moments are seconds of the loop's clock."""

    def __init__(self) -> None:
        self.waiting = 0
        self._since = 0.0
        self._refused_at = float("-inf")

    def came(self, now: float) -> None:
        """One more waits."""
        if not self._lasts(now):
            self._since = now
        self.waiting += 1

    def decided(self, webhooks: int, now: float, *, kept: bool) -> None:
        """So many wait no longer; `kept`: whether at least one of them was committed."""
        self.waiting -= webhooks
        if kept:
            self._since, self._refused_at = now, float("-inf")
        else:
            self._refused_at = now

    def seconds(self, now: float) -> float:
        """0 while none waits and none was refused lately."""
        if not self._lasts(now):
            return 0.0
        return (now if self.waiting else self._refused_at) - self._since  # one refusal does not grow while none comes

    def _lasts(self, now: float) -> bool:
        return self.waiting > 0 or now - self._refused_at < REMEMBERED_SECONDS
