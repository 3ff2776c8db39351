"""PromQL is read before it is asked; what could hang or kill the parser never gets to it."""

from __future__ import annotations

import sys

import pytest

from responder.model.query import MAX_BRACKETS, MAX_OPERATORS, MAX_QUERY, why_not_a_query


@pytest.mark.parametrize(
    "query",
    [
        '100 * sum(rate(http_requests_total{status=~"5.."}[1m])) / sum(rate(http_requests_total[1m]))',
        'up{job="{{ labels.job }}"} == 0 # a comment with a ( and a "',
        "histogram_quantile(0.95, sum by (le) (rate(x_bucket[1m] offset 5m)))",
        "max_over_time(sum(rate(x[1m]))[1h:1m])",
        "vector(1)",
        "a_function_of_tomorrow(x)",
        "(" * MAX_BRACKETS + "1" + ")" * MAX_BRACKETS,
        "1+" * MAX_OPERATORS + "1",
    ],
)
def test_what_people_ask_is_a_query(query: str) -> None:
    assert why_not_a_query(query) is None


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("", "not PromQL: no expression found in input"),
        (
            "(x[5m])",
            "expected one number for each series, got a range such as x[5m]; put rate(…) or the like around it",
        ),
        (
            "x[1h:5m]",
            "expected one number for each series, got a range such as x[5m]; put rate(…) or the like around it",
        ),
        ('"x"', "expected one number for each series, got text"),
        ("x{", "not PromQL: unexpected end of input inside braces"),
        ("incraese(x[5m])", "unknown function `incraese`; did you mean `increase`?"),
    ],
)
def test_what_gives_no_number_is_refused(query: str, why: str) -> None:
    assert why_not_a_query(query) == why


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("x" * (MAX_QUERY + 1), f"expected at most {MAX_QUERY} characters, got {MAX_QUERY + 1}"),
        ("(" * 3_900 + "x" + ")" * 3_900, f"expected at most {MAX_BRACKETS} brackets inside one another"),
        (
            "#'\n" + "(" * 3_900 + "x" + ")" * 3_900 + "\n#'",
            f"expected at most {MAX_BRACKETS} brackets inside one another",
        ),
        ("1+" * 3_900 + "1", f"expected at most {MAX_OPERATORS} operators"),
        ("x or " * 1_500 + "x", f"expected at most {MAX_OPERATORS} operators"),
    ],
)
def test_what_the_parser_takes_long_for_is_never_given_to_it(
    query: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "promql_parser", None)  # importing it fails now

    assert why_not_a_query(query) == why
