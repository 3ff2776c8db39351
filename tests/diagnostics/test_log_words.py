"""What a word of a log may say of the software is shown, what it may say of a person is not."""

from __future__ import annotations

import pytest

from responder.diagnostics.log_words import shown, words


def said(message: str) -> str:
    return " ".join(words(message, shown))


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("connection to 10.0.0.7:5432 refused after 30 s", "connection to … refused after … s"),
        ("KeyError: 'STRIPE_KEY'", "KeyError: 'STRIPE_KEY'"),
        ("no column patient_id in PaymentService", "no column patient_id in PaymentService"),
        ("GET /patients/maria-popescu status 503", "GET … status 503"),
        ("exit code 137 after 137 tries", "exit code 137 after … tries"),
        ("read ECONNRESET", "read ECONNRESET"),
        ("user=maria took=3ms", "user=… took=…"),
        ("mail to maria.popescu@example.com", "mail to …"),
        ("id 7f3a9c2e-1b2d-4c3d-8e9f-0a1b2c3d4e5f", "id …"),
        ("could not open 'Maria Popescu' for \"a b\"", "could not open … for …"),
        ("cannot read `config_path`", "cannot read 'config_path'"),
        ("text 'that nobody closes maria popescu", "text …"),
        ("can't open", "can't open"),
        ("patient maria popescu not admitted", "patient … … not admitted"),
        ("patient not found", "patient not found"),
        ("mpopescu: login failed", "… login failed"),
        ("Maria has called Redis. Connection lost", "… has called Redis Connection lost"),
        ("login refused for mpopescu by gateway", "login refused for … by gateway"),
        ("Ștefan și Łukasz", "… … …"),
        ("McDonald JOHN maria.pop O'Brien", "… … … …"),
        ("\x00maria \x00a_b", "maria a_b"),
    ],
)
def test_a_message_keeps_what_is_of_the_software(message: str, expected: str) -> None:
    assert said(message) == expected


def test_a_long_message_is_cut() -> None:
    assert len(said("a " * 100).split()) == 24
