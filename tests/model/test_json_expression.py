import pytest
from hypothesis import given
from hypothesis import strategies as st

from responder.model.json_expression import MAX_STEPS, CannotAnswer, Expression, in_words, parse_expression

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inside: st.lists(inside) | st.dictionaries(st.text(), inside),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("text", "document", "found"),
    [
        ("status", {"status": "up"}, "up"),
        ("checks.database.time", {"checks": {"database": {"time": 3}}}, 3),
        ("values(@)[?state=='open']", {"a": {"state": "open"}, "b": {"state": "closed"}}, [{"state": "open"}]),
        ("checks[?state==`open`] | length(@)", {"checks": [{"state": "open"}]}, 1),
        ("nothing.here", {}, None),
        ("ready", {"ready": True}, True),
    ],
)
def test_an_expression_finds_what_jmespath_says(text: str, document: object, found: object) -> None:
    assert parse_expression(text).of(document) == found


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("foo[", "expected more after character 4, where it ends"),
        ("foo]", "found `]` at character 4, where it cannot stand"),
        ("foo.*.", "found its end at character 7, where it cannot stand"),
        ("a = b", "Unknown token '=' at character 3"),
        ("'x", "Unclosed ' delimiter at character 1"),
        ("lenght(@)", "unknown function `lenght`; did you mean `length`?"),
        ("nonsense(@)", "unknown function `nonsense`"),
        ("length(@, @)", "`length()` takes 1, got 2 in its brackets"),
        ("items[?length() > `1`]", "`length()` takes 1, got 0 in its brackets"),
        ("merge()", "`merge()` takes at least 1, got 0 in its brackets"),
        ("a|" * 60 + "a", "nests more than 50 levels deep"),
        ("(" * 900, "nests too deeply"),
        ("a" * 1001, "expected at most 1000 characters, got 1001"),
    ],
)
def test_a_bad_expression_is_refused_with_the_place(text: str, why: str) -> None:
    with pytest.raises(ValueError) as wrong:  # noqa: PT011 - the text is compared below
        parse_expression(text)

    assert str(wrong.value) == why


def test_a_function_that_does_not_fit_is_told_without_the_document() -> None:
    with pytest.raises(CannotAnswer) as wrong:
        parse_expression("values(@)").of(["Ann Smith"])

    assert str(wrong.value) == "values() got a list"


def test_what_fails_inside_is_told_without_the_document() -> None:
    with pytest.raises(CannotAnswer) as wrong:
        parse_expression("names[::0]").of({"names": ["Ann Smith"]})

    assert str(wrong.value) == "the expression fails on this answer (ValueError)"


@pytest.mark.parametrize(
    ("text", "document"),
    [
        pytest.param("|".join(["[@, @]"] * 40) + "|to_string(@)", {"a": 1}, id="doubled 2^40 times, then walked"),
        pytest.param(
            "|".join(["[@, @]"] * 21) + "|length(to_string(@))", 1, id="doubled 21 times: few steps, two million values"
        ),
        pytest.param("[" + "|".join(["[@, @]"] * 40) + "] == [`1`]", {"a": 1}, id="doubled inside a comparison"),
        pytest.param("|".join(["join('', [@, @])"] * 40), "x" * 1000, id="text doubled"),
        pytest.param("@[?@ > `5`]", [1] * 500_000, id="half a million elements"),
        pytest.param("map(&[@, @, @], @)", [1] * 500_000, id="half a million calls"),
        pytest.param("[*].[`[1, 2, 3, 4, 5, 6, 7, 8, 9]`][] | []", [1] * 200_000, id="flattened into millions"),
    ],
)
def test_an_expression_that_costs_too_much_is_given_up(text: str, document: object) -> None:
    with pytest.raises(CannotAnswer) as wrong:
        parse_expression(text).of(document)

    assert str(wrong.value) == f"the expression takes more than {MAX_STEPS:,} steps on this answer"


def test_large_documents_are_no_trouble_for_usual_expressions() -> None:
    breakers = {f"breaker-{number}": {"state": "open", "calls": [1, 2, 3]} for number in range(10_000)}

    assert len(parse_expression("values(@)[?state=='open']").of(breakers)) == 10_000


@given(st.text(alphabet="ab01.[]*?@&|!=<>'\"`(){}:, -", max_size=30), json_values)
def test_any_text_is_refused_or_answers(text: str, document: object) -> None:
    try:
        expression = parse_expression(text)
    except ValueError:
        return
    try:
        found = expression.of(document)
    except CannotAnswer:
        return
    assert in_words(found)


def test_expressions_are_the_same_when_their_texts_are() -> None:
    one, other = parse_expression("a.b"), parse_expression("a.b")

    assert (one, hash(one)) == (other, hash(other))
    assert isinstance(one, Expression)
