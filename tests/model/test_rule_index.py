"""The index leaves out only rules that cannot match."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from responder.model.matchers import parse_line
from responder.model.pack import Position, Rule, Rules
from responder.model.rule_index import RuleIndex
from responder.rules.match import matching

AT = Position(file="r.yaml", line=1, column=1)


def rules(*lines: str | Sequence[str]) -> Rules:
    several = [[it] if isinstance(it, str) else it for it in lines]
    return Rules(
        Rule(name=str(number), written_at=AT, match=tuple(parse_line(text) for text in texts))
        for number, texts in enumerate(several)
    )


def candidates(made: Rules, **labels: str) -> list[int]:
    return RuleIndex(made).candidates([labels])


@pytest.mark.parametrize(
    ("line", "asked", "not_asked"),
    [
        pytest.param('a="x"', ["x"], ["y", "xx"], id="equality"),
        pytest.param('a=~"x|y"', ["x", "y"], ["z", "xy"], id="choice"),
        pytest.param('a=~"(x|y)"', ["x", "y"], ["z"], id="choice in brackets"),
        pytest.param('a=~"High.*"', ["High", "Higher"], ["Hi"], id="beginning"),
        pytest.param('a=~"Highs?"', ["High", "Highs"], ["Hig"], id="last letter may be missing"),
        pytest.param(r'a=~"x\\.y"', ["x.y"], ["y"], id="escape"),
    ],
)
def test_what_a_label_must_be_decides_who_is_asked(line: str, asked: list[str], not_asked: list[str]) -> None:
    made = rules(line, 'b="never"')

    assert [candidates(made, a=value) for value in asked] == [[0]] * len(asked)
    assert [candidates(made, a=value) for value in not_asked] == [[]] * len(not_asked)


@pytest.mark.parametrize(
    "line",
    ['a!="x"', 'a=""', 'a=~".*x"', 'a=~"|x"', 'a!~"x"', 'a=~"(x|y)z|w"', 'a=~"x?"', 'a=~"(?i)x"', r'a=~"\\d"'],
)
def test_what_may_fit_any_value_is_always_asked(line: str) -> None:
    assert candidates(rules(line), b="c") == [0]


def test_of_several_equalities_the_rarest_counts() -> None:
    made = rules('env="prod", a="1"', 'env="prod", a="2"', 'env="prod", a="3"')

    assert candidates(made, env="prod", a="2") == [1]


def test_each_line_of_a_rule_is_found_and_all_alerts_are_looked_at() -> None:
    made = rules(['a="1"', 'b=~"2.*"'], 'c="3"')

    assert RuleIndex(made).candidates([{"b": "21"}, {"c": "3"}]) == [0, 1]


NAMES, VALUES = st.sampled_from("ab"), st.text("xyHi.5", max_size=4)
PATTERNS = st.lists(
    st.sampled_from(["x", "y", "Hi", ".*", ".", "5", "x?", "y*", "(x|y)", "[xy]", "|", r"\."]), max_size=5
)
MATCHERS = st.one_of(
    st.builds(lambda name, value: f'{name}="{value}"', NAMES, VALUES),
    st.builds(lambda name, value: f'{name}!="{value}"', NAMES, VALUES),
    st.builds(lambda name, parts: f'{name}=~"{"".join(parts)}"', NAMES, PATTERNS),
    st.builds(lambda name, parts: f'{name}!~"{"".join(parts)}"', NAMES, PATTERNS),
)
LINES = st.lists(MATCHERS, min_size=1, max_size=3).map(", ".join)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.lists(LINES, min_size=1, max_size=2), max_size=6), st.dictionaries(NAMES, VALUES, max_size=2))
def test_the_index_never_leaves_out_a_rule_that_matches(lines: list[list[str]], labels: dict[str, str]) -> None:
    try:
        made = rules(*lines)
    except ValueError:  # a pattern that no one can read, such as two quantifiers
        return

    assert matching(made, [labels]) == matching(list(made), [labels])
