"""How grave it is to be near a limit, and that several sessions do the same."""

from __future__ import annotations

NEAR_LIMIT = 0.9  # of what there is
NEAR_GRAVITY, FULL_GRAVITY = 55, 94
MOST_GRAVITY = 95  # who fills it up goes before that it is full
MOST_ADDED = 30


def gravity_near(share: float) -> int:
    """From 55 where it begins to be near to 94 at the limit: near is a warning, full is a fault.

    >>> gravity_near(0.9), gravity_near(0.95), gravity_near(1.0), gravity_near(1.2)
    (55, 74, 94, 94)
    """
    within = min(max((share - NEAR_LIMIT) / (1 - NEAR_LIMIT), 0.0), 1.0)
    return round(NEAR_GRAVITY + within * (FULL_GRAVITY - NEAR_GRAVITY))


def gravity_of_several(one: int, count: int) -> int:
    """One more for each further session, up to 95: forty that wait are no chance.

    >>> gravity_of_several(65, 1), gravity_of_several(65, 4), gravity_of_several(65, 41)
    (65, 68, 95)
    """
    return min(one + min(max(count - 1, 0), MOST_ADDED), MOST_GRAVITY)
