"""Whether what an incident is about comes and goes: how often a rule fell back into breach of late."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from responder.model.verdict import Breach, RuleVerdict

WITHIN = timedelta(minutes=10)
FLAPPING = 2  # times it came back; once may be a second failure


def turns_after(
    turns: Sequence[datetime], former: Sequence[RuleVerdict], verdicts: Sequence[RuleVerdict], now: datetime
) -> tuple[datetime, ...]:
    """The moments within the last ten minutes at which a rule came back, this look's included.

    `turns`: those of earlier looks. `former`: of each rule the last verdict that was not unknown.
    """
    was = {it.rule: it.verdict for it in former}
    again = any(
        isinstance(it.verdict, Breach) and it.rule in was and not isinstance(was[it.rule], Breach) for it in verdicts
    )
    return tuple(it for it in (*turns, *([now] if again else [])) if it > now - WITHIN)


def flapping(turns: Sequence[datetime]) -> str:
    """`flapped 4 times in 10 min`; empty for what does not flap."""
    return f"flapped {len(turns)} times in 10 min" if len(turns) >= FLAPPING else ""
