"""Where texts are cut."""

from __future__ import annotations

import pytest

from responder.model.cut import cut


@pytest.mark.parametrize(
    ("text", "most", "expected"),
    [
        pytest.param("short", 5, "short", id="what fits stays"),
        pytest.param("one two three", 9, "one two…", id="between words"),
        pytest.param("one two three", 8, "one two…", id="where a word just ends"),
        pytest.param("at postgresql://joe:half-of-it@db", 24, "at…", id="half an address goes whole"),
        pytest.param("payments-api-6c5d4f7b9c-x2x5z", 10, "payments-…", id="one long name"),
        pytest.param("line\nanother", 8, "line…", id="between lines"),
    ],
)
def test_a_text_is_cut_between_words_where_it_has_some(text: str, most: int, expected: str) -> None:
    assert cut(text, most) == expected
    assert len(cut(text, most)) <= most
