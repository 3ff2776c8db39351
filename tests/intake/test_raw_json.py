"""JSON of any shape: what is read from it, and what is kept of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from responder.intake.raw_json import (
    mapping_at,
    moment_of,
    names_twice,
    read_json,
    redacted_bytes,
    redacted_json,
    text_at,
    web_address,
)
from responder.intake.source import Limits, UnreadableBody
from responder.redaction.redact import Redactor

CANARY = "kQ7-cAnArY-9f3b"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param({"a": {"b": "x"}}, "x", id="there"),
        pytest.param({"a": {"b": 5}}, "", id="a number"),
        pytest.param({"a": None}, "", id="null on the way"),
        pytest.param({"a": ["b"]}, "", id="a list on the way"),
        pytest.param({}, "", id="nothing"),
        pytest.param([1], "", id="no object at all"),
        pytest.param("b", "", id="a text"),
    ],
)
def test_a_text_is_read_from_any_shape(raw: Any, expected: str) -> None:
    assert text_at(raw, "a", "b") == expected


@pytest.mark.parametrize("raw", [None, 5, "text", [], {"a": None}, {"a": []}, {"a": "x"}], ids=repr)
def test_where_there_is_no_object_there_is_an_empty_one(raw: Any) -> None:
    assert mapping_at(raw, "a") == {}


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        pytest.param("2026-11-21T03:00:01Z", datetime(2026, 11, 21, 3, 0, 1, tzinfo=UTC), id="UTC"),
        pytest.param("2026-11-21T05:00:01+02:00", datetime(2026, 11, 21, 3, 0, 1, tzinfo=UTC), id="an offset"),
        pytest.param("2026-11-21T03:00:01.123456789Z", datetime(2026, 11, 21, 3, 0, 1, 123456, UTC), id="nanoseconds"),
        pytest.param("2026-11-21T03:00:01", None, id="no offset"),
        pytest.param("2026-11-21", None, id="a day"),
        pytest.param("0001-01-01T00:00:00+14:00", None, id="before all years"),
        pytest.param("9999-12-31T23:59:59-14:00", None, id="after all years"),
        pytest.param("\ud800", None, id="a lone surrogate"),
        pytest.param("9" * 5000, None, id="5,000 digits"),
        pytest.param("yesterday", None, id="a word"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_a_moment_needs_an_offset(text: str, moment: datetime | None) -> None:
    assert moment_of(text) == moment


@pytest.mark.parametrize(
    ("body", "twice"),
    [
        (b'{"a": 1, "a": 1}', True),
        (b'[{"b": {"a": 1, "\\u0061": 2}}]', True),
        (b'\xef\xbb\xbf{"a": 1, "a": 2}', True),
        (b'{"a": {"a": 1}, "b": {"a": 1}}', False),
        (b"[1, 1]", False),
        (b"{", False),
    ],
    ids=repr,
)
def test_a_name_that_stands_twice_in_one_object_is_noticed(body: bytes, twice: bool) -> None:
    assert names_twice(body) is twice


def test_what_is_no_json_says_who_sent_it() -> None:
    with pytest.raises(UnreadableBody, match="clinic payload: expected JSON, found: "):
        read_json(b"{", sender="clinic")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(f'{{"password": "{CANARY}"'.encode(), id="half an object"),
        pytest.param(f'{{"p\\u0061ssword": "{CANARY}"'.encode(), id="its name is escaped"),
        pytest.param(f'{{"password": "{CANARY}"'.encode("utf-16"), id="UTF-16"),
        pytest.param(b"\xff\xfe password=" + CANARY.encode(), id="no UTF-8"),
        pytest.param(b"\x00" * 9 + b"pass\x00word=" + CANARY.encode(), id="NUL inside of the name"),
    ],
)
def test_what_is_no_json_is_kept_without_secrets(redactor: Redactor, body: bytes) -> None:
    kept = redacted_bytes(body, redactor, Limits())

    assert CANARY not in kept
    assert "[redacted:secret]" in kept


def test_what_is_kept_has_a_bound(redactor: Redactor) -> None:
    limits = Limits(quarantine_bytes=100)

    assert len(redacted_bytes("ü".encode() * 200, redactor, limits).encode()) <= 100
    assert len(redacted_json(["ü" * 200], redactor, limits).encode()) <= 100


def test_odd_numbers_are_kept_as_they_came(redactor: Redactor) -> None:
    raw = read_json(b"[NaN, Infinity, 1e999, " + b"7" * 4000 + b"]", sender="clinic")

    assert redacted_json(raw, redactor, Limits()) == f"[NaN,Infinity,Infinity,{'7' * 4000}]"


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://a/b", "https://a/b"),
        ("HTTP://a", "HTTP://a"),
        ("javascript:alert(1)", ""),
        ("data:text/html,x", ""),
        ("//a", ""),
        (" https://a", ""),
        ("", ""),
    ],
)
def test_only_what_a_browser_may_follow_is_an_address(url: str, kept: str) -> None:
    assert web_address(url, Limits()) == kept
