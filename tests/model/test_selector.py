import pytest

from responder.model.selector import check_selector, in_quotes, parse_selector


@pytest.mark.parametrize(
    ("text", "name", "fits", "not_fitting"),
    [
        ("up", "up", {}, None),
        ("ns:up:rate5m{}", "ns:up:rate5m", {"a": "b"}, None),
        ('requests_total{status=~"5..", method!="GET"}', "requests_total", {"status": "503"}, {"status": "200"}),
        ('requests_total{path="/a{b}"}', "requests_total", {"path": "/a{b}"}, {"path": "/a"}),
        ('{"http.requests", "le.b"="x"}', "http.requests", {"le.b": "x"}, {}),
        ('{"http.requests"}', "http.requests", {}, None),
    ],
)
def test_a_selector_is_a_name_and_matchers(
    text: str, name: str, fits: dict[str, str], not_fitting: dict[str, str] | None
) -> None:
    selector = parse_selector(text)

    assert selector.name == name
    assert selector.fits(fits)
    assert not_fitting is None or not selector.fits(not_fitting)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "expected a metric such as"),
        ("rate(x[5m])", "expected a metric such as"),
        ('{a="b"}', "expected a metric such as"),
        ("up{", "expected a metric such as"),
        ('up{a~"b"}', "expected =, !=, =~ or !~ after `a`"),
        ('up{a=~"("}', "expected a regular expression"),
        ('up{a=~"{{ labels.a }}"}', "a label's value may stand only after = or !="),
    ],
)
def test_anything_else_is_refused_with_what_was_expected(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=r"expected|may stand") as wrong:
        check_selector(text)

    assert why in str(wrong.value)


def test_no_value_of_a_label_leaves_its_quotes() -> None:
    hostile = 'x", other="y\\'

    (matcher,) = parse_selector(f'up{{a="{in_quotes(hostile)}"}}').matchers

    assert (matcher.label, matcher.value) == ("a", hostile)
