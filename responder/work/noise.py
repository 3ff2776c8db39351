"""Which alerts cost people attention for nothing: by what was recorded of the incidents that they made."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from responder.model.incident import Incident, IncidentState
from responder.model.pack import Pack
from responder.work.replay import Said

CLEAR = "clear"
OVER_FOR = timedelta(minutes=10)  # nobody can have touched what was over a moment ago


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One incident. `clear`: every bound of its rules read clear at every look; `flapped`: how often it came back
    within RESPONDER_REOPEN_WITHIN; `untouched`: it was over before anybody took it on or settled it; `over`: for long
    enough that this can be told."""

    slug: str
    alerts: tuple[str, ...]
    clear: bool
    flapped: int
    untouched: bool
    over: bool = True

    @property
    def is_noise(self) -> bool:
        """Whether it is any of these."""
        return self.clear or self.untouched or self.flapped > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """All incidents of one alert. `reopened`: how often they came back, together; `examples`: the newest noisy ones."""

    alert: str
    incidents: int
    clear: int
    flapped: int
    reopened: int
    untouched: int
    examples: tuple[str, ...]


def heard(incident: Incident, said: Said | None, pack: Pack | None, *, reopened: int, now: datetime) -> Heard:
    """`said`: what the rules that it began with say of every look, None where that cannot be told."""
    return Heard(
        slug=incident.slug,
        alerts=tuple(sorted({it.alert.name for it in incident.alerts})),
        clear=_reads_clear(said, pack),
        flapped=reopened,
        untouched=incident.state is IncidentState.RESOLVED
        and incident.acknowledged_at is None
        and not incident.settled_by,
        over=incident.resolved_at is not None and now - incident.resolved_at >= OVER_FOR,
    )


def _reads_clear(said: Said | None, pack: Pack | None) -> bool:
    """A rule whose alert is the evidence says nothing of signals; an unknown reading is no clear one."""
    if said is None or pack is None:
        return False
    bounded = {it.name for it in pack.rules if it.thresholds}
    verdicts = [verdict for rule, verdict in said.rules.items() if rule in bounded]
    return bool(verdicts) and all(it == CLEAR for it in verdicts)


def noise_of(several: Iterable[Heard], *, most_examples: int = 3) -> list[Noise]:
    """By alert, the noisiest first; alerts that made none are left out. `several` in order of time."""
    by_alert: dict[str, list[Heard]] = {}
    for it in several:
        for name in it.alerts:
            by_alert.setdefault(name, []).append(it)
    found = [_noise(name, of_it, most_examples) for name, of_it in by_alert.items() if any(it.is_noise for it in of_it)]
    return sorted(found, key=lambda it: (-(it.clear + it.flapped + it.untouched), it.alert))


def _noise(alert: str, several: list[Heard], most_examples: int) -> Noise:
    return Noise(
        alert=alert,
        incidents=len(several),
        clear=sum(it.clear for it in several),
        flapped=sum(it.flapped > 0 for it in several),
        reopened=sum(it.flapped for it in several),
        untouched=sum(it.untouched for it in several),
        examples=tuple(it.slug for it in reversed(several) if it.is_noise)[:most_examples],
    )
