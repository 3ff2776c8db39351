"""Alertmanager's matchers."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from responder.model.matchers import parse_line

LABELS = {"alertname": "HighErrorRate", "service": "payments", "path": "a\nb", "größe": "XL", "with space": "x"}


@pytest.mark.parametrize(
    ("line", "holds"),
    [
        ('alertname="HighErrorRate"', True),
        ('alertname="HighErrorRate", service=~"api|payments"', True),
        ('{alertname="HighErrorRate",service="api"}', False),
        ("alertname=HighErrorRate", True),
        ('service=~"pay"', False),  # anchored
        ('service=~"pay.*"', True),
        ('service=~"pay.{5}"', True),
        ("service=~pay.+", True),
        ('service!~"pay.*"', False),
        ('service!="api"', True),
        ('environment=""', True),  # a label that is not there is the empty string
        ('environment!=""', False),
        ('environment=~".*"', True),
        ('environment!~".+"', True),
        ('path=~"a.b"', False),  # a dot matches no line end, as in Alertmanager
        ('path=~"(?s:a.b)"', True),
        (r'path="a\nb"', True),
        (r'service=~"pay\\w+"', True),
        (r'service=~"pay\w+"', True),
        ('größe="XL"', True),
        ('"with space"="x"', True),
        ('service=~"a|payments"', True),
        (' service = "payments" , ', True),
        ('service="pay,ments"', False),
    ],
)
def test_a_line_holds_as_in_alertmanager(line: str, holds: bool) -> None:
    assert parse_line(line).holds(LABELS) is holds


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("", 'expected a matcher such as alertname="HighErrorRate", got nothing'),
        ('{a="b"', 'expected a closing brace, got `{a="b"`'),
        ("a=~x{2}", "expected an opening brace before it; a value that ends with one takes quotes, got `a=~x{2}`"),
        (r'"a.b"=~"\d"', r'expected a known escape in `"\d"`, got `\d`; double the backslash'),
        (r'"a.b"="\xff"', r'expected UTF-8, got `"\xff"`'),
        ("alertname", "expected =, !=, =~ or !~ after `alertname`, got nothing"),
        ('alertname=="x"', 'expected a value after `alertname=` (one = compares), got `="x"`'),
        ("a='x'", "expected a value after `a=`, in double quotes, got `'x'`"),
        ('a="x', 'expected a value after `a=`, in double quotes, got `"x`'),
        ('a="x" b="y"', 'expected a comma between two matchers, got `b="y"`'),
        ('a=~"("', "expected a regular expression, got `(`: missing ): ("),
        ('a=~"a)(b"', "expected a regular expression, got `a)(b`: unexpected ): a)(b"),
        ('a=~"(?=x)"', "expected a regular expression, got `(?=x)`: invalid perl operator: (?="),
        ('="x"', 'expected a label name, got `="x"`'),
        ('a=~"' + "x" * 2001 + '"', "expected a regular expression of at most 2000 characters, got 2001"),
    ],
)
def test_a_bad_line_is_refused_with_what_was_expected(line: str, complaint: str) -> None:
    with pytest.raises(ValueError) as wrong:  # noqa: PT011 - the text is compared below
        parse_line(line)

    assert str(wrong.value) == complaint


def test_no_pattern_takes_long() -> None:
    """`(a+)+$` takes a backtracking engine longer than the universe has."""
    assert not parse_line('a=~"(a+)+$"').holds({"a": "a" * 100_000 + "!"})


def test_a_label_that_is_no_text_raises_nothing() -> None:
    assert not parse_line('a=~"x"').holds({"a": "\ud800"})


@settings(derandomize=True)
@given(st.dictionaries(st.sampled_from("abc"), st.sampled_from(["", "x", "y"])), st.permutations(["a", "b", "c"]))
def test_the_order_of_labels_never_matters(labels: dict[str, str], order: list[str]) -> None:
    line = parse_line('a="x", b!="x", c=~"x|y"')

    shuffled = {name: labels[name] for name in order if name in labels}

    assert line.holds(shuffled) is line.holds(labels)
