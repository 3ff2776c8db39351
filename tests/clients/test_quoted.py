from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responder.clients.quoted import MAX_QUERY, escaped, why_not_quoted
from responder.model.template import fill

OUTSIDE = "a label's value may stand only inside double quotes"


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ('{app="{{ labels.app }}"} |= `a"b` # it\'s (fine', None),
        (r'{app="a\"{{ labels.app }}\\"}', None),
        ("{app={{ labels.app }}}", OUTSIDE),
        ("{app='{{ labels.app }}'}", OUTSIDE),
        ("{app=`{{ labels.app }}`}", OUTSIDE),
        ('{app="a"} # {{ labels.app }}', OUTSIDE),
        (r'{app="a\\"{{ labels.app }}}', OUTSIDE),
        ("{app='api'}", "found a single quote; expected double quotes"),
        ('{app="api}', "found a quote without its end"),
        ("{app=`api}", "found a quote without its end"),
        ('{app="api"', "found `{` without its end"),
        ('{app="api"})', "found `)` without its beginning"),
        ('({app="api")}', "found `)` without its beginning"),
        ('{app="' + "x" * MAX_QUERY + '"}', f"expected at most {MAX_QUERY} characters"),
    ],
)
def test_a_label_may_stand_only_where_it_can_be_escaped(query: str, why: str | None) -> None:
    said = why_not_quoted(query, comment="#")

    assert said == why if why is None else why in str(said)


def test_each_language_has_a_comment_of_its_own() -> None:
    assert why_not_quoted("a -- it's", comment="--") is None
    assert why_not_quoted("a # it's", comment="--") is not None


@given(st.text())
def test_whatever_a_label_says_stays_inside_its_quotes_and_means_itself(value: str) -> None:
    query = fill('x="{{ labels.a }}" AND (b)', {"labels": {"a": value or "x"}}, escaped)

    inside = query.removeprefix("x=").removesuffix(" AND (b)")
    assert json.loads(inside) == (value or "x")  # JSON's strings know the same escapes
    assert why_not_quoted(query, comment="--") is None or len(query) > MAX_QUERY
