"""Characters that lie are gone; what people wrote stays."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from responder.redaction.clean import clean
from responder.redaction.redact import Redactor

REDACTOR = Redactor()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a\x00b", "ab", id="NUL, which PostgreSQL refuses"),
        pytest.param("\x1b[31mred\x1b[0m", "red", id="colours"),
        pytest.param("\x1b]0;title\x07x\x1b]8;;http://a\x1b\\y", "xy", id="titles and links of terminals"),
        pytest.param("\x9b31mred", "red", id="the 8-bit form"),
        pytest.param("user\u202egnp.exe", "usergnp.exe", id="right to left"),
        pytest.param("pass\u200bword\ufeff", "password", id="zero width"),
        pytest.param("a\r\nb\rc\u2028d", "a\nb\nc\nd", id="line ends"),
        pytest.param("a\ud800b", "a\ufffdb", id="a lone surrogate"),
        pytest.param("\ud83d\ude92", "🚒", id="a pair of surrogates is one character"),
        pytest.param("tab\tand\nline ünïcode 東京 🚒", "tab\tand\nline ünïcode 東京 🚒", id="what people wrote"),
    ],
)
def test_what_lies_is_taken_out(text: str, expected: str) -> None:
    assert clean(text) == expected
    assert REDACTOR.text(text) == expected
    assert REDACTOR.texts([text, "b"]) == [expected, "b"]
    assert REDACTOR.fields({text: text}) == {expected: expected}


@settings(derandomize=True, max_examples=300)
@given(st.text(st.characters()))
def test_a_cleaned_text_is_clean_and_can_be_stored(text: str) -> None:
    once = clean(text)

    assert clean(once) == once
    assert "\x00" not in once.encode("utf-8").decode()


@settings(derandomize=True, max_examples=300)
@given(st.text(st.characters()))
def test_the_prefilter_sees_everything_that_cleaning_would_change(text: str) -> None:
    if clean(text) != text:
        assert REDACTOR.texts([text]) != [text]
