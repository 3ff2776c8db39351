"""Tests of responder/diagnostics/limits.py: how grave near a limit is."""

from __future__ import annotations

import doctest

from responder.diagnostics import limits


def test_the_examples_hold() -> None:
    assert doctest.testmod(limits).failed == 0


def test_who_fills_it_up_goes_before_that_it_is_full() -> None:
    assert limits.gravity_of_several(65, 41) > limits.gravity_near(1.0)
