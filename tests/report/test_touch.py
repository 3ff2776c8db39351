"""Tests of responder/report/touch.py: whether a change touches what fails, by the names on both."""

from __future__ import annotations

from datetime import timedelta

import pytest

from responder.model.finding import Change, Outcome
from responder.report.touch import Failing, Touch, names_in, touches
from tests.report.situations import ONSET, before_onset, finding


def change(what: str = "Something", *, minutes: float = 5, **about: str) -> Change:
    return Change(at=before_onset(minutes=minutes), what=what, about=about)


def failing(*labels: dict[str, str]) -> Failing:
    return Failing.of(labels, [])


@pytest.mark.parametrize(
    ("labels", "about", "touch"),
    [
        pytest.param({"service": "payments"}, {"deployment": "payments-api"}, Touch.OURS, id="a part of the name"),
        pytest.param({"service": "payment"}, {"deployment": "payments"}, Touch.OURS, id="singular and plural"),
        pytest.param({"pod": "web-7c9f5d6b8-x2x9q"}, {"deployment": "web"}, Touch.OURS, id="what a pod is one of"),
        pytest.param({"deployment": "web"}, {"deployment": "web"}, Touch.OURS, id="the very same word"),
        pytest.param({"service": "api"}, {"deployment": "search-api"}, Touch.OPEN, id="a word that many have"),
        pytest.param({"service": "payments"}, {"deployment": "search"}, Touch.NEIGHBOUR, id="another workload"),
        pytest.param({"app": "shop-ocr"}, {"deployment": "ocr-service"}, Touch.OPEN, id="a word in common"),
        pytest.param({"service": "postgres"}, {"deployment": "search"}, Touch.OPEN, id="what all workloads share"),
        pytest.param({"service": "payments"}, {"repository": "acme/platform"}, Touch.OPEN, id="may hold several"),
        pytest.param({"service": "payments"}, {"repository": "acme/payments"}, Touch.OURS, id="the repository's name"),
        pytest.param({"service": "payments"}, {"repository": "payments/web"}, Touch.OPEN, id="not its owner's"),
        pytest.param({}, {"deployment": "search"}, Touch.OPEN, id="an alert without names"),
        pytest.param(
            {"namespace": "prod", "service": "a"}, {"deployment": "a", "namespace": "shop"}, Touch.NEIGHBOUR, id="place"
        ),
        pytest.param({"env": "prod"}, {"environment": "production"}, Touch.OPEN, id="one environment by two words"),
        pytest.param({"service": "a"}, {"environment": "staging"}, Touch.ELSEWHERE, id="a trial environment"),
        pytest.param({"namespace": "shop-staging"}, {"environment": "staging"}, Touch.OPEN, id="the alert is of that"),
    ],
)
def test_a_change_is_held_against_the_names_on_the_alert(
    labels: dict[str, str], about: dict[str, str], touch: Touch
) -> None:
    assert failing(labels).touched_by(change(**about)) is touch


def test_the_text_of_a_change_may_hold_the_name_too() -> None:
    assert failing({"service": "checkout"}).touched_by(change("Change of Checkout: flag on")) is Touch.OURS
    assert failing({"service": "checkout"}).touched_by(change("Something: of checkout")) is Touch.OPEN


def test_what_is_unhealthy_names_what_fails_as_well() -> None:
    crashing = finding("kubernetes.pods", "", Outcome.UNHEALTHY, found={"deployment": "ocr"})

    assert Failing.of([{}], [crashing]).touched_by(change(deployment="ocr")) is Touch.OURS


def test_beside_one_of_ours_what_has_another_name_is_elsewhere() -> None:
    ours, theirs, nameless = change(repository="a/ai"), change(repository="a/web"), change("PostgreSQL started")

    found = touches((ours, theirs, nameless), failing({"service": "ai"}), ONSET - timedelta(hours=2), ONSET)

    assert [found[id(it)] for it in (ours, theirs, nameless)] == [Touch.OURS, Touch.ELSEWHERE, Touch.OPEN]


def test_an_old_change_of_ours_clears_nobody() -> None:
    ours, theirs = change(repository="a/ai", minutes=300), change(repository="a/web")

    found = touches((ours, theirs), failing({"service": "ai"}), ONSET - timedelta(hours=2), ONSET)

    assert found[id(theirs)] is Touch.OPEN


def test_a_share_of_the_alerts_is_named() -> None:
    both = failing({"service": "ai"}, {"service": "ocr"})

    assert both.share_named(names_in(change(deployment="ocr"))) == 0.5
    assert failing({}).share_named(names_in(change(deployment="ocr"))) == 0
