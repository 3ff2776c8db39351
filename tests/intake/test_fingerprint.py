"""The identity of an alert depends on its labels alone."""

from __future__ import annotations

from responder.intake.fingerprint import fingerprint_of, is_fingerprint

LABELS = {
    "alertname": "TargetDown",
    "cluster": "prod-eu1",
    "instance": "10.0.0.1:9100",
    "job": "checkout",
    "namespace": "shop",
    "severity": "critical",
}


def test_it_is_the_one_that_alertmanager_gives_whatever_the_order() -> None:
    turned = dict(reversed(LABELS.items()))

    assert fingerprint_of(LABELS) == fingerprint_of(turned) == "77adc8a4a964099b"


def test_no_labels_give_the_offset_of_fnv() -> None:
    assert fingerprint_of({}) == "cbf29ce484222325"


def test_name_and_value_do_not_run_together() -> None:
    assert fingerprint_of({"ab": "c"}) != fingerprint_of({"a": "bc"})


def test_its_shape_is_sixteen_small_hex_digits() -> None:
    assert is_fingerprint("77adc8a4a964099b")
    assert not is_fingerprint("77adc8a4a964099b\n")
