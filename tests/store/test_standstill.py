"""For how long webhooks have come and none was kept."""

from __future__ import annotations

from responder.store.standstill import REMEMBERED_SECONDS, Standstill


def test_it_lasts_from_the_first_one_that_waits_until_one_is_kept() -> None:
    standstill = Standstill()
    standstill.came(100)
    standstill.came(103)

    assert standstill.seconds(104) == 4
    standstill.decided(1, 105, kept=True)
    assert standstill.seconds(106) == 1
    standstill.decided(1, 107, kept=True)
    assert standstill.seconds(108) == 0


def test_a_refusal_ends_nothing() -> None:
    standstill = Standstill()
    for now in (100, 106, 112):
        standstill.came(now)
        standstill.decided(1, now + 2, kept=False)

    assert (standstill.waiting, standstill.seconds(115)) == (0, 14)


def test_where_none_comes_any_more_a_refusal_is_forgotten_and_the_next_one_begins_anew() -> None:
    standstill = Standstill()
    standstill.came(100)
    standstill.decided(1, 102, kept=False)
    later = 102 + REMEMBERED_SECONDS

    assert standstill.seconds(later - 1) == 2
    assert standstill.seconds(later) == 0
    standstill.came(later)
    assert standstill.seconds(later + 1) == 1
